/* SPDX-License-Identifier: MIT */
/* More than one process: fork, and process-shared parkers. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static struct tpark *map_shared(void)
{
    struct tpark *p =
        mmap(NULL, 2 * sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static void pong(void *argument)
{
    struct tpark *side = argument;
    for (int i = 0; i < 1000; i++) {
        tpark_park(&side[1]);
        tpark_unpark(&side[0]);
    }
}

TEST(shared, parkers_hand_tokens_between_two_processes)
{
    struct tpark *side = map_shared();
    CHECK(tpark_init(&side[0], TPARK_SHARED) == 0);
    CHECK(tpark_init(&side[1], TPARK_SHARED) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pong(side);
        _exit(0);
    }
    for (int i = 0; i < 1000; i++) {
        tpark_unpark(&side[1]);
        tpark_park(&side[0]);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tpark_destroy(&side[0]);
    tpark_destroy(&side[1]);
}

/* Where the owner's mapping is not the waker's, only a shared wake finds it. */
static void check_wake_through_another_mapping(void (*unpark)(struct tpark *))
{
    const int fd = memfd_create("parker", 0);
    CHECK(fd >= 0 && ftruncate(fd, sizeof(struct tpark)) == 0);
    struct tpark *map[2];
    for (int i = 0; i < 2; i++) {
        map[i] = mmap(NULL, sizeof(struct tpark), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(map[i] != MAP_FAILED);
    }
    CHECK(tpark_init(map[0], TPARK_SHARED) == 0);
    struct task owner;
    start(&owner, (void (*)(void *))tpark_park, map[0]);
    wait_until_parked(&owner, map[1]);
    unpark(map[1]);
    join(&owner);
    tpark_destroy(map[0]);
    close(fd);
}

static void unpark_whole(struct tpark *p)
{
    CHECK(tpark_unpark(p) == TPARK_PARKED);
}

static void unpark_by_halves(struct tpark *p)
{
    const struct tpark_owed owed = tpark_notify(p);
    CHECK(owed.replaced == TPARK_PARKED);
    tpark_wake_owner(owed);
}

TEST(shared, parkers_are_woken_through_another_mapping)
{
    check_wake_through_another_mapping(unpark_whole);
}

TEST(shared, parkers_are_woken_by_the_halves_through_another_mapping)
{
    check_wake_through_another_mapping(unpark_by_halves);
}

TEST(shared, unparks_that_merge_owe_a_wake_only_while_the_owner_is_armed)
{
    struct tpark *p = map_shared();
    CHECK(tpark_init(p, TPARK_SHARED) == 0);
    CHECK(tpark_unpark(p) == TPARK_EMPTY);
    CHECK(!tpark_notify(p).wake);
    CHECK(!tpark_arm(p)); /* takes the token */
    CHECK(tpark_unpark(p) == TPARK_EMPTY);
    CHECK(!tpark_notify(p).wake);
    CHECK(tpark_try_park(p));

    CHECK(tpark_arm(p));
    CHECK(tpark_notify(p).wake); /* and its process dies */
    const struct tpark_owed owed = tpark_notify(p);
    CHECK(owed.replaced == TPARK_NOTIFIED && owed.wake);
    CHECK(tpark_disarm(p));
    CHECK(tpark_unpark(p) == TPARK_EMPTY);
    CHECK(!tpark_notify(p).wake);
    CHECK(tpark_try_park(p));

    CHECK(tpark_park_timeout(p, 1) == ETIMEDOUT);
    CHECK(tpark_unpark(p) == TPARK_EMPTY);
    CHECK(!tpark_notify(p).wake);
    tpark_destroy(p);
}

#if TPARK_BACKEND_FUTEX
/* An emulator may not. */
static void require_that_the_kernel_knows_shared_memory(void)
{
    const size_t page = (size_t)getpagesize();
    void *memory = mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    if (mremap(memory, 0, page, MREMAP_MAYMOVE) == MAP_FAILED)
        SKIP("the kernel does not say which memory is shared");
}

/* What another process could have written. */
static void write_word(struct tpark *p, uint32_t word)
{
    __atomic_store_n(&p->state, word, __ATOMIC_RELAXED);
}

TEST(shared, parkers_take_whatever_a_peer_writes_into_the_word_for_a_token)
{
    require_that_the_kernel_knows_shared_memory();
    static const uint32_t words[] = {3,          4,          0x10000,     0x40000001,
                                     0x80000000, UINT32_MAX, TPARK_PARKED};
    const struct timespec past = {0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        /* Also if it takes away the flag. */
        for (unsigned flags = 0; flags <= TPARK_SHARED; flags++) {
            struct tpark *p = map_shared();
            CHECK(tpark_init(p, flags) == 0);
            write_word(p, words[i]);
            tpark_park(p);
            CHECK(state_of(p) == TPARK_EMPTY);
            write_word(p, words[i]);
            CHECK(tpark_park_until(p, &past) == 0);
            write_word(p, words[i]);
            CHECK(tpark_try_park(p));
            write_word(p, words[i]);
            CHECK(!tpark_arm(p));
            CHECK(state_of(p) == TPARK_EMPTY);
            write_word(p, words[i]);
            CHECK(tpark_unpark(p) == TPARK_PARKED); /* for all that it knows */
            CHECK(tpark_try_park(p));
            write_word(p, words[i]);
            const struct tpark_owed owed = tpark_notify(p);
            CHECK(owed.replaced == TPARK_PARKED && owed.wake);
            CHECK(tpark_try_park(p));
            CHECK(tpark_park_until(p, &past) == ETIMEDOUT);
            CHECK(tpark_arm(p));
            write_word(p, words[i]);
            CHECK(tpark_disarm(p) == (words[i] != TPARK_PARKED));
            CHECK(tpark_arm(p));
            write_word(p, TPARK_EMPTY);
            CHECK(tpark_disarm(p));
            write_word(p, words[i]);
            tpark_destroy(p);
        }
}

/* All of the parker, all the time. */
static void write_nonsense(void *argument)
{
    struct tpark *p = argument;
    for (uint64_t n = 1;; n = n * 0x5851f42d4c957f2d + 1)
        for (size_t i = 0; i < sizeof *p; i++)
            __atomic_store_n((unsigned char *)p + i, (unsigned char)(n >> (8 * i)),
                             __ATOMIC_RELAXED);
}

TEST(shared, parkers_whose_bytes_a_peer_overwrites_neither_abort_nor_miss_a_deadline_nor_touch_more)
{
    require_that_the_kernel_knows_shared_memory();
    /* At the end of a page, before one that cannot be touched. */
    const size_t page = (size_t)getpagesize();
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    struct tpark *p = (struct tpark *)(void *)(pages + page) - 1;
    CHECK(tpark_init(p, TPARK_SHARED) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        write_nonsense(p);
    const uint64_t end = monotonic_ns() + 200 * MS;
    while (monotonic_ns() < end) {
        (void)tpark_park_timeout(p, MS);
        (void)tpark_unpark(p);
        tpark_wake_owner(tpark_notify(p));
        (void)tpark_try_park(p);
        if (tpark_arm(p))
            (void)!tpark_disarm(p);
        (void)tpark_adopt(p);
        (void)tpark_park_any(&(struct tpark_any){.parker = p}, 1, &(struct timespec){0});
    }
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
}
#endif

TEST(adopt, disarms_for_the_dead_and_keeps_a_token)
{
    struct tpark *p = map_shared();
    CHECK(tpark_init(p, TPARK_SHARED) == 0);
    CHECK(tpark_adopt(p) == TPARK_EMPTY);
    CHECK(tpark_arm(p)); /* and dies */
    CHECK(tpark_adopt(p) == TPARK_PARKED);
    CHECK(tpark_unpark(p) == TPARK_EMPTY);
    CHECK(tpark_try_park(p));
    CHECK(tpark_arm(p)); /* and dies beside a token */
    CHECK(tpark_unpark(p) == TPARK_PARKED);
    CHECK(tpark_adopt(p) == TPARK_NOTIFIED);
    CHECK(!tpark_notify(p).wake);
    CHECK(tpark_try_park(p));
    tpark_destroy(p);
}

TEST(shared, parkers_keep_their_deadlines)
{
    struct tpark *p = map_shared();
    CHECK(tpark_init(p, TPARK_SHARED) == 0);
    const uint64_t before = monotonic_ns();
    CHECK(tpark_park_timeout(p, 5 * MS) == ETIMEDOUT);
    CHECK(monotonic_ns() - before >= 5 * MS);
    tpark_destroy(p);
}

#if TPARK_BACKEND_FUTEX
TEST(shared, parkers_may_be_initialised_statically)
{
    struct tpark *p = map_shared();
    *p = (struct tpark)TPARK_INIT_FLAGS(TPARK_SHARED);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        while (state_of(p) != TPARK_PARKED)
            ;
        tpark_unpark(p);
        _exit(0);
    }
    tpark_park(p);
    CHECK(waitpid(child, NULL, 0) == child);
}

#if !UNDER_TSAN /* it allows no thread in the child of a threaded process */
static void ping_pong_in_child(void *unused)
{
    (void)unused;
    struct tpark side[2] = {TPARK_INIT, TPARK_INIT};
    struct task other;
    start(&other, pong, side);
    for (int i = 0; i < 1000; i++) {
        tpark_unpark(&side[1]);
        tpark_park(&side[0]);
    }
    join(&other);
    CHECK(tpark_park_timeout(&side[0], MS) == ETIMEDOUT);
    /* What was made before the fork works too, the current thread's parker included. */
    struct tpark_unparker *u = tpark_current_unparker();
    tpark_unparker_unpark(u);
    tpark_current_park();
    tpark_unparker_free(u);
}

static void park(void *p)
{
    tpark_park(p);
}

static void do_nothing(void *unused)
{
    (void)unused;
}

/* Not under qemu-user, which then fails an assertion of its own. */
static bool can_child_make_threads(void)
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct task task;
        start(&task, do_nothing, NULL);
        join(&task);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(fork_, leaves_futex_parkers_usable_in_the_child_of_a_threaded_process)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    if (!can_child_make_threads())
        SKIP("the child of a threaded process cannot make threads here");
    (void)tpark_current_park_timeout(0);
    check_in_child(ping_pong_in_child, NULL);
    CHECK(state_of(&p) == TPARK_PARKED);
    tpark_unpark(&p);
    join(&owner);
}
#endif
#endif

static void unpark_copy(void *p)
{
    tpark_unpark(p);
}

TEST(fork_, gives_the_child_a_private_parker_of_its_own)
{
    struct tpark p = TPARK_INIT;
    check_in_child(unpark_copy, &p);
    CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
    tpark_unpark(&p);
    check_in_child((void (*)(void *))tpark_park, &p); /* the token is copied with the memory */
    CHECK(state_of(&p) == TPARK_NOTIFIED);
}

enum { FUTEX_HASH = 78, GET_SLOTS = 2 }; /* of prctl(2), since Linux 6.16 */

static int slots_now(void)
{
    return prctl(FUTEX_HASH, GET_SLOTS, 0ul, 0ul, 0ul);
}

static void park_on(void *p)
{
    tpark_park(p);
}

static void check_grows(void *unused)
{
    (void)unused;
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park_on, &p);
    wait_until_parked(&owner, &p);
    errno = 4321;
    const int error = tpark_grow_futex_hash(1000);
    CHECK(errno == 4321);
    CHECK(error == (slots_now() < 0 ? ENOSYS : 0));
    if (!error) {
        CHECK(slots_now() == 1024);
        CHECK(tpark_grow_futex_hash(1) == 0);
        CHECK(slots_now() == 1024);
    }
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    tpark_destroy(&p);
}

TEST(grow_futex_hash, makes_as_many_slots_or_says_that_there_are_none_and_never_fewer)
{
    check_in_child(check_grows, NULL);
}

TEST(grow_futex_hash, refuses_numbers_out_of_range)
{
    CHECK(tpark_grow_futex_hash(0) == EINVAL);
    CHECK(tpark_grow_futex_hash((1u << 30) + 1) == EINVAL);
    CHECK(tpark_grow_futex_hash(UINT32_MAX) == EINVAL);
}

/* SPDX-License-Identifier: MIT */
/* What the library does to the rest of the program: errno, memory, clocks, memory that is gone. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"
#include "wrap.h"

static void unpark_when_parked(void *p)
{
    while (state_of(p) != TPARK_PARKED)
        ;
    errno = 4321;
    CHECK(tpark_unpark(p) == TPARK_PARKED);
    CHECK(errno == 4321);
    while (state_of(p) != TPARK_PARKED)
        ;
    errno = 4321;
    const struct tpark_owed owed = tpark_notify(p);
    CHECK(owed.replaced == TPARK_PARKED);
    tpark_wake_owner(owed);
    CHECK(errno == 4321);
}

TEST(error_number, is_left_as_it_was)
{
    struct tpark p = TPARK_INIT;
    struct task unparker;
    errno = 4321;
    start(&unparker, unpark_when_parked, &p);
    tpark_park(&p);
    CHECK(tpark_park_timeout(&p, 3600 * 1000 * (uint64_t)MS) == 0);
    CHECK(errno == 4321);
    join(&unparker);

    CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(tpark_park_until(&p, &(struct timespec){.tv_nsec = -1}) == EINVAL);
    CHECK(tpark_park_until(&p, &(struct timespec){.tv_nsec = 0}) == ETIMEDOUT);
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    CHECK(!tpark_arm(&p));
    tpark_destroy(&p);
    CHECK(tpark_init(&p, ~0u) == EINVAL);
    CHECK(tpark_init(&p, TPARK_SHARED) == 0);
    CHECK(tpark_adopt(&p) == TPARK_EMPTY);
    tpark_destroy(&p);

    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    tpark_waker_wake(tpark_waker_clone(&w));
    tpark_waker_drop(w);
    tpark_thread_free(t);
    CHECK(tpark_current_park_timeout(MS) == ETIMEDOUT);
    CHECK(errno == 4321);
}

TEST(parker, allocates_nothing)
{
    const int before = allocations;
    struct tpark p = TPARK_INIT;
    tpark_unpark(&p);
    tpark_park(&p);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    tpark_destroy(&p);
    CHECK(tpark_init(&p, 0) == 0);
    tpark_destroy(&p);
    CHECK(allocations == before);
}

/* Where no signal handler could take one: a lock, or memory. */
#if TPARK_BACKEND_FUTEX
TEST(unpark, of_a_sleeper_takes_no_lock_and_no_memory)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_ADAPTIVE) == 0); /* the policy whose unpark does most */
    CHECK(tpark_arm(&p));
    const int before = allocations + other_allocations + locks;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    CHECK(tpark_disarm(&p));
    CHECK(tpark_arm(&p));
    tpark_wake_owner(tpark_notify(&p));
    CHECK(allocations + other_allocations + locks == before);
    CHECK(tpark_disarm(&p));
    tpark_destroy(&p);
}
#endif

/* But for the CPU time of a sleep, from which the adaptive policy learns. */
TEST(the_clock, of_deadlines_is_the_monotonic_one)
{
    struct tpark p = TPARK_INIT;
    const struct timespec deadline = deadline_in_ns(MS);
    clocks_read = 0;
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(tpark_park_until(&p, &deadline) == ETIMEDOUT);
    CHECK((clocks_read & ~(1u << CLOCK_THREAD_CPUTIME_ID)) == 1u << CLOCK_MONOTONIC);
    tpark_destroy(&p);
}

#if TPARK_BACKEND_FUTEX
/* A page whose owner consumes the token and unmaps it while the unparker is between its halves. */
static struct tpark *page;
static size_t page_size;

static struct tpark *map_parker(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    struct tpark *p =
        mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK(tpark_init(p, TPARK_SPIN_ADAPTIVE) == 0); /* the policy whose unpark does most */
    return p;
}

static void consume_and_unmap(long number)
{
    (void)number;
    before_syscall = NO_HOOK;
    CHECK(tpark_disarm(page));
    CHECK(munmap(page, page_size) == 0);
}

TEST(unpark, touches_nothing_of_a_private_futex_parker_after_its_exchange)
{
    page = map_parker();
    CHECK(tpark_arm(page));
    before_syscall = consume_and_unmap;
    CHECK(tpark_unpark(page) == TPARK_PARKED);
    CHECK(before_syscall == NULL); /* the wake was issued, after the memory had gone */
}

TEST(wake_owner, touches_nothing_of_a_private_futex_parker)
{
    struct tpark *p = map_parker();
    CHECK(tpark_arm(p));
    const struct tpark_owed owed = tpark_notify(p);
    CHECK(owed.replaced == TPARK_PARKED);
    CHECK(tpark_disarm(p));
    /* An untouched page again: the kernel would bring in what it looks at. */
    CHECK(mmap(p, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == p);
    tpark_wake_owner(owed);
    unsigned char is_resident = 1;
    CHECK(mincore(p, page_size, &is_resident) == 0 && !(is_resident & 1));
    CHECK(munmap(p, page_size) == 0);
    tpark_wake_owner(owed);
}
#endif

#if TPARK_HAS_FUTEX_WORD
TEST(futex_word, is_the_state_word)
{
    struct tpark p = TPARK_INIT;
    uint32_t *word = tpark_futex_word(&p);
    CHECK(__atomic_load_n(word, __ATOMIC_RELAXED) == TPARK_EMPTY);
    CHECK(tpark_arm(&p));
    CHECK(__atomic_load_n(word, __ATOMIC_RELAXED) == TPARK_PARKED);
    CHECK(tpark_notify(&p).replaced == TPARK_PARKED);
    CHECK(__atomic_load_n(word, __ATOMIC_RELAXED) == TPARK_NOTIFIED);
    CHECK(tpark_disarm(&p));
}

static void wait_on_word(void *argument)
{
    struct tpark *p = argument;
    const bool is_shared = p->flags & TPARK_SHARED;
    CHECK(tpark_arm(p));
    while (state_of(p) == TPARK_PARKED)
        syscall(SYS_futex, tpark_futex_word(p), FUTEX_WAIT | (is_shared ? 0 : FUTEX_PRIVATE_FLAG),
                TPARK_PARKED, NULL);
    CHECK(tpark_disarm(p));
}

TEST(futex_word, may_be_waited_on_by_the_owner_that_armed)
{
    struct tpark kinds[] = {TPARK_INIT, TPARK_INIT_FLAGS(TPARK_SHARED)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tpark *p = &kinds[i];
        struct task owner;
        for (int by_halves = 0; by_halves < 2; by_halves++) {
            start(&owner, wait_on_word, p);
            wait_until_parked(&owner, p);
            if (by_halves) {
                const struct tpark_owed owed = tpark_notify(p);
                CHECK(owed.replaced == TPARK_PARKED);
                tpark_wake_owner(owed);
            } else {
                CHECK(tpark_unpark(p) == TPARK_PARKED);
            }
            join(&owner);
        }
    }
}
#endif

/* SPDX-License-Identifier: MIT */
/* A set of idle owners. */
#include <errno.h>
#include <sched.h>

#include "support.h"
#include "tpark_idle.h"
#include "wrap.h"

enum { OWNERS = 5 };

static struct tpark_idle idle;

/* An owner in a thread of its own. */
struct owner {
    struct tpark parker;
    struct tpark_idler idler;
    struct task task;
    int result;
    atomic_bool is_up;
};

static void make(struct owner *owner)
{
    CHECK(tpark_init(&owner->parker, TPARK_SPIN_NEVER) == 0);
    owner->idler = (struct tpark_idler){.parker = &owner->parker};
    owner->is_up = false;
}

static void start_set(struct owner owners[], int count)
{
    idle = (struct tpark_idle)TPARK_IDLE_INIT;
    for (int i = 0; i < count; i++)
        make(&owners[i]);
}

static void commit(void *argument)
{
    struct owner *owner = argument;
    tpark_idle_prepare(&idle, &owner->idler);
    owner->result = tpark_idle_commit(&idle, &owner->idler, NULL);
    owner->is_up = true;
}

/* Starts threads that go idle one after the other, and waits until all of them sleep. */
static void put_to_sleep(struct owner owners[], int count)
{
    start_set(owners, count);
    for (int i = 0; i < count; i++) {
        start(&owners[i].task, commit, &owners[i]);
        wait_until_parked(&owners[i].task, &owners[i].parker);
    }
}

static void check_woken(struct owner *owner)
{
    join(&owner->task);
    CHECK(owner->result == 0);
    CHECK(state_of(&owner->parker) == TPARK_EMPTY);
}

TEST(idle_wake, of_an_empty_set_chooses_nobody)
{
    struct owner owner;
    start_set(&owner, 1);
    CHECK(tpark_idle_wake(&idle, 1) == 0);
    CHECK(tpark_idle_wake(&idle, SIZE_MAX) == 0);
    tpark_idle_prepare(&idle, &owner.idler);
    CHECK(tpark_idle_wake(&idle, 0) == 0);
    CHECK(tpark_idle_cancel(&idle, &owner.idler));
    CHECK(tpark_idle_wake(&idle, 1) == 0);
    CHECK(state_of(&owner.parker) == TPARK_EMPTY);
    tpark_idle_destroy(&idle);
}

TEST(idle_wake, chooses_the_newest_first_and_each_once)
{
    static struct owner owners[OWNERS];
    put_to_sleep(owners, OWNERS);
    for (int i = OWNERS; i-- > 0;) {
        CHECK(tpark_idle_wake(&idle, 1) == 1);
        check_woken(&owners[i]);
        for (int older = 0; older < i; older++)
            CHECK(state_of(&owners[older].parker) == TPARK_PARKED);
    }
    tpark_idle_destroy(&idle);
}

TEST(idle_wake, of_several_chooses_as_many_or_all_that_there_are)
{
    static struct owner owners[OWNERS];
    put_to_sleep(owners, OWNERS);
    CHECK(tpark_idle_wake(&idle, 2) == 2);
    check_woken(&owners[4]);
    check_woken(&owners[3]);
    CHECK(state_of(&owners[2].parker) == TPARK_PARKED);
    CHECK(tpark_idle_wake(&idle, SIZE_MAX) == 3);
    for (int i = 0; i < 3; i++)
        check_woken(&owners[i]);
    tpark_idle_destroy(&idle);
}

TEST(idle_wake, of_more_than_fit_one_batch_reaches_all)
{
    enum { MANY = 150 };
    static struct owner owners[MANY];
    start_set(owners, MANY);
    for (int i = 0; i < MANY; i++)
        tpark_idle_prepare(&idle, &owners[i].idler);
    CHECK(tpark_idle_wake(&idle, 149) == 149);
    for (int i = 1; i < MANY; i++)
        CHECK(tpark_idle_commit(&idle, &owners[i].idler, NULL) == 0);
    CHECK(tpark_idle_cancel(&idle, &owners[0].idler));
    tpark_idle_destroy(&idle);
}

#if TPARK_BACKEND_FUTEX
static struct owner *chosen;
static atomic_int wakes;

static void look_at_the_first_wake(long number)
{
    (void)number;
    for (int i = 0; i < OWNERS && wakes == 0; i++)
        CHECK(state_of(&chosen[i].parker) != TPARK_PARKED);
    wakes++;
}

TEST(idle_wake, gives_the_tokens_before_the_first_wake)
{
    static struct owner owners[OWNERS];
    put_to_sleep(owners, OWNERS);
    chosen = owners;
    before_syscall = look_at_the_first_wake;
    CHECK(tpark_idle_wake(&idle, OWNERS) == OWNERS);
    before_syscall = NO_HOOK;
    CHECK(wakes == OWNERS);
    for (int i = 0; i < OWNERS; i++)
        check_woken(&owners[i]);
    tpark_idle_destroy(&idle);
}
#endif

TEST(idle_cancel, leaves_the_set_from_any_place_in_it)
{
    for (int leaver = 0; leaver < 3; leaver++) {
        struct owner owners[3];
        start_set(owners, 3);
        for (int i = 0; i < 3; i++)
            tpark_idle_prepare(&idle, &owners[i].idler);
        CHECK(tpark_idle_cancel(&idle, &owners[leaver].idler));
        CHECK(tpark_idle_wake(&idle, SIZE_MAX) == 2);
        for (int i = 0; i < 3; i++) {
            CHECK(state_of(&owners[i].parker) == (i == leaver ? TPARK_EMPTY : TPARK_NOTIFIED));
            if (i != leaver)
                CHECK(tpark_idle_commit(&idle, &owners[i].idler, NULL) == 0);
        }
        tpark_idle_destroy(&idle);
    }
}

TEST(idle_cancel, after_a_wake_says_so_and_consumes_its_token)
{
    struct owner owner;
    start_set(&owner, 1);
    for (int i = 0; i < 3; i++) {
        tpark_idle_prepare(&idle, &owner.idler);
        CHECK(tpark_idle_wake(&idle, 1) == 1);
        CHECK(!tpark_idle_cancel(&idle, &owner.idler));
        CHECK(state_of(&owner.parker) == TPARK_EMPTY);
    }
    tpark_idle_destroy(&idle);
}

TEST(idle_commit, gives_up_at_its_deadline_and_leaves_the_set)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    const uint64_t before = monotonic_ns();
    const struct timespec deadline = deadline_in_ns(5 * MS);
    CHECK(tpark_idle_commit(&idle, &owner.idler, &deadline) == ETIMEDOUT);
    CHECK(monotonic_ns() - before >= 5 * MS);
    CHECK(tpark_idle_wake(&idle, 1) == 0);
    tpark_idle_destroy(&idle);
}

TEST(idle_commit, prefers_a_wake_to_a_deadline_that_has_passed)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    CHECK(tpark_idle_wake(&idle, 1) == 1);
    const struct timespec long_past = {.tv_sec = 0, .tv_nsec = 0};
    CHECK(tpark_idle_commit(&idle, &owner.idler, &long_past) == 0);
    tpark_idle_destroy(&idle);
}

TEST(idle_commit, refuses_what_is_no_time_and_stays_in_the_set)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    const struct timespec wrong = {.tv_sec = 0, .tv_nsec = 1000000000};
    CHECK(tpark_idle_commit(&idle, &owner.idler, &wrong) == EINVAL);
    CHECK(tpark_idle_wake(&idle, 1) == 1);
    CHECK(tpark_idle_commit(&idle, &owner.idler, NULL) == 0);
    tpark_idle_destroy(&idle);
}

TEST(idle_commit, tells_an_unpark_of_somebody_else_from_a_wake)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    tpark_unpark(&owner.parker);
    CHECK(tpark_idle_commit(&idle, &owner.idler, NULL) == EAGAIN);
    CHECK(tpark_idle_wake(&idle, 1) == 0);

    tpark_idle_prepare(&idle, &owner.idler);
    tpark_unpark(&owner.parker);
    CHECK(tpark_idle_wake(&idle, 1) == 1);
    CHECK(tpark_idle_commit(&idle, &owner.idler, NULL) == 0);
    CHECK(state_of(&owner.parker) == TPARK_EMPTY);
    tpark_idle_destroy(&idle);
}

TEST(idle, leaves_errno_as_it_was)
{
    struct owner owner;
    start_set(&owner, 1);
    errno = 4321;
    const struct timespec deadline = deadline_in_ns(MS);
    tpark_idle_prepare(&idle, &owner.idler);
    CHECK(tpark_idle_commit(&idle, &owner.idler, &deadline) == ETIMEDOUT);
    tpark_idle_destroy(&idle);
    CHECK(errno == 4321);
}

static void prepare_twice(void)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    tpark_idle_prepare(&idle, &owner.idler);
}

static void cancel_unprepared(void)
{
    struct owner owner;
    start_set(&owner, 1);
    CHECK(tpark_idle_cancel(&idle, &owner.idler));
}

static void commit_unprepared(void)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_commit(&idle, &owner.idler, NULL);
}

static void destroy_with_owner(void)
{
    struct owner owner;
    start_set(&owner, 1);
    tpark_idle_prepare(&idle, &owner.idler);
    tpark_idle_destroy(&idle);
}

TEST(idle, misuse_aborts)
{
    check_aborts(prepare_twice, "tpark: tpark_idle_prepare: the owner is in a set already\n");
    check_aborts(cancel_unprepared, "tpark: tpark_idle_cancel: the owner did not prepare\n");
    check_aborts(commit_unprepared, "tpark: tpark_idle_commit: the owner did not prepare\n");
    check_aborts(destroy_with_owner, "tpark: tpark_idle_destroy: an owner is in the set\n");
}

/*
 * Workers and producers without pause; what is pushed is a count, by relaxed atomics. Each worker
 * hands on a wake that it did not need. In the end all tasks are done: none was slept through.
 */
enum { WORKERS = 3, PRODUCERS = 2, PUSHES = 20000 };

static atomic_int tasks;
static atomic_int done;
static atomic_bool is_over;

static bool has_task(void)
{
    return atomic_load_explicit(&tasks, memory_order_relaxed) > 0;
}

static bool take_task(void)
{
    int seen = atomic_load_explicit(&tasks, memory_order_relaxed);
    while (seen > 0 && !atomic_compare_exchange_weak_explicit(
                           &tasks, &seen, seen - 1, memory_order_relaxed, memory_order_relaxed))
        ;
    return seen > 0;
}

static void work(void *argument)
{
    struct owner *me = argument;
    for (unsigned round = 0; !is_over; round++) {
        while (take_task())
            atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
        tpark_idle_prepare(&idle, &me->idler);
        const struct timespec deadline = deadline_in_ns(50000);
        if (has_task() || is_over) {
            if (!tpark_idle_cancel(&idle, &me->idler))
                tpark_idle_wake(&idle, 1);
        } else {
            const int result = tpark_idle_commit(&idle, &me->idler, round % 2 ? NULL : &deadline);
            CHECK(result == 0 || (result == ETIMEDOUT && round % 2 == 0));
        }
    }
}

static void produce(void *argument)
{
    (void)argument;
    for (int i = 0; i < PUSHES; i++) {
        atomic_fetch_add_explicit(&tasks, 1, memory_order_relaxed);
        tpark_idle_wake(&idle, 1);
        if (i % 64 == 0)
            sched_yield();
    }
}

TEST(idle, no_task_is_slept_through)
{
    static struct owner workers[WORKERS];
    static struct task producers[PRODUCERS];
    start_set(workers, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        start(&workers[i].task, work, &workers[i]);
    for (int i = 0; i < PRODUCERS; i++)
        start(&producers[i], produce, NULL);
    for (int i = 0; i < PRODUCERS; i++)
        join(&producers[i]);
    while (done < PRODUCERS * PUSHES)
        sched_yield(); /* for ever, if a task was slept through */
    is_over = true;
    tpark_idle_wake(&idle, SIZE_MAX);
    for (int i = 0; i < WORKERS; i++) {
        join(&workers[i].task);
        CHECK(!tpark_try_park(&workers[i].parker));
    }
    tpark_idle_destroy(&idle);
}

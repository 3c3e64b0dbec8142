/* SPDX-License-Identifier: MIT */
/* One thread that parks on several parkers at once. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"
#include "wrap.h"

#ifndef SYS_futex_waitv /* musl 1.2.3 */
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif

static const struct timespec long_past = {.tv_sec = -1, .tv_nsec = 0};
static const int64_t hour = 3600 * 1000 * (int64_t)MS;

/* Several parkers, every second one process-shared, and the thread that owns them. */
struct family {
    struct tpark p[TPARK_ANY_MAX];
    struct tpark_any set[TPARK_ANY_MAX];
    size_t count;
    const struct timespec *deadline;
    int result;
    atomic_bool is_done;
};

static void make(struct family *family, size_t count)
{
    *family = (struct family){.count = count};
    for (size_t i = 0; i < count; i++) {
        CHECK(tpark_init(&family->p[i], i % 2 ? TPARK_SHARED : 0) == 0);
        family->set[i].parker = &family->p[i];
    }
}

static void park_any(void *argument)
{
    struct family *family = argument;
    family->result = tpark_park_any(family->set, family->count, family->deadline);
    family->is_done = true;
}

/* The thread arms the last one last. */
static void wait_until_all_parked(struct task *owner, const struct family *family)
{
    wait_until_parked(owner, &family->p[family->count - 1]);
    for (size_t i = 0; i < family->count; i++)
        CHECK(state_of(&family->p[i]) == TPARK_PARKED);
}

static void check_all_empty(const struct family *family)
{
    for (size_t i = 0; i < family->count; i++)
        CHECK(state_of(&family->p[i]) == TPARK_EMPTY);
}

static void check_only_token_is_of(const struct family *family, size_t which)
{
    for (size_t i = 0; i < family->count; i++)
        CHECK(family->set[i].has_token == (i == which));
}

TEST(park_any, consumes_a_token_that_is_there_and_says_whose)
{
    struct family family;
    make(&family, 5);
    for (size_t i = 0; i < family.count; i++) {
        CHECK(tpark_unpark(&family.p[i]) == TPARK_EMPTY);
        CHECK(tpark_park_any(family.set, family.count, NULL) == 0);
        check_only_token_is_of(&family, i);
        check_all_empty(&family);
    }
}

TEST(park_any, consumes_every_token_that_it_finds)
{
    struct family family;
    make(&family, 5);
    for (size_t i = 0; i < family.count; i += 2)
        CHECK(tpark_unpark(&family.p[i]) == TPARK_EMPTY);
    CHECK(tpark_park_any(family.set, family.count, NULL) == 0);
    for (size_t i = 0; i < family.count; i++)
        CHECK(family.set[i].has_token == (i % 2 == 0));
    check_all_empty(&family);
}

static void check_is_woken_by_each(size_t count)
{
    static struct family family;
    make(&family, count);
    for (size_t i = 0; i < count; i++) {
        struct task owner;
        start(&owner, park_any, &family);
        wait_until_all_parked(&owner, &family);
        CHECK(tpark_unpark(&family.p[i]) == TPARK_PARKED);
        join(&owner);
        CHECK(family.result == 0);
        check_only_token_is_of(&family, i);
        check_all_empty(&family);
    }
}

TEST(park_any, is_woken_by_an_unpark_of_each_of_them)
{
    check_is_woken_by_each(1);
    check_is_woken_by_each(3);
    check_is_woken_by_each(TPARK_ANY_MAX);
}

TEST(park_any, reports_every_token_that_was_given_before_its_wake)
{
    struct family family;
    make(&family, 3);
    CHECK(tpark_init(&family.p[1], 0) == 0); /* a shared one may be looked at in between */
    struct task owner;
    start(&owner, park_any, &family);
    wait_until_all_parked(&owner, &family);
    long number;
    unsigned long arguments[6];
    if (!sleeping_call(&owner, &number, arguments)) /* nor is it known that it sleeps there */
        SKIP("the kernel does not show the system call of a sleeping thread");
    struct tpark_owed owed[3];
    for (size_t i = 0; i < family.count; i++) {
        owed[i] = tpark_notify(&family.p[i]);
        CHECK(owed[i].replaced == TPARK_PARKED);
    }
    tpark_wake_owner(owed[1]);
    join(&owner);
    CHECK(family.result == 0);
    for (size_t i = 0; i < family.count; i++)
        CHECK(family.set[i].has_token);
    check_all_empty(&family);
}

TEST(park_any, that_timed_out_lasted_until_its_deadline_and_leaves_all_empty)
{
    struct family family;
    make(&family, 3);
    family.set[1].has_token = true;
    for (int64_t ns = 1; ns <= 20 * MS; ns *= 10) {
        const uint64_t before = monotonic_ns();
        const struct timespec deadline = deadline_in_ns(ns);
        CHECK(tpark_park_any(family.set, family.count, &deadline) == ETIMEDOUT);
        CHECK(monotonic_ns() - before >= (uint64_t)ns);
        check_only_token_is_of(&family, family.count);
        check_all_empty(&family);
    }
}

static struct family *interrupted;

static void unpark_all_but_the_first(void)
{
    before_clock = NULL;
    for (size_t i = 1; i < interrupted->count; i++)
        CHECK(tpark_unpark(&interrupted->p[i]) == TPARK_EMPTY);
}

TEST(park_any, consumes_tokens_that_come_between_its_first_look_and_its_sleep)
{
    struct family family;
    make(&family, 4);
    interrupted = &family;
    const struct timespec deadline = deadline_in_ns(hour);
    before_clock = unpark_all_but_the_first;
    CHECK(tpark_park_any(family.set, family.count, &deadline) == 0);
    for (size_t i = 0; i < family.count; i++)
        CHECK(family.set[i].has_token == (i > 0));
    check_all_empty(&family);
}

static void forbid_syscalls(long number)
{
    CHECK(number < 0); /* there is no such call */
}

TEST(park_any, with_a_deadline_that_has_passed_takes_tokens_and_never_sleeps)
{
    struct family family;
    make(&family, 3);
    before_syscall = forbid_syscalls;
    CHECK(tpark_park_any(family.set, family.count, &long_past) == ETIMEDOUT);
    check_all_empty(&family);
    CHECK(tpark_unpark(&family.p[2]) == TPARK_EMPTY);
    CHECK(tpark_park_any(family.set, family.count, &long_past) == 0);
    check_only_token_is_of(&family, 2);
    before_syscall = NO_HOOK;
}

TEST(park_any, refuses_what_is_no_time_or_no_set_and_touches_nothing)
{
    struct family family;
    make(&family, 2);
    CHECK(tpark_unpark(&family.p[0]) == TPARK_EMPTY);
    family.set[1].has_token = true;
    static const long wrong[] = {-1, 1000000000};
    for (size_t i = 0; i < 2; i++)
        CHECK(tpark_park_any(family.set, 2, &(struct timespec){.tv_nsec = wrong[i]}) == EINVAL);
    CHECK(tpark_park_any(family.set, 0, NULL) == EINVAL);
    CHECK(tpark_park_any(family.set, TPARK_ANY_MAX + 1, NULL) == EINVAL);
    CHECK(tpark_park_any(family.set, SIZE_MAX, NULL) == EINVAL);
    CHECK(state_of(&family.p[0]) == TPARK_NOTIFIED && state_of(&family.p[1]) == TPARK_EMPTY);
    CHECK(!family.set[0].has_token && family.set[1].has_token);
}

TEST(park_any, refuses_a_reserved_byte_that_is_not_0)
{
    struct family family;
    make(&family, 2);
    for (size_t i = 0; i < sizeof family.set[1].reserved; i++) {
        family.set[1].reserved[i] = 1;
        CHECK(tpark_park_any(family.set, 2, &(struct timespec){0}) == EINVAL);
        family.set[1].reserved[i] = 0;
    }
    CHECK(tpark_park_any(family.set, 2, &(struct timespec){0}) == ETIMEDOUT);
}

static void park_on_one_twice(void)
{
    struct tpark p = TPARK_INIT;
    struct tpark_any set[2] = {{.parker = &p}, {.parker = &p}};
    tpark_park_any(set, 2, NULL);
}

TEST(park_any, aborts_if_a_parker_is_there_twice)
{
    check_aborts(park_on_one_twice,
                 "tpark: tpark_arm: the parker is armed already: two threads park on it\n");
}

TEST(park_any, leaves_errno_as_it_was)
{
    struct family family;
    make(&family, 2);
    errno = 4321;
    const struct timespec deadline = deadline_in_ns(MS);
    CHECK(tpark_park_any(family.set, 2, &deadline) == ETIMEDOUT);
    CHECK(tpark_park_any(family.set, 0, NULL) == EINVAL);
    CHECK(errno == 4321);
}

static atomic_int handled;

static void count_signal(int signal_number)
{
    (void)signal_number;
    handled++;
}

TEST(park_any, goes_back_to_sleep_after_stray_wakes_and_signals)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);

    struct family family;
    make(&family, 3);
    const struct timespec deadline = deadline_in_ns(hour);
    family.deadline = &deadline;
    struct task owner;
    start(&owner, park_any, &family);
    for (int i = 0; i < 100; i++) {
        wait_until_all_parked(&owner, &family);
        if (i % 4 < 3) {
            stray_wake(&family.p[i % 4]);
        } else {
            const int before = handled;
            CHECK(pthread_kill(owner.pthread, SIGUSR1) == 0);
            while (handled == before)
                sched_yield();
        }
        CHECK(!family.is_done);
    }
    wait_until_all_parked(&owner, &family);
    CHECK(tpark_unpark(&family.p[2]) == TPARK_PARKED);
    join(&owner);
    CHECK(family.result == 0);
    check_only_token_is_of(&family, 2);
}

TEST(park_any, keeps_its_deadline_in_a_storm_of_stray_wakes)
{
    struct family family;
    make(&family, 3);
    const struct timespec deadline = deadline_in_ns(50 * MS);
    family.deadline = &deadline;
    struct task owner;
    start(&owner, park_any, &family);
    while (!family.is_done) {
        stray_wake(&family.p[1]);
        sched_yield();
    }
    join(&owner);
    CHECK(family.result == ETIMEDOUT);
}

/*
 * Unparkers without pause, and an owner that parks with and without deadlines. An unpark that did
 * not find a token gave one, so that what was given can be counted, and must all have been found.
 */
enum { UNPARKERS = 3, UNPARKS = 20000 };

struct giver {
    struct tpark *p;
    atomic_long *givers_left;
    long given;
};

static void give(void *argument)
{
    struct giver *giver = argument;
    for (int i = 0; i < UNPARKS; i++)
        giver->given += tpark_unpark(giver->p) != TPARK_NOTIFIED;
    atomic_fetch_sub(giver->givers_left, 1);
}

static long take(struct tpark_any *set, long taken[])
{
    long found = 0;
    for (size_t i = 0; i < UNPARKERS; i++) {
        taken[i] += set[i].has_token;
        found += set[i].has_token;
    }
    return found;
}

static void check_counts(void)
{
    struct family family;
    make(&family, UNPARKERS);
    atomic_long givers_left = UNPARKERS;
    struct giver givers[UNPARKERS];
    struct task tasks[UNPARKERS];
    for (int i = 0; i < UNPARKERS; i++) {
        givers[i] = (struct giver){&family.p[i], &givers_left, 0};
        start(&tasks[i], give, &givers[i]);
    }
    long taken[UNPARKERS] = {0};
    for (int64_t ns = 1000; atomic_load(&givers_left) > 0; ns = ns % 50000 + 1000) {
        const struct timespec deadline = deadline_in_ns(ns);
        const int result = tpark_park_any(family.set, UNPARKERS, &deadline);
        CHECK((take(family.set, taken) > 0) == (result == 0));
    }
    for (int i = 0; i < UNPARKERS; i++)
        join(&tasks[i]);
    if (tpark_park_any(family.set, UNPARKERS, &long_past) == 0)
        take(family.set, taken);
    check_all_empty(&family);
    for (int i = 0; i < UNPARKERS; i++)
        CHECK(taken[i] == givers[i].given);
}

TEST(park_any, neither_loses_nor_invents_a_token)
{
    check_counts();
}

/* More owners than there are desks: the last ones have to look for their tokens. */
TEST(park_any, works_in_any_number_of_threads)
{
    enum { THREADS = 80 };
    static struct family families[THREADS];
    static struct task owners[THREADS];
    for (int i = 0; i < THREADS; i++) {
        make(&families[i], 3);
        start(&owners[i], park_any, &families[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        wait_until_all_parked(&owners[i], &families[i]);
        CHECK(tpark_unpark(&families[i].p[i % 3]) == TPARK_PARKED);
    }
    for (int i = 0; i < THREADS; i++) {
        join(&owners[i]);
        CHECK(families[i].result == 0);
        check_only_token_is_of(&families[i], (size_t)i % 3);
    }
}

/* No parker is process-shared, so that nobody looks for tokens but when told. */
static void check_is_told_of_private_tokens(void)
{
    struct family family;
    make(&family, 3);
    CHECK(tpark_init(&family.p[1], 0) == 0);
    for (size_t i = 0; i < family.count; i++) {
        struct task owner;
        start(&owner, park_any, &family);
        wait_until_all_parked(&owner, &family);
        const uint64_t before = monotonic_ns();
        CHECK(tpark_unpark(&family.p[i]) == TPARK_PARKED);
        join(&owner);
        CHECK(monotonic_ns() - before < 500 * MS);
        check_only_token_is_of(&family, i);
    }
}

TEST(park_any, of_private_parkers_is_woken_at_once)
{
    check_is_told_of_private_tokens();
}

#if TPARK_BACKEND_FUTEX
/* A filter that kills or refuses whatever is newer than futex(2), upon the process and for good. */
static void forbid_newer_calls(unsigned action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_futex_waitv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("the kernel knows no seccomp filters");
}

static void check_all_under_filter(unsigned action)
{
    forbid_newer_calls(action);
    struct family family;
    make(&family, 3);
    const struct timespec deadline = deadline_in_ns(30 * MS);
    CHECK(tpark_park_any(family.set, 3, &deadline) == ETIMEDOUT);
    check_all_empty(&family);
    check_is_woken_by_each(3);
    check_is_told_of_private_tokens();
    check_counts();
}

TEST(park_any, works_under_a_filter_that_kills_newer_calls)
{
    check_all_under_filter(SECCOMP_RET_KILL_PROCESS);
}

TEST(park_any, works_under_a_filter_that_refuses_newer_calls)
{
    check_all_under_filter(SECCOMP_RET_ERRNO | EACCES);
}

TEST(park_any, is_no_busy_loop_under_a_filter)
{
    forbid_newer_calls(SECCOMP_RET_KILL_PROCESS);
    struct family family;
    make(&family, 3);
    const struct timespec deadline = deadline_in_ns(500 * MS);
    const uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    CHECK(tpark_park_any(family.set, 3, &deadline) == ETIMEDOUT);
    CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) - before < 100 * MS);
}
#endif

/* SPDX-License-Identifier: MIT */
/* Timeouts, deadlines, and the clock. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

static const struct timespec long_past = {.tv_sec = 0, .tv_nsec = 0};

TEST(park_timeout, that_timed_out_lasted_at_least_its_timeout)
{
    struct tpark p = TPARK_INIT;
    static const uint64_t timeouts[] = {1, 1000, 50000, MS, 20 * MS, 1100 * (uint64_t)MS};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        const uint64_t before = monotonic_ns();
        CHECK(tpark_park_timeout(&p, timeouts[i]) == ETIMEDOUT);
        CHECK(monotonic_ns() - before >= timeouts[i]);
    }
    tpark_destroy(&p);
}

TEST(park_until, that_timed_out_lasted_until_its_deadline)
{
    struct tpark p = TPARK_INIT;
    for (int64_t ns = 1; ns <= 100 * MS; ns *= 10) {
        const struct timespec deadline = deadline_in_ns(ns);
        CHECK(tpark_park_until(&p, &deadline) == ETIMEDOUT);
        CHECK(monotonic_ns() >=
              (uint64_t)deadline.tv_sec * 1000000000 + (uint64_t)deadline.tv_nsec);
    }
    tpark_destroy(&p);
}

TEST(park_timeout, takes_a_token_that_is_there_whatever_the_timeout)
{
    struct tpark p = TPARK_INIT;
    static const uint64_t timeouts[] = {0, 1, MS, UINT32_MAX * (uint64_t)MS, UINT64_MAX};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        tpark_unpark(&p);
        CHECK(tpark_park_timeout(&p, timeouts[i]) == 0);
        CHECK(state_of(&p) == TPARK_EMPTY);
    }
}

TEST(park_until, takes_a_token_that_is_there_when_the_deadline_has_passed)
{
    struct tpark p = TPARK_INIT;
    tpark_unpark(&p);
    CHECK(tpark_park_until(&p, &long_past) == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
}

TEST(park_until, times_out_when_the_deadline_has_passed_and_there_is_no_token)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_park_until(&p, &long_past) == ETIMEDOUT);
    CHECK(state_of(&p) == TPARK_EMPTY);
}

TEST(park_timeout, that_timed_out_leaves_the_parker_empty)
{
    struct tpark p = TPARK_INIT;
    for (int i = 0; i < 3; i++) {
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
        CHECK(state_of(&p) == TPARK_EMPTY);
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        CHECK(tpark_park_timeout(&p, MS) == 0);
    }
    tpark_destroy(&p);
}

struct timed {
    struct tpark p;
    const struct timespec *deadline;
    uint64_t timeout_ns;
    int result;
};

static void park_for_timeout(void *argument)
{
    struct timed *timed = argument;
    timed->result = tpark_park_timeout(&timed->p, timed->timeout_ns);
}

static void park_until_deadline(void *argument)
{
    struct timed *timed = argument;
    timed->result = tpark_park_until(&timed->p, timed->deadline);
}

static void check_wakes(struct timed *timed, void (*park)(void *))
{
    struct task owner;
    start(&owner, park, timed);
    wait_until_parked(&owner, &timed->p);
    CHECK(tpark_unpark(&timed->p) == TPARK_PARKED);
    join(&owner);
    CHECK(timed->result == 0);
    tpark_destroy(&timed->p);
}

TEST(park_timeout, is_woken_by_an_unpark)
{
    struct timed timed = {.p = TPARK_INIT, .timeout_ns = 3600 * 1000 * (uint64_t)MS};
    check_wakes(&timed, park_for_timeout);
}

TEST(park_timeout, that_overflows_is_no_timeout)
{
    struct timed timed = {.p = TPARK_INIT, .timeout_ns = UINT64_MAX};
    check_wakes(&timed, park_for_timeout);
}

TEST(park_until, without_a_deadline_is_no_timeout)
{
    struct timed timed = {.p = TPARK_INIT, .deadline = NULL};
    check_wakes(&timed, park_until_deadline);
}

TEST(park_until, sleeps_until_the_last_of_all_deadlines)
{
    const time_t last = sizeof(time_t) == 8 ? (time_t)INT64_MAX : (time_t)INT32_MAX;
    const struct timespec deadline = {.tv_sec = last, .tv_nsec = 999999999};
    struct timed timed = {.p = TPARK_INIT, .deadline = &deadline};
    check_wakes(&timed, park_until_deadline);
}

TEST(park_until, refuses_nanoseconds_out_of_range_and_leaves_the_token)
{
    static const long bad[] = {-1, 1000000000, LONG_MIN, LONG_MAX};
    static const time_t seconds[] = {-1, 0, 1};
    struct tpark p = TPARK_INIT;
    tpark_unpark(&p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t j = 0; j < sizeof seconds / sizeof *seconds; j++) {
            const struct timespec deadline = {.tv_sec = seconds[j], .tv_nsec = bad[i]};
            CHECK(tpark_park_until(&p, &deadline) == EINVAL);
            CHECK(state_of(&p) == TPARK_NOTIFIED);
        }
    }
    tpark_park(&p);
    CHECK(tpark_park_until(&p, &(struct timespec){.tv_nsec = -1}) == EINVAL);
    CHECK(state_of(&p) == TPARK_EMPTY);
}

TEST(park_until, accepts_the_ends_of_the_nanosecond_range)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_park_until(&p, &(struct timespec){.tv_nsec = 0}) == ETIMEDOUT);
    CHECK(tpark_park_until(&p, &(struct timespec){.tv_nsec = 999999999}) == ETIMEDOUT);
}

TEST(park_until, takes_negative_seconds_as_long_past)
{
    static const time_t seconds[] = {-1, -1000000, INT32_MIN};
    struct tpark p = TPARK_INIT;
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        const struct timespec deadline = {.tv_sec = seconds[i], .tv_nsec = 999999999};
        CHECK(tpark_park_until(&p, &deadline) == ETIMEDOUT);
        tpark_unpark(&p);
        CHECK(tpark_park_until(&p, &deadline) == 0);
    }
}

TEST(park_timeout, of_zero_never_sleeps)
{
    struct tpark p = TPARK_INIT;
    struct task self = {.tid = (pid_t)syscall(SYS_gettid)};
    const long sleeps = sleeps_of(&self);
    for (int i = 0; i < 1000; i++)
        CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
    /* A sleep for each call would count 1000; reading /proc or a page fault may count a few. */
    CHECK(sleeps_of(&self) - sleeps < 100);
}

/*
 * Steps of the wall clock cannot move a deadline that the kernel measures on CLOCK_MONOTONIC. Which
 * clock it measures on is an argument of the system call in which the owner sleeps.
 */
static void check_sleeps_on_monotonic_clock(void (*park)(void *))
{
    struct timespec deadline = deadline_in_ns(3600 * 1000 * (int64_t)MS);
    struct timed timed = {
        .p = TPARK_INIT, .deadline = &deadline, .timeout_ns = 3600 * 1000 * (uint64_t)MS};
    struct task owner;
    start(&owner, park, &timed);
    wait_until_parked(&owner, &timed.p);
    long number;
    unsigned long arguments[6];
    const bool is_known = sleeping_call(&owner, &number, arguments);
    tpark_unpark(&timed.p);
    join(&owner);
    tpark_destroy(&timed.p);
    if (!is_known)
        SKIP("the kernel does not show the system call of a sleeping thread");
    if (number == 455) { /* futex_wait: word, value, mask, flags, deadline, clock */
        CHECK(arguments[4] != 0);
        CHECK((clockid_t)arguments[5] == CLOCK_MONOTONIC);
        return;
    }
    if (number == 449) { /* futex_waitv: waiters, count, flags, deadline, clock */
        CHECK(arguments[3] != 0);
        CHECK((clockid_t)arguments[4] == CLOCK_MONOTONIC);
        return;
    }
#ifdef SYS_futex_time64
    CHECK(number == SYS_futex || number == SYS_futex_time64);
#else
    CHECK(number == SYS_futex); /* word, operation, value, deadline */
#endif
    CHECK(arguments[3] != 0);
    CHECK((arguments[1] & FUTEX_CLOCK_REALTIME) == 0);
    /* Absolute, or relative, which is always measured on CLOCK_MONOTONIC. */
    const unsigned long command = arguments[1] & (unsigned long)FUTEX_CMD_MASK;
    CHECK(command == FUTEX_WAIT_BITSET || (!TPARK_HAS_FUTEX_WORD && command == FUTEX_WAIT));
}

TEST(park_timeout, is_not_moved_by_steps_of_the_wall_clock)
{
    check_sleeps_on_monotonic_clock(park_for_timeout);
}

TEST(park_until, is_not_moved_by_steps_of_the_wall_clock)
{
    check_sleeps_on_monotonic_clock(park_until_deadline);
}

TEST(park_timeout, burns_no_processor_time_while_it_sleeps)
{
    struct tpark p = TPARK_INIT;
    const uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    CHECK(tpark_park_timeout(&p, 1000 * (uint64_t)MS) == ETIMEDOUT);
    /* A loop around a wait that returns at once would burn the whole second. */
    CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) - before < 200 * (uint64_t)MS);
    tpark_destroy(&p);
}

/* SPDX-License-Identifier: MIT */
/* Processes that are stopped and continued while they park. */
#include <errno.h>
#include <signal.h>

#include "child.h"

static void stop(pid_t child)
{
    int status = -1;
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
}

static void go_on(pid_t child)
{
    CHECK(kill(child, SIGCONT) == 0);
}

static uint64_t processor_time_of(pid_t child)
{
    clockid_t clock;
    CHECK(clock_getcpuclockid(child, &clock) == 0);
    return now_ns(clock);
}

enum { STOPS = 50 };

static void check_survives_stops(uint64_t timeout_ns)
{
    struct shared *s = map_shared(TPARK_SHARED);
    s->timeout_ns = timeout_ns;
    s->result = 0;
    const pid_t child = start_child(park, s);
    for (int i = 0; i < STOPS; i++) {
        wait_until_child_parked(child, s);
        stop(child);
        go_on(child);
    }
    wait_until_child_parked(child, s);
    /* Back to sleep, and not in a loop that only looks like it. */
    const uint64_t processor_time = processor_time_of(child);
    usleep(50000);
    CHECK(processor_time_of(child) - processor_time < 5 * MS);
    CHECK(tpark_unpark(&s->p) == TPARK_PARKED);
    check_ends(child);
    CHECK(s->result == 0);
    tpark_destroy(&s->p);
}

TEST(stopping_a_process, does_not_end_its_park)
{
    check_survives_stops(0);
}

TEST(stopping_a_process, does_not_end_its_timed_park)
{
    check_survives_stops(3600 * 1000 * (uint64_t)MS);
}

TEST(stopping_a_process, keeps_the_token_that_comes_meanwhile)
{
    struct shared *s = map_shared(TPARK_SHARED);
    const pid_t child = start_child(park, s);
    wait_until_child_parked(child, s);
    stop(child);
    CHECK(tpark_unpark(&s->p) == TPARK_PARKED);
    CHECK(tpark_unpark(&s->p) == TPARK_NOTIFIED);
    go_on(child);
    check_ends(child);
    CHECK(state_of(&s->p) == TPARK_EMPTY);
    tpark_destroy(&s->p);
}

TEST(stopping_a_process, does_not_move_its_deadline)
{
    struct shared *s = map_shared(TPARK_SHARED);
    s->timeout_ns = 200 * MS;
    const uint64_t before = monotonic_ns();
    const pid_t child = start_child(park, s);
    while (state_of(&s->p) != TPARK_PARKED)
        sched_yield();
    stop(child);
    while (monotonic_ns() - before < s->timeout_ns)
        sched_yield();
    go_on(child);
    check_ends(child);
    CHECK(s->result == ETIMEDOUT);
    CHECK(monotonic_ns() - before >= s->timeout_ns);
    tpark_destroy(&s->p);
}

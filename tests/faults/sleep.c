/* SPDX-License-Identifier: MIT */
/*
 * What a sleep returns means nothing: a park ends by a token or by its deadline, whatever the
 * system says, and at each moment in between at which a token can come.
 */
#include <errno.h>
#include <sched.h>

#include "../support.h"
#include "inject.h"

static const uint64_t hour_ns = 3600 * 1000 * (uint64_t)MS;

/* The ways to sleep, each with what may come back from it without meaning anything. */
struct way {
    uint64_t timeout_ns; /* 0: none */
    enum call call;
    int errors[5];
};

static const struct way ways[] = {
#if TPARK_BACKEND_FUTEX
    {0, FUTEX_SLEEP, {0, EINTR, EAGAIN, ETIMEDOUT, -1}},
    {hour_ns, FUTEX_WAIT_2, {0, EINTR, EAGAIN, ETIMEDOUT, -1}},
    {hour_ns, FUTEX_WAITV, {0, EINTR, EAGAIN, ETIMEDOUT, -1}},
    {hour_ns, FUTEX_SLEEP, {0, EINTR, EAGAIN, ETIMEDOUT, -1}},
#else
    {0, COND_WAIT, {0, -1}},
    {hour_ns, COND_TIMEDWAIT, {0, ETIMEDOUT, -1}},
#endif
};

enum { TIMED_WAY = 1, FAULTS = 1000 };

struct trial {
    const struct way *way;
    int error;
};

/* f in a process of its own, for each way and each error: a fallback is for good. */
static void for_each_trial(void (*f)(void *))
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (const int *error = ways[i].errors; *error >= 0; error++)
            check_in_child(f, &(struct trial){&ways[i], *error});
}

/* Refuses what would be preferred to it. */
static void take_way(const struct way *way)
{
#if TPARK_BACKEND_FUTEX
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS});
    if (way->call != FUTEX_WAIT_2)
        inject((struct fault){.call = FUTEX_WAIT_2, .times = ALWAYS, .error = ENOSYS});
    if (way->call == FUTEX_SLEEP)
        inject((struct fault){.call = FUTEX_WAITV, .times = ALWAYS, .error = ENOSYS});
#else
    (void)way;
#endif
}

struct parked {
    struct tpark p;
    uint64_t timeout_ns;
    int result;
    atomic_bool is_done;
};

static void park(void *argument)
{
    struct parked *parked = argument;
    if (parked->timeout_ns)
        parked->result = tpark_park_timeout(&parked->p, parked->timeout_ns);
    else
        tpark_park(&parked->p);
    parked->is_done = true;
}

static uint64_t processor_time_of(struct task *task)
{
    clockid_t clock;
    CHECK(pthread_getcpuclockid(task->pthread, &clock) == 0);
    return now_ns(clock);
}

static void check_sleeps_on(void *argument)
{
    const struct trial *trial = argument;
    take_way(trial->way);
    inject((struct fault){.call = trial->way->call, .times = FAULTS, .error = trial->error});
    struct parked parked = {.p = TPARK_INIT, .timeout_ns = trial->way->timeout_ns};
    struct task owner;
    start(&owner, park, &parked);
    while (count_of(trial->way->call) <= FAULTS)
        sched_yield();
    wait_until_parked(&owner, &parked.p);
    CHECK(!parked.is_done);

    /* Asleep for good: it burns nothing, and nothing wakes it. */
    const uint64_t processor_time = processor_time_of(&owner);
    const uint64_t until = monotonic_ns() + 50 * MS;
    while (monotonic_ns() < until)
        sched_yield();
    CHECK(processor_time_of(&owner) - processor_time < 5 * MS);

    CHECK(tpark_unpark(&parked.p) == TPARK_PARKED);
    join(&owner);
    CHECK(parked.result == 0);
    CHECK(count_of(trial->way->call) == FAULTS + 1);
    tpark_destroy(&parked.p);
}

TEST(sleep_, that_ends_without_an_unpark_does_not_end_the_park)
{
    for_each_trial(check_sleeps_on);
}

static void notify(void *p)
{
    CHECK(tpark_notify(p).replaced == TPARK_PARKED);
}

static void check_takes_token(void *argument)
{
    const struct trial *trial = argument;
    take_way(trial->way);
    struct parked parked = {.p = TPARK_INIT, .timeout_ns = trial->way->timeout_ns};
    inject((struct fault){.call = trial->way->call,
                          .times = ALWAYS,
                          .error = trial->error,
                          .meanwhile = notify,
                          .object = &parked.p});
    errno = 4321;
    park(&parked);
    CHECK(errno == 4321);
    CHECK(parked.result == 0);
    CHECK(state_of(&parked.p) == TPARK_EMPTY);
    CHECK(count_of(trial->way->call) == 1);
    tpark_destroy(&parked.p);
}

TEST(sleep_, in_which_a_token_came_ends_the_park_whatever_it_returned)
{
    for_each_trial(check_takes_token);
}

/* Between arming and sleeping: the token, and its wake, are there before there is a sleeper. */
static void unpark(void *p)
{
    CHECK(tpark_unpark(p) == TPARK_PARKED);
}

static void check_does_not_sleep(void *argument)
{
    const struct trial *trial = argument;
    take_way(trial->way);
    struct parked parked = {.p = TPARK_INIT, .timeout_ns = trial->way->timeout_ns};
#if TPARK_BACKEND_FUTEX
    const enum call gate = trial->way->call;
#else
    const enum call gate = MUTEX_LOCK;
#endif
    inject((struct fault){
        .call = gate, .times = 1, .proceeds = true, .meanwhile = unpark, .object = &parked.p});
    park(&parked);
    CHECK(parked.result == 0);
    CHECK(state_of(&parked.p) == TPARK_EMPTY);
    tpark_destroy(&parked.p);
}

TEST(token, that_comes_between_arming_and_sleeping_is_taken)
{
    for_each_trial(check_does_not_sleep);
}

/* From here on the clock stands still but for what the tests do to it. */

static const struct timespec noon = {.tv_sec = 43200, .tv_nsec = 999999999};
static const struct timespec one_pm = {.tv_sec = 46800, .tv_nsec = 999999999};

static void reach_deadline(void *unused)
{
    (void)unused;
    stop_clock(one_pm);
}

static void reach_deadline_but_for_1_ns(void *unused)
{
    (void)unused;
    stop_clock((struct timespec){.tv_sec = one_pm.tv_sec, .tv_nsec = one_pm.tv_nsec - 1});
    inject((struct fault){
        .call = ways[TIMED_WAY].call, .times = 1, .error = ETIMEDOUT, .meanwhile = reach_deadline});
}

static void check_times_out(void (*meanwhile)(void *), int sleeps)
{
    struct tpark p = TPARK_INIT;
    take_way(&ways[TIMED_WAY]);
    stop_clock(noon);
    inject((struct fault){
        .call = ways[TIMED_WAY].call, .times = 1, .error = ETIMEDOUT, .meanwhile = meanwhile});
    CHECK(tpark_park_timeout(&p, hour_ns) == ETIMEDOUT);
    CHECK(count_of(ways[TIMED_WAY].call) == sleeps);
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

TEST(deadline, ends_the_park_at_its_very_nanosecond)
{
    check_times_out(reach_deadline, 1);
}

TEST(deadline, does_not_end_the_park_a_nanosecond_before)
{
    check_times_out(reach_deadline_but_for_1_ns, 2);
}

/* The token comes at the look at the clock, when the owner has looked for it and found none. */
static void notify_at_next_look(void *p)
{
    stop_clock(one_pm);
    inject((struct fault){.call = CLOCK_READ, .times = 1, .meanwhile = notify, .object = p});
}

TEST(token, that_comes_between_the_last_look_and_the_deadline_is_taken)
{
    struct tpark p = TPARK_INIT;
    take_way(&ways[TIMED_WAY]);
    stop_clock(noon);
    inject((struct fault){.call = ways[TIMED_WAY].call,
                          .times = 1,
                          .error = ETIMEDOUT,
                          .meanwhile = notify_at_next_look,
                          .object = &p});
    CHECK(tpark_park_timeout(&p, hour_ns) == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

static void notify_before_armed(void *p)
{
    CHECK(tpark_notify(p).replaced == TPARK_EMPTY);
}

TEST(token, that_comes_between_the_first_look_and_arming_is_taken_without_a_sleep)
{
    struct tpark p = TPARK_INIT;
    inject((struct fault){
        .call = CLOCK_READ, .times = 1, .meanwhile = notify_before_armed, .object = &p});
    CHECK(tpark_park_timeout(&p, hour_ns) == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
    CHECK(count_of(ways[TIMED_WAY].call) == 0);
    tpark_destroy(&p);
}

TEST(timeout, whose_deadline_no_timespec_holds_is_none)
{
    struct tpark p = TPARK_INIT;
    take_way(&ways[TIMED_WAY]);
    const int64_t last = sizeof(time_t) == sizeof(int64_t) ? INT64_MAX : INT32_MAX;
    stop_clock((struct timespec){.tv_sec = (time_t)(last - 3599), .tv_nsec = 0});
    inject((struct fault){.call = ways[0].call, .times = 1, .meanwhile = notify, .object = &p});
    CHECK(tpark_park_timeout(&p, hour_ns) == 0);
    CHECK(count_of(ways[0].call) == 1);

    /* A second earlier there is such a time. */
    stop_clock((struct timespec){.tv_sec = (time_t)(last - 3600), .tv_nsec = 0});
    inject((struct fault){
        .call = ways[TIMED_WAY].call, .times = 1, .meanwhile = notify, .object = &p});
    CHECK(tpark_park_timeout(&p, hour_ns) == 0);
    CHECK(count_of(ways[0].call) == 1);
    CHECK(count_of(ways[TIMED_WAY].call) == 1);
    tpark_destroy(&p);
}

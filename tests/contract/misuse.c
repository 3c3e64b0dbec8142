/* SPDX-License-Identifier: MIT */
/* What the program must not do, and what it is told. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "support.h"

static struct tpark p = TPARK_INIT;

static void set_state(uint32_t state)
{
    atomic_store((_Atomic uint32_t *)&p.state, state);
}

static void park_when_armed(void)
{
    (void)!tpark_arm(&p);
    tpark_park(&p);
}

static void park_timeout_when_armed(void)
{
    (void)!tpark_arm(&p);
    tpark_park_timeout(&p, 0);
}

static void park_until_when_armed(void)
{
    (void)!tpark_arm(&p);
    tpark_park_until(&p, NULL);
}

static void try_park_when_armed(void)
{
    (void)!tpark_arm(&p);
    (void)!tpark_try_park(&p);
}

static void arm_when_armed(void)
{
    (void)!tpark_arm(&p);
    (void)!tpark_arm(&p);
}

TEST(misuse, by_two_threads_that_park_on_one_parker_aborts)
{
    static const char reason[] = ": the parker is armed already: two threads park on it\n";
    static const struct {
        void (*call)(void);
        const char *function;
    } calls[] = {
        {park_when_armed, "tpark_park"},
        {park_timeout_when_armed, "tpark_park_timeout"},
        {park_until_when_armed, "tpark_park_until"},
        {try_park_when_armed, "tpark_try_park"},
        {arm_when_armed, "tpark_arm"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char line[128];
        snprintf(line, sizeof line, "tpark: %s%s", calls[i].function, reason);
        check_aborts(calls[i].call, line);
    }
}

static void disarm_when_empty(void)
{
    (void)!tpark_disarm(&p);
}

TEST(misuse, by_a_disarm_that_no_arm_came_before_aborts)
{
    check_aborts(disarm_when_empty,
                 "tpark: tpark_disarm: the parker is not armed: two threads park on it, or none\n");
}

static void park(void *unused)
{
    (void)unused;
    tpark_park(&p);
}

static void take_token_from_sleeper(void)
{
    struct task owner;
    start(&owner, park, NULL);
    wait_until_parked(&owner, &p);
    set_state(TPARK_EMPTY);
    stray_wake(&p);
    join(&owner);
}

TEST(misuse, by_a_second_owner_that_takes_the_state_of_a_sleeper_aborts)
{
    check_aborts(take_token_from_sleeper,
                 "tpark: tpark_park: the parker is not armed: two threads park on it, or none\n");
}

static void destroy_when_armed(void)
{
    (void)!tpark_arm(&p);
    tpark_destroy(&p);
}

static void free_when_armed(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    (void)!tpark_arm(tpark_thread_parker(t));
    tpark_thread_free(t);
}

static bool wake_nobody(void *unused)
{
    (void)unused;
    return true;
}

static void free_when_armed_with_a_hook(void)
{
    const struct tpark_hook hook = {.wake = wake_nobody};
    struct tpark_thread *t = tpark_thread_new_hooked(0, &hook);
    (void)!tpark_arm(tpark_thread_parker(t));
    tpark_thread_free(t);
}

TEST(misuse, by_ending_a_parker_on_which_a_thread_sleeps_aborts)
{
    check_aborts(destroy_when_armed,
                 "tpark: tpark_destroy: the parker is armed: a thread sleeps on it\n");
    check_aborts(free_when_armed,
                 "tpark: tpark_thread_free: the parker is armed: a thread sleeps on it\n");
    check_aborts(free_when_armed_with_a_hook,
                 "tpark: tpark_thread_free: the parker is armed: a thread sleeps on it\n");
}

static atomic_bool is_locked;

static void keep_stderr_locked(void *unused)
{
    (void)unused;
    flockfile(stderr);
    is_locked = true;
    for (;;)
        pause();
}

static void misuse_while_stderr_is_locked(void)
{
    struct task other;
    start(&other, keep_stderr_locked, NULL);
    while (!is_locked)
        sched_yield();
    disarm_when_empty();
}

TEST(misuse, is_told_also_while_a_thread_writes_to_stderr)
{
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer itself waits for stderr when a program ends");
    check_aborts(misuse_while_stderr_is_locked,
                 "tpark: tpark_disarm: the parker is not armed: two threads park on it, or none\n");
}

static void park_when_corrupt(void)
{
    set_state(3);
    tpark_park(&p);
}

static void unpark_when_corrupt(void)
{
    set_state(0x10000);
    tpark_unpark(&p);
}

static void notify_when_corrupt(void)
{
    set_state(UINT32_MAX);
    (void)!tpark_notify(&p).wake;
}

static void disarm_when_corrupt(void)
{
    set_state(3);
    (void)!tpark_disarm(&p);
}

TEST(misuse, of_the_state_word_aborts)
{
    check_aborts(park_when_corrupt, "tpark: tpark_park: the state word is corrupt\n");
    check_aborts(unpark_when_corrupt, "tpark: tpark_unpark: the state word is corrupt\n");
    check_aborts(notify_when_corrupt, "tpark: tpark_notify: the state word is corrupt\n");
    check_aborts(disarm_when_corrupt, "tpark: tpark_disarm: the state word is corrupt\n");
}

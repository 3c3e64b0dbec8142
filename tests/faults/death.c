/* SPDX-License-Identifier: MIT */
/* Processes that are killed while they park or unpark: anywhere, and at each instruction. */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "child.h"

static void kill_and_reap(pid_t child)
{
    int status = -1;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void unpark_for_ever(struct shared *s)
{
    for (;; s->rounds++)
        tpark_unpark(&s->p);
}

static void park_in_thread(void *s)
{
    park(s);
}

static enum tpark_state unpark_by_halves(struct tpark *p)
{
    const struct tpark_owed owed = tpark_notify(p);
    tpark_wake_owner(owed);
    return owed.replaced;
}

/* Parks in this process again and again, until it finds that it is over. */
static atomic_bool is_over;

static void park_until_over(void *s)
{
    while (!atomic_load(&is_over))
        park(s);
}

static void wait_until_armed(const struct shared *s)
{
    while (state_of(&s->p) != TPARK_PARKED)
        sched_yield();
}

#ifndef KILLS
#define KILLS 500
#endif

TEST(death, of_an_unparkers_process_anywhere_leaves_no_owner_asleep_after_the_next_unpark)
{
    struct shared *s = map_shared(TPARK_SHARED | TPARK_SPIN_NEVER);
    struct task owner;
    start(&owner, park_until_over, s);
    for (int i = 0; i < KILLS; i++) {
        s->rounds = 0;
        const pid_t child = start_child(unpark_for_ever, s);
        while (s->rounds < i % 8)
            sched_yield();
        kill_and_reap(child);
        if (i % 2)
            tpark_unpark(&s->p);
        else
            unpark_by_halves(&s->p);
        wait_until_armed(s); /* it has taken the token, and is back */
    }
    atomic_store(&is_over, true);
    tpark_unpark(&s->p);
    join(&owner);
}

static void die_between_the_halves(struct shared *s)
{
    CHECK(tpark_notify(&s->p).replaced == TPARK_PARKED);
    raise(SIGKILL);
}

static void check_death_between_the_halves(enum tpark_state (*unpark)(struct tpark *p))
{
    struct shared *s = map_shared(TPARK_SHARED);
    struct task owner;
    start(&owner, park_in_thread, s);
    wait_until_parked(&owner, &s->p);
    const pid_t child = start_child(die_between_the_halves, s);
    CHECK(waitpid(child, NULL, 0) == child);
    /* EMPTY if the owner was not in its sleep yet (an emulator sleeps elsewhere too). */
    const enum tpark_state replaced = unpark(&s->p);
    join(&owner);
    CHECK(replaced == TPARK_NOTIFIED ? state_of(&s->p) == TPARK_EMPTY
                                     : state_of(&s->p) == TPARK_NOTIFIED);
}

TEST(death, between_the_halves_of_an_unpark_is_made_good_by_the_next_unpark)
{
    check_death_between_the_halves(tpark_unpark);
    check_death_between_the_halves(unpark_by_halves);
}

static void park_for_ever(struct shared *s)
{
    for (;; s->rounds++)
        park(s);
}

/* Whoever unparks the dead does no harm, and its token waits for the new owner. */
static void check_new_owner(struct shared *s, bool is_unparked)
{
    if (is_unparked) {
        tpark_unpark(&s->p);
        tpark_unpark(&s->p);
    }
    (void)tpark_adopt(&s->p);
    CHECK(state_of(&s->p) != TPARK_PARKED);
    const bool token = tpark_try_park(&s->p);
    CHECK(token || !is_unparked);
    CHECK(tpark_unpark(&s->p) == TPARK_EMPTY);
    CHECK(!tpark_notify(&s->p).wake); /* of the dead nothing is left */
    CHECK(tpark_try_park(&s->p));
    s->timeout_ns = 0;
    const pid_t child = start_child(park, s);
    wait_until_child_parked(child, s);
    CHECK(tpark_unpark(&s->p) == TPARK_PARKED);
    check_ends(child);
    CHECK(tpark_park_timeout(&s->p, 0) == ETIMEDOUT);
}

TEST(death, of_a_parked_owners_process_is_made_good_by_adopt)
{
    static const uint64_t timeouts[] = {0, 3600 * 1000 * (uint64_t)MS};
    struct shared *s = map_shared(TPARK_SHARED);
    for (int i = 0; i < 2; i++) {
        s->timeout_ns = timeouts[i];
        const pid_t child = start_child(park, s);
        wait_until_child_parked(child, s);
        kill_and_reap(child);
        CHECK(state_of(&s->p) == TPARK_PARKED);
        check_new_owner(s, i == 0);
    }
}

TEST(death, of_an_owners_process_at_any_moment_is_made_good_by_adopt)
{
    struct shared *s = map_shared(TPARK_SHARED);
    for (int i = 0; i < 50; i++) {
        s->rounds = 0;
        s->timeout_ns = i % 2 ? 1000 : 0;
        const pid_t child = start_child(park_for_ever, s);
        while (s->rounds < 10 * i)
            tpark_unpark(&s->p);
        kill_and_reap(child);
        check_new_owner(s, i % 3 == 0);
    }
}

/* -------------------------------------------------------------------------- each instruction -- */

/* A child that stops before f. */
static pid_t start_traced(void (*f)(struct shared *), struct shared *s)
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        f(s);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        SKIP("nobody can trace a process here");
    return child;
}

/* One instruction. Returns whether the child still runs. */
static bool step(pid_t child)
{
    int status = -1;
    if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0)
        SKIP("nobody can step through a process here");
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSTOPPED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return WIFSTOPPED(status);
}

struct story {
    void (*before)(struct shared *);
    void (*in_child)(struct shared *);
    void (*at_each_step)(struct shared *);
    void (*after)(struct shared *);
};

/* Returns how far it got, and says at which steps the parker changed. */
static int go(const struct story *story, struct shared *s, int steps, bool *is_change)
{
    story->before(s);
    const pid_t child = start_traced(story->in_child, s);
    struct tpark seen = s->p;
    int done = 0;
    while (done < steps && step(child)) {
        story->at_each_step(s);
        done++;
        if (is_change)
            is_change[done] = memcmp(&seen, &s->p, sizeof seen) != 0;
        seen = s->p;
    }
    if (done == steps)
        kill_and_reap(child);
    story->after(s);
    return done;
}

/*
 * Where an instruction changes nothing that others can see, to die before it and after it is the
 * same. So one that changes the parker is tried on both sides, and of the others some.
 */
static void kill_at_each_instruction(const struct story *story)
{
    struct shared *s = map_shared(TPARK_SHARED);
    enum { MOST = 1000000, SAMPLES = 40 };
    static bool is_change[MOST + 1];
    const int all = go(story, s, MOST, is_change);
    for (int i = 0; i < all; i++)
        if (is_change[i] || is_change[i + 1] || i % (1 + all / SAMPLES) == 0)
            go(story, s, i, NULL);
}

static void do_nothing(struct shared *s)
{
    (void)s;
}

static struct task sleeper;

static void start_sleeper(struct shared *s)
{
    s->timeout_ns = 0;
    start(&sleeper, park_in_thread, s);
    wait_until_parked(&sleeper, &s->p);
}

static void unpark_once(struct shared *s)
{
    tpark_unpark(&s->p);
}

static void unpark_once_by_halves(struct shared *s)
{
    unpark_by_halves(&s->p);
}

static void check_sleeper_ends_by_unpark(struct shared *s)
{
    tpark_unpark(&s->p);
    join(&sleeper);
    (void)tpark_try_park(&s->p);
}

static void check_sleeper_ends_by_halves(struct shared *s)
{
    unpark_by_halves(&s->p);
    join(&sleeper);
    (void)tpark_try_park(&s->p);
}

TEST(death, at_each_instruction_of_an_unpark_leaves_no_owner_asleep_after_the_next_unpark)
{
    kill_at_each_instruction(&(struct story){.before = start_sleeper,
                                             .in_child = unpark_once,
                                             .at_each_step = do_nothing,
                                             .after = check_sleeper_ends_by_unpark});
    kill_at_each_instruction(&(struct story){.before = start_sleeper,
                                             .in_child = unpark_once_by_halves,
                                             .at_each_step = do_nothing,
                                             .after = check_sleeper_ends_by_halves});
}

static void park_shortly(struct shared *s)
{
    (void)!tpark_park_timeout(&s->p, 1);
}

static bool was_notified;

static void notify_when_armed(struct shared *s)
{
    if (!was_notified && state_of(&s->p) == TPARK_PARKED) {
        was_notified = true;
        (void)tpark_notify(&s->p).wake; /* of a process that dies before its wake */
    }
}

/* A token that is there is not lost, and nothing else is left of the dead. */
static void check_adopts(struct shared *s)
{
    const enum tpark_state left = state_of(&s->p);
    CHECK(tpark_adopt(&s->p) == left);
    CHECK(tpark_try_park(&s->p) == (left == TPARK_NOTIFIED));
    CHECK(tpark_unpark(&s->p) == TPARK_EMPTY);
    CHECK(!tpark_notify(&s->p).wake);
    CHECK(tpark_try_park(&s->p));
    was_notified = false;
}

TEST(death, at_each_instruction_of_a_park_is_made_good_by_adopt)
{
    kill_at_each_instruction(&(struct story){.before = do_nothing,
                                             .in_child = park_shortly,
                                             .at_each_step = do_nothing,
                                             .after = check_adopts});
    kill_at_each_instruction(&(struct story){.before = do_nothing,
                                             .in_child = park_shortly,
                                             .at_each_step = notify_when_armed,
                                             .after = check_adopts});
}

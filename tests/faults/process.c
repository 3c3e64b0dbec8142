/* SPDX-License-Identifier: MIT */
/* Processes that are stopped, continued and killed while they park or unpark. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support.h"

/* What a test and its child share. */
struct shared {
    struct tpark p;
    uint64_t timeout_ns; /* 0: none */
    int result;
    atomic_int rounds;
};

static struct shared *map_shared(unsigned flags)
{
    struct shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    CHECK(tpark_init(&s->p, flags) == 0);
    return s;
}

static pid_t start_child(void (*f)(struct shared *), struct shared *s)
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_LIMIT_S);
        f(s);
        leave(0);
    }
    return child;
}

static void check_ends(pid_t child)
{
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Waits until the child's main thread is asleep with its parker PARKED. */
static void wait_until_child_parked(pid_t child, const struct shared *s)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    for (;; sched_yield()) {
        char text[512];
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        const size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = '\0';
        const char *after_name = strrchr(text, ')');
        if (state_of(&s->p) == TPARK_PARKED && after_name && after_name[2] == 'S')
            return;
    }
}

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

static void park(struct shared *s)
{
    if (s->timeout_ns)
        s->result = tpark_park_timeout(&s->p, s->timeout_ns);
    else
        tpark_park(&s->p);
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

#if TPARK_BACKEND_FUTEX /* the other promises nothing */

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

TEST(death, of_an_unparkers_process_leaves_a_parker_that_works)
{
    struct shared *s = map_shared(TPARK_SHARED);
    for (int i = 0; i < 50; i++) {
        /* Killed wherever it happens to be, the middle of an unpark included. */
        s->rounds = 0;
        const pid_t child = start_child(unpark_for_ever, s);
        while (s->rounds < 10 * i) {
            CHECK(tpark_park_timeout(&s->p, HANG_LIMIT_S * 1000 * (uint64_t)MS) == 0);
        }
        kill_and_reap(child);
        (void)tpark_try_park(&s->p);

        struct task owner;
        start(&owner, park_in_thread, s);
        wait_until_parked(&owner, &s->p);
        CHECK(tpark_unpark(&s->p) == TPARK_PARKED);
        join(&owner);
        CHECK(state_of(&s->p) == TPARK_EMPTY);
    }
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

static enum tpark_state unpark_by_halves(struct tpark *p)
{
    const struct tpark_owed owed = tpark_notify(p);
    tpark_wake_owner(owed);
    return owed.replaced;
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

#endif

/* SPDX-License-Identifier: MIT */
/* Two threads at once: deadlines against unparks, and what each sees of the other's writes. */
#include <errno.h>
#include <sched.h>

#include "support.h"

struct duel {
    struct tpark p;
    atomic_int round;         /* the unparker acts once in each */
    _Atomic uint64_t fire_ns; /* when */
    atomic_int fired;
};

enum { ROUNDS = 3000 };

static void unpark_at_the_time(void *argument)
{
    struct duel *duel = argument;
    for (int round = 1; round <= ROUNDS; round++) {
        while (duel->round < round)
            sched_yield();
        while (monotonic_ns() < duel->fire_ns)
            ;
        tpark_unpark(&duel->p);
        duel->fired = round;
    }
}

TEST(deadline, that_races_an_unpark_neither_loses_nor_invents_a_token)
{
    struct duel duel = {.p = TPARK_INIT};
    struct task unparker;
    start(&unparker, unpark_at_the_time, &duel);
    int in_time = 0;
    /* How far beyond the deadline the unpark aims: back and forth over where the two meet. */
    int64_t offset_ns = 0;
    const int64_t first_step_ns = 1000;
    const int64_t last_step_ns = 1024000;
    int64_t step_ns = first_step_ns;
    bool was_in_time = false;
    for (int round = 1; round <= ROUNDS; round++) {
        const uint64_t timeout_ns = 100000;
        duel.fire_ns = (uint64_t)((int64_t)(monotonic_ns() + timeout_ns) + offset_ns);
        duel.round = round;
        const int result = tpark_park_timeout(&duel.p, timeout_ns);
        CHECK(result == 0 || result == ETIMEDOUT);
        while (duel.fired < round)
            sched_yield();
        const int left = tpark_try_park(&duel.p);
        CHECK((result == 0) + left == 1);
        CHECK(state_of(&duel.p) == TPARK_EMPTY);
        if ((result == 0) != was_in_time)
            step_ns = first_step_ns;
        else if (step_ns < last_step_ns)
            step_ns *= 2;
        was_in_time = result == 0;
        offset_ns += was_in_time ? step_ns : -step_ns;
        in_time += was_in_time;
    }
    join(&unparker);
    tpark_destroy(&duel.p);
    CHECK(in_time > 0 && in_time < ROUNDS); /* else it met one side only */
}

/*
 * A plain variable for each unparker, handed over by the tokens alone: that all have unparked is
 * told by a relaxed counter, which orders nothing.
 */
struct office {
    struct tpark owner;
    struct tpark unparker[2];
    long written[2];
    atomic_long unparks;
};

struct writer {
    struct office *office;
    int index;
};

static void write_and_unpark(void *argument)
{
    const struct writer *self = argument;
    struct office *office = self->office;
    for (long round = 1; round <= ROUNDS; round++) {
        office->written[self->index] = round;
        tpark_unpark(&office->owner);
        atomic_fetch_add_explicit(&office->unparks, 1, memory_order_relaxed);
        tpark_park(&office->unparker[self->index]);
    }
}

TEST(unparks, of_two_threads_that_merge_make_the_writes_of_both_visible)
{
    static struct office office = {.owner = TPARK_INIT, .unparker = {TPARK_INIT, TPARK_INIT}};
    struct writer writers[2] = {{&office, 0}, {&office, 1}};
    struct task tasks[2];
    for (int i = 0; i < 2; i++)
        start(&tasks[i], write_and_unpark, &writers[i]);
    for (long round = 1; round <= ROUNDS; round++) {
        tpark_park(&office.owner);
        while (atomic_load_explicit(&office.unparks, memory_order_relaxed) < 2 * round)
            sched_yield();
        (void)tpark_try_park(&office.owner); /* the second token, if the two did not merge */
        CHECK(office.written[0] == round && office.written[1] == round);
        for (int i = 0; i < 2; i++)
            tpark_unpark(&office.unparker[i]);
    }
    for (int i = 0; i < 2; i++) {
        join(&tasks[i]);
        tpark_destroy(&office.unparker[i]);
    }
    tpark_destroy(&office.owner);
}

struct table {
    struct tpark side[2];
    int ball; /* plain: the token carries it */
};

static void return_the_ball(void *argument)
{
    struct table *table = argument;
    for (int i = 0; i < ROUNDS; i++) {
        tpark_park(&table->side[1]);
        table->ball++;
        tpark_unpark(&table->side[0]);
    }
}

TEST(ping_pong, ends_and_hands_over_what_was_written)
{
    static struct table table = {.side = {TPARK_INIT, TPARK_INIT}};
    struct task other;
    start(&other, return_the_ball, &table);
    for (int i = 0; i < ROUNDS; i++) {
        table.ball++;
        tpark_unpark(&table.side[1]);
        tpark_park(&table.side[0]);
        CHECK(table.ball == 2 * (i + 1));
    }
    join(&other);
    tpark_destroy(&table.side[0]);
    tpark_destroy(&table.side[1]);
}

/* What the owner wrote before it armed is visible to whoever must wake it. */
static void arm_and_wait(void *argument)
{
    struct table *table = argument;
    for (int i = 1; i <= ROUNDS; i++) {
        table->ball = i;
        if (tpark_arm(&table->side[0])) {
            while (state_of(&table->side[0]) == TPARK_PARKED)
                sched_yield();
            CHECK(tpark_disarm(&table->side[0]));
        }
        tpark_unpark(&table->side[1]);
        tpark_park(&table->side[0]);
    }
}

TEST(unpark, that_returns_parked_sees_what_the_owner_wrote_before_it_armed)
{
    static struct table table = {.side = {TPARK_INIT, TPARK_INIT}};
    struct task owner;
    start(&owner, arm_and_wait, &table);
    for (int i = 1; i <= ROUNDS; i++) {
        while (state_of(&table.side[0]) != TPARK_PARKED)
            sched_yield();
        CHECK(tpark_notify(&table.side[0]).replaced == TPARK_PARKED);
        CHECK(table.ball == i);
        tpark_park(&table.side[1]);
        tpark_unpark(&table.side[0]);
    }
    join(&owner);
    tpark_destroy(&table.side[0]);
    tpark_destroy(&table.side[1]);
}

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
    for (int round = 1; round <= ROUNDS; round++) {
        const uint64_t timeout_ns = 100000;
        /* From 200 us before the deadline to 200 us after it. */
        const uint64_t offset = (uint64_t)(round % 401) * 1000;
        duel.fire_ns = monotonic_ns() + timeout_ns + offset - 200000;
        duel.round = round;
        const int result = tpark_park_timeout(&duel.p, timeout_ns);
        CHECK(result == 0 || result == ETIMEDOUT);
        while (duel.fired < round)
            sched_yield();
        const int left = tpark_try_park(&duel.p);
        CHECK((result == 0) + left == 1);
        CHECK(state_of(&duel.p) == TPARK_EMPTY);
        in_time += result == 0;
    }
    join(&unparker);
    tpark_destroy(&duel.p);
    CHECK(in_time > 0 && in_time < ROUNDS); /* else the sweep met one side only */
}

/* A plain variable for each unparker, handed over by the tokens alone. */
struct relay {
    struct tpark owner;
    struct tpark unparker[2];
    uint64_t written[2];
};

struct writer {
    struct relay *relay;
    int index;
};

static void write_and_unpark(void *argument)
{
    const struct writer *writer = argument;
    struct relay *relay = writer->relay;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        relay->written[writer->index] = round;
        tpark_unpark(&relay->owner);
        tpark_park(&relay->unparker[writer->index]);
    }
}

TEST(unparks, of_two_threads_that_merge_make_the_writes_of_both_visible)
{
    struct relay relay = {.owner = TPARK_INIT, .unparker = {TPARK_INIT, TPARK_INIT}};
    struct writer writers[2] = {{&relay, 0}, {&relay, 1}};
    struct task tasks[2];
    for (int i = 0; i < 2; i++)
        start(&tasks[i], write_and_unpark, &writers[i]);
    /* Merged or not: a written value that the token stands for is there, and none is ahead. */
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        do
            tpark_park(&relay.owner);
        while (__atomic_load_n(&relay.written[0], __ATOMIC_RELAXED) < round ||
               __atomic_load_n(&relay.written[1], __ATOMIC_RELAXED) < round);
        CHECK(relay.written[0] == round && relay.written[1] == round);
        for (int i = 0; i < 2; i++)
            tpark_unpark(&relay.unparker[i]);
    }
    for (int i = 0; i < 2; i++) {
        join(&tasks[i]);
        tpark_destroy(&relay.unparker[i]);
    }
    tpark_destroy(&relay.owner);
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
    struct table table = {.side = {TPARK_INIT, TPARK_INIT}};
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
    struct table table = {.side = {TPARK_INIT, TPARK_INIT}};
    struct task owner;
    start(&owner, arm_and_wait, &table);
    for (int i = 1; i <= ROUNDS; i++) {
        while (state_of(&table.side[0]) != TPARK_PARKED)
            sched_yield();
        CHECK(tpark_notify(&table.side[0]) == TPARK_PARKED);
        CHECK(table.ball == i);
        tpark_park(&table.side[1]);
        tpark_unpark(&table.side[0]);
    }
    join(&owner);
    tpark_destroy(&table.side[0]);
    tpark_destroy(&table.side[1]);
}

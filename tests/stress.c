/* SPDX-License-Identifier: MIT */
/*
 * Every API from several threads at once, as a plain program for ThreadSanitizer: what the token
 * must order is read and written as plain data, so a missing happens-before is a reported race,
 * and a lost token is a hang. That data is static: clang 14 takes a member of a local struct for
 * one that no other thread can see, and does not instrument the function's own accesses.
 *
 * usage: stress [ROUNDS]
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

static int rounds = 20000;

/* Two threads hand a plain variable to and fro. */
struct table {
    struct tpark side[2];
    long ball;
};

static void return_the_ball(void *argument)
{
    struct table *table = argument;
    for (int i = 0; i < rounds; i++) {
        tpark_park(&table->side[1]);
        table->ball++;
        tpark_unpark(&table->side[0]);
    }
}

static void ping_pong(void)
{
    static struct table table = {.side = {TPARK_INIT, TPARK_INIT}};
    struct task other;
    start(&other, return_the_ball, &table);
    for (int i = 0; i < rounds; i++) {
        table.ball++;
        if (i % 2) {
            tpark_unpark(&table.side[1]);
            tpark_park(&table.side[0]);
        } else {
            tpark_wake_owner(tpark_notify(&table.side[1]));
            CHECK(tpark_park_timeout(&table.side[0], 3600 * 1000 * (uint64_t)MS) == 0);
        }
    }
    join(&other);
    CHECK(table.ball == 2L * rounds);
    tpark_destroy(&table.side[0]);
    tpark_destroy(&table.side[1]);
}

/*
 * In every round each producer leaves a letter and unparks the owner, which reads all of them when
 * all have unparked. That they have is told by a relaxed counter, so nothing but the tokens orders
 * the letters; and tokens that merged must have ordered all.
 */
enum { PRODUCERS = 3 };

struct office {
    struct tpark owner;
    struct tpark producer[PRODUCERS];
    long letter[PRODUCERS];
    atomic_long unparks;
};

struct producer {
    struct office *office;
    int index;
};

static void produce(void *argument)
{
    const struct producer *self = argument;
    struct office *office = self->office;
    for (long round = 1; round <= rounds; round++) {
        office->letter[self->index] = round;
        tpark_unpark(&office->owner);
        atomic_fetch_add_explicit(&office->unparks, 1, memory_order_relaxed);
        tpark_park(&office->producer[self->index]);
    }
}

/* Each of the ways to park that end without a token. */
static void park_briefly(struct tpark *p, long way)
{
    const struct timespec deadline = deadline_in_ns(20000);
    switch (way % 4) {
    case 0:
        (void)tpark_park_timeout(p, 10000);
        break;
    case 1:
        (void)tpark_park_until(p, &deadline);
        break;
    case 2:
        (void)tpark_try_park(p);
        sched_yield();
        break;
    default:
        if (tpark_arm(p)) {
            sched_yield();
            (void)!tpark_disarm(p);
        }
    }
}

static void merge(void)
{
    static struct office office = {.owner = TPARK_INIT};
    struct producer producers[PRODUCERS];
    struct task tasks[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        office.producer[i] = (struct tpark)TPARK_INIT;
        producers[i] = (struct producer){&office, i};
        start(&tasks[i], produce, &producers[i]);
    }
    for (long round = 1, way = 0; round <= rounds; round++) {
        while (atomic_load_explicit(&office.unparks, memory_order_relaxed) < PRODUCERS * round)
            park_briefly(&office.owner, way++);
        (void)tpark_try_park(&office.owner); /* the token that is left, if one is */
        for (int i = 0; i < PRODUCERS; i++) {
            CHECK(office.letter[i] == round);
            tpark_unpark(&office.producer[i]);
        }
    }
    for (int i = 0; i < PRODUCERS; i++) {
        join(&tasks[i]);
        tpark_destroy(&office.producer[i]);
    }
    tpark_destroy(&office.owner);
}

/* Handles of one parker, cloned, used and freed in several threads, while the owner goes first. */
static void use_handles(void *argument)
{
    struct tpark_unparker *u = argument;
    struct tpark_unparker *v = tpark_unparker_clone(u);
    struct tpark_waker w = tpark_unparker_into_waker(v);
    struct tpark_waker x = tpark_waker_clone(&w);
    tpark_unparker_unpark(u);
    tpark_unparker_free(u);
    tpark_waker_wake_by_ref(&x);
    tpark_waker_wake(w);
    tpark_waker_drop(x);
}

static void handles(void)
{
    for (int i = 0; i < rounds / 50; i++) {
        struct tpark_thread *t = tpark_thread_new(0);
        struct task tasks[PRODUCERS];
        for (int j = 0; j < PRODUCERS; j++)
            start(&tasks[j], use_handles, tpark_thread_unparker(t));
        for (int j = i % 3; j > 0; j--)
            (void)tpark_thread_park_timeout(t, 100000);
        tpark_thread_free(t);
        for (int j = 0; j < PRODUCERS; j++)
            join(&tasks[j]);
    }
}

/* A future whose value another thread sets, plainly. */
struct promise {
    long value;
    atomic_bool is_set;
    struct tpark_waker waker;
    struct task setter;
    bool is_polled;
};

static void set_value(void *argument)
{
    struct promise *promise = argument;
    promise->value = 42;
    atomic_store_explicit(&promise->is_set, true, memory_order_release);
    tpark_waker_wake(promise->waker);
}

static bool poll_promise(void *future, const struct tpark_waker *waker)
{
    struct promise *promise = future;
    if (!promise->is_polled) {
        promise->is_polled = true;
        promise->waker = tpark_waker_clone(waker);
        start(&promise->setter, set_value, promise);
    }
    return atomic_load_explicit(&promise->is_set, memory_order_acquire);
}

static void block_on_in_thread(void *unused)
{
    (void)unused;
    for (int i = 0; i < rounds / 100; i++) {
        struct promise promise = {.value = 0};
        CHECK(tpark_block_on(poll_promise, &promise) == 0);
        CHECK(promise.value == 42);
        join(&promise.setter);
        (void)tpark_current_park_timeout(1000);
    }
}

static void block_on(void)
{
    struct task tasks[2];
    for (int i = 0; i < 2; i++)
        start(&tasks[i], block_on_in_thread, NULL);
    for (int i = 0; i < 2; i++)
        join(&tasks[i]);
}

/* An owner that says where it blocks, and a hook that reads it. */
struct place {
    long where;
    atomic_bool is_awake;
};

static bool wake_place(void *context)
{
    struct place *place = context;
    CHECK(place->where > 0);
    /* Orders the read above before the owner's next write; the token orders it after the last. */
    atomic_store_explicit(&place->is_awake, true, memory_order_release);
    return true;
}

static void unpark_often(void *argument)
{
    for (int i = 0; i < rounds; i++)
        tpark_unparker_unpark(argument);
    tpark_unparker_free(argument);
}

static void hook(void)
{
    static struct place place;
    struct tpark_thread *t =
        tpark_thread_new_hooked(0, &(struct tpark_hook){.wake = wake_place, .context = &place});
    struct tpark *p = tpark_thread_parker(t);
    struct task unparker;
    start(&unparker, unpark_often, tpark_thread_unparker(t));
    for (int i = 1; i <= rounds; i++) {
        place.where = i;
        atomic_store_explicit(&place.is_awake, false, memory_order_relaxed);
        if (tpark_arm(p)) {
            if (i % 16 == 0)
                sched_yield();
            if (tpark_disarm(p))
                while (!atomic_load_explicit(&place.is_awake, memory_order_acquire))
                    sched_yield();
        }
    }
    join(&unparker);
    tpark_thread_free(t);
}

int main(int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && (rounds = atoi(argv[1])) <= 0)) {
        fprintf(stderr, "usage: %s [ROUNDS]\n", argv[0]);
        return 2;
    }
    ping_pong();
    merge();
    handles();
    block_on();
    hook();
    printf("%d rounds: no token lost, no race seen\n", rounds);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Waking many at once: notify under the lock, wake after it.
 *
 * A gate lets all waiting threads pass when it is opened. The lock guards the list of those who
 * wait; a system call for each of them has no place under it, or every thread that was woken would
 * run into the lock at once. So the tokens are given under the lock by tpark_notify(), and the
 * wakes that are owed are collected, as addresses in an array, and issued after it.
 *
 * No list of the library's own is needed for that: tpark_wake_owner() touches no futex parker. By
 * the time of its wake a waiter may have taken its token and gone, even with the memory that its
 * parker was in, if that was private: the waiter's entry may be a variable on its stack. (With the
 * pthread backend the parker must be there until the wake has returned; here they live as long as
 * the threads' array.)
 *
 * Run:    ./wake_many
 * Exits with 0 if every thread passed the gate in every round, and no wake was issued unasked.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <tpark.h>

enum { WAITERS = 16, ROUNDS = 200 };

struct waiter {
    pthread_t thread;
    struct tpark parker;
    struct waiter *next;
};

struct gate {
    pthread_mutex_t lock;
    struct waiter *waiting;
    int round; /* how often it was opened */
};

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct tpark main_parker = TPARK_INIT;
static atomic_int arrived;

/* Waits until the gate has been opened for the n-th time. */
static void wait_for_round(struct waiter *self, int n)
{
    pthread_mutex_lock(&gate.lock);
    const bool must_wait = gate.round < n;
    if (must_wait) {
        self->next = gate.waiting;
        gate.waiting = self;
    }
    pthread_mutex_unlock(&gate.lock);
    if (atomic_fetch_add(&arrived, 1) + 1 == WAITERS)
        tpark_unpark(&main_parker);
    if (must_wait)
        tpark_park(&self->parker);
}

/* Opens the gate. Returns how many wakes that took. */
static int open_gate(void)
{
    struct tpark_owed owed[WAITERS];
    int wakes = 0;
    pthread_mutex_lock(&gate.lock);
    gate.round++;
    for (struct waiter *w = gate.waiting, *next; w; w = next) {
        next = w->next; /* with its token, the waiter may go */
        owed[wakes] = tpark_notify(&w->parker);
        wakes += owed[wakes].wake != 0;
    }
    gate.waiting = NULL;
    pthread_mutex_unlock(&gate.lock);
    for (int i = 0; i < wakes; i++)
        tpark_wake_owner(owed[i]);
    return wakes;
}

static void *pass_gates(void *argument)
{
    for (int round = 1; round <= ROUNDS; round++)
        wait_for_round(argument, round);
    return NULL;
}

int main(void)
{
    static struct waiter waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        const int error = tpark_init(&waiters[i].parker, 0);
        assert(error == 0);
        pthread_create(&waiters[i].thread, NULL, pass_gates, &waiters[i]);
    }
    int wakes = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        tpark_park(&main_parker); /* until all have arrived */
        atomic_store(&arrived, 0);
        wakes += open_gate();
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        const bool is_token_left = tpark_try_park(&waiters[i].parker);
        assert(!is_token_left);
        tpark_destroy(&waiters[i].parker);
    }
    assert(wakes <= ROUNDS * WAITERS);
    printf("%d threads passed %d gates with %d wakes\n", WAITERS, ROUNDS, wakes);
    return 0;
}

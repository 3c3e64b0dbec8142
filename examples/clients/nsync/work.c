/* SPDX-License-Identifier: MIT */
/*
 * A program of nsync's, which knows nothing of tpark: `work` runs every workload for a moment,
 * `work WORKLOAD ROUNDS` one of them. Each asserts its own result.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <nsync.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4 };

static long rounds;

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        const int error = pthread_create(&threads[i], NULL, run, (void *)(size_t)i);
        assert(error == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---------------------------------------------------- a mutex that all want, held for a while --
 */

static nsync_mu mu = NSYNC_MU_INIT;
static long count;

static void *lock_and_count(void *unused)
{
    for (long i = 0; i < rounds / THREADS; i++) {
        nsync_mu_lock(&mu);
        for (int work = 0; work < 300; work++)
            count = *(volatile long *)&count + 1;
        nsync_mu_unlock(&mu);
    }
    return unused;
}

static void mutex(void)
{
    count = 0;
    run_threads(lock_and_count);
    assert(count == rounds / THREADS * THREADS * 300);
}

/* ------------------------------------------------- condition variables: threads take their turn --
 */

static nsync_cv turn_changed[THREADS];
static long turn;

static void *take_turns(void *argument)
{
    const long me = (long)(size_t)argument;
    nsync_mu_lock(&mu);
    for (long i = 0; i < rounds / THREADS; i++) {
        while (turn % THREADS != me)
            nsync_cv_wait(&turn_changed[me], &mu);
        turn++;
        nsync_cv_signal(&turn_changed[turn % THREADS]);
    }
    nsync_mu_unlock(&mu);
    return NULL;
}

static void turns(void)
{
    turn = 0;
    run_threads(take_turns);
    assert(turn == rounds / THREADS * THREADS);
}

/* ------------------------------------------------------------ waits that end at their deadline --
 */

static void *wait_for_nothing(void *unused)
{
    nsync_mu own = NSYNC_MU_INIT;
    nsync_cv never = NSYNC_CV_INIT;
    nsync_mu_lock(&own);
    for (long i = 0; i < rounds / THREADS; i++) {
        const nsync_time deadline = nsync_time_add(nsync_time_now(), nsync_time_us(100));
        const int result = nsync_cv_wait_with_deadline(&never, &own, deadline, NULL);
        assert(result == ETIMEDOUT && nsync_time_cmp(nsync_time_now(), deadline) >= 0);
    }
    nsync_mu_unlock(&own);
    return unused;
}

static void deadlines(void)
{
    run_threads(wait_for_nothing);
}

/* ------------------------------- notes: what is notified before, during and never after a wait --
 */

static nsync_note note;
static nsync_counter waiting;

static void *wait_for_note(void *unused)
{
    nsync_counter_add(waiting, -1);
    const int notified = nsync_note_wait(note, nsync_time_no_deadline);
    assert(notified);
    return unused;
}

static void notes(void)
{
    for (long i = 0; i < rounds; i++) {
        pthread_t threads[2];
        note = nsync_note_new(NULL, nsync_time_no_deadline);
        waiting = nsync_counter_new(2);
        for (int t = 0; t < 2; t++)
            assert(pthread_create(&threads[t], NULL, wait_for_note, NULL) == 0);
        const nsync_time soon = nsync_time_add(nsync_time_now(), nsync_time_us(10));
        assert(!nsync_note_wait(note, soon));
        nsync_counter_wait(waiting, nsync_time_no_deadline);
        nsync_note_notify(note);
        for (int t = 0; t < 2; t++)
            pthread_join(threads[t], NULL);
        nsync_counter_free(waiting);
        nsync_note_free(note);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
    long moment;
} workloads[] = {
    {"mutex", mutex, 20000},
    {"turns", turns, 4000},
    {"deadlines", deadlines, 400},
    {"notes", notes, 200},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        rounds = argc > 2 ? atol(argv[2]) : workloads[i].moment;
        if (argc < 2 || strcmp(argv[1], workloads[i].name) == 0)
            workloads[i].run();
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* N: what a thread costs that is mostly idle. */
#include <stdatomic.h>
#include <time.h>

#include "machine.h"
#include "measure.h"

struct idle {
    const struct contestant *contestant;
    void *parker;
    pthread_barrier_t start;
    uint64_t n;
    uint64_t period_ns;
    atomic_bool is_over;
    uint64_t worker_cpu_ns;
    uint64_t waker_cpu_ns;
};

static void *work(void *argument)
{
    struct idle *const idle = argument;
    if (idle->contestant->bind)
        idle->contestant->bind(idle->parker);
    pthread_barrier_wait(&idle->start);
    const uint64_t cpu = thread_cpu_ns();
    /* Not n times: if the worker is late, two tokens are one. */
    while (!atomic_load(&idle->is_over))
        idle->contestant->park(idle->parker);
    idle->worker_cpu_ns = thread_cpu_ns() - cpu;
    return NULL;
}

static void *wake(void *argument)
{
    struct idle *const idle = argument;
    pthread_barrier_wait(&idle->start);
    const uint64_t cpu = thread_cpu_ns();
    const struct timespec period = {.tv_nsec = (long)idle->period_ns};
    for (uint64_t i = 0; i < idle->n; i++) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &period, NULL);
        if (i == idle->n - 1)
            atomic_store(&idle->is_over, true);
        idle->contestant->unpark(idle->parker);
    }
    idle->waker_cpu_ns = thread_cpu_ns() - cpu;
    return NULL;
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return fits_spinning(contestant, section) && !(contestant->traits & ONE_SHOT);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct idle idle = {.contestant = contestant,
                        .parker = new_parker(contestant),
                        .n = n,
                        .period_ns = (uint64_t)section->parameter * 1000};
    pthread_t worker, waker;
    pthread_barrier_init(&idle.start, NULL, 2);
    start_thread(&worker, 1, work, &idle);
    start_thread(&waker, 0, wake, &idle);
    pthread_join(waker, NULL);
    pthread_join(worker, NULL);
    pthread_barrier_destroy(&idle.start);
    delete_parker(contestant, idle.parker);
    record(recorder, 0, (double)idle.worker_cpu_ns / (double)n);
    record(recorder, 1, (double)idle.waker_cpu_ns / (double)n);
}

static const struct column columns[] = {
    {"cpu", "the worker's CPU", "ns", SHOW_SPREAD},
    {"waker", "the waker's CPU", "ns", SHOW_MEDIAN},
    {0},
};

static const struct section sections[] = {
    {.key = "1ms",
     .title = "a worker that is woken once a millisecond",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = 1000,
     .cpus = 2,
     .ms = 100,
     .only_full = true,
     .fits = fits,
     .run = run},
};

extern const struct measurement measure_idle;
const struct measurement measure_idle = {
    .letter = 'N',
    .title = "idle worker",
    .method = "a thread parks on one core; a thread on another sleeps for a while, and unparks it; "
              "CPU time of each per wake",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

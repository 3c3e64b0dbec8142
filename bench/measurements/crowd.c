/* SPDX-License-Identifier: MIT */
/* O: one thread wakes all of many that sleep. */
#include <stdatomic.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

enum { MAX_SLEEPERS = 32 };

struct sleeper {
    struct crowd *crowd;
    void *parker;
    pthread_t thread;
    _Atomic pid_t tid;
};

struct crowd {
    const struct contestant *contestant;
    struct sleeper sleepers[MAX_SLEEPERS];
    unsigned count;
    uint64_t n;
    atomic_uint ready; /* sleep in their parks, or are about to */
    atomic_uint up;    /* have been woken */
    struct recorder *recorder;
};

static void *sleep_on(void *argument)
{
    struct sleeper *const s = argument;
    struct crowd *const crowd = s->crowd;
    const struct contestant *const c = crowd->contestant;
    if (c->bind)
        c->bind(s->parker);
    atomic_store(&s->tid, gettid());
    for (uint64_t i = 0; i < crowd->n; i++) {
        if (c->idle)
            c->idle->prepare(s->parker);
        atomic_fetch_add(&crowd->ready, 1);
        (c->idle ? c->idle->commit : c->park)(s->parker);
        atomic_fetch_add(&crowd->up, 1);
    }
    return NULL;
}

static void wait_for_all(const struct crowd *crowd, atomic_uint *count)
{
    while (atomic_load(count) < crowd->count)
        relax();
    atomic_store(count, 0);
}

static void wake_all(struct crowd *crowd)
{
    const struct contestant *const c = crowd->contestant;
    if (c->idle)
        c->idle->wake(crowd->count);
    else
        for (unsigned i = 0; i < crowd->count; i++)
            c->unpark(crowd->sleepers[i].parker);
}

static void *wake(void *argument)
{
    struct crowd *const crowd = argument;
    for (uint64_t i = 0; i < crowd->n; i++) {
        wait_for_all(crowd, &crowd->ready);
        for (unsigned s = 0; s < crowd->count; s++)
            wait_until_asleep(crowd->sleepers[s].tid);
        const uint64_t start = bench_clock();
        wake_all(crowd);
        record(crowd->recorder, 0, (double)(bench_clock() - start));
        wait_for_all(crowd, &crowd->up);
        record(crowd->recorder, 1, (double)(bench_clock() - start));
    }
    return NULL;
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return contestant->idle || fits_spinning(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct crowd crowd = {.contestant = contestant,
                          .count = (unsigned)section->parameter,
                          .n = n,
                          .recorder = recorder};
    for (unsigned i = 0; i < crowd.count; i++) {
        struct sleeper *const s = &crowd.sleepers[i];
        s->crowd = &crowd;
        s->parker = new_parker(contestant);
        /* Anywhere but on the waker's CPU. */
        start_thread(&s->thread, (int)(1 + i % (cpu_count() - 1)), sleep_on, s);
    }
    pthread_t waker;
    start_thread(&waker, 0, wake, &crowd);
    pthread_join(waker, NULL);
    for (unsigned i = 0; i < crowd.count; i++) {
        pthread_join(crowd.sleepers[i].thread, NULL);
        delete_parker(contestant, crowd.sleepers[i].parker);
    }
}

static const struct column columns[] = {
    {"waker", "the waker's time", "ns", SHOW_MEDIAN_P99},
    {"last", "until the last one is up", "ns", SHOW_MEDIAN_P99},
    {0},
};

#define SECTION(sleepers)                                                                          \
    {                                                                                              \
        .key = #sleepers, .title = "wake of " #sleepers " sleepers", .columns = columns,           \
        .limit = "raw-futex", .parameter = sleepers, .cpus = 2, .ms = 40, .only_full = true,       \
        .fits = fits, .run = run                                                                   \
    }

static const struct section sections[] = {SECTION(8), SECTION(32)};

extern const struct measurement measure_crowd;
const struct measurement measure_crowd = {
    .letter = 'O',
    .title = "wake of many",
    .method = "many threads park on all cores but one; a thread on that one sees in /proc that "
              "they sleep, and wakes all of them: by an unpark each, or in one call",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

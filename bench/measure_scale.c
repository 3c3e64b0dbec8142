/* SPDX-License-Identifier: MIT */
/* J: what wakes cost when many threads are parked, each on a parker of its own. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

struct crowd {
    const struct contestant *contestant;
    atomic_uint ready;
    atomic_uint awake; /* how many have returned from a park */
    atomic_bool is_over;
};

struct sleeper {
    struct crowd *crowd;
    void *parker;
    pthread_t thread;
    pid_t tid;
    _Atomic uint64_t awake; /* when it woke; 0 while it sleeps */
};

static void *sleep_on(void *argument)
{
    struct sleeper *const s = argument;
    struct crowd *const crowd = s->crowd;
    if (crowd->contestant->bind)
        crowd->contestant->bind(s->parker);
    s->tid = gettid();
    atomic_fetch_add(&crowd->ready, 1);
    for (;;) {
        crowd->contestant->park(s->parker);
        if (atomic_load(&crowd->is_over))
            return NULL;
        atomic_store(&s->awake, bench_clock());
        atomic_fetch_add(&crowd->awake, 1);
    }
}

/* Returns how many threads it could start. */
static unsigned gather(struct crowd *crowd, struct sleeper *sleepers, unsigned count)
{
    unsigned started = 0;
    for (; started < count; started++) {
        struct sleeper *const s = &sleepers[started];
        *s = (struct sleeper){.crowd = crowd, .parker = new_parker(crowd->contestant)};
        const int error = try_start_thread(&s->thread, 1, sleep_on, s);
        if (error) {
            delete_parker(crowd->contestant, s->parker);
            break;
        }
    }
    while (atomic_load(&crowd->ready) < started)
        sched_yield();
    for (unsigned i = 0; i < started; i++)
        wait_until_asleep(sleepers[i].tid);
    return started;
}

static void disperse(struct crowd *crowd, struct sleeper *sleepers, unsigned count)
{
    atomic_store(&crowd->is_over, true);
    for (unsigned i = 0; i < count; i++)
        crowd->contestant->unpark(sleepers[i].parker);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(sleepers[i].thread, NULL);
        delete_parker(crowd->contestant, sleepers[i].parker);
    }
}

static void wake_one(struct sleeper *s, struct recorder *recorder)
{
    wait_until_asleep(s->tid);
    atomic_store(&s->awake, 0);
    const uint64_t start = bench_clock();
    s->crowd->contestant->unpark(s->parker);
    const uint64_t end = bench_clock();
    uint64_t awake;
    while (!(awake = atomic_load(&s->awake)))
        relax();
    record(recorder, 0, (double)(awake - start));
    record(recorder, 1, (double)(end - start));
}

static void wake_all(struct crowd *crowd, struct sleeper *sleepers, unsigned count,
                     struct recorder *recorder)
{
    for (unsigned i = 0; i < count; i++)
        wait_until_asleep(sleepers[i].tid);
    atomic_store(&crowd->awake, 0);
    const uint64_t start = bench_clock();
    for (unsigned i = 0; i < count; i++)
        crowd->contestant->unpark(sleepers[i].parker);
    const uint64_t end = bench_clock();
    while (atomic_load(&crowd->awake) < count)
        relax();
    record(recorder, 2, (double)(bench_clock() - start) / count);
    record(recorder, 3, (double)(end - start) / count);
}

struct job {
    const struct contestant *contestant;
    unsigned count;
    uint64_t n;
    struct recorder *recorder;
};

static void *run_job(void *argument)
{
    const struct job *const job = argument;
    struct crowd crowd = {.contestant = job->contestant};
    struct sleeper *const sleepers = calloc(job->count, sizeof *sleepers);
    if (!sleepers)
        fail("out of memory", ENOMEM);
    const unsigned count = gather(&crowd, sleepers, job->count);
    if (count == 0)
        fail("cannot start a thread", EAGAIN);
    unsigned next = 0;
    for (uint64_t i = 0; i < job->n; i++) {
        next = (next + 7919) % count; /* a prime stride: no neighbours, and everyone's turn */
        wake_one(&sleepers[next], job->recorder);
    }
    wake_all(&crowd, sleepers, count, job->recorder);
    disperse(&crowd, sleepers, count);
    free(sleepers);
    return NULL;
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct job job = {contestant, (unsigned)section->parameter, n, recorder};
    pthread_t thread;
    start_thread(&thread, 0, run_job, &job);
    pthread_join(thread, NULL);
}

static const struct column columns[] = {
    {"one", "wake of one", "ns", SHOW_SPREAD},
    {"one-unpark", "waker's cost", "ns", SHOW_MEDIAN},
    {"all", "wake of all, per thread", "ns", SHOW_SPREAD},
    {"all-unpark", "waker's cost", "ns", SHOW_MEDIAN},
    {0},
};

#define SECTION(count, wakes, rounds, is_long)                                                     \
    {                                                                                              \
        .key = #count, .title = "parked threads: " #count, .columns = columns,                     \
        .limit = "raw-futex", .parameter = count, .cpus = 2, .fixed_n = wakes,                     \
        .max_rounds = rounds, .only_full = is_long, .fits = fits_sleeping, .run = run              \
    }

static const struct section sections[] = {
    SECTION(1, 100, 0, false),   SECTION(10, 100, 0, true),    SECTION(100, 100, 0, false),
    SECTION(1000, 200, 8, true), SECTION(10000, 400, 6, true),
};

const struct measurement measure_scale = {
    .letter = 'J',
    .title = "scale",
    .method = "threads are parked on one core, each on a parker of its own; another core wakes "
              "one of them, and then all",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

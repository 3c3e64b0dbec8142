/* SPDX-License-Identifier: MIT */
/* J: what wakes cost when many threads are parked, each on a parker of its own. */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

enum { MAX_CROWD = 10000, MIN_CROWD = 1000, MAX_PROCESSES = 100 };

struct crowd {
    const struct contestant *contestant;
    atomic_uint ready;
    atomic_uint awake; /* how many have returned from a park */
    atomic_uint gone;
    atomic_bool is_over;
};

struct sleeper {
    sem_t gate;            /* opens for each crowd that the thread is to join */
    struct runner process; /* where it is one */
    struct crowd *crowd;
    void *parker;
    pid_t tid;
    _Atomic uint64_t awake; /* when it woke; 0 while it sleeps */
};

/* To start ten thousand threads takes seconds: they stay, and join crowd after crowd. */
static struct sleeper *pool[MAX_CROWD];
static unsigned pool_size;

static void join_crowd(struct sleeper *s)
{
    struct crowd *const crowd = s->crowd;
    if (crowd->contestant->bind)
        crowd->contestant->bind(s->parker);
    s->tid = gettid();
    atomic_fetch_add(&crowd->ready, 1);
    for (;;) {
        crowd->contestant->park(s->parker);
        if (atomic_load(&crowd->is_over))
            break;
        atomic_store(&s->awake, bench_clock());
        atomic_fetch_add(&crowd->awake, 1);
    }
    atomic_fetch_add(&crowd->gone, 1);
}

static void *sleep_on(void *sleeper)
{
    struct sleeper *const s = sleeper;
    for (;;)
        if (sem_wait(&s->gate) == 0)
            join_crowd(s);
    return NULL;
}

static void *sleep_once(void *sleeper)
{
    join_crowd(sleeper);
    return NULL;
}

/* Adds threads to the pool, as many as the system allows. */
static void grow_pool(unsigned count)
{
    for (; pool_size < count; pool_size++) {
        struct sleeper *const s = calloc(1, sizeof *s);
        pthread_t thread;
        if (!s || sem_init(&s->gate, 0, 0) || try_start_thread(&thread, 1, sleep_on, s)) {
            free(s);
            break;
        }
        pthread_detach(thread);
        pool[pool_size] = s;
    }
    if (pool_size == 0)
        fail("cannot start a thread", EAGAIN);
}

static void wait_for(const atomic_uint *counter, unsigned count)
{
    while (atomic_load(counter) < count)
        sched_yield();
}

/* Parks so many threads, or as many as there are, which it returns. */
static unsigned gather(struct crowd *crowd, unsigned count)
{
    grow_pool(count);
    count = count < pool_size ? count : pool_size;
    for (unsigned i = 0; i < count; i++) {
        pool[i]->crowd = crowd;
        pool[i]->parker = new_parker(crowd->contestant);
        sem_post(&pool[i]->gate);
    }
    wait_for(&crowd->ready, count);
    for (unsigned i = 0; i < count; i++)
        wait_until_asleep(pool[i]->tid);
    return count;
}

/* The same with processes, which are few, and do not stay. */
static void gather_processes(struct crowd *crowd, struct sleeper *sleepers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sleepers[i].crowd = crowd;
        sleepers[i].parker = new_parker(crowd->contestant);
        start_runner(&sleepers[i].process, true, 1, sleep_once, &sleepers[i]);
    }
    wait_for(&crowd->ready, count);
    for (unsigned i = 0; i < count; i++)
        wait_until_asleep(sleepers[i].tid);
}

static void disperse(struct crowd *crowd, struct sleeper *const *sleepers, unsigned count)
{
    atomic_store(&crowd->is_over, true);
    for (unsigned i = 0; i < count; i++)
        crowd->contestant->unpark(sleepers[i]->parker);
    wait_for(&crowd->gone, count);
    for (unsigned i = 0; i < count; i++) {
        if (sleepers[i]->process.process)
            join_runner(&sleepers[i]->process);
        delete_parker(crowd->contestant, sleepers[i]->parker);
    }
}

/* Begins and ends with everyone asleep. */
static void wake_one(struct sleeper *s, struct recorder *recorder)
{
    atomic_store(&s->awake, 0);
    const uint64_t start = bench_clock();
    s->crowd->contestant->unpark(s->parker);
    const uint64_t end = bench_clock();
    uint64_t awake;
    while (!(awake = atomic_load(&s->awake)))
        relax();
    record(recorder, 0, (double)(awake - start));
    record(recorder, 1, (double)(end - start));
    wait_until_asleep(s->tid);
}

static void wake_all(struct crowd *crowd, struct sleeper *const *sleepers, unsigned count,
                     struct recorder *recorder)
{
    atomic_store(&crowd->awake, 0);
    const uint64_t start = bench_clock();
    for (unsigned i = 0; i < count; i++)
        crowd->contestant->unpark(sleepers[i]->parker);
    const uint64_t end = bench_clock();
    while (atomic_load(&crowd->awake) < count)
        relax();
    record(recorder, 2, (double)(bench_clock() - start) / count);
    record(recorder, 3, (double)(end - start) / count);
}

struct job {
    struct crowd *crowd;
    struct sleeper *const *sleepers;
    unsigned count;
    uint64_t n;
    struct recorder *recorder;
};

static void *wake_crowd(void *argument)
{
    const struct job *const job = argument;
    unsigned next = 0;
    for (uint64_t i = 0; i < job->n; i++) {
        next = (next + 7919) % job->count; /* a prime stride: no neighbours, and everyone's turn */
        wake_one(job->sleepers[next], job->recorder);
    }
    wake_all(job->crowd, job->sleepers, job->count, job->recorder);
    disperse(job->crowd, job->sleepers, job->count);
    return NULL;
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct {
        struct crowd crowd;
        struct sleeper sleepers[MAX_PROCESSES];
    } *const shared = new_shared(sizeof *shared);
    struct sleeper *processes[MAX_PROCESSES];
    for (unsigned i = 0; i < MAX_PROCESSES; i++)
        processes[i] = &shared->sleepers[i];
    shared->crowd.contestant = contestant;
    struct job job = {&shared->crowd, pool, (unsigned)section->parameter, n, recorder};
    if (section->between_processes) {
        job.sleepers = processes;
        gather_processes(job.crowd, shared->sleepers, job.count);
    } else {
        job.count = gather(job.crowd, job.count);
    }
    struct runner waker;
    start_runner(&waker, false, 0, wake_crowd, &job);
    join_runner(&waker);
    delete_shared(shared, sizeof *shared);
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return fits_sleeping(contestant, section) ||
           (contestant->traits & CROWD_ONLY && section->parameter >= MIN_CROWD);
}

static const struct column columns[] = {
    {"one", "wake of one", "ns", SHOW_SPREAD},
    {"one-unpark", "waker's cost", "ns", SHOW_MEDIAN},
    {"all", "wake of all, per thread", "ns", SHOW_SPREAD},
    {"all-unpark", "waker's cost", "ns", SHOW_MEDIAN},
    {0},
};

#define SECTION(count, ms_, wakes, rounds, is_long)                                                \
    {                                                                                              \
        .key = #count, .title = "parked threads: " #count, .columns = columns,                     \
        .limit = "raw-futex", .parameter = count, .cpus = 2, .ms = ms_, .fixed_n = wakes,          \
        .max_rounds = rounds, .only_full = is_long, .fits = fits, .run = run                       \
    }

/* To gather a crowd takes longer than to wake one: large ones get a fixed number of wakes. */
static const struct section sections[] = {
    SECTION(1, 15, 0, 0, false),
    SECTION(10, 15, 0, 0, true),
    SECTION(100, 25, 0, 0, false),
    SECTION(1000, 0, 100, 6, true),
    SECTION(10000, 0, 100, 6, true),
    {.key = "100-processes",
     .title = "parked processes: 100",
     .columns = columns,
     .limit = "raw-futex-processes",
     .parameter = 100,
     .cpus = 2,
     .fixed_n = 100,
     .max_rounds = 6,
     .only_full = true,
     .between_processes = true,
     .fits = fits_sleeping,
     .run = run},
};

extern const struct measurement measure_scale;
const struct measurement measure_scale = {
    .letter = 'J',
    .title = "scale",
    .method = "threads are parked on one core, each on a parker of its own; another core wakes "
              "one of them, and then all",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

/* SPDX-License-Identifier: MIT */
/* E: from an unpark to the return of the park, for a thread that is known to sleep. */
#include <stdatomic.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

struct sleeper {
    const struct contestant *contestant;
    void *parker;
    uint64_t n;
    _Atomic pid_t tid;      /* 0 until it is ready to be unparked */
    _Atomic uint64_t awake; /* when it woke; 0 while it sleeps */
};

static void *sleep_on(void *argument)
{
    struct sleeper *const s = argument;
    if (s->contestant->bind)
        s->contestant->bind(s->parker);
    atomic_store(&s->tid, gettid());
    for (uint64_t i = 0; i < s->n; i++) {
        s->contestant->park(s->parker);
        atomic_store(&s->awake, bench_clock());
    }
    return NULL;
}

static uint64_t wait_until_awake(struct sleeper *s)
{
    uint64_t awake;
    while (!(awake = atomic_exchange(&s->awake, 0)))
        relax();
    return awake;
}

/* What a contestant's own worker is told to do. */
static void report_tid(void *sleeper)
{
    atomic_store(&((struct sleeper *)sleeper)->tid, gettid());
}

static void report_awake(void *sleeper)
{
    atomic_store(&((struct sleeper *)sleeper)->awake, bench_clock());
}

static void unpark(struct sleeper *s)
{
    if (s->contestant->post)
        s->contestant->post(s->parker, report_awake, s);
    else
        s->contestant->unpark(s->parker);
}

struct waker {
    struct sleeper *sleeper;
    uint64_t delay_ns;
    struct recorder *recorder;
};

static void *wake(void *argument)
{
    struct waker *const w = argument;
    struct sleeper *const s = w->sleeper;
    while (!atomic_load(&s->tid))
        relax();
    for (uint64_t i = 0; i < s->n; i++) {
        wait_until_asleep(s->tid);
        spin_for(w->delay_ns);
        const uint64_t start = bench_clock();
        unpark(s);
        const uint64_t end = bench_clock();
        record(w->recorder, 0, (double)(wait_until_awake(s) - start));
        record(w->recorder, 1, (double)(end - start));
    }
    return NULL;
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return contestant->post || fits_sleeping(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct sleeper *const sleeper = new_shared(sizeof *sleeper);
    sleeper->contestant = contestant;
    sleeper->parker = new_parker(contestant);
    sleeper->n = n;
    struct waker waker = {sleeper, (uint64_t)section->parameter * 1000, recorder};
    struct runner sleeper_runner, waker_runner;
    if (contestant->post)
        contestant->post(sleeper->parker, report_tid, sleeper);
    else
        start_runner(&sleeper_runner, section->between_processes, 1, sleep_on, sleeper);
    start_runner(&waker_runner, false, 0, wake, &waker);
    join_runner(&waker_runner);
    if (!contestant->post)
        join_runner(&sleeper_runner);
    delete_parker(contestant, sleeper->parker);
    delete_shared(sleeper, sizeof *sleeper);
}

static const struct column columns[] = {
    {"wake", "from unpark to running", "ns", SHOW_TAIL},
    {"unpark", "the waker's own cost", "ns", SHOW_MEDIAN_P99},
    {0},
};

static const struct section sections[] = {
    {.key = "light",
     .title = "wake of a thread that has just fallen asleep",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = 0,
     .cpus = 2,
     .ms = 25,
     .fits = fits,
     .run = run},
    {.key = "deep",
     .title = "wake of a thread that has slept for 1 ms, its core idle",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = 1000,
     .cpus = 2,
     .ms = 50,
     .fits = fits,
     .run = run},
    {.key = "processes",
     .title = "wake of another process, which has just fallen asleep",
     .columns = columns,
     .limit = "raw-futex-processes",
     .parameter = 0,
     .cpus = 2,
     .ms = 25,
     .between_processes = true,
     .fits = fits,
     .run = run},
    {.key = "block-on",
     .title = "block_on of a future that another core wakes, when the thread sleeps",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = 0,
     .cpus = 2,
     .ms = 25,
     .only_full = true,
     .fits = fits_block_on,
     .run = run},
};

extern const struct measurement measure_wake;
const struct measurement measure_wake = {
    .letter = 'E',
    .title = "one-way wake",
    .method = "a thread parks on one core; another core sees in /proc that it sleeps, and unparks",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

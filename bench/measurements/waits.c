/* SPDX-License-Identifier: MIT */
/* W: waits as programs have them, and what it costs to wait for each. */
#include <errno.h>
#include <math.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "measure.h"

enum { WARM_PARKS = 100, PARKS = 200 };

/* ----------------------------------------------------------------------------- the patterns -- */

static uint64_t seed;

static double fraction(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static double exponential(double mean)
{
    return -mean * log(1 - fraction());
}

static double tail(double least, double exponent)
{
    return least * pow(1 - fraction(), -1 / exponent);
}

static double *trace; /* us */
static size_t trace_length;

/* All patterns: name, title, and the us from the i-th park to its unpark. */
#define PATTERNS                                                                                   \
    P(1us, "always 1 us", 1)                                                                       \
    P(5us, "always 5 us", 5)                                                                       \
    P(10us, "always 10 us", 10)                                                                    \
    P(20us, "always 20 us", 20)                                                                    \
    P(40us, "always 40 us", 40)                                                                    \
    P(60us, "always 60 us", 60)                                                                    \
    P(90us, "always 90 us", 90)                                                                    \
    P(100us, "always 100 us", 100)                                                                 \
    P(200us, "always 200 us", 200)                                                                 \
    P(exp5, "exponential, mean 5 us", exponential(5))                                              \
    P(exp15, "exponential, mean 15 us", exponential(15))                                           \
    P(exp48, "exponential, mean 48 us", exponential(48))                                           \
    P(exp200, "exponential, mean 200 us", exponential(200))                                        \
    P(turn, "1 and 100 us in turn", i % 2 ? 100 : 1)                                               \
    P(period3, "two of 1 us, one of 100 us", i % 3 == 2 ? 100 : 1)                                 \
    P(period4, "three of 1 us, one of 100 us", i % 4 == 3 ? 100 : 1)                               \
    P(mix80, "80 % 1 us, 20 % 100 us", fraction() < 0.8 ? 1 : 100)                                 \
    P(mix50, "50 % 1 us, 50 % 100 us", fraction() < 0.5 ? 1 : 100)                                 \
    P(tail, "a heavy tail", tail(1, 1.2))                                                          \
    P(bursts, "bursts", i % 20 ? exponential(2) : exponential(500))                                \
    P(regimes, "50 of 1 us and 50 of 100 us in turn", i / 50 % 2 ? 100 : 1)

enum pattern {
#define P(name, title, wait) PATTERN_##name,
    PATTERNS
#undef P
        PATTERN_trace,
};

static double wait_us(enum pattern pattern, uint64_t i)
{
    switch (pattern) {
#define P(name, title, wait)                                                                       \
    case PATTERN_##name:                                                                           \
        return wait;
        PATTERNS
#undef P
    case PATTERN_trace:
        return trace[i % trace_length];
    }
    return 0;
}

bool read_trace(const char *path)
{
    FILE *const file = fopen(path, "r");
    if (!file)
        return false;
    size_t capacity = 0;
    double us;
    errno = EINVAL; /* what it is if this is no list of waits */
    while (fscanf(file, "%lf", &us) == 1 && us >= 0 && us < 1e9) {
        if (trace_length == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            trace = realloc(trace, capacity * sizeof *trace);
            if (!trace)
                fail("out of memory", ENOMEM);
        }
        trace[trace_length++] = us;
    }
    const bool is_whole = feof(file) && trace_length > 0;
    fclose(file);
    return is_whole;
}

/* ----------------------------------------------------------------------------- the two sides -- */

struct waits {
    const struct contestant *contestant;
    void *parker;
    pthread_barrier_t start;
    enum pattern pattern;
    uint64_t n;
    alignas(128) _Atomic uint64_t due; /* when the next unpark is; the owner parks now */
    alignas(128) _Atomic uint64_t given;
    uint64_t unpark_ns; /* in all, but for the warm ones */
    struct recorder *recorder;
};

static void *wake(void *argument)
{
    struct waits *const w = argument;
    pthread_barrier_wait(&w->start);
    uint64_t last = 0;
    for (uint64_t i = 0; i < w->n + WARM_PARKS; i++) {
        uint64_t due;
        while ((due = atomic_load_explicit(&w->due, memory_order_acquire)) == last)
            relax();
        last = due;
        uint64_t now;
        while ((now = monotonic_ns()) < due)
            ;
        atomic_store_explicit(&w->given, now, memory_order_relaxed);
        w->contestant->unpark(w->parker);
        if (i >= WARM_PARKS)
            w->unpark_ns += monotonic_ns() - now;
    }
    return NULL;
}

static void *own(void *argument)
{
    struct waits *const w = argument;
    if (w->contestant->bind)
        w->contestant->bind(w->parker);
    seed = 1;
    double latency = 0;
    uint64_t cpu = 0;
    pthread_barrier_wait(&w->start);
    for (uint64_t i = 0; i < w->n + WARM_PARKS; i++) {
        if (i == WARM_PARKS)
            cpu = thread_cpu_ns();
        const uint64_t wait = (uint64_t)(wait_us(w->pattern, i) * 1000);
        atomic_store_explicit(&w->due, monotonic_ns() + wait, memory_order_release);
        w->contestant->park(w->parker);
        const double late =
            (double)(monotonic_ns() - atomic_load_explicit(&w->given, memory_order_relaxed));
        if (i >= WARM_PARKS) {
            record(w->recorder, 0, late);
            latency += late;
        }
    }
    cpu = thread_cpu_ns() - cpu;
    /* Whoever does not sleep may be through before the unpark is. */
    pthread_barrier_wait(&w->start);
    const double n = (double)w->n, spent = (double)(cpu + w->unpark_ns);
    record(w->recorder, 1, latency / n);
    record(w->recorder, 2, spent / n);
    record(w->recorder, 3, (latency + spent) / n);
    return NULL;
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct waits *const w = new_shared(sizeof *w);
    *w = (struct waits){.contestant = contestant,
                        .parker = new_parker(contestant),
                        .pattern = (enum pattern)section->variant,
                        .n = n,
                        .recorder = recorder};
    struct runner owner, waker;
    init_barrier(&w->start, 2);
    start_runner(&owner, false, 0, own, w);
    start_runner(&waker, section->between_processes, 1, wake, w);
    join_runner(&waker);
    pthread_barrier_wait(&w->start);
    join_runner(&owner);
    pthread_barrier_destroy(&w->start);
    delete_parker(contestant, w->parker);
    delete_shared(w, sizeof *w);
}

/* Those that sleep at once do as the limit does, so it stands for them; processes are few. */
static bool fits(const struct contestant *contestant, const struct section *section)
{
    if (section->between_processes)
        return fits_waiting(contestant, section);
    const bool may_spin = contestant->traits & (SPINS_FIRST | HAS_POLICY | NEVER_SLEEPS);
    return !(contestant->traits & (WORKER | TIMES_OUT | CANNOT_WAIT | BETWEEN_PROCESSES |
                                   BLOCKS_ON | CALLED_OTHERWISE | CROWD_ONLY)) &&
           (may_spin || strcmp(contestant->name, section->limit) == 0);
}

static const struct column columns[] = {
    {"latency", "from unpark to return", "ns", SHOW_MEDIAN_P99},
    {"mean", "mean", "ns", SHOW_MEDIAN},
    {"cpu", "CPU of both", "ns per park", SHOW_MEDIAN},
    {"both", "mean + CPU", "ns", SHOW_MEDIAN},
    {0},
};

#define SECTION(key_, title_, pattern, limit_, processes)                                          \
    {                                                                                              \
        .key = key_, .title = title_, .columns = columns, .limit = limit_, .variant = pattern,     \
        .cpus = 2, .fixed_n = PARKS, .max_rounds = 5, .only_full = true,                           \
        .between_processes = processes, .fits = fits, .run = run                                   \
    }
#define BETWEEN(name, title)                                                                       \
    SECTION("processes-" #name, "between processes: " title, PATTERN_##name,                       \
            "raw-futex-processes", true)

static const struct section sections[] = {
#define P(name, title, wait) SECTION(#name, title, PATTERN_##name, "raw-futex", false),
    PATTERNS
#undef P
        SECTION("trace", "the waits of the file", PATTERN_trace, "raw-futex", false),
    BETWEEN(1us, "always 1 us"),
    BETWEEN(20us, "always 20 us"),
    BETWEEN(100us, "always 100 us"),
    BETWEEN(exp15, "exponential, mean 15 us"),
    BETWEEN(turn, "1 and 100 us in turn"),
    BETWEEN(mix50, "50 % 1 us, 50 % 100 us"),
};

extern const struct measurement measure_waits;
const struct measurement measure_waits = {
    .letter = 'W',
    .title = "waits",
    .method = "an owner parks on one core; a thread on another unparks it so long after the park "
              "began; CPU time is that of the owner and of the unpark",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

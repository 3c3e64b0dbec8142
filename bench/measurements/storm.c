/* SPDX-License-Identifier: MIT */
/* G: several threads unpark one parker as fast as they can. */
#include <stdatomic.h>

#include "machine.h"
#include "measure.h"

enum { MAX_THREADS = 8 };

struct unparker {
    struct storm *storm;
    struct runner runner;
    uint64_t began;
    uint64_t ended;
};

struct storm {
    const struct contestant *contestant;
    void *parker;
    uint64_t n; /* unparks of each thread */
    pthread_barrier_t start;
    atomic_bool is_over;
    uint64_t parks;
    struct unparker unparkers[MAX_THREADS];
};

static void *park_all(void *argument)
{
    struct storm *const s = argument;
    if (s->contestant->bind)
        s->contestant->bind(s->parker);
    pthread_barrier_wait(&s->start);
    while (!atomic_load_explicit(&s->is_over, memory_order_acquire)) {
        s->contestant->park(s->parker);
        s->parks++;
    }
    return NULL;
}

static void *unpark_all(void *argument)
{
    struct unparker *const u = argument;
    struct storm *const s = u->storm;
    pthread_barrier_wait(&s->start);
    u->began = bench_clock();
    for (uint64_t i = 0; i < s->n; i++)
        s->contestant->unpark(s->parker);
    u->ended = bench_clock();
    return NULL;
}

/* From the first thread's first unpark to the last one's last. */
static uint64_t span(const struct unparker *unparkers, unsigned count)
{
    uint64_t began = UINT64_MAX, ended = 0;
    for (unsigned i = 0; i < count; i++) {
        began = unparkers[i].began < began ? unparkers[i].began : began;
        ended = unparkers[i].ended > ended ? unparkers[i].ended : ended;
    }
    return ended - began;
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    if (contestant->traits & ONE_SHOT)
        return false;
    if (contestant->traits & ONE_PRODUCER && section->parameter > 1)
        return false;
    /* A thread that spins shares its core with others here. */
    return section->parameter == 1 ? fits_waiting(contestant, section)
                                   : fits_sleeping(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    const unsigned threads = (unsigned)section->parameter;
    struct storm *const storm = new_shared(sizeof *storm);
    storm->contestant = contestant;
    storm->parker = new_parker(contestant);
    storm->n = (n + threads - 1) / threads;
    init_barrier(&storm->start, threads + 1);
    struct runner owner;
    start_runner(&owner, false, 1, park_all, storm);
    for (unsigned i = 0; i < threads; i++) {
        struct unparker *const u = &storm->unparkers[i];
        u->storm = storm;
        start_runner(&u->runner, section->between_processes, (int)(i % cpu_count()), unpark_all, u);
    }
    for (unsigned i = 0; i < threads; i++)
        join_runner(&storm->unparkers[i].runner);
    atomic_store_explicit(&storm->is_over, true, memory_order_release);
    contestant->unpark(storm->parker);
    join_runner(&owner);

    const double unparks = (double)storm->n * threads;
    record(recorder, 0, (double)span(storm->unparkers, threads) / unparks);
    record(recorder, 1, unparks / (double)storm->parks);
    pthread_barrier_destroy(&storm->start);
    delete_parker(contestant, storm->parker);
    delete_shared(storm, sizeof *storm);
}

static const struct column columns[] = {
    {"time", "per unpark", "ns", SHOW_SPREAD},
    {"merged", "unparks per park", "", SHOW_MEDIAN},
    {0},
};

#define SECTION(threads, what, is_long)                                                            \
    {                                                                                              \
        .key = #threads, .title = "storm of " what, .columns = columns, .limit = "raw-futex",      \
        .parameter = threads, .cpus = 2, .ms = 30, .only_full = is_long, .fits = fits, .run = run  \
    }

static const struct section sections[] = {
    SECTION(1, "one thread", false),
    SECTION(2, "two threads", true),
    SECTION(4, "four threads", true),
    SECTION(8, "eight threads", false),
    {.key = "processes",
     .title = "storm of another process",
     .columns = columns,
     .limit = "raw-futex-processes",
     .parameter = 1,
     .cpus = 2,
     .ms = 30,
     .between_processes = true,
     .fits = fits,
     .run = run},
};

extern const struct measurement measure_storm;
const struct measurement measure_storm = {
    .letter = 'G',
    .title = "storm",
    .method = "threads unpark one parker without a pause, while its owner parks in a loop; time "
              "over all unparks, however many threads they come from",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

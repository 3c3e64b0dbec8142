/* SPDX-License-Identifier: MIT */
/* G: several threads unpark one parker as fast as they can. */
#include <stdatomic.h>

#include "machine.h"
#include "measure.h"

struct storm {
    const struct contestant *contestant;
    void *parker;
    uint64_t n; /* unparks of each thread */
    pthread_barrier_t start;
    atomic_bool is_over;
    uint64_t parks;
};

struct unparker {
    struct storm *storm;
    pthread_t thread;
    uint64_t began;
    uint64_t ended;
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
    struct storm storm = {.contestant = contestant,
                          .parker = new_parker(contestant),
                          .n = (n + threads - 1) / threads};
    pthread_t parker;
    struct unparker unparkers[8];
    pthread_barrier_init(&storm.start, NULL, threads + 1);
    start_thread(&parker, 1, park_all, &storm);
    for (unsigned i = 0; i < threads; i++) {
        unparkers[i].storm = &storm;
        start_thread(&unparkers[i].thread, (int)(i % cpu_count()), unpark_all, &unparkers[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(unparkers[i].thread, NULL);
    atomic_store_explicit(&storm.is_over, true, memory_order_release);
    contestant->unpark(storm.parker);
    pthread_join(parker, NULL);

    pthread_barrier_destroy(&storm.start);
    delete_parker(contestant, storm.parker);
    const double unparks = (double)storm.n * threads;
    record(recorder, 0, (double)span(unparkers, threads) / unparks);
    record(recorder, 1, unparks / (double)storm.parks);
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
};

const struct measurement measure_storm = {
    .letter = 'G',
    .title = "storm",
    .method = "threads unpark one parker without a pause, while its owner parks in a loop; time "
              "over all unparks, however many threads they come from",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

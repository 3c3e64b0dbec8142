/* SPDX-License-Identifier: MIT */
/* M: how soon a parker that tunes itself follows a workload that changes. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "measure.h"

enum { PHASE_TRIPS = 200, WARM_TRIPS = 100, REPLY_US = 100 };

enum regime { TWO_CORES, ONE_CORE, SLOW_REPLIES };

/* Every change from each regime to each other one; the first phase follows the last. */
static const enum regime cycle[] = {TWO_CORES,    ONE_CORE, TWO_CORES,
                                    SLOW_REPLIES, ONE_CORE, SLOW_REPLIES};

struct game {
    const struct contestant *contestant;
    void *parker[2];
    pthread_barrier_t start;
    uint64_t n;
    uint64_t work_ns; /* handed over with the token */
    bool is_over;
    uint64_t receiver_cpu_ns;
    pthread_t server;
    pthread_t receiver;
    struct recorder *recorder;
};

static void *reply(void *argument)
{
    struct game *const g = argument;
    if (g->contestant->bind)
        g->contestant->bind(g->parker[1]);
    pthread_barrier_wait(&g->start);
    const uint64_t cpu = thread_cpu_ns();
    for (;;) {
        g->contestant->park(g->parker[1]);
        g->receiver_cpu_ns = thread_cpu_ns() - cpu;
        if (g->is_over)
            return NULL;
        spin_for(g->work_ns);
        g->contestant->unpark(g->parker[0]);
    }
}

static double time_trip(struct game *g)
{
    const uint64_t start = bench_clock();
    g->contestant->unpark(g->parker[1]);
    g->contestant->park(g->parker[0]);
    return (double)(bench_clock() - start) - (double)g->work_ns;
}

/* The receiver waits for a token meanwhile, whichever way the last regime taught it to. */
static void change(struct game *g, enum regime regime)
{
    move_thread(g->receiver, regime == ONE_CORE ? 0 : 1);
    g->work_ns = regime == SLOW_REPLIES ? REPLY_US * 1000 : 0;
}

static void run_phase(struct game *g, bool is_recorded)
{
    double trips[PHASE_TRIPS], settled[PHASE_TRIPS - WARM_TRIPS], sum = 0;
    for (size_t i = 0; i < PHASE_TRIPS; i++)
        sum += trips[i] = time_trip(g);
    if (!is_recorded)
        return;
    memcpy(settled, trips + WARM_TRIPS, sizeof settled);
    sort_values(settled, COUNT_OF(settled));
    /* The old price is a sleep, or a spin in vain, more than the new one. */
    const double limit = 2 * quantile(settled, COUNT_OF(settled), 0.5) + 1000;
    double late = 0;
    for (size_t i = 0; i < WARM_TRIPS; i++)
        late += trips[i] > limit;
    record(g->recorder, 0, sum / PHASE_TRIPS);
    record(g->recorder, 1, late);
}

static void *serve(void *argument)
{
    struct game *const g = argument;
    if (g->contestant->bind)
        g->contestant->bind(g->parker[0]);
    pthread_barrier_wait(&g->start);
    const uint64_t cpu = thread_cpu_ns();
    for (uint64_t i = 0; i <= g->n; i++) {
        for (size_t phase = 0; phase < COUNT_OF(cycle); phase++) {
            change(g, cycle[phase]);
            run_phase(g, i > 0);
        }
    }
    const double trips = (double)((g->n + 1) * COUNT_OF(cycle) * PHASE_TRIPS);
    record(g->recorder, 2, (double)(thread_cpu_ns() - cpu + g->receiver_cpu_ns) / trips);
    g->is_over = true;
    g->contestant->unpark(g->parker[1]);
    return NULL;
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    (void)section;
    struct game g = {.contestant = contestant,
                     .parker = {new_parker(contestant), new_parker(contestant)},
                     .n = n,
                     .recorder = recorder};
    pthread_barrier_init(&g.start, NULL, 3);
    start_thread(&g.receiver, 1, reply, &g);
    start_thread(&g.server, 0, serve, &g);
    pthread_barrier_wait(&g.start);
    pthread_join(g.server, NULL);
    pthread_join(g.receiver, NULL);
    pthread_barrier_destroy(&g.start);
    delete_parker(contestant, g.parker[0]);
    delete_parker(contestant, g.parker[1]);
}

static const struct column columns[] = {
    {"time", "round trip less work", "ns", SHOW_MEDIAN},
    {"late", "trips at the old price", "", SHOW_TAIL},
    {"cpu", "CPU of both", "ns per trip", SHOW_MEDIAN},
    {0},
};

static const struct section sections[] = {
    {.key = "",
     .title = "regimes that change every 200 round trips",
     .columns = columns,
     .limit = "raw-futex",
     .cpus = 2,
     .fixed_n = 1,
     .max_rounds = 8,
     .only_full = true,
     .fits = fits_spinning,
     .run = run},
};

extern const struct measurement measure_regime;
const struct measurement measure_regime = {
    .letter = 'M',
    .title = "changing regimes",
    .method = "two threads ping-pong; every 200 round trips they change between two cores, one "
              "core, and replies that take 100 us; a trip of the first 100 that takes twice as "
              "long as the median of the last 100 was made at the old price",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

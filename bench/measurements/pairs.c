/* SPDX-License-Identifier: MIT */
/* L: many pairs that ping-pong at once: more threads than CPUs. */
#include <stdlib.h>

#include "machine.h"
#include "measure.h"

enum { ANYWHERE, ONE_CORE };

struct pairs {
    const struct contestant *contestant;
    pthread_barrier_t start;
    uint64_t work_ns;
    uint64_t n;
};

struct player {
    struct pairs *pairs;
    void *mine;
    void *other;
    bool serves; /* goes first */
    pthread_t thread;
    uint64_t started;
    uint64_t ended;
    uint64_t cpu_ns;
    long sleeps;
};

static void *play(void *argument)
{
    struct player *const p = argument;
    const struct contestant *const c = p->pairs->contestant;
    if (c->bind)
        c->bind(p->mine);
    pthread_barrier_wait(&p->pairs->start);
    const long sleeps = thread_sleeps();
    const uint64_t cpu = thread_cpu_ns();
    p->started = bench_clock();
    for (uint64_t i = 0; i < p->pairs->n; i++) {
        if (p->serves)
            c->unpark(p->other);
        c->park(p->mine);
        spin_for(p->pairs->work_ns);
        if (!p->serves)
            c->unpark(p->other);
    }
    p->ended = bench_clock();
    p->cpu_ns = thread_cpu_ns() - cpu;
    p->sleeps = thread_sleeps() - sleeps;
    /* The other side may be about to unpark a thread that has gone. */
    pthread_barrier_wait(&p->pairs->start);
    return NULL;
}

static void report(const struct player *players, size_t count, uint64_t trips,
                   struct recorder *recorder)
{
    uint64_t first = UINT64_MAX, last = 0, cpu = 0;
    long sleeps = 0;
    for (size_t i = 0; i < count; i++) {
        first = players[i].started < first ? players[i].started : first;
        last = players[i].ended > last ? players[i].ended : last;
        cpu += players[i].cpu_ns;
        sleeps += players[i].sleeps;
    }
    record(recorder, 0, (double)(last - first) / (double)trips);
    record(recorder, 1, (double)cpu / (double)trips);
    record(recorder, 2, (double)sleeps / (double)trips);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    const size_t count = 2 * (size_t)section->parameter;
    const int cpu = section->variant % 2 == ONE_CORE ? 0 : ANY_CPU;
    const uint64_t trips = (n + count / 2 - 1) / (count / 2);
    struct pairs pairs = {
        .contestant = contestant, .work_ns = (uint64_t)section->variant / 2 * 1000, .n = trips};
    struct player players[16];
    pthread_barrier_init(&pairs.start, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++)
        players[i] =
            (struct player){.pairs = &pairs, .mine = new_parker(contestant), .serves = i % 2 == 0};
    for (size_t i = 0; i < count; i++) {
        players[i].other = players[i ^ 1].mine;
        start_thread(&players[i].thread, cpu, play, &players[i]);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(players[i].thread, NULL);
    report(players, count, trips * count / 2, recorder);
    for (size_t i = 0; i < count; i++)
        delete_parker(contestant, players[i].mine);
    pthread_barrier_destroy(&pairs.start);
}

static const struct column columns[] = {
    {"time", "per round trip of any pair", "ns", SHOW_SPREAD},
    {"cpu", "CPU", "ns", SHOW_MEDIAN},
    {"sleeps", "sleeps", "per trip", SHOW_MEDIAN},
    {0},
};

#define SECTION(pairs, where, us, key_, what, is_long)                                             \
    {                                                                                              \
        .key = key_, .title = #pairs " pairs, " what, .columns = columns, .limit = "raw-futex",    \
        .parameter = pairs, .variant = where + 2 * us, .cpus = 2, .ms = 40, .only_full = is_long,  \
        .fits = fits_spinning, .run = run                                                          \
    }

static const struct section sections[] = {
    SECTION(2, ONE_CORE, 0, "2-one-core", "all on one core", true),
    SECTION(4, ANYWHERE, 0, "4", "free to move", false),
    SECTION(4, ANYWHERE, 5, "4-5us", "free to move, 5 us of work on each side", true),
    SECTION(8, ANYWHERE, 0, "8", "free to move", true),
    SECTION(8, ANYWHERE, 5, "8-5us", "free to move, 5 us of work on each side", true),
};

extern const struct measurement measure_pairs;
const struct measurement measure_pairs = {
    .letter = 'L',
    .title = "many pairs",
    .method = "pairs of threads ping-pong at the same time, with more threads than CPUs; time over "
              "all round trips, CPU time and sleeps of all threads",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

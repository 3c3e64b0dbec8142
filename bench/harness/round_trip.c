/* SPDX-License-Identifier: MIT */
#include "round_trip.h"

#include "machine.h"

struct side {
    const struct contestant *contestant;
    pthread_barrier_t *start;
    void *mine;
    void *other;
    uint64_t work_ns;
    uint64_t n;
    bool serves; /* goes first */
    uint64_t elapsed;
    uint64_t cpu_ns;
    long sleeps;
};

static void play(struct side *s, uint64_t n)
{
    const struct contestant *const c = s->contestant;
    for (; n; n--) {
        if (s->serves)
            c->unpark(s->other);
        c->park(s->mine);
        if (!s->serves) {
            spin_for(s->work_ns);
            c->unpark(s->other);
        }
    }
}

static void *run_side(void *argument)
{
    struct side *const s = argument;
    if (s->contestant->bind)
        s->contestant->bind(s->mine);
    pthread_barrier_wait(s->start);
    play(s, 1);
    const long sleeps = thread_sleeps();
    const uint64_t cpu = thread_cpu_ns();
    const uint64_t start = bench_clock();
    play(s, s->n);
    s->elapsed = bench_clock() - start;
    s->cpu_ns = thread_cpu_ns() - cpu;
    s->sleeps = thread_sleeps() - sleeps;
    /* The other side may be about to unpark a thread that has gone. */
    pthread_barrier_wait(s->start);
    return NULL;
}

struct trips time_round_trips(const struct contestant *contestant, int first_cpu, int second_cpu,
                              uint64_t work_ns, uint64_t n)
{
    struct game {
        pthread_barrier_t start;
        struct side first;
        struct side second;
    } *const game = new_shared(sizeof *game);
    pthread_barrier_t *const start = &game->start;
    init_barrier(start, 2);
    void *const a = new_parker(contestant);
    void *const b = new_parker(contestant);
    game->first = (struct side){contestant, start, a, b, work_ns, n, .serves = true};
    game->second = (struct side){contestant, start, b, a, work_ns, n, .serves = false};
    const bool own_process = contestant->traits & BETWEEN_PROCESSES;
    struct runner runners[2];
    start_runner(&runners[0], false, first_cpu, run_side, &game->first);
    start_runner(&runners[1], own_process, second_cpu, run_side, &game->second);
    join_runner(&runners[0]);
    join_runner(&runners[1]);
    const struct trips trips = {
        .ns = (double)game->first.elapsed / (double)n,
        .cpu_ns = (double)(game->first.cpu_ns + game->second.cpu_ns) / (double)n,
        .sleeps = (double)(game->first.sleeps + game->second.sleeps) / (double)n,
    };
    delete_parker(contestant, a);
    delete_parker(contestant, b);
    pthread_barrier_destroy(start);
    delete_shared(game, sizeof *game);
    return trips;
}

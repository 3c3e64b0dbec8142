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
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    void *const a = new_parker(contestant);
    void *const b = new_parker(contestant);
    struct side first = {contestant, &start, a, b, work_ns, n, .serves = true};
    struct side second = {contestant, &start, b, a, work_ns, n, .serves = false};
    pthread_t threads[2];
    start_thread(&threads[0], first_cpu, run_side, &first);
    start_thread(&threads[1], second_cpu, run_side, &second);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    delete_parker(contestant, a);
    delete_parker(contestant, b);
    pthread_barrier_destroy(&start);
    return (struct trips){
        .ns = (double)first.elapsed / (double)n,
        .cpu_ns = (double)(first.cpu_ns + second.cpu_ns) / (double)n,
        .sleeps = (double)(first.sleeps + second.sleeps) / (double)n,
    };
}

/* SPDX-License-Identifier: MIT */
#include "fast_path.h"

#include "machine.h"

const struct column ns_per_call[] = {{"time", "time", "ns", SHOW_SPREAD}, {0}};

struct loop {
    const struct contestant *contestant;
    repeat_fn *repeat;
    uint64_t n;
    uint64_t elapsed;
};

static void *run_loop(void *argument)
{
    struct loop *const loop = argument;
    void *const parker = new_parker(loop->contestant);
    if (loop->contestant->bind)
        loop->contestant->bind(parker);
    loop->repeat(parker, 1); /* the first call of a library function resolves its symbol */
    const uint64_t start = bench_clock();
    loop->repeat(parker, loop->n);
    loop->elapsed = bench_clock() - start;
    delete_parker(loop->contestant, parker);
    return NULL;
}

void time_loop(const struct contestant *contestant, repeat_fn *repeat, uint64_t n,
               struct recorder *recorder)
{
    struct loop loop = {.contestant = contestant, .repeat = repeat, .n = n};
    pthread_t thread;
    start_thread(&thread, 0, run_loop, &loop);
    pthread_join(thread, NULL);
    record(recorder, 0, (double)loop.elapsed / (double)n);
}

/* SPDX-License-Identifier: MIT */
#include "fast_path.h"

#include "machine.h"

const struct column ns_per_call[] = {{"time", "time", "ns", SHOW_SPREAD}, {0}};

enum { CHUNKS = 16 };

struct loop {
    const struct contestant *contestant;
    repeat_fn *repeat;
    uint64_t n; /* per chunk */
    struct recorder *recorder;
};

/* In chunks, so that an interrupt or another process spoils one sample, and not the round. */
static void *run_loop(void *argument)
{
    const struct loop *const loop = argument;
    void *const parker = new_parker(loop->contestant);
    if (loop->contestant->bind)
        loop->contestant->bind(parker);
    loop->repeat(parker, 1); /* the first call of a library function resolves its symbol */
    for (int i = 0; i < CHUNKS; i++) {
        const uint64_t start = bench_clock();
        loop->repeat(parker, loop->n);
        record(loop->recorder, 0, (double)(bench_clock() - start) / (double)loop->n);
    }
    delete_parker(loop->contestant, parker);
    return NULL;
}

void time_loop(const struct contestant *contestant, repeat_fn *repeat, uint64_t n,
               struct recorder *recorder)
{
    struct loop loop = {contestant, repeat, (n + CHUNKS - 1) / CHUNKS, recorder};
    pthread_t thread;
    start_thread(&thread, 0, run_loop, &loop);
    pthread_join(thread, NULL);
}

/* SPDX-License-Identifier: MIT */
/* For contestants whose timed wait takes a time of CLOCK_MONOTONIC. */
#ifndef BENCH_DEADLINE_H
#define BENCH_DEADLINE_H

#include <stdint.h>
#include <time.h>

static inline struct timespec deadline_in(uint64_t timeout_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const uint64_t ns = (uint64_t)t.tv_nsec + timeout_ns;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ROUND_TRIP_H
#define BENCH_ROUND_TRIP_H

#include "harness.h"

struct trips {
    double ns;     /* per round trip */
    double cpu_ns; /* of both threads, per round trip */
    double sleeps; /* of both threads, per round trip */
};

/*
 * Two threads, of two processes if the contestant is for that, on the given CPUs: one unparks the
 * other and parks; the other parks, works for work_ns, and unparks the first.
 */
struct trips time_round_trips(const struct contestant *contestant, int first_cpu, int second_cpu,
                              uint64_t work_ns, uint64_t n);

#endif

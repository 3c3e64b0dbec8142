/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FAST_PATH_H
#define BENCH_FAST_PATH_H

#include "harness.h"

/* Times one of a contestant's loops on a new parker, in a thread of its own, and records ns per
 * call. */
typedef void repeat_fn(void *parker, uint64_t n);
void time_loop(const struct contestant *contestant, repeat_fn *repeat, uint64_t n,
               struct recorder *recorder);

extern const struct column ns_per_call[];

#endif

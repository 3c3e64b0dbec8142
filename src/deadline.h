/* SPDX-License-Identifier: MIT */
/* Absolute times of CLOCK_MONOTONIC. */
#ifndef TPARK_SRC_DEADLINE_H
#define TPARK_SRC_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { TPARK_NS_PER_US = 1000, TPARK_NS_PER_S = 1000000000 };

static inline struct timespec tpark_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

/* A time before the clock began is its beginning, and one that is centuries away is never. */
static inline uint64_t tpark_to_ns(const struct timespec *t)
{
    if (t->tv_sec < 0)
        return 0;
    const uint64_t s = (uint64_t)t->tv_sec;
    return s < UINT64_MAX / TPARK_NS_PER_S ? s * TPARK_NS_PER_S + (uint64_t)t->tv_nsec : UINT64_MAX;
}

static inline uint64_t tpark_now_ns(void)
{
    const struct timespec t = tpark_now();
    return tpark_to_ns(&t);
}

/* NULL, no deadline, is valid. */
static inline bool tpark_is_valid_deadline(const struct timespec *deadline)
{
    return !deadline || (deadline->tv_nsec >= 0 && deadline->tv_nsec < TPARK_NS_PER_S);
}

static inline bool tpark_is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static inline bool tpark_has_passed(const struct timespec *deadline)
{
    const struct timespec t = tpark_now();
    return !tpark_is_before(&t, deadline);
}

#endif

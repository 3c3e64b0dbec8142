/* SPDX-License-Identifier: MIT */
/* Absolute times of CLOCK_MONOTONIC. */
#ifndef TPARK_SRC_DEADLINE_H
#define TPARK_SRC_DEADLINE_H

#include <stdbool.h>
#include <time.h>

enum { TPARK_NS_PER_S = 1000000000 };

static inline struct timespec tpark_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
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

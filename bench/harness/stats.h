/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

void sort_values(double *values, size_t count);

/* The q-quantile, 0 <= q <= 1, of ascending values, interpolated; NaN of none. */
double quantile(const double *sorted, size_t count, double q);

struct ratio {
    double median;
    double low; /* of the interval that covers the true median with at least 95 % */
    double high;
};

/*
 * The median of a[i] / b[i] over pairs that were measured in the same round, with the interval of
 * the sign test: order statistics, which assume nothing about the shape of the noise. With fewer
 * than six pairs no such interval exists, and it is the whole range.
 */
struct ratio paired_ratio(const double *a, const double *b, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_values(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
}

double quantile(const double *sorted, size_t count, double q)
{
    if (count == 0)
        return NAN;
    const double at = q * (double)(count - 1);
    const size_t below = (size_t)at;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

/*
 * How many of the smallest, and of the largest, values lie outside of the interval: each of count
 * values is below the median with probability 1/2, and both tails together may have 5 %.
 */
static size_t outside(size_t count)
{
    double term = pow(0.5, (double)count);
    double tail = term;
    size_t k = 0;
    while (k < count && tail <= 0.025) {
        k++;
        term *= (double)(count - k + 1) / (double)k;
        tail += term;
    }
    return k ? k - 1 : 0;
}

struct ratio paired_ratio(const double *a, const double *b, size_t count)
{
    const struct ratio none = {NAN, NAN, NAN};
    if (count == 0)
        return none;
    double *const ratios = malloc(count * sizeof *ratios);
    if (!ratios)
        return none;
    for (size_t i = 0; i < count; i++)
        ratios[i] = a[i] / b[i];
    sort_values(ratios, count);
    const size_t k = outside(count);
    const struct ratio result = {quantile(ratios, count, 0.5), ratios[k], ratios[count - 1 - k]};
    free(ratios);
    return result;
}

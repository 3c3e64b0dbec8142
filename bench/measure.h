/* SPDX-License-Identifier: MIT */
/* The measurements, one file each. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "harness.h"

extern const struct measurement measure_pair;     /* A */
extern const struct measurement measure_notified; /* B */
extern const struct measurement measure_poll;     /* C */
extern const struct measurement measure_pingpong; /* D */

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Which contestants a section fits; more are in the files that need them. */
bool fits_waiting(const struct contestant *contestant, const struct section *section);
bool fits_sleeping(const struct contestant *contestant, const struct section *section);

#endif

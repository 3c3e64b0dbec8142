/* SPDX-License-Identifier: MIT */
/* The measurements, one file each. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "harness.h"

extern const struct measurement measure_pair;     /* A */
extern const struct measurement measure_notified; /* B */
extern const struct measurement measure_poll;     /* C */
extern const struct measurement measure_pingpong; /* D */
extern const struct measurement measure_wake;     /* E */
extern const struct measurement measure_work;     /* F */
extern const struct measurement measure_storm;    /* G */
extern const struct measurement measure_timeout;  /* H */
extern const struct measurement measure_size;     /* I */
extern const struct measurement measure_scale;    /* J */
extern const struct measurement measure_runtime;  /* K, where there is Concurrency Kit */
extern const struct measurement measure_pairs;    /* L */
extern const struct measurement measure_regime;   /* M */
extern const struct measurement measure_idle;     /* N */

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Which contestants a section fits; more are in the files that need them. */
bool fits_any(const struct contestant *contestant, const struct section *section);
bool fits_waiting(const struct contestant *contestant, const struct section *section);
bool fits_sleeping(const struct contestant *contestant, const struct section *section);
/* Those that sleep at once do as the limit does, so it stands for them. */
bool fits_spinning(const struct contestant *contestant, const struct section *section);

#endif

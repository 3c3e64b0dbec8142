/* SPDX-License-Identifier: MIT */
/* What the measurements share. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "harness.h"

/* Reads waits in us from a file, one a line, for the section "trace" of W. Else errno says why not.
 */
bool read_trace(const char *path);

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Which contestants a section fits; more are in the files that need them. */
bool fits_any(const struct contestant *contestant, const struct section *section);
bool fits_waiting(const struct contestant *contestant, const struct section *section);
bool fits_sleeping(const struct contestant *contestant, const struct section *section);
/* Those that sleep at once do as the limit does, so it stands for them. */
bool fits_spinning(const struct contestant *contestant, const struct section *section);
bool fits_block_on(const struct contestant *contestant, const struct section *section);

#endif

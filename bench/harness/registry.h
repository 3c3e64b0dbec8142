/* SPDX-License-Identifier: MIT */
/* The contestants that this build has, and those that it lacks (contestants/meson.build), and the
 * measurements (measurements/meson.build). */
#ifndef BENCH_REGISTRY_H
#define BENCH_REGISTRY_H

#include "contestant.h"
#include "harness.h"

extern const struct contestant *const all_contestants[]; /* ends with NULL */

extern const struct measurement *const all_measurements[]; /* ends with NULL */

struct missing {
    const char *name;
    const char *needs; /* a Debian package */
};
extern const struct missing missing_contestants[]; /* ends with a NULL name */

/* Its traits in words, separated by ", "; the empty string if there are none. */
const char *describe_traits(const struct contestant *contestant, char *text, size_t size);

#endif

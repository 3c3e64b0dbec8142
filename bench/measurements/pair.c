/* SPDX-License-Identifier: MIT */
/* A: the fast path of both sides. */
#include "fast_path.h"
#include "measure.h"

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    (void)section;
    time_loop(contestant, contestant->repeat_pair, n, recorder);
}

static const struct section sections[] = {
    {.key = "",
     .title = "fast pair",
     .columns = ns_per_call,
     .limit = "raw-locked",
     .cpus = 1,
     .ms = 8,
     .min_n = 16384,
     .fits = fits_any,
     .run = run},
    {.key = "block-on",
     .title = "block_on of a future that is ready",
     .columns = ns_per_call,
     .limit = "raw-locked",
     .cpus = 1,
     .ms = 8,
     .min_n = 16384,
     .only_full = true,
     .fits = fits_block_on,
     .run = run},
};

extern const struct measurement measure_pair;
const struct measurement measure_pair = {
    .letter = 'A',
    .title = "fast pair",
    .method = "one thread unparks itself, and parks: the token is there, nobody sleeps",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

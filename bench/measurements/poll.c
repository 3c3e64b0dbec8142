/* SPDX-License-Identifier: MIT */
/* C: what it costs to look for a token that is not there. */
#include "fast_path.h"
#include "measure.h"

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return contestant->repeat_poll && fits_any(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    (void)section;
    time_loop(contestant, contestant->repeat_poll, n, recorder);
}

static const struct section sections[] = {
    {.key = "",
     .title = "park_timeout(0)",
     .columns = ns_per_call,
     .limit = "raw-locked",
     .cpus = 1,
     .ms = 8,
     .min_n = 512,
     .fits = fits,
     .run = run},
};

extern const struct measurement measure_poll;
const struct measurement measure_poll = {
    .letter = 'C',
    .title = "park_timeout(0)",
    .method = "one thread parks with a timeout of 0, and there is no token",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

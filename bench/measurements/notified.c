/* SPDX-License-Identifier: MIT */
/* B: what an unpark costs that changes nothing. */
#include "fast_path.h"
#include "measure.h"

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return fits_any(contestant, section) && !(contestant->traits & ONE_SHOT);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    (void)section;
    time_loop(contestant, contestant->repeat_unpark, n, recorder);
}

static const struct section sections[] = {
    {.key = "",
     .title = "unpark when already notified",
     .columns = ns_per_call,
     .limit = "raw-locked",
     .cpus = 1,
     .ms = 8,
     .min_n = 16384,
     .fits = fits,
     .run = run},
};

extern const struct measurement measure_notified;
const struct measurement measure_notified = {
    .letter = 'B',
    .title = "unpark when already notified",
    .method = "one thread unparks a parker that has a token; semaphores count these up",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

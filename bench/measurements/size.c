/* SPDX-License-Identifier: MIT */
/* I: the memory of a parker. */
#include "measure.h"

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    (void)section;
    (void)n;
    record(recorder, 0, (double)contestant->size);
}

static const struct column columns[] = {{"size", "size", "bytes", SHOW_MEDIAN}, {0}};

static const struct section sections[] = {
    {.key = "",
     .title = "bytes per parker",
     .columns = columns,
     .limit = "raw-futex",
     .cpus = 1,
     .fixed_n = 1,
     .max_rounds = 1,
     .fits = fits_any,
     .run = run},
};

extern const struct measurement measure_size;
const struct measurement measure_size = {
    .letter = 'I',
    .title = "bytes per parker",
    .method = "sizeof; what the kernel or the runtime keeps besides (files, thread handles) is not "
              "in it",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

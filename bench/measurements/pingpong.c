/* SPDX-License-Identifier: MIT */
/* D: two threads wake each other, and do nothing else. */
#include "machine.h"
#include "measure.h"
#include "round_trip.h"

enum { ONE_CORE, TWO_CORES };

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return section->parameter == TWO_CORES ? fits_waiting(contestant, section)
                                           : fits_sleeping(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    const int second_cpu = section->parameter == TWO_CORES ? 1 : 0;
    const struct trips t = time_round_trips(contestant, 0, second_cpu, 0, n);
    record(recorder, 0, t.ns);
    record(recorder, 1, t.sleeps);
}

static const struct column columns[] = {
    {"time", "round trip", "ns", SHOW_SPREAD},
    {"sleeps", "sleeps", "per trip", SHOW_MEDIAN},
    {0},
};

static const struct section sections[] = {
    {.key = "one-core",
     .title = "ping-pong on one core",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = ONE_CORE,
     .cpus = 1,
     .ms = 20,
     .fits = fits,
     .run = run},
    {.key = "two-cores",
     .title = "ping-pong between two cores",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = TWO_CORES,
     .cpus = 2,
     .ms = 30,
     .fits = fits,
     .run = run},
    {.key = "processes-one-core",
     .title = "ping-pong of two processes on one core",
     .columns = columns,
     .limit = "raw-futex-processes",
     .parameter = ONE_CORE,
     .cpus = 1,
     .ms = 20,
     .between_processes = true,
     .fits = fits,
     .run = run},
    {.key = "processes-two-cores",
     .title = "ping-pong of two processes between two cores",
     .columns = columns,
     .limit = "raw-futex-processes",
     .parameter = TWO_CORES,
     .cpus = 2,
     .ms = 30,
     .between_processes = true,
     .fits = fits,
     .run = run},
    {.key = "block-on-one-core",
     .title = "block_on of a future that the same core wakes",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = ONE_CORE,
     .cpus = 1,
     .ms = 20,
     .only_full = true,
     .fits = fits_block_on,
     .run = run},
    {.key = "block-on-two-cores",
     .title = "block_on of a future that another core wakes, in turn",
     .columns = columns,
     .limit = "raw-futex",
     .parameter = TWO_CORES,
     .cpus = 2,
     .ms = 30,
     .only_full = true,
     .fits = fits_block_on,
     .run = run},
};

extern const struct measurement measure_pingpong;
const struct measurement measure_pingpong = {
    .letter = 'D',
    .title = "ping-pong",
    .method = "two threads park and unpark each other in turn. Two sleeps per trip: both slept. "
              "Fewer: they met awake",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

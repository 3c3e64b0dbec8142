/* SPDX-License-Identifier: MIT */
/* F: a round trip in which the other side has something to do, and what it costs in CPU time. */
#include "measure.h"
#include "round_trip.h"

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    const uint64_t work_ns = (uint64_t)section->parameter * 1000;
    const struct trips t = time_round_trips(contestant, 0, 1, work_ns, n);
    record(recorder, 0, t.ns - (double)work_ns);
    record(recorder, 1, t.cpu_ns);
    record(recorder, 2, t.sleeps);
}

static const struct column columns[] = {
    {"time", "round trip less work", "ns", SHOW_SPREAD},
    {"cpu", "CPU", "ns", SHOW_MEDIAN},
    {"sleeps", "sleeps", "", SHOW_MEDIAN},
    {0},
};

#define SECTION(us, is_long)                                                                       \
    {                                                                                              \
        .key = #us, .title = "round trip with " #us " us of work", .columns = columns,             \
        .limit = "raw-futex", .parameter = us, .cpus = 2, .ms = 20, .only_full = is_long,          \
        .fits = fits_waiting, .run = run                                                           \
    }

static const struct section sections[] = {SECTION(0, false), SECTION(1, true),  SECTION(5, false),
                                          SECTION(20, true), SECTION(40, true), SECTION(60, true),
                                          SECTION(90, true), SECTION(100, true)};

extern const struct measurement measure_work;
const struct measurement measure_work = {
    .letter = 'F',
    .title = "ping-pong with work",
    .method = "as D between two cores, but the reply takes work; CPU time and sleeps are those of "
              "both threads per round trip",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

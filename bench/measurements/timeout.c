/* SPDX-License-Identifier: MIT */
/* H: how late a park that times out returns. */
#include <sys/prctl.h>

#include "machine.h"
#include "measure.h"

enum { DEFAULT_SLACK, NO_SLACK };

struct timed {
    const struct contestant *contestant;
    uint64_t timeout_ns;
    uint64_t n;
    bool has_slack;
    struct recorder *recorder;
};

static void *time_out(void *argument)
{
    const struct timed *const t = argument;
    void *const parker = new_parker(t->contestant);
    if (t->contestant->bind)
        t->contestant->bind(parker);
    /* 0 is the default again: that of the thread which started this one. */
    if (prctl(PR_SET_TIMERSLACK, t->has_slack ? 0ul : 1ul, 0ul, 0ul, 0ul))
        fail("prctl(PR_SET_TIMERSLACK)", 0);
    for (uint64_t i = 0; i < t->n; i++) {
        const uint64_t start = bench_clock();
        t->contestant->park_timeout(parker, t->timeout_ns);
        const uint64_t elapsed = bench_clock() - start;
        record(t->recorder, 0, ((double)elapsed - (double)t->timeout_ns) / 1000);
    }
    delete_parker(t->contestant, parker);
    return NULL;
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return contestant->traits & TIMES_OUT ||
           (contestant->park_timeout && fits_waiting(contestant, section));
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct timed timed = {contestant, (uint64_t)section->parameter * 1000, n,
                          section->variant == DEFAULT_SLACK, recorder};
    pthread_t thread;
    start_thread(&thread, 1, time_out, &timed);
    pthread_join(thread, NULL);
}

static const struct column columns[] = {{"overshoot", "overshoot", "us", SHOW_TAIL}, {0}};

#define SECTION(us, ms_, key_, what, slack, slack_text, is_long)                                   \
    {                                                                                              \
        .key = key_, .title = "timeout of " what ", timer slack " slack_text, .columns = columns,  \
        .limit = "raw-futex", .parameter = us, .variant = slack, .cpus = 1, .ms = ms_,             \
        .only_full = is_long, .fits = fits, .run = run                                             \
    }

static const struct section sections[] = {
    SECTION(50, 10, "50us", "50 us", DEFAULT_SLACK, "as by default", true),
    SECTION(100, 30, "100us", "100 us", DEFAULT_SLACK, "as by default", false),
    SECTION(1000, 20, "1ms", "1 ms", DEFAULT_SLACK, "as by default", true),
    SECTION(10000, 30, "10ms", "10 ms", DEFAULT_SLACK, "as by default", true),
    SECTION(50, 10, "50us-1ns", "50 us", NO_SLACK, "1 ns", true),
    SECTION(100, 10, "100us-1ns", "100 us", NO_SLACK, "1 ns", true),
    SECTION(1000, 20, "1ms-1ns", "1 ms", NO_SLACK, "1 ns", true),
    SECTION(10000, 30, "10ms-1ns", "10 ms", NO_SLACK, "1 ns", true),
};

extern const struct measurement measure_timeout;
const struct measurement measure_timeout = {
    .letter = 'H',
    .title = "overshoot of park_timeout",
    .method = "a thread parks with a timeout, and nobody unparks it; how much later it returns",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

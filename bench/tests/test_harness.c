/* SPDX-License-Identifier: MIT */
/*
 * The harness, with a clock that moves only when a contestant moves it: what the contestants cost
 * is then known to the nanosecond, and the harness must show it to the nanosecond.
 */
#include <math.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "machine.h"
#include "measure.h"

extern const struct measurement measure_pair, measure_notified, measure_poll, measure_pingpong,
    measure_timeout, measure_wake, measure_storm, measure_scale, measure_work, measure_size;

static int failures;

static void check(bool is_true, const char *what, const char *file, int line)
{
    if (is_true)
        return;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    failures++;
}
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

static bool equals(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

/* ---------------------------------------------------------------------------- the fake clock -- */

static _Atomic uint64_t fake_now;

static uint64_t read_fake_clock(void)
{
    return fake_now;
}

/* ----------------------------------------------------------------------- the fake contestants --
 */

/* They park as the raw futex loop does, and move the clock when they unpark. */
extern const struct contestant contestant_raw_futex;

struct fake {
    alignas(64) char raw[64]; /* a parker of raw-futex: first, so that it has the same address */
    uint64_t cost;
};

enum { LIMIT_COST = 1000, SLOW_COST = 1300 };

static double noise = 1;    /* of the next fast path loop */
static uint64_t noise_seed; /* 0: none */
static char order[100000];  /* who ran its loop, one letter each */
static size_t order_length;

static int init_limit(void *p)
{
    ((struct fake *)p)->cost = LIMIT_COST;
    return contestant_raw_futex.init(p);
}

static int init_slow(void *p)
{
    ((struct fake *)p)->cost = SLOW_COST;
    return contestant_raw_futex.init(p);
}

static void destroy(void *p)
{
    contestant_raw_futex.destroy(p);
}

static void park(void *p)
{
    contestant_raw_futex.park(p);
}

static void unpark(void *p)
{
    fake_now += ((struct fake *)p)->cost;
    contestant_raw_futex.unpark(p);
}

static bool park_timeout(void *p, uint64_t timeout_ns)
{
    fake_now += timeout_ns + ((struct fake *)p)->cost;
    return false;
}

static double next_noise(void)
{
    noise_seed = noise_seed * 6364136223846793005u + 1442695040888963407u;
    return 1 + 0.2 * (double)(noise_seed >> 33) / 2147483648.0; /* up to 20 % */
}

static void repeat(void *p, uint64_t n)
{
    const struct fake *const fake = p;
    if (order_length < sizeof order)
        order[order_length++] = fake->cost == LIMIT_COST ? 'l' : 's';
    if (noise_seed)
        noise = next_noise();
    fake_now += (uint64_t)((double)(fake->cost * n) * noise);
}

#define FAKE(name_, init_)                                                                         \
    {                                                                                              \
        .name = name_, .what = "", .size = sizeof(struct fake), .init = init_, .destroy = destroy, \
        .park = park, .unpark = unpark, .park_timeout = park_timeout, .repeat_pair = repeat,       \
        .repeat_unpark = repeat, .repeat_poll = repeat                                             \
    }

static const struct contestant locked = FAKE("raw-locked", init_limit);
static const struct contestant futex = FAKE("raw-futex", init_limit);
static const struct contestant slow = FAKE("slow", init_slow);

static struct harness fake_harness(void)
{
    return (struct harness){.rounds = 15, .scale = 0.002, .seed = 1, .max_load = 0.15};
}

static struct result run(struct harness *harness, const struct measurement *measurement,
                         size_t section)
{
    const struct contestant *const list[] = {&locked, &futex, &slow};
    struct result result;
    const int error = run_section(harness, measurement, &measurement->sections[section], list,
                                  COUNT_OF(list), &result);
    CHECK(error == 0);
    if (error)
        exit(1);
    return result;
}

static const struct entry *find(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->entry_count; i++)
        if (strcmp(entry_name(&result->entries[i]), name) == 0)
            return &result->entries[i];
    fprintf(stderr, "%s did not run\n", name);
    exit(1);
}

static struct ratio ratio_of(const struct result *result, const char *name, size_t column)
{
    return paired_ratio(find(result, name)->series[column].rounds,
                        find_limit(result)->series[column].rounds, result->rounds);
}

static bool all_equal(const struct series *s, double value)
{
    return s->count > 0 && equals(s->values[0], value) && equals(s->values[s->count - 1], value);
}

/* -------------------------------------------------------------------------------- the tests -- */

/* In every measurement whose time is the contestants': exact times, ratio 1.3, null ratio 1. */
static void shows_exact_amounts(const struct measurement *measurement, size_t section,
                                size_t column, double per_cost)
{
    struct harness harness = fake_harness();
    harness.rounds = 6;
    struct result r = run(&harness, measurement, section);
    CHECK(all_equal(&find_limit(&r)->series[column], per_cost * LIMIT_COST));
    CHECK(all_equal(&find(&r, "(null pair)")->series[column], per_cost * LIMIT_COST));
    CHECK(all_equal(&find(&r, "slow")->series[column], per_cost * SLOW_COST));
    const struct ratio slower = ratio_of(&r, "slow", column);
    CHECK(equals(slower.median, 1.3) && equals(slower.low, 1.3) && equals(slower.high, 1.3));
    const struct ratio null = ratio_of(&r, "(null pair)", column);
    CHECK(equals(null.median, 1) && equals(null.low, 1) && equals(null.high, 1));
    free_result(&r);
}

/* Under noise the interval must cover the truth in 95 % of the runs, and tell 1.3 from 1. */
static void intervals_cover_the_truth(void)
{
    enum { RUNS = 100 };
    int covers_null = 0, covers_slow = 0, confuses = 0;
    noise_seed = 1;
    for (int i = 0; i < RUNS; i++) {
        struct harness harness = fake_harness();
        struct result r = run(&harness, &measure_pair, 0);
        const struct ratio null = ratio_of(&r, "(null pair)", 0);
        const struct ratio slower = ratio_of(&r, "slow", 0);
        covers_null += null.low <= 1 && null.high >= 1;
        covers_slow += slower.low <= 1.3 && slower.high >= 1.3;
        confuses += slower.low <= 1;
        free_result(&r);
    }
    noise_seed = 0;
    noise = 1;
    CHECK(covers_null >= RUNS * 92 / 100);
    CHECK(covers_slow >= RUNS * 92 / 100);
    CHECK(confuses == 0);
}

static unsigned loads_left; /* how many more runs other processes disturb */
static uint64_t load_calls;

/* Called before and after all rounds: half a core is busy between the two, or nothing. */
static uint64_t read_fake_load(void)
{
    static uint64_t used, before;
    if (load_calls++ % 2 == 0) {
        before = fake_now;
    } else if (loads_left) {
        loads_left--;
        used += (fake_now - before) / 2;
    }
    return used;
}

static void repeats_what_was_disturbed(void)
{
    struct harness harness = fake_harness();
    struct result clean = run(&harness, &measure_pair, 0);

    harness.other_cpu_ns = read_fake_load;
    harness.spare_ns = UINT64_MAX;
    loads_left = 2;
    struct result r = run(&harness, &measure_pair, 0);
    CHECK(r.repeats == 2);
    CHECK(!r.is_disturbed);
    CHECK(r.entries[0].series[0].count == clean.entries[0].series[0].count);
    free_result(&r);

    harness.spare_ns = 0;
    loads_left = 1;
    r = run(&harness, &measure_pair, 0);
    CHECK(r.repeats == 0);
    CHECK(r.is_disturbed);
    CHECK(equals(r.other_load, 0.5));
    free_result(&r);
    free_result(&clean);
}

/* Each contestant runs once a round, and rounds differ in their order. */
static void interleaves_at_random(void)
{
    enum {
        ENTRIES = 4,
        CHUNKS = 17
    }; /* of the contestants and the null pair; of the warm-up and the chunks */
    struct harness harness = fake_harness();
    order_length = 0;
    struct result r = run(&harness, &measure_pair, 0);
    const size_t per_round = ENTRIES * CHUNKS;
    CHECK(order_length >= r.rounds * per_round);
    const char *const rounds = order + order_length - r.rounds * per_round;
    bool differs = false;
    for (size_t i = 0; i < r.rounds; i++) {
        const char *const round = rounds + i * per_round;
        size_t slow_loops = 0;
        for (size_t j = 0; j < per_round; j++)
            slow_loops += round[j] == 's';
        CHECK(slow_loops == CHUNKS);
        differs |= memcmp(round, rounds, per_round) != 0;
    }
    CHECK(differs);
    free_result(&r);
}

static void drift(const struct measurement *measurement, const struct section *section, double done,
                  bool repeats)
{
    (void)measurement, (void)section, (void)repeats;
    noise = 1 + done;
}

/* While the machine becomes slower, round by round: a round's median is of that round alone. */
static void keeps_rounds_apart(void)
{
    struct harness harness = fake_harness();
    harness.progress = drift;
    struct result r = run(&harness, &measure_pair, 0);
    for (size_t i = 0; i < r.rounds; i++) {
        const double slowness = 1 + (double)i / (double)r.rounds;
        CHECK(fabs(find(&r, "slow")->series[0].rounds[i] / (SLOW_COST * slowness) - 1) < 0.001);
    }
    noise = 1;
    free_result(&r);
}

static void leaves_out_what_does_not_fit(void)
{
    struct contestant one_shot = slow;
    one_shot.traits = ONE_SHOT;
    const struct contestant *const list[] = {&locked, &one_shot};
    struct harness harness = fake_harness();
    struct result r;
    CHECK(run_section(&harness, &measure_notified, &measure_notified.sections[0], list, 2, &r) ==
          0);
    CHECK(r.entry_count == 2); /* the limit and the null pair */
    free_result(&r);
    /* Without the limit there is nothing to compare with. */
    CHECK(run_section(&harness, &measure_pair, &measure_pair.sections[0], list + 1, 1, &r) != 0);
}

static void statistics_are_right(void)
{
    const double sorted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    double ones[15];
    for (size_t i = 0; i < 15; i++)
        ones[i] = 1;
    CHECK(equals(quantile(sorted, 15, 0), 1));
    CHECK(equals(quantile(sorted, 15, 0.5), 8));
    CHECK(equals(quantile(sorted, 15, 0.25), 4.5));
    CHECK(equals(quantile(sorted, 15, 1), 15));
    CHECK(isnan(quantile(sorted, 0, 0.5)));
    /* The 4th and the 12th of 15, the 1st and the last of 6: any table of the sign test. */
    struct ratio r = paired_ratio(sorted, ones, 15);
    CHECK(equals(r.low, 4) && equals(r.median, 8) && equals(r.high, 12));
    r = paired_ratio(sorted, ones, 6);
    CHECK(equals(r.low, 1) && equals(r.median, 3.5) && equals(r.high, 6));
}

int main(void)
{
    bench_clock = read_fake_clock;
    const unsigned cpus = find_cpus();
    statistics_are_right();
    shows_exact_amounts(&measure_pair, 0, 0, 1);
    shows_exact_amounts(&measure_notified, 0, 0, 1);
    shows_exact_amounts(&measure_poll, 0, 0, 1);
    shows_exact_amounts(&measure_pingpong, 0, 0, 2); /* two unparks a trip */
    shows_exact_amounts(&measure_timeout, 0, 0, 1e-3);
    if (cpus >= 2) {
        shows_exact_amounts(&measure_pingpong, 1, 0, 2);
        shows_exact_amounts(&measure_wake, 0, 0, 1);
        shows_exact_amounts(&measure_wake, 0, 1, 1);
        shows_exact_amounts(&measure_storm, 0, 0, 1);
        shows_exact_amounts(&measure_scale, 0, 0, 1);
    }
    intervals_cover_the_truth();
    repeats_what_was_disturbed();
    interleaves_at_random();
    keeps_rounds_apart();
    leaves_out_what_does_not_fit();
    return failures != 0;
}

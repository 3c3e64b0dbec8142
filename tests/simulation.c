/* SPDX-License-Identifier: MIT */
/*
 * The policies against a clock and a kernel of the test's own: 100 000 parks for each pattern of
 * waits, in one thread, the same in every run. What passes is known exactly, and so is what the
 * fixed policies would have cost on the same waits.
 *
 * The program is linked with --wrap for the calls that the library makes. Time passes when the
 * owner looks at the clock, and while it sleeps. The token comes when it is due: to an owner that
 * spins with the next look at the clock, and to one that sleeps by an unpark from another CPU.
 */
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tpark.h"

enum {
    READ_NS = 20,
    LOOK_NS = 200,

    SLEEP_NS = 10000,
    US = 1000,
    S = 1000000000
};

static int parks = 100000; /* in each test; or the argument */

/* ------------------------------------------------------------------------------ the machine -- */

static struct machine {
    uint64_t now, cpu; /* of the clock, of the owner */
    uint64_t due;      /* the token */
    uint64_t given;    /* when it was given; 0: not yet */
    uint64_t began;    /* the park */
    uint64_t slept;
    uint64_t sleep_ns,
        latency_ns; /* what a sleep and a wake cost both threads; what a wake takes */
    uint64_t sleeps;
    int on_cpu, waker_cpu;
    int looks; /* at the clock, in this park */
    bool is_wakers_turn;
    bool needs_owners_cpu; /* the waker cannot run while the owner spins */
    uint64_t seed;
    struct tpark *parker;
} m;

static double random_fraction(void)
{
    m.seed ^= m.seed << 13;
    m.seed ^= m.seed >> 7;
    m.seed ^= m.seed << 17;
    return (double)(m.seed >> 11) / 9007199254740992.0;
}

static void give(void)
{
    m.given = m.now;
    if (tpark_notify(m.parker).wake)
        abort(); /* the owner does not sleep */
}

/* A spin looks ever more rarely, so that it is soon over, but is there when the token is due. */
static void pass_a_look(void)
{
    uint64_t ns = READ_NS;
    if (!m.slept && m.looks)
        ns = (m.now - m.began) / 8 > LOOK_NS ? (m.now - m.began) / 8 : LOOK_NS;
    if (!m.given && m.due > m.now && m.due - m.now < ns)
        ns = m.due - m.now;
    m.now += ns;
    m.cpu += ns;
    m.looks++;
    if (!m.given && m.now >= m.due && !m.needs_owners_cpu)
        give();
}

/* Of the CPU time of a sleep. */
static uint64_t wakers_part(void)
{
    return m.sleep_ns * 3 / 7;
}

static void sleep_until_woken(void)
{
    m.sleeps++;
    m.slept = m.now;
    if (m.needs_owners_cpu)
        m.due += m.now - m.began; /* for so long nobody could work on it */
    if (m.now < m.due)
        m.now = m.due;
    m.given = m.now;
    m.on_cpu = m.waker_cpu;
    m.is_wakers_turn = true;
    tpark_unpark(m.parker);
    m.is_wakers_turn = false;
    m.on_cpu = 0;
    m.now = m.given + (uint64_t)((double)m.latency_ns * (0.8 + 0.4 * random_fraction()));
    m.cpu += m.sleep_ns - wakers_part();
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (clock == CLOCK_MONOTONIC && !m.is_wakers_turn)
        pass_a_look();
    const uint64_t ns = clock == CLOCK_MONOTONIC ? m.now : m.cpu;
    *t = (struct timespec){.tv_sec = (time_t)(ns / S), .tv_nsec = (long)(ns % S)};
    return 0;
}

int __wrap_sched_getcpu(void);
int __wrap_sched_getcpu(void)
{
    return m.on_cpu;
}

__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...);
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    (void)va_arg(list, void *);
    const int operation = va_arg(list, int);
    va_end(list);
    if (number == SYS_futex && (operation & FUTEX_CMD_MASK) == FUTEX_WAKE)
        return 1;
    if (!m.given)
        sleep_until_woken();
    return 0;
}

/* ----------------------------------------------------------------------------- the patterns -- */

static double exponential(double mean)
{
    return -mean * log(1 - random_fraction());
}

/* us that the token comes after the i-th park began */
#define PATTERN(name, expression)                                                                  \
    static double name(int i)                                                                      \
    {                                                                                              \
        (void)i;                                                                                   \
        return expression;                                                                         \
    }
PATTERN(us_1, 1)
PATTERN(us_5, 5)
PATTERN(us_10, 10)
PATTERN(us_20, 20)
PATTERN(us_40, 40)
PATTERN(us_60, 60)
PATTERN(us_90, 90)
PATTERN(us_100, 100)
PATTERN(us_200, 200)
PATTERN(exp_5, exponential(5))
PATTERN(exp_15, exponential(15))
PATTERN(exp_48, exponential(48))
PATTERN(exp_200, exponential(200))
PATTERN(alternating, i % 2 ? 100 : 1)
PATTERN(period_3, i % 3 == 2 ? 100 : 1)
PATTERN(period_4, i % 4 == 3 ? 100 : 1)
PATTERN(two_and_two, i % 4 < 2 ? 1 : 100)
PATTERN(three_parts, i % 3 == 0 ? 1 : i % 3 == 1 ? 30 : 8)
PATTERN(noisy_alternation, (i % 2 ? 100 : 3) * (0.7 + 0.6 * random_fraction()))
PATTERN(mixture_80, random_fraction() < 0.8 ? 1 : 100)
PATTERN(mixture_50, random_fraction() < 0.5 ? 1 : 100)
PATTERN(mixture_20, random_fraction() < 0.2 ? 1 : 100)
PATTERN(heavy_tail, 1 / (1 - random_fraction()))
PATTERN(lighter_tail, 3 * pow(1 - random_fraction(), -1 / 1.5))
PATTERN(regimes, i / 200 % 2 ? 100 : 1)
PATTERN(three_regimes, i / 200 % 3 == 0 ? 1 : i / 200 % 3 == 1 ? 100 : exponential(15))
PATTERN(asleep, m.slept ? 10.5 : 0.3) /* the waker spins as the owner does */
PATTERN(bursts, i % 20 == 0 ? exponential(500) : exponential(2))

static const struct pattern {
    const char *name;
    double (*wait_us)(int i);
    bool is_periodic;
} patterns[] = {
    {"1 us", us_1, false},
    {"5 us", us_5, false},
    {"10 us", us_10, false},
    {"20 us", us_20, false},
    {"40 us", us_40, false},
    {"60 us", us_60, false},
    {"90 us", us_90, false},
    {"100 us", us_100, false},
    {"200 us", us_200, false},
    {"exponential, mean 5 us", exp_5, false},
    {"exponential, mean 15 us", exp_15, false},
    {"exponential, mean 48 us", exp_48, false},
    {"exponential, mean 200 us", exp_200, false},
    {"1 and 100 us in turn", alternating, true},
    {"two of 1 us, one of 100 us", period_3, true},
    {"three of 1 us, one of 100 us", period_4, true},
    {"two of 1 us, two of 100 us", two_and_two, true},
    {"1, 30 and 8 us in turn", three_parts, true},
    {"about 3 and 100 us in turn", noisy_alternation, true},
    {"80 % 1 us, 20 % 100 us", mixture_80, false},
    {"50 % 1 us, 50 % 100 us", mixture_50, false},
    {"20 % 1 us, 80 % 100 us", mixture_20, false},
    {"heavy tail", heavy_tail, false},
    {"lighter tail", lighter_tail, false},
    {"200 of 1 us, 200 of 100 us", regimes, false},
    {"three regimes", three_regimes, false},
    {"bursts", bursts, false},
    {"a waker that sleeps, too", asleep, false},
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

/* -------------------------------------------------------------------------------- the tests -- */

static int failures;

static void check(bool is_true, const char *test, const char *what)
{
    if (is_true)
        return;
    printf("FAILED %s: %s\n", test, what);
    failures++;
}

struct outcome {
    double cpu, latency; /* per park, in us; of both threads */
};

static void begin(struct tpark *p, unsigned flags)
{
    m = (struct machine){.now = ((uint64_t)9 << 40) - S, /* notes of the time wrap around */
                         .cpu = S,
                         .sleep_ns = SLEEP_NS,
                         .latency_ns = SLEEP_NS,
                         .waker_cpu = 1,
                         .seed = 88172645463325252u,
                         .parker = p};
    if (tpark_init(p, flags))
        abort();
}

/* One park, with a token that comes so late. Adds what it cost. */
static void park(double wait_us, struct outcome *sum)
{
    m.now += US; /* the owner does something else */
    m.began = m.now;
    m.due = m.now + (uint64_t)(wait_us * US);
    m.given = 0;
    m.looks = 0;
    m.slept = 0;
    const uint64_t cpu = m.cpu, sleeps = m.sleeps;
    tpark_park(m.parker);
    sum->cpu += (double)(m.cpu - cpu + (m.sleeps - sleeps) * wakers_part()) / US;
    sum->latency += (double)(m.now - m.given) / US;
}

static struct outcome run(const struct pattern *pattern, unsigned flags)
{
    static struct tpark parkers[64];
    static int next;
    struct tpark *const p = &parkers[next++ % 64];
    begin(p, flags);
    struct outcome sum = {0, 0};
    for (int i = 0; i < parks; i++)
        park(pattern->wait_us(i), &sum);
    return (struct outcome){sum.cpu / parks, sum.latency / parks};
}

/* What a policy would cost that spins for so long, or that knows whether to. */
static struct outcome imagine(const struct pattern *pattern, double spin_us, bool knows)
{
    static struct tpark p;
    begin(&p, TPARK_SPIN_NEVER);
    const double sleep = (double)SLEEP_NS / US;
    struct outcome sum = {0, 0};
    for (int i = 0; i < parks; i++) {
        const double wait = pattern->wait_us(i);
        random_fraction(); /* that of the wake */
        if (wait <= spin_us || (knows && wait <= sleep)) {
            sum.cpu += wait;
        } else {
            sum.cpu += sleep + (knows ? 0 : spin_us);
            sum.latency += sleep;
        }
    }
    return (struct outcome){sum.cpu / parks, sum.latency / parks};
}

static double both(struct outcome outcome)
{
    return outcome.cpu + outcome.latency;
}

static void try_pattern(const struct pattern *pattern)
{
    static const double times[] = {0, 5, 10, 25, 50, 100};
    double never = 0, best = INFINITY, best_free = INFINITY;
    for (int i = 0; i < 6; i++) {
        const struct outcome fixed = imagine(pattern, times[i], false);
        if (i == 0)
            never = fixed.cpu;
        best = fmin(best, both(fixed));
        if (fixed.cpu <= 1.05 * never)
            best_free = fmin(best_free, both(fixed));
    }
    const double clairvoyant = both(imagine(pattern, 0, true));
    const struct outcome free = run(pattern, TPARK_SPIN_ADAPTIVE);
    const struct outcome paid = run(pattern, TPARK_SPIN_PRICE(1));
    printf("%-30s default %6.2f %6.2f: CPU x never %.3f, both x best %.3f;  price 1 %6.2f %6.2f: "
           "%.3f;  clairvoyant %.3f\n",
           pattern->name, free.latency, free.cpu, free.cpu / never, both(free) / best_free,
           paid.latency, paid.cpu, both(paid) / best, clairvoyant / best_free);
    check(free.cpu <= 1.03 * never, pattern->name, "the default is dearer than sleeping");
    check(both(free) <= 1.05 * best_free, pattern->name, "the default is far from the best");
    check(both(paid) <= 1.05 * best, pattern->name, "price 1 is far from the best");
    if (pattern->is_periodic)
        check(both(free) <= 1.02 * clairvoyant, pattern->name, "the period is not known");
}

static void shared_parkers_learn_too(void)
{
    static const char name[] = "shared parkers";
    for (int i = 0; i < PATTERNS; i += 3) {
        const struct outcome here = run(&patterns[i], TPARK_SPIN_ADAPTIVE);
        const struct outcome there = run(&patterns[i], TPARK_SPIN_ADAPTIVE | TPARK_SHARED);
        check(fabs(both(there) - both(here)) <= 0.02 * both(here), name, patterns[i].name);
    }
}

/* The parks that do not what the last ones of them all do. */
static int count_strays(const bool *slept, int count)
{
    int strays = 0;
    for (int i = 0; i < count; i++)
        strays += slept[i] != slept[count - 1];
    return strays;
}

static void forgets_one_slow_wake(void)
{
    enum { BEFORE = 1000, AFTER = 100, LIMIT = 16 };
    static const double waits[] = {5, 8, 14, 40, 80};
    for (size_t w = 0; w < sizeof waits / sizeof *waits; w++) {
        static struct tpark p[sizeof waits / sizeof *waits];
        begin(&p[w], TPARK_SPIN_ADAPTIVE);
        struct outcome sum = {0, 0};
        bool usual = false, slept[AFTER];
        for (int i = 0; i < BEFORE; i++) {
            park(waits[w], &sum);
            usual = m.slept;
        }
        m.sleep_ns = m.latency_ns = 6 * SLEEP_NS;
        park(200, &sum);
        m.sleep_ns = m.latency_ns = SLEEP_NS;
        for (int i = 0; i < AFTER; i++) {
            park(waits[w], &sum);
            slept[i] = m.slept;
        }
        check(slept[AFTER - 1] == usual, __func__, "it changed its mind for good");
        check(count_strays(slept, AFTER) <= LIMIT, __func__, "it took too long");
    }
}

static void follows_a_change_of_regime(void)
{
    enum { PHASE = 200, LIMIT = 6 };
    static const double waits[] = {1, 100, 5, 60};
    static struct tpark p;
    begin(&p, TPARK_SPIN_ADAPTIVE);
    struct outcome sum = {0, 0};
    for (int phase = 0; phase < 40; phase++) {
        bool slept[PHASE];
        for (int i = 0; i < PHASE; i++) {
            park(waits[phase % 4], &sum);
            slept[i] = m.slept;
        }
        check(phase < 4 || count_strays(slept, PHASE) <= LIMIT, __func__, "it took too long");
    }
}

/* The owner of a higher priority whose waker waits for somebody who needs its CPU. */
static void sleeps_where_its_spin_holds_up_the_token(void)
{
    static struct tpark p;
    begin(&p, TPARK_SPIN_ADAPTIVE);
    m.needs_owners_cpu = true;
    struct outcome sum = {0, 0};
    for (int i = 0; i < parks; i++)
        park(5, &sum);
    check(sum.cpu <= 1.02 * parks * SLEEP_NS / US, __func__, "it spins in vain");
}

/* A third thread on the owner's core: a wake takes long, but costs no more CPU time. */
static void is_not_deceived_by_a_busy_core(void)
{
    static struct tpark p[2];
    struct outcome sum = {0, 0};
    begin(&p[0], TPARK_SPIN_ADAPTIVE);
    m.latency_ns = 10 * SLEEP_NS;
    for (int i = 0; i < parks; i++)
        park(60, &sum);
    check(sum.cpu <= 1.03 * parks * SLEEP_NS / US, __func__, "it takes the core from others");

    begin(&p[1], TPARK_SPIN_ADAPTIVE);
    m.latency_ns = 10 * SLEEP_NS;
    sum = (struct outcome){0, 0};
    for (int i = 0; i < parks; i++)
        park(5, &sum);
    check(sum.latency < parks, __func__, "it sleeps where a spin is cheap");
}

static void looks_at_no_clock_where_its_waker_shares_its_cpu(void)
{
    static struct tpark p;
    begin(&p, TPARK_SPIN_ADAPTIVE);
    m.waker_cpu = 0;
    struct outcome sum = {0, 0};
    int looks = 0;
    for (int i = 0; i < parks; i++) {
        park(5, &sum);
        looks += m.looks;
    }
    check(looks < 10, __func__, "it does");
    check(sum.cpu <= 1.001 * parks * SLEEP_NS / US, __func__, "it spins");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        parks = atoi(argv[1]);
    printf("latency and CPU in us per park; a sleep costs 10 of each; both: their sum\n");
    for (int i = 0; i < PATTERNS; i++)
        try_pattern(&patterns[i]);
    shared_parkers_learn_too();
    forgets_one_slow_wake();
    follows_a_change_of_regime();
    sleeps_where_its_spin_holds_up_the_token();
    is_not_deceived_by_a_busy_core();
    looks_at_no_clock_where_its_waker_shares_its_cpu();
    printf("%d failed\n", failures);
    return failures != 0;
}

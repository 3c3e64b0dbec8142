/* SPDX-License-Identifier: MIT */
/* What a park does besides sleeping: its policy, what an owner learns, and precise deadlines. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "wrap.h"

static const unsigned all_flags[] = {
    TPARK_SPIN_NEVER,         TPARK_SPIN_ADAPTIVE, TPARK_SPIN_FIXED_US(0u),
    TPARK_SPIN_FIXED_US(50u), TPARK_PRECISE,       TPARK_PRECISE | TPARK_SPIN_FIXED_US(50u),
    TPARK_SPIN_PRICE(1),      TPARK_SPIN_PRICE(3),
};
enum { ALL_FLAGS = sizeof all_flags / sizeof *all_flags };

/* ---------------------------------------------------------------------------------- the flags --
 */

TEST(init, accepts_each_policy_with_and_without_precise_deadlines)
{
    struct tpark p;
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        CHECK(tpark_init(&p, all_flags[i]) == 0);
        tpark_destroy(&p);
        CHECK(tpark_init(&p, all_flags[i] | TPARK_PRECISE | TPARK_SHARED) == 0);
        tpark_destroy(&p);
    }
}

TEST(init, refuses_more_than_one_policy)
{
    static const unsigned policies[] = {TPARK_SPIN_NEVER, TPARK_SPIN_ADAPTIVE,
                                        TPARK_SPIN_FIXED_US(7)};
    struct tpark p;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++)
            CHECK(tpark_init(&p, policies[i] | policies[j]) == EINVAL);
}

TEST(init, accepts_slack_but_not_with_precise_deadlines)
{
    struct tpark p;
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        const int expected = all_flags[i] & TPARK_PRECISE ? EINVAL : 0;
        CHECK(tpark_init(&p, all_flags[i] | TPARK_SLACK) == expected);
        if (!expected)
            tpark_destroy(&p);
    }
}

TEST(init, refuses_a_fixed_time_without_its_policy)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(7) & ~(unsigned)TPARK_SPIN_FIXED) == EINVAL);
    CHECK(tpark_init(&p, (7u << 16) | TPARK_SPIN_ADAPTIVE) == EINVAL);
}

TEST(init, refuses_a_price_without_its_policy_or_out_of_range)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_PRICE(1) & ~(unsigned)TPARK_SPIN_ADAPTIVE) == EINVAL);
    CHECK(tpark_init(&p, TPARK_SPIN_PRICE(1) | TPARK_SPIN_NEVER) == EINVAL);
    CHECK(tpark_init(&p, TPARK_SPIN_PRICE(4)) == EINVAL);
    CHECK(tpark_init(&p, TPARK_SPIN_PRICE(-1)) == EINVAL);
    CHECK(TPARK_SPIN_PRICE(0) == TPARK_SPIN_ADAPTIVE);
}

TEST(init, makes_the_same_parker_as_the_static_initialiser)
{
    struct tpark made;
    const struct tpark initialised = TPARK_INIT_FLAGS(TPARK_SPIN_FIXED_US(12345) | TPARK_PRECISE);
    CHECK(tpark_init(&made, TPARK_SPIN_FIXED_US(12345) | TPARK_PRECISE) == 0);
    CHECK(made.flags == initialised.flags);
    CHECK(made.spin == initialised.spin && made.spin == 12345);
    tpark_destroy(&made);
}

TEST(fixed_policy, is_for_0_to_65535_microseconds)
{
    static const unsigned constant = TPARK_SPIN_FIXED_US(65536);
    CHECK(constant == TPARK_SPIN_FIXED_US(65535));
    CHECK(TPARK_SPIN_FIXED_US(UINT64_MAX) == TPARK_SPIN_FIXED_US(65535));
    CHECK(TPARK_SPIN_FIXED_US(1) == (TPARK_SPIN_FIXED | 1u << 16));
    CHECK(TPARK_SPIN_FIXED_US(-1) == TPARK_SPIN_FIXED_US(0));
}

TEST(fixed_policy, takes_a_time_of_any_integer_type_and_evaluates_it_once)
{
    uint64_t large = (uint64_t)1 << 40;
    int64_t negative = INT64_MIN;
    int small = 3;
    unsigned char tiny = 200;
    CHECK(TPARK_SPIN_FIXED_US(large) == TPARK_SPIN_FIXED_US(65535));
    CHECK(TPARK_SPIN_FIXED_US(negative) == TPARK_SPIN_FIXED_US(0));
    CHECK(TPARK_SPIN_FIXED_US(tiny) == TPARK_SPIN_FIXED_US(200));
    CHECK(TPARK_SPIN_FIXED_US(small++) == TPARK_SPIN_FIXED_US(3));
    CHECK(small == 4);
    CHECK(TPARK_SPIN_PRICE(small-- - 2) == TPARK_SPIN_PRICE(2));
    CHECK(small == 3);
}

TEST(thread, takes_a_policy_and_precise_deadlines)
{
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct tpark_thread *t = tpark_thread_new(all_flags[i]);
        CHECK(t != NULL);
        CHECK(tpark_thread_parker(t)->flags == (all_flags[i] & UINT16_MAX));
        CHECK(tpark_thread_park_timeout(t, MS) == ETIMEDOUT);
        tpark_thread_free(t);
    }
}

/* ------------------------------------------------------------------------------- all policies --
 */

struct table {
    struct tpark side[2];
    int ball; /* plain: the token carries it */
};

enum { ROUNDS = 2000 };

static void return_the_ball(void *argument)
{
    struct table *table = argument;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(tpark_park_timeout(&table->side[1], 3600 * 1000 * (uint64_t)MS) == 0);
        table->ball++;
        tpark_unpark(&table->side[0]);
    }
}

TEST(each_policy, hands_over_what_was_written)
{
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct table table = {.ball = 0};
        CHECK(tpark_init(&table.side[0], all_flags[i]) == 0);
        CHECK(tpark_init(&table.side[1], all_flags[i]) == 0);
        struct task other;
        start(&other, return_the_ball, &table);
        for (int round = 1; round <= ROUNDS; round++) {
            table.ball++;
            tpark_unpark(&table.side[1]);
            tpark_park(&table.side[0]);
            CHECK(table.ball == 2 * round);
        }
        join(&other);
        tpark_destroy(&table.side[0]);
        tpark_destroy(&table.side[1]);
    }
}

TEST(each_policy, keeps_deadlines_and_errno)
{
    static const uint64_t timeouts[] = {0, 1, 1000, 20000, 150000, 5 * MS};
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct tpark p;
        CHECK(tpark_init(&p, all_flags[i]) == 0);
        for (size_t j = 0; j < sizeof timeouts / sizeof *timeouts; j++) {
            errno = 4321;
            const uint64_t before = monotonic_ns();
            CHECK(tpark_park_timeout(&p, timeouts[j]) == ETIMEDOUT);
            CHECK(monotonic_ns() - before >= timeouts[j]);
            CHECK(errno == 4321);
            CHECK(state_of(&p) == TPARK_EMPTY);
        }
        tpark_destroy(&p);
    }
}

static void park(void *p)
{
    tpark_park(p);
}

TEST(each_policy, sleeps_in_the_end)
{
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct tpark p;
        CHECK(tpark_init(&p, all_flags[i]) == 0);
        for (int round = 0; round < 3; round++) {
            struct task owner;
            start(&owner, park, &p);
            wait_until_parked(&owner, &p);
            CHECK(tpark_unpark(&p) == TPARK_PARKED);
            join(&owner);
        }
        tpark_destroy(&p);
    }
}

/*
 * In the tests below the library's clock goes as they say, and everything happens in one thread, in
 * the calls that the owner makes.
 */
static struct tpark *parker;
static int readings;     /* of the clock */
static int unparks_at;   /* the reading at which a token is given; 0: none */
static uint64_t tick_ns; /* what passes between two readings */
static atomic_int system_calls;
static enum tpark_state replaced = TPARK_NOTIFIED;

static void read_clock(void)
{
    fake_clock_ns += tick_ns;
    if (++readings == unparks_at)
        replaced = tpark_unpark(parker);
}

static void count_system_call(long number)
{
    (void)number;
    system_calls++;
}

static void fake_time(struct tpark *p, uint64_t tick)
{
    parker = p;
    tick_ns = tick;
    readings = 0;
    fake_clock_ns = monotonic_ns();
    on_clock = read_clock;
    before_syscall = count_system_call;
}

static void real_time(void)
{
    on_clock = NULL;
    before_syscall = NO_HOOK;
    fake_clock_ns = 0;
}

TEST(never_policy, sleeps_without_a_look_at_the_clock)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_NEVER) == 0);
    clocks_read = 0;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(clocks_read == 0);
    tpark_destroy(&p);
}

TEST(fixed_policy, takes_a_token_that_comes_in_time_without_ever_being_parked)
{
    struct tpark p;
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(1000)) == 0);
    unparks_at = 5;
    fake_time(&p, 100000);
    tpark_park(&p);
    real_time();
    CHECK(replaced == TPARK_EMPTY);
    CHECK(readings == unparks_at); /* it did not wait for the end of its time */
    CHECK(system_calls == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

TEST(fixed_policy, spins_for_its_time_and_no_longer)
{
    struct tpark p;
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(1000)) == 0);
    fake_time(&p, 100000);
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    real_time();
    CHECK(readings >= 10 && readings <= 13);
    tpark_destroy(&p);
}

TEST(fixed_policy, does_not_spin_beyond_a_deadline)
{
    struct tpark p;
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(65535)) == 0);
    fake_time(&p, 100000);
    CHECK(tpark_park_timeout(&p, 1000000) == ETIMEDOUT);
    real_time();
    CHECK(readings < 20); /* the whole time would take 655 */
    tpark_destroy(&p);
}

TEST(each_policy, polls_for_a_timeout_of_zero)
{
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct tpark p;
        CHECK(tpark_init(&p, all_flags[i]) == 0);
        fake_time(&p, 1);
        CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
        real_time();
        CHECK(readings == 0 && system_calls == 0);
        tpark_destroy(&p);
    }
}

/* ----------------------------------------------------------------------- what owners learn from --
 */

static bool decline(void *unused)
{
    (void)unused;
    return false;
}

TEST(waker, looks_at_the_clock_once_also_if_its_hook_declines)
{
    struct tpark_thread *t = tpark_thread_new_hooked(0, &(struct tpark_hook){.wake = decline});
    struct tpark_unparker *u = tpark_thread_unparker(t);
    CHECK(tpark_arm(tpark_thread_parker(t)));
    fake_time(NULL, 1);
    tpark_unparker_unpark(u);
    CHECK(readings == 1);
    real_time();
    CHECK(tpark_disarm(tpark_thread_parker(t)));
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

#if TPARK_BACKEND_FUTEX
/*
 * A park in a story: the token comes after wait_us, and a sleep costs so much. To an owner that
 * spins it comes with a look at the clock, and to one that sleeps by an unpark from waker_cpu.
 */
static struct story {
    uint64_t wait_us;
    uint64_t cost_us;
    int waker_cpu;
    void (*wake)(struct tpark *p);
    bool needs_owners_cpu; /* nobody brings the token while the owner spins */
} story;
static uint64_t due_ns;
static bool is_given;

static void wake(struct tpark *p)
{
    CHECK(tpark_unpark(p) == TPARK_PARKED);
}

static void give_when_due(void)
{
    fake_clock_ns += tick_ns;
    fake_cpu_ns += tick_ns;
    readings++;
    if (story.needs_owners_cpu)
        due_ns = fake_clock_ns + story.wait_us * 1000;
    if (is_given || fake_clock_ns < due_ns)
        return;
    is_given = true;
    CHECK(!tpark_notify(parker).wake);
}

static void tell_the_sleep(long number)
{
    (void)number;
    system_calls++;
    if (is_given)
        return; /* by the waker */
    if (fake_clock_ns < due_ns)
        fake_clock_ns = due_ns;
    is_given = true;
    on_clock = NULL;
    fake_cpu = story.waker_cpu;
    story.wake(parker);
    fake_cpu = 0;
    on_clock = give_when_due;
    fake_clock_ns += story.cost_us * 1000;
    fake_cpu_ns += story.cost_us * 1000 * 4 / 7; /* the rest is the waker's */
}

static struct tpark_any *spins_in; /* NULL, or by which it parks, */
static size_t spins_among = 1;     /* and of so many */

/* When the last story began: one comes after the other, the first one after a week of uptime. */
static uint64_t began_ns = 7 * 86400 * (uint64_t)1000000000;

static uint64_t cpu_began_ns = 7 * 86400 * (uint64_t)1000000000;

/* Whether the owner took the token without sleeping. */
static bool spins(struct tpark *p, struct story next)
{
    began_ns += 1000000000;
    story = next;
    if (!story.wake)
        story.wake = wake;
    parker = p;
    tick_ns = 200;
    fake_clock_ns = began_ns;
    fake_cpu_ns = cpu_began_ns;
    due_ns = began_ns + story.wait_us * 1000;
    is_given = false;
    fake_cpu = 0;
    readings = 0;
    system_calls = 0;
    on_clock = give_when_due;
    before_syscall = tell_the_sleep;
    if (spins_in)
        CHECK(tpark_park_any(spins_in, spins_among, NULL) == 0);
    else if (p->flags & TPARK_PRECISE)
        CHECK(tpark_park_timeout(p, 1000000000) == 0);
    else
        tpark_park(p);
    real_time();
    fake_cpu_ns = 0;
    fake_cpu = -1;
    return system_calls == 0;
}

enum { ENOUGH = 40 };

/* Whether it does so in the end, if all parks are like that. */
static bool learns_to_spin(struct tpark *p, struct story always)
{
    for (int i = 0; i < ENOUGH; i++)
        spins(p, always);
    return spins(p, always);
}

/* Each test has parkers of its own: what a thread knows of one, it knows by the address. */
static struct tpark *new_parker(unsigned flags)
{
    static struct tpark parkers[4096];
    static size_t next;
    struct tpark *p = &parkers[next++];
    CHECK(tpark_init(p, flags) == 0);
    return p;
}

static void only_notify(struct tpark *p)
{
    CHECK(tpark_notify(p).replaced == TPARK_PARKED);
}

/* So many that there is one in each place where a note of p could be looked for. */
static void wake_others(struct tpark *p)
{
    static struct tpark others[4096];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CHECK(tpark_init(&others[i], TPARK_SPIN_ADAPTIVE) == 0);
        CHECK(tpark_arm(&others[i]));
        CHECK(tpark_unpark(&others[i]) == TPARK_PARKED);
    }
    only_notify(p);
}

static void notify_and_wake(struct tpark *p)
{
    const struct tpark_owed owed = tpark_notify(p);
    CHECK(owed.replaced == TPARK_PARKED);
    tpark_wake_owner(owed);
}

static const struct story soon = {.wait_us = 5, .cost_us = 20, .waker_cpu = 1};
static const struct story late = {.wait_us = 90, .cost_us = 20, .waker_cpu = 1};
static const struct story later = {.wait_us = 1000, .cost_us = 20, .waker_cpu = 1};

TEST(adaptive_policy, sleeps_in_its_first_park)
{
    CHECK(!spins(new_parker(TPARK_SPIN_ADAPTIVE), soon));
}

TEST(adaptive_policy, spins_where_that_costs_less_cpu_time_than_sleeping)
{
    CHECK(learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE), soon));
    CHECK(learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE | TPARK_PRECISE), soon));
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE), late));
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE), later));
}

/* A note holds 40 bits of the time, which are 18 minutes, and that in a shared parker 17. */
TEST(adaptive_policy, learns_from_notes_that_wrap_around_in_the_wait_or_in_the_wake)
{
    static const uint64_t starts_before_ns[] = {2500, 15000};
    for (int i = 0; i < 4; i++) {
        struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE | (i % 2 ? TPARK_SHARED : 0));
        for (int j = 0; j < ENOUGH; j++) {
            began_ns = ((began_ns >> 40) + 2) << 40;
            began_ns -= starts_before_ns[i / 2] + 1000000000;
            spins(p, soon);
        }
        CHECK(spins(p, soon));
    }
}

TEST(adaptive_policy, spins_for_longer_at_a_higher_price)
{
    static const uint64_t waits[] = {15, 35, 90};
    for (int price = 0; price < 3; price++) {
        const struct story near = {waits[price], 20, 1, NULL, false};
        CHECK(learns_to_spin(new_parker(TPARK_SPIN_PRICE(price)), near));
        const struct story far = {waits[price] * 2, 20, 1, NULL, false};
        CHECK(!learns_to_spin(new_parker(TPARK_SPIN_PRICE(price)), far));
    }
}

TEST(adaptive_policy, learns_what_a_sleep_costs_in_a_threads_first_second_of_cpu_time)
{
    cpu_began_ns = 1;
    CHECK(learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE), (struct story){10, 20, 1, NULL, false}));
}

TEST(adaptive_policy, never_spins_for_more_than_100_microseconds)
{
    struct tpark *p = new_parker(TPARK_SPIN_PRICE(3));
    CHECK(learns_to_spin(p, late));
    CHECK(!spins(p, later));
    const uint64_t spun_ns = (uint64_t)readings * tick_ns;
    CHECK(spun_ns > 90000 && spun_ns < 102000);
}

TEST(adaptive_policy, stops_to_spin_after_a_few_long_waits)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    CHECK(learns_to_spin(p, soon));
    for (int i = 0; i < 6; i++)
        spins(p, later);
    CHECK(!spins(p, soon));
}

TEST(adaptive_policy, spins_again_after_a_few_short_waits)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    CHECK(!learns_to_spin(p, later));
    for (int i = 0; i < 6; i++)
        spins(p, soon);
    CHECK(spins(p, soon));
}

TEST(adaptive_policy, knows_a_period)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    for (int i = 0; i < ENOUGH; i++)
        spins(p, i % 4 == 3 ? later : soon);
    for (int i = 0; i < ENOUGH; i++)
        CHECK(spins(p, i % 4 == 3 ? later : soon) == (i % 4 != 3));
}

TEST(adaptive_policy, keeps_spinning_while_that_succeeds)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    CHECK(learns_to_spin(p, soon));
    for (int i = 0; i < 1000; i++)
        CHECK(spins(p, soon));
}

TEST(adaptive_policy, does_not_spin_against_a_waker_on_its_own_cpu)
{
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE), (struct story){5, 20, 0, NULL, false}));
}

TEST(adaptive_policy, does_not_learn_without_a_note)
{
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE),
                          (struct story){5, 20, 1, only_notify, false}));
}

static unsigned notes_left;

static void wake_with_a_note(struct tpark *p)
{
    clocks_read = 0;
    wake(p);
    notes_left += clocks_read != 0;
}

TEST(adaptive_policy, asks_one_waker_in_four_for_a_note_where_no_spin_is_in_sight)
{
    static const struct story settled[] = {
        {.wait_us = 1000, .cost_us = 20, .waker_cpu = 1, .wake = wake_with_a_note},
        {.wait_us = 5, .cost_us = 20, .waker_cpu = 0, .wake = wake_with_a_note},
    };
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++) {
        struct tpark *const p = new_parker(TPARK_SPIN_ADAPTIVE);
        CHECK(!learns_to_spin(p, settled[i]));
        notes_left = 0;
        for (int parks = 0; parks < 100; parks++)
            spins(p, settled[i]);
        CHECK(notes_left == 25);
    }
}

TEST(adaptive_policy, does_not_learn_from_the_unpark_of_another_parker)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    for (int i = 0; i < 3; i++)
        CHECK(!spins(p, (struct story){5, 20, 1, wake_others, false}));
}

TEST(adaptive_policy, learns_from_the_halves_of_an_unpark)
{
    CHECK(learns_to_spin(new_parker(TPARK_SPIN_ADAPTIVE),
                         (struct story){5, 20, 1, notify_and_wake, false}));
}

TEST(adaptive_policy, learns_in_a_shared_parker_too)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE | TPARK_SHARED);
    CHECK(learns_to_spin(p, soon));
    for (int i = 0; i < 6; i++)
        spins(p, later);
    CHECK(!spins(p, soon));
}

TEST(adaptive_policy, bears_whatever_a_peer_writes_into_a_shared_parker)
{
    struct tpark *p = new_parker(TPARK_SPIN_PRICE(3) | TPARK_SHARED);
    for (unsigned i = 0; i < 256; i++) {
        p->spin = (uint16_t)(i * 257);
        p->flags = (uint8_t)(i | TPARK_SHARED);
        spins(p, i % 2 ? soon : later);
    }
}

TEST(adaptive_policy, is_the_only_one_that_learns)
{
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_NEVER), soon));
    fake_cpus = 2;
    CHECK(learns_to_spin(new_parker(TPARK_SPIN_FIXED_US(10)), soon));
    CHECK(!learns_to_spin(new_parker(TPARK_SPIN_FIXED_US(3)), soon));
}

TEST(adaptive_policy, stops_to_spin_after_timeouts)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    CHECK(learns_to_spin(p, soon));
    for (int i = 0; i < 6; i++)
        CHECK(tpark_park_timeout(p, MS) == ETIMEDOUT);
    CHECK(!spins(p, soon));
}

TEST(adaptive_policy, learns_that_its_own_spin_holds_up_the_token)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    int in_vain = 0;
    for (int i = 0; i < 2000; i++) {
        CHECK(!spins(p, (struct story){5, 20, 1, NULL, true}));
        in_vain += readings > 10;
    }
    CHECK(in_vain > 0 && in_vain < 30);
}

TEST(fixed_policy, sleeps_at_once_where_owner_and_waker_may_use_one_cpu_only)
{
    fake_cpus = 1;
    struct tpark *p = new_parker(TPARK_SPIN_FIXED_US(65535));
    for (int i = 0; i < 3; i++) {
        CHECK(!spins(p, (struct story){5, 20, 0, NULL, false}));
        CHECK(readings == 0);
    }
}

TEST(fixed_policy, spins_on_a_cpu_of_its_own_once_its_waker_was_elsewhere)
{
    fake_cpus = 1;
    struct tpark *p = new_parker(TPARK_SPIN_FIXED_US(10));
    CHECK(!spins(p, soon));
    CHECK(spins(p, soon));
    CHECK(!spins(p, (struct story){50, 20, 0, NULL, false}));
    CHECK(!spins(p, soon));
    CHECK(spins(new_parker(TPARK_SPIN_FIXED_US(10) | TPARK_SHARED), soon));
}
#endif

static void park_an_hour_and_end(void *p)
{
    CHECK(tpark_park_timeout(p, 3600 * 1000 * (uint64_t)MS) == 0);
}

TEST(adaptive_policy, is_told_by_another_process)
{
    struct tpark *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK(tpark_init(p, TPARK_SHARED | TPARK_SPIN_ADAPTIVE) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 100; i++) {
            while (state_of(p) != TPARK_PARKED)
                ;
            tpark_unpark(p);
        }
        _exit(0);
    }
    for (int i = 0; i < 100; i++)
        park_an_hour_and_end(p);
    CHECK(p->spin != 0); /* the note of a time and a CPU: of hundred, one is not 0 */
    CHECK(waitpid(child, NULL, 0) == child);
    tpark_destroy(p);
}

/* ---------------------------------------------------------------------------------- the third half
 * --
 */

TEST(spin, takes_a_token_that_is_there)
{
    for (size_t i = 0; i < ALL_FLAGS; i++) {
        struct tpark p;
        CHECK(tpark_init(&p, all_flags[i]) == 0);
        CHECK(!tpark_spin(&p, NULL));
        CHECK(state_of(&p) == TPARK_EMPTY);
        tpark_unpark(&p);
        errno = 4321;
        CHECK(tpark_spin(&p, NULL));
        CHECK(errno == 4321);
        CHECK(state_of(&p) == TPARK_EMPTY);
        tpark_destroy(&p);
    }
}

TEST(spin, is_for_as_long_as_the_policy_has_it)
{
    struct tpark p;
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(1000)) == 0);
    fake_time(&p, 100000);
    CHECK(!tpark_spin(&p, NULL));
    CHECK(readings >= 10 && readings <= 13);
    unparks_at = 5;
    fake_time(&p, 100000);
    CHECK(tpark_spin(&p, NULL));
    CHECK(readings == 5 && replaced == TPARK_EMPTY);
    unparks_at = 0;
    real_time();
    CHECK(system_calls == 0);
    tpark_destroy(&p);
}

TEST(spin, is_never_beyond_the_deadline)
{
    static const struct timespec long_past[] = {{0, 0}, {-1, 0}, {-5, 999999999}};
    struct tpark p;
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(65535)) == 0);
    fake_time(&p, 100000);
    const uint64_t end_ns = fake_clock_ns + 1000000;
    const struct timespec end = {(time_t)(end_ns / 1000000000), (long)(end_ns % 1000000000)};
    CHECK(!tpark_spin(&p, &end));
    CHECK(readings < 20);
    for (int i = 0; i < 3; i++) {
        readings = 0;
        CHECK(!tpark_spin(&p, &long_past[i]));
        CHECK(readings <= 1);
    }
    real_time();
    tpark_destroy(&p);
}

TEST(park_any, spins_for_as_long_as_any_of_the_policies_has_it)
{
    static const unsigned flags[] = {TPARK_SPIN_NEVER, TPARK_SPIN_FIXED_US(300),
                                     TPARK_SPIN_FIXED_US(1000) | TPARK_SHARED};
    struct tpark p[3];
    struct tpark_any set[3] = {{.parker = &p[0]}, {.parker = &p[1]}, {.parker = &p[2]}};
    fake_cpus = 2;
    for (int i = 0; i < 3; i++)
        CHECK(tpark_init(&p[i], flags[i]) == 0);
    for (int i = 0; i < 3; i++) {
        unparks_at = 8; /* after the time of the second, before that of the third */
        replaced = TPARK_NOTIFIED;
        fake_time(&p[i], 100000);
        CHECK(tpark_park_any(set, 3, NULL) == 0);
        real_time();
        CHECK(set[i].has_token && replaced == TPARK_EMPTY);
        CHECK(readings == 8 && system_calls == 0);
    }
    unparks_at = 0;
}

TEST(park_any, does_not_spin_beyond_a_deadline)
{
    struct tpark p;
    struct tpark_any set = {.parker = &p};
    fake_cpus = 2;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(65535)) == 0);
    fake_time(&p, 100000);
    const uint64_t end_ns = fake_clock_ns + 1000000;
    const struct timespec end = {(time_t)(end_ns / 1000000000), (long)(end_ns % 1000000000)};
    CHECK(tpark_park_any(&set, 1, &end) == ETIMEDOUT);
    real_time();
    CHECK(readings < 20);
}

#if TPARK_BACKEND_FUTEX
TEST(park_any, learns_as_a_park_does)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    struct tpark_any set = {.parker = p};
    for (int i = 0; i < ENOUGH; i++) {
        spins_in = &set;
        spins(p, soon);
    }
    CHECK(spins(p, soon));
    spins_in = NULL;
    CHECK(spins(p, soon)); /* what it learnt there serves here */
}

TEST(park_any, learns_for_each_of_the_parkers)
{
    for (size_t i = 0; i < 2; i++) {
        struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
        struct tpark_any set[2] = {{.parker = new_parker(TPARK_SPIN_NEVER)},
                                   {.parker = new_parker(TPARK_SPIN_NEVER)}};
        set[i].parker = p;
        spins_in = set;
        spins_among = 2;
        for (int round = 0; round < ENOUGH; round++)
            spins(p, soon);
        CHECK(spins(p, soon));
    }
    spins_in = NULL;
}

TEST(spin, learns_from_the_sleep_that_follows_it_elsewhere)
{
    struct tpark *p = new_parker(TPARK_SPIN_ADAPTIVE);
    bool token = false;
    for (int i = 0; i < ENOUGH; i++) {
        parker = p;
        tick_ns = 200;
        fake_clock_ns = 1000000000 * (uint64_t)(i + 1);
        due_ns = fake_clock_ns + 5000;
        is_given = false;
        story = soon;
        story.wake = wake;
        system_calls = 0;
        fake_cpu = 0;
        on_clock = give_when_due;
        before_syscall = NO_HOOK;
        token = tpark_spin(p, NULL);
        if (!token && tpark_arm(p)) {
            before_syscall = NO_HOOK;
            on_clock = NULL;
            fake_clock_ns = due_ns;
            fake_cpu = 1;
            CHECK(tpark_unpark(p) == TPARK_PARKED);
            fake_cpu = 0;
            fake_clock_ns += 20000;
            CHECK(tpark_disarm(p));
        }
        real_time();
        fake_cpu = -1;
    }
    CHECK(token);
}
#endif

/* -------------------------------------------------------------------------- precise deadlines --
 */

TEST(precise, deadlines_that_are_near_are_spun_and_take_a_token_without_a_wake)
{
    for (unsigned shared = 0; shared <= TPARK_SHARED; shared += TPARK_SHARED) {
        struct tpark p;
        CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER | shared) == 0);
        unparks_at = 6;
        replaced = TPARK_NOTIFIED;
        fake_time(&p, 1000);
        CHECK(tpark_park_timeout(&p, 20000) == 0);
        real_time();
        CHECK(replaced == TPARK_EMPTY);
        CHECK(system_calls == 0);
        CHECK(state_of(&p) == TPARK_EMPTY);
        tpark_destroy(&p);
    }
}

TEST(precise, deadlines_take_a_token_that_comes_at_the_last_moment)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    unparks_at = 3; /* the one that finds the deadline passed */
    fake_time(&p, 30000);
    CHECK(tpark_park_timeout(&p, 50000) == 0);
    real_time();
    CHECK(readings == 3 && state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

TEST(precise, deadlines_just_after_a_full_second_are_near_too)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    fake_time(&p, 1000);
    fake_clock_ns = 1000 * (uint64_t)1000000000 - 10000;
    CHECK(tpark_park_timeout(&p, 20000) == ETIMEDOUT);
    real_time();
    CHECK(system_calls == 0);
    tpark_destroy(&p);
}

static void park_for_an_hour(void *p)
{
    CHECK(tpark_park_timeout(p, 3600 * 1000 * (uint64_t)MS) == 0);
}

TEST(precise, deadlines_that_are_far_are_slept_for)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE) == 0);
    struct task owner;
    start(&owner, park_for_an_hour, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    tpark_destroy(&p);
}

TEST(precise, deadlines_take_little_processor_time)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE) == 0);
    const uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 20; i++)
        CHECK(tpark_park_timeout(&p, 50 * (uint64_t)MS) == ETIMEDOUT);
    /* 2 ms are allowed; a spin would take the whole second. */
    CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) - before < 200 * (uint64_t)MS);
    tpark_destroy(&p);
}

#if TPARK_BACKEND_FUTEX
static uint64_t sleep_ns; /* what passes in one sleep */

static void sleep_in_fake_time(long number)
{
    (void)number;
    system_calls++;
    fake_clock_ns += sleep_ns;
}

/*
 * How often a park sleeps that times out after so many us, if each sleep takes so long. The fake
 * time is long past, so the system returns at once.
 */
static int count_sleeps(struct tpark *p, uint64_t timeout_us, uint64_t each_sleep_ns)
{
    system_calls = 0;
    fake_time(p, 1);
    fake_clock_ns = 1000000000;
    sleep_ns = each_sleep_ns;
    before_syscall = sleep_in_fake_time;
    CHECK(tpark_park_timeout(p, timeout_us * 1000) == ETIMEDOUT);
    real_time();
    return system_calls;
}

TEST(precise, deadlines_are_spun_for_100_us_at_most_however_late_a_sleep_was)
{
    static const uint64_t late_ns[] = {MS, 400 * (uint64_t)MS, 1300 * (uint64_t)MS, 3600000000000};
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    for (size_t i = 0; i < sizeof late_ns / sizeof *late_ns; i++) {
        CHECK(count_sleeps(&p, 200, late_ns[i]) > 0);
        CHECK(count_sleeps(&p, 110, 20000) > 0);
    }
    tpark_destroy(&p);
}

TEST(precise, deadlines_are_spun_for_about_as_long_as_sleeps_are_late)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    CHECK(count_sleeps(&p, 60, 1000) == 0); /* nothing is known yet */
    for (int i = 0; i < 400; i++)
        CHECK(count_sleeps(&p, 200, 1000) > 0); /* each of them late by 1 us at most */
    CHECK(count_sleeps(&p, 60, 1000) > 0);
    CHECK(count_sleeps(&p, 200, MS) > 0); /* late */
    CHECK(count_sleeps(&p, 60, 1000) == 0);
    tpark_destroy(&p);
}
#endif

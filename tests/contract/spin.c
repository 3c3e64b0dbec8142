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

TEST(init, makes_the_same_parker_as_the_static_initialiser)
{
    struct tpark made;
    const struct tpark initialised = TPARK_INIT_FLAGS(TPARK_SPIN_FIXED_US(12345) | TPARK_PRECISE);
    CHECK(tpark_init(&made, TPARK_SPIN_FIXED_US(12345) | TPARK_PRECISE) == 0);
    CHECK(made.flags == initialised.flags);
    CHECK(made.spin == initialised.spin && made.spin == 12345);
    tpark_destroy(&made);
}

TEST(fixed_policy, is_for_65535_microseconds_at_most)
{
    CHECK(TPARK_SPIN_FIXED_US(65536) == TPARK_SPIN_FIXED_US(65535));
    CHECK(TPARK_SPIN_FIXED_US(1) != TPARK_SPIN_FIXED_US(65535));
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
    before_syscall = NULL;
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

TEST(fixed_policy, sleeps_at_once_where_there_is_one_cpu)
{
    struct tpark p;
    fake_cpus = 1;
    CHECK(tpark_init(&p, TPARK_SPIN_FIXED_US(65535)) == 0);
    clocks_read = 0;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(clocks_read == 0);
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

/* ------------------------------------------------------------------------ the adaptive policy --
 */

#if TPARK_BACKEND_FUTEX
/* What happens to an owner that is about to sleep. */
static struct {
    uint64_t wait_ns;
    uint64_t cost_ns;
    int waker_cpu;
    void (*wake)(struct tpark *p);
} story;

static void tell_story(long number)
{
    (void)number;
    before_syscall = NULL;
    fake_clock_ns += story.wait_ns;
    fake_cpu = story.waker_cpu;
    story.wake(parker);
    fake_clock_ns += story.cost_ns;
    fake_cpu = 0;
}

static void wake(struct tpark *p)
{
    CHECK(tpark_unpark(p) == TPARK_PARKED);
}

/* For how many microseconds the owner spins after that story. */
static int learn(int before, unsigned flags, uint64_t wait_us, uint64_t cost_us, int waker_cpu)
{
    static struct tpark p;
    CHECK(tpark_init(&p, flags) == 0);
    p.spin = (uint16_t)before;
    story.wait_ns = wait_us * 1000;
    story.cost_ns = cost_us * 1000;
    story.waker_cpu = waker_cpu;
    if (!story.wake)
        story.wake = wake;
    parker = &p;
    static uint64_t began_ns = 1000000000; /* one story after the other */
    began_ns += 1000000000 + story.wait_ns + story.cost_ns;
    fake_clock_ns = began_ns;
    fake_cpu = 0;
    tick_ns = 100;
    on_clock = read_clock;
    before_syscall = tell_story;
    tpark_park(&p);
    CHECK(before_syscall == NULL); /* it did sleep */
    real_time();
    fake_cpu = -1;
    return p.spin;
}

static void only_notify(struct tpark *p)
{
    CHECK(tpark_notify(p).replaced == TPARK_PARKED);
}

/* So many that there is one in each place where a note of p could be looked for. */
static void wake_others(struct tpark *p)
{
    static struct tpark others[4096];
    tick_ns = 0; /* all of them at once */
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

#define LEARN(...) learn(0, TPARK_SPIN_ADAPTIVE, __VA_ARGS__)
#define UNLEARN(...) learn(5, TPARK_SPIN_ADAPTIVE, __VA_ARGS__)
#endif

TEST(adaptive_policy, spins_for_twice_the_cost_of_a_sleep_after_a_wait_shorter_than_that)
{
#if TPARK_BACKEND_FUTEX
    CHECK(LEARN(5, 20, 1) == 40);
    CHECK(LEARN(35, 20, 1) == 40);
    CHECK(LEARN(50, 20, 1) == 0);
    CHECK(UNLEARN(35, 20, 1) == 40);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, stops_to_spin_after_one_long_wait)
{
#if TPARK_BACKEND_FUTEX
    CHECK(UNLEARN(1000, 20, 1) == 0);
    CHECK(UNLEARN(10000000, 20, 1) == 0);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, does_not_spin_against_a_waker_on_its_own_cpu)
{
#if TPARK_BACKEND_FUTEX
    CHECK(LEARN(5, 20, 0) == 0);
    CHECK(UNLEARN(5, 20, 0) == 0);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, bounds_what_it_believes_of_the_cost_of_a_sleep)
{
#if TPARK_BACKEND_FUTEX
    CHECK(LEARN(0, 0, 1) == 2);
    CHECK(LEARN(5, 10000, 1) == 100);
    CHECK(LEARN(105, 10000, 1) == 0);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, stops_to_spin_without_evidence)
{
#if TPARK_BACKEND_FUTEX
    CHECK(LEARN(5, 20, 1) == 40); /* a note that is older than the next park */
    story.wake = only_notify;
    CHECK(UNLEARN(5, 20, 1) == 0);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, does_not_learn_from_the_unpark_of_another_parker)
{
#if TPARK_BACKEND_FUTEX
    story.wake = wake_others;
    CHECK(LEARN(5, 1000, 1) == 0);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, learns_from_the_halves_of_an_unpark)
{
#if TPARK_BACKEND_FUTEX
    story.wake = notify_and_wake;
    CHECK(LEARN(5, 20, 1) == 40);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, is_the_only_one_that_learns)
{
#if TPARK_BACKEND_FUTEX
    CHECK(learn(0, TPARK_SPIN_NEVER, 5, 20, 1) == 0);
    CHECK(learn(0, TPARK_SPIN_FIXED_US(3), 5, 20, 1) == 0);
    CHECK(learn(3, TPARK_SPIN_FIXED_US(3), 1000, 20, 1) == 3);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(adaptive_policy, stops_to_spin_after_a_timeout)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_ADAPTIVE) == 0);
    p.spin = 5;
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(p.spin == 0);
    tpark_destroy(&p);
}

TEST(adaptive_policy, keeps_spinning_while_that_succeeds)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_SPIN_ADAPTIVE) == 0);
    p.spin = 5;
    unparks_at = 3;
    fake_time(&p, 1000);
    tpark_park(&p);
    real_time();
    CHECK(replaced == TPARK_EMPTY && system_calls == 0);
    CHECK(p.spin == 5);
    tpark_destroy(&p);
}

TEST(adaptive_policy, does_not_spin_for_another_process)
{
    struct tpark *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK(tpark_init(p, TPARK_SHARED | TPARK_SPIN_ADAPTIVE) == 0);
    p->spin = 5;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        while (state_of(p) != TPARK_PARKED)
            ;
        tpark_unpark(p);
        _exit(0);
    }
    tpark_park(p);
    CHECK(p->spin == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    tpark_destroy(p);
}

/* -------------------------------------------------------------------------- precise deadlines --
 */

TEST(precise, deadlines_that_are_near_are_spun_and_take_a_token_without_a_wake)
{
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    unparks_at = 6;
    fake_time(&p, 1000);
    CHECK(tpark_park_timeout(&p, 20000) == 0);
    real_time();
    CHECK(replaced == TPARK_EMPTY);
    CHECK(system_calls == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
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
#endif

TEST(precise, deadlines_are_spun_for_100_us_at_most_however_late_a_sleep_was)
{
#if TPARK_BACKEND_FUTEX
    static const uint64_t late_ns[] = {MS, 400 * (uint64_t)MS, 1300 * (uint64_t)MS, 3600000000000};
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    for (size_t i = 0; i < sizeof late_ns / sizeof *late_ns; i++) {
        CHECK(count_sleeps(&p, 200, late_ns[i]) > 0);
        CHECK(count_sleeps(&p, 110, 20000) > 0);
    }
    tpark_destroy(&p);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

TEST(precise, deadlines_are_spun_for_about_as_long_as_sleeps_are_late)
{
#if TPARK_BACKEND_FUTEX
    struct tpark p;
    CHECK(tpark_init(&p, TPARK_PRECISE | TPARK_SPIN_NEVER) == 0);
    CHECK(count_sleeps(&p, 60, 1000) == 0); /* nothing is known yet */
    for (int i = 0; i < 400; i++)
        CHECK(count_sleeps(&p, 200, 1000) > 0); /* each of them late by 1 us at most */
    CHECK(count_sleeps(&p, 60, 1000) > 0);
    CHECK(count_sleeps(&p, 200, MS) > 0); /* late */
    CHECK(count_sleeps(&p, 60, 1000) == 0);
    tpark_destroy(&p);
#else
    SKIP("its sleeps cannot be watched");
#endif
}

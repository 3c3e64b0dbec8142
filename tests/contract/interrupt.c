/* SPDX-License-Identifier: MIT */
/* Signals, stray wakes and cancellation: none of them ends a park, or moves its deadline. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "support.h"

static atomic_int handled;

static void count(int signal_number)
{
    (void)signal_number;
    handled++;
}

static void handle(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

struct parked {
    struct tpark p;
    uint64_t timeout_ns; /* 0: none */
    int result;
    uint64_t lasted_ns;
    atomic_bool is_done;
};

static void park(void *argument)
{
    struct parked *parked = argument;
    const uint64_t before = monotonic_ns();
    if (parked->timeout_ns)
        parked->result = tpark_park_timeout(&parked->p, parked->timeout_ns);
    else
        tpark_park(&parked->p);
    parked->lasted_ns = monotonic_ns() - before;
    parked->is_done = true;
}

static void poke_with_wake(struct task *owner, struct parked *parked)
{
    (void)owner;
    stray_wake(&parked->p);
}

static void poke_with_signal(struct task *owner, struct parked *parked)
{
    (void)parked;
    const int before = handled;
    CHECK(pthread_kill(owner->pthread, SIGUSR1) == 0);
    while (handled == before)
        sched_yield();
}

/* Each poke reaches the owner in its sleep, which only the unpark ends. */
static void check_goes_back_to_sleep(void (*poke)(struct task *, struct parked *), bool is_timed)
{
    struct parked parked = {.p = TPARK_INIT,
                            .timeout_ns = is_timed ? 3600 * 1000 * (uint64_t)MS : 0};
    struct task owner;
    start(&owner, park, &parked);
    for (int i = 0; i < 100; i++) {
        wait_until_parked(&owner, &parked.p);
        poke(&owner, &parked);
        CHECK(!parked.is_done);
    }
    wait_until_parked(&owner, &parked.p);
    CHECK(!parked.is_done);
    CHECK(tpark_unpark(&parked.p) == TPARK_PARKED);
    join(&owner);
    CHECK(parked.result == 0);
    tpark_destroy(&parked.p);
}

TEST(stray_wake, does_not_end_a_park)
{
    check_goes_back_to_sleep(poke_with_wake, false);
}

TEST(stray_wake, does_not_end_a_timed_park)
{
    check_goes_back_to_sleep(poke_with_wake, true);
}

TEST(signals, does_not_end_a_park)
{
    handle(SIGUSR1, count, 0);
    check_goes_back_to_sleep(poke_with_signal, false);
}

TEST(signals, does_not_end_a_timed_park)
{
    handle(SIGUSR1, count, 0);
    check_goes_back_to_sleep(poke_with_signal, true);
}

/*
 * ThreadSanitizer runs a handler when the thread comes back from the kernel, which it does not if
 * the kernel restarts the call (llvm/llvm-project issue 83844).
 */
#if !UNDER_TSAN
TEST(signals, with_restart_does_not_end_a_park)
{
    handle(SIGUSR1, count, SA_RESTART);
    check_goes_back_to_sleep(poke_with_signal, false);
}

TEST(signals, with_restart_does_not_end_a_timed_park)
{
    handle(SIGUSR1, count, SA_RESTART);
    check_goes_back_to_sleep(poke_with_signal, true);
}
#endif

/* Pokes until the park is over: if each began the timeout anew, it would never be. */
static void check_deadline_holds(void (*poke)(pthread_t, struct parked *))
{
    struct parked parked = {.p = TPARK_INIT, .timeout_ns = 100 * MS};
    struct task owner;
    start(&owner, park, &parked);
    while (!parked.is_done) {
        poke(owner.pthread, &parked);
        const uint64_t until = monotonic_ns() + MS / 4;
        while (monotonic_ns() < until)
            sched_yield();
    }
    join(&owner);
    CHECK(parked.result == ETIMEDOUT);
    CHECK(parked.lasted_ns >= parked.timeout_ns);
    tpark_destroy(&parked.p);
}

static void storm_of_wakes(pthread_t owner, struct parked *parked)
{
    (void)owner;
    stray_wake(&parked->p);
}

static void storm_of_signals(pthread_t owner, struct parked *parked)
{
    (void)parked;
    CHECK(pthread_kill(owner, SIGUSR1) == 0);
}

TEST(stray_wake, storms_do_not_postpone_a_deadline)
{
    check_deadline_holds(storm_of_wakes);
}

TEST(signals, storms_do_not_postpone_a_deadline)
{
    handle(SIGUSR1, count, 0);
    check_deadline_holds(storm_of_signals);
}

TEST(signals, storms_with_restart_do_not_postpone_a_deadline)
{
    handle(SIGUSR1, count, SA_RESTART);
    check_deadline_holds(storm_of_signals);
}

static struct tpark *unparked_by_handler;

#if TPARK_BACKEND_FUTEX
static void unpark_in_handler(int signal_number)
{
    (void)signal_number;
    tpark_unpark(unparked_by_handler);
}

TEST(signals, handlers_may_unpark_the_parked_thread_that_they_interrupt)
{
    static const int flags[] = {0, SA_RESTART};
    for (int i = 0; i < (UNDER_TSAN ? 1 : 2); i++) {
        struct parked parked = {.p = TPARK_INIT};
        unparked_by_handler = &parked.p;
        handle(SIGUSR1, unpark_in_handler, flags[i]);
        struct task owner;
        start(&owner, park, &parked);
        wait_until_parked(&owner, &parked.p);
        CHECK(pthread_kill(owner.pthread, SIGUSR1) == 0);
        join(&owner);
        CHECK(state_of(&parked.p) == TPARK_EMPTY);
    }
}

TEST(signals, handlers_may_unpark_another_thread)
{
    struct parked parked = {.p = TPARK_INIT};
    unparked_by_handler = &parked.p;
    handle(SIGUSR1, unpark_in_handler, 0);
    struct task owner;
    start(&owner, park, &parked);
    wait_until_parked(&owner, &parked.p);
    CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    join(&owner);
}
#endif

static void notify_in_handler(int signal_number)
{
    (void)signal_number;
    (void)!tpark_notify(unparked_by_handler).wake;
}

TEST(signals, handlers_may_notify_with_either_backend)
{
    struct tpark p = TPARK_INIT;
    unparked_by_handler = &p;
    handle(SIGUSR1, notify_in_handler, 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(tpark_try_park(&p));
}

static void park_and_test_cancel(void *argument)
{
    park(argument);
    pthread_testcancel();
    CHECK(false); /* the request came before the park ended, and is acted on after it */
}

static void check_is_no_cancellation_point(uint64_t timeout_ns)
{
    struct parked parked = {.p = TPARK_INIT, .timeout_ns = timeout_ns};
    struct task owner;
    start(&owner, park_and_test_cancel, &parked);
    wait_until_parked(&owner, &parked.p);
    const long sleeps = sleeps_of(&owner);
    CHECK(pthread_cancel(owner.pthread) == 0);
    /* The request wakes the thread where it is enabled; wait until it has gone back to sleep. */
    if (sleeps_of(&owner) == sleeps)
        wait_until_asleep(&owner);
    CHECK(!parked.is_done);
    CHECK(tpark_unpark(&parked.p) == TPARK_PARKED);
    void *result;
    CHECK(pthread_join(owner.pthread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(parked.is_done);
    tpark_destroy(&parked.p);
}

TEST(park, is_no_cancellation_point)
{
    check_is_no_cancellation_point(0);
}

TEST(park_timeout, is_no_cancellation_point)
{
    check_is_no_cancellation_point(3600 * 1000 * (uint64_t)MS);
}

TEST(park, leaves_cancellation_disabled_where_it_was)
{
    struct tpark p = TPARK_INIT;
    int state;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0);
    CHECK(state == PTHREAD_CANCEL_DISABLE);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0);
    CHECK(state == PTHREAD_CANCEL_ENABLE);
    tpark_destroy(&p);
}

/* Armed, and then left by a jump: once without a token, once with one. */
TEST(jump, between_arm_and_disarm_leads_back_by_disarm)
{
    static struct tpark p = TPARK_INIT;
    for (int round = 0; round < 2; round++) {
        static jmp_buf before;
        const bool is_given = round == 1;
        if (setjmp(before) == 0) {
            CHECK(tpark_arm(&p));
            if (is_given)
                tpark_unpark(&p);
            longjmp(before, 1);
        }
        CHECK(tpark_disarm(&p) == is_given);
        CHECK(tpark_park_timeout(&p, 1000) == ETIMEDOUT);
    }
}

#ifdef TPARK_BACKEND_FUTEX
static sigjmp_buf before_the_park;

static void jump(int signal_number)
{
    (void)signal_number;
    siglongjmp(before_the_park, 1);
}

static void jump_out(struct tpark *p)
{
    if (sigsetjmp(before_the_park, 1) != 0)
        return;
    if (p)
        tpark_park(p);
    else
        tpark_current_park();
}

static void jump_out_and_come_back(void *parker)
{
    jump_out(parker);
    struct tpark_unparker *u = tpark_current_unparker();
    struct tpark *p = parker ? parker : tpark_unparker_parker(u);
    CHECK(!tpark_disarm(p));
    tpark_unpark(p);
    CHECK(tpark_park_timeout(p, 0) == 0);
    CHECK(tpark_park_timeout(p, 1000) == ETIMEDOUT);
    tpark_unparker_free(u);
}

TEST(jump, out_of_a_park_leads_back_by_disarm)
{
    static struct tpark private = TPARK_INIT;
    static struct tpark shared = TPARK_INIT_FLAGS(TPARK_SHARED);
    struct tpark *const parkers[] = {&private, &shared, NULL};
    handle(SIGUSR1, jump, 0);
    for (size_t i = 0; i < sizeof parkers / sizeof *parkers; i++) {
        struct task owner;
        start(&owner, jump_out_and_come_back, parkers[i]);
        wait_until_asleep(&owner);
        CHECK(pthread_kill(owner.pthread, SIGUSR1) == 0);
        join(&owner);
    }
}
#endif

/* SPDX-License-Identifier: MIT */
/*
 * What is explored. Plain variables carry what an unpark publishes: if the park did not synchronise
 * with it, the read is a data race. Where the reader cannot know whether the unpark came before,
 * they are relaxed atomics, of which an old value may be read.
 */
#include "scenario.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tpark_idle.h"

enum { UNPARKERS = 3, TIMEOUT_NS = 5000, NS_PER_S = 1000000000 };

static struct tpark *p;
static struct tpark *q;
static int taken;                    /* tokens that the owner of p consumed */
static enum tpark_state replaced[8]; /* what each unpark of p returned; others are EMPTY */
static int unparks;

static struct tpark *new_parker(unsigned flags)
{
    struct tpark *new = malloc(sizeof *new);
    CHECK(tpark_init(new, flags) == 0);
    return new;
}

static struct tpark *new_static_parker(void)
{
    struct tpark *new = malloc(sizeof *new);
    *new = (struct tpark)TPARK_INIT;
    return new;
}

static void delete (struct tpark *parker)
{
    tpark_destroy(parker);
    free(parker);
}

/* Tokens are neither lost nor invented; what merged is one token. Returns how many were given. */
static int settle(void)
{
    int given = 0;
    for (int i = 0; i < unparks; i++)
        given += replaced[i] != TPARK_NOTIFIED;
    CHECK(given == taken + tpark_try_park(p));
    CHECK(!tpark_try_park(p));
    return given;
}

/* ------------------------------------------------------------------- one park, one unparker -- */

static int message;
static bool is_freed;

static void start_one(void)
{
    p = new_parker(0);
    unparks = 1;
}

static void start_one_static(void)
{
    p = new_static_parker();
    unparks = 1;
}

static void unpark_with_message(void)
{
    message = 1;
    replaced[0] = tpark_unpark(p);
}

static void park_for_message(void)
{
    tpark_park(p);
    CHECK(message == 1);
    taken++;
}

/* Who consumed the token may free a private futex parker at once. */
static void park_and_free(void)
{
    tpark_park(p);
    CHECK(message == 1);
#if TPARK_BACKEND_FUTEX
    delete (p);
    is_freed = true;
#endif
}

static void settle_and_free(void)
{
    settle();
    delete (p);
}

static void free_rest(void)
{
    if (!is_freed)
        delete (p);
}

static void stray_wake(void)
{
    tpark_wake_owner((struct tpark_owed){.wake = 1u << 16, .parker = p});
}

static void notify_and_wake(void)
{
    message = 1;
    tpark_wake_owner(tpark_notify(p));
}

/* -------------------------------------------------------------------------------- deadlines -- */

static struct timespec deadline_in(long ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ns;
    t.tv_sec += t.tv_nsec / NS_PER_S;
    t.tv_nsec %= NS_PER_S;
    return t;
}

/* When a timeout that starts now is over, at the earliest. */
static struct timespec deadline_of_timeout(void)
{
    return deadline_in(TIMEOUT_NS);
}

static void check_time_is_up(const struct timespec *deadline)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const bool is_now = t.tv_sec == deadline->tv_sec && t.tv_nsec == deadline->tv_nsec;
    CHECK(is_now || (!scenario_time_stands_still &&
                     (t.tv_sec > deadline->tv_sec ||
                      (t.tv_sec == deadline->tv_sec && t.tv_nsec > deadline->tv_nsec))));
}

static void take(int result, const struct timespec *deadline)
{
    if (result == 0) {
        CHECK(message == 1);
        taken++;
    } else {
        CHECK(result == ETIMEDOUT);
        check_time_is_up(deadline);
    }
}

static void park_timeout(void)
{
    const struct timespec deadline = deadline_of_timeout();
    take(tpark_park_timeout(p, TIMEOUT_NS), &deadline);
}

static void park_until(void)
{
    const struct timespec deadline = deadline_of_timeout();
    take(tpark_park_until(p, &deadline), &deadline);
}

static void park_until_past(void)
{
    const struct timespec deadline = {.tv_sec = 1};
    const int result = tpark_park_until(p, &deadline);
    CHECK(result == 0 || result == ETIMEDOUT);
    if (result == 0) {
        CHECK(message == 1);
        taken++;
    }
}

static void park_timeout_never(void)
{
    CHECK(tpark_park_timeout(p, UINT64_MAX) == 0);
    CHECK(message == 1);
    taken++;
}

static void try_park(void)
{
    if (tpark_try_park(p)) {
        CHECK(message == 1);
        taken++;
    }
}

/* --------------------------------------------------------------------------- many unparkers -- */

static _Atomic int sent[UNPARKERS];
static int received[UNPARKERS];

static void start_two(void)
{
    p = new_parker(0);
    unparks = 2;
}

static void start_three(void)
{
    p = new_parker(0);
    unparks = 3;
}

static void send(int i)
{
    atomic_store_explicit(&sent[i], 1, memory_order_relaxed);
    replaced[i] = tpark_unpark(p);
}

static void send_0(void)
{
    send(0);
}

static void send_1(void)
{
    send(1);
}

static void send_2(void)
{
    send(2);
}

static void receive(void)
{
    tpark_park(p);
    taken++;
    for (int i = 0; i < unparks; i++)
        received[i] = atomic_load_explicit(&sent[i], memory_order_relaxed);
}

static void receive_until(const struct timespec *deadline)
{
    const int result = tpark_park_until(p, deadline);
    if (result != 0) {
        CHECK(result == ETIMEDOUT);
        check_time_is_up(deadline);
        return;
    }
    taken++;
    for (int i = 0; i < unparks; i++)
        received[i] = atomic_load_explicit(&sent[i], memory_order_relaxed);
}

static void receive_timed(void)
{
    const struct timespec deadline = deadline_of_timeout();
    receive_until(&deadline);
}

/* If there was but one token, all unparks merged into it, and the park saw them all. */
static void settle_messages(void)
{
    const bool is_taken = taken;
    if (settle() == 1 && is_taken)
        for (int i = 0; i < unparks; i++)
            CHECK(received[i] == 1);
    delete (p);
}

static void receive_twice(void)
{
    receive();
    receive_timed();
}

/* ----------------------------------------------------------------------- two parks in a row -- */

static int second_message;

static void start_pair(void)
{
    p = new_parker(0);
    q = new_parker(0);
    unparks = 2;
}

static void ping(void)
{
    message = 1;
    replaced[0] = tpark_unpark(p);
    tpark_park(q);
    second_message = message + 1;
    replaced[1] = tpark_unpark(p);
}

static void pong(void)
{
    tpark_park(p);
    CHECK(message == 1);
    message = 2;
    tpark_unpark(q);
    tpark_park(p);
    CHECK(second_message == 3);
    taken = 2;
}

/* The wake of the first unpark may come as late as the second park. */
static void answer(void)
{
    tpark_park(q);
    second_message = 3;
    replaced[1] = tpark_unpark(p);
}

static void free_pair(void)
{
    settle();
    delete (p);
    delete (q);
}

/* Of the two parks here, and the two unparks, the first pair may teach the owner to spin. */
static void start_learning(void)
{
    p = new_parker(TPARK_SPIN_ADAPTIVE);
    q = new_parker(0);
    unparks = 2;
}

/* The second token may come while the owner spins, and is the last that anybody does with p. */
static void pong_and_free(void)
{
    pong();
#if TPARK_BACKEND_FUTEX
    delete (p);
    is_freed = true;
#endif
}

static void free_rest_of_pair(void)
{
    free_rest();
    delete (q);
}

static void start_learning_two(void)
{
    p = new_parker(TPARK_SPIN_ADAPTIVE);
    unparks = 2;
}

static void start_self(void)
{
    p = new_parker(0);
    unparks = 3;
    replaced[1] = tpark_unpark(p);
    replaced[2] = tpark_unpark(p);
    CHECK(replaced[1] == TPARK_EMPTY && replaced[2] == TPARK_NOTIFIED);
}

static void park_for_own_token(void)
{
    tpark_park(p);
    taken++;
}

/* The owner gives the parker to another thread, which parks on it next. */
static void receive_and_hand_over(void)
{
    receive();
    tpark_unpark(q);
}

static void take_over_and_receive(void)
{
    tpark_park(q);
    const struct timespec deadline = deadline_of_timeout();
    receive_until(&deadline);
}

/* A new parker in the same place, while the wake for the old one may still come. */
static void park_twice_in_one_place(void)
{
    tpark_park(p);
    CHECK(message == 1);
    taken++;
#if TPARK_BACKEND_FUTEX
    tpark_destroy(p);
    CHECK(tpark_init(p, TPARK_SPIN_NEVER) == 0);
#endif
    tpark_unpark(q);
    tpark_park(p);
    CHECK(second_message == 3);
    taken++;
}

/* -------------------------------------------------------------------------- arm and disarm -- */

static int place; /* where the owner sleeps */

static void arm_and_disarm(void)
{
    place = 7;
    if (!tpark_arm(p) || tpark_disarm(p)) {
        CHECK(message == 1);
        taken++;
    }
}

static void receive_armed(void)
{
    place = 7;
    if (tpark_arm(p) && !tpark_disarm(p))
        return;
    taken++;
    for (int i = 0; i < unparks; i++)
        received[i] = atomic_load_explicit(&sent[i], memory_order_relaxed);
}

static void notify_1(void)
{
    message = 1;
    atomic_store_explicit(&sent[1], 1, memory_order_relaxed);
    const struct tpark_owed owed = tpark_notify(p);
    replaced[1] = owed.replaced;
    tpark_wake_owner(owed);
}

static void look_at_place(void)
{
    message = 1;
    const struct tpark_owed owed = tpark_notify(p);
    replaced[0] = owed.replaced;
    if (owed.wake)
        CHECK(place == 7);
    tpark_wake_owner(owed);
}

static void look_at_place_after_unpark(void)
{
    message = 1;
    replaced[0] = tpark_unpark(p);
    if (replaced[0] == TPARK_PARKED)
        CHECK(place == 7);
}

#if TPARK_HAS_FUTEX_WORD
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static void arm_and_wait(void)
{
    place = 7;
    bool token = !tpark_arm(p);
    if (!token) {
        const int saved_errno = errno;
        syscall(SYS_futex, tpark_futex_word(p), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                TPARK_PARKED, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
        errno = saved_errno;
        token = tpark_disarm(p);
    }
    if (token) {
        CHECK(message == 1);
        taken++;
    }
}

static void start_shared(void)
{
    p = new_parker(TPARK_SHARED);
    unparks = 1;
}

static void start_shared_two(void)
{
    p = new_parker(TPARK_SHARED);
    unparks = 2;
}

/* As a process that dies between the halves of its unpark. */
static void send_0_without_wake(void)
{
    atomic_store_explicit(&sent[0], 1, memory_order_relaxed);
    replaced[0] = tpark_notify(p).replaced;
}
/* -------------------------------------------------------------------- processes that may die -- */

/* Whatever happened to the first sender, the others' tokens are taken. */
static void drain_and_free(void)
{
    CHECK(taken == 1);
    (void)!tpark_try_park(p);
    CHECK(tpark_adopt(p) == TPARK_EMPTY);
    delete (p);
}

static void start_shared_three(void)
{
    start_three();
    delete (p);
    p = new_parker(TPARK_SHARED);
}

static void send_1_by_halves(void)
{
    atomic_store_explicit(&sent[1], 1, memory_order_relaxed);
    const struct tpark_owed owed = tpark_notify(p);
    replaced[1] = owed.replaced;
    tpark_wake_owner(owed);
}

/* What a death left undone the next unpark does, and nobody before. */
static void send_1_after_0(void)
{
    scenario_wait_for_end(2);
    send_1();
}

static void send_0_by_halves(void)
{
    tpark_wake_owner(tpark_notify(p));
}

/* Where the old owner had taken the token, or the only sender died, there is none. */
static int adopted;

static enum tpark_state adopt(void)
{
    scenario_wait_for_end(0);
    const enum tpark_state state = tpark_adopt(p);
    CHECK(state == TPARK_EMPTY || state == TPARK_PARKED || state == TPARK_NOTIFIED);
    return state;
}

static void park_in_place(void)
{
    place = 7;
    park_for_message();
}

static void adopt_and_look_at_place(void)
{
    if (adopt() == TPARK_PARKED)
        CHECK(place == 7);
}

static void adopt_and_receive(void)
{
    adopt();
    const struct timespec deadline = deadline_of_timeout();
    const int result = tpark_park_until(p, &deadline);
    CHECK(result == 0 || result == ETIMEDOUT);
    adopted = result == 0;
}

/* At most one of the two owners misses the token of the one unpark: who took it and died. */
static void drain_adopted(void)
{
    const bool is_left = tpark_try_park(p);
    CHECK(taken + adopted + is_left <= unparks);
    CHECK(tpark_adopt(p) == TPARK_EMPTY);
    delete (p);
}

static void adopt_and_try(void)
{
    adopt();
    adopted = tpark_try_park(p);
}

#endif

/* ------------------------------------------------------------------------- any of two parkers --
 */

static enum tpark_state replaced_of_q;
static int message_of_q;
static int taken_of_q;

static void start_any(void)
{
    start_one();
    q = new_parker(0);
}

#if TPARK_HAS_FUTEX_WORD
static void start_any_mixed(void)
{
    start_one();
    q = new_parker(TPARK_SHARED);
}
#endif

static void unpark_q(void)
{
    message_of_q = 1;
    replaced_of_q = tpark_unpark(q);
}

static void take_any(const struct timespec *deadline)
{
    struct tpark_any set[] = {{.parker = p}, {.parker = q}};
    const int result = tpark_park_any(set, 2, deadline);
    CHECK((result == 0) == (set[0].has_token || set[1].has_token));
    if (set[0].has_token) {
        CHECK(message == 1);
        taken++;
    }
    if (set[1].has_token) {
        CHECK(message_of_q == 1);
        taken_of_q++;
    }
    if (result != 0) {
        CHECK(result == ETIMEDOUT);
        check_time_is_up(deadline);
    }
}

static void park_any_until(void)
{
    const struct timespec deadline = deadline_of_timeout();
    take_any(&deadline);
}

#if TPARK_HAS_FUTEX_WORD
/* Elsewhere it looks for tokens of other processes for ever. */
static void park_any(void)
{
    take_any(NULL);
}

static void park_any_twice(void)
{
    take_any(NULL);
    if (!taken || !taken_of_q)
        take_any(NULL);
    CHECK(taken == 1 && taken_of_q == 1);
}
#endif

static void settle_any(void)
{
    settle_and_free();
    CHECK((replaced_of_q != TPARK_NOTIFIED) == taken_of_q + tpark_try_park(q));
    delete (q);
}

/* ----------------------------------------------------------------------------- owners that spin */

/*
 * A tick of the model's clock is 25 us. SPIN_US: before LONG_NS are over. LONG_NS: a precise owner
 * sleeps first. NEAR_NS: it does not, and whoever spins for LONG_SPIN_US is stopped.
 */
enum { SPIN_US = 60, LONG_SPIN_US = 300, NEAR_NS = 100000, LONG_NS = 300000 };

static void start_fixed(void)
{
    p = new_parker(TPARK_SPIN_FIXED_US(SPIN_US));
    unparks = 1;
}

static void start_fixed_static(void)
{
    p = malloc(sizeof *p);
    *p = (struct tpark)TPARK_INIT_FLAGS(TPARK_SPIN_FIXED_US(SPIN_US));
    unparks = 1;
}

static void start_fixed_two(void)
{
    p = new_parker(TPARK_SPIN_FIXED_US(SPIN_US));
    unparks = 2;
}

static void start_fixed_long(void)
{
    p = new_parker(TPARK_SPIN_FIXED_US(LONG_SPIN_US));
    unparks = 1;
}

static void start_precise(void)
{
    p = new_parker(TPARK_PRECISE);
    unparks = 1;
}

static void start_precise_two(void)
{
    p = new_parker(TPARK_PRECISE);
    unparks = 2;
}

#if TPARK_HAS_FUTEX_WORD
static void start_precise_shared(void)
{
    p = new_parker(TPARK_PRECISE | TPARK_SHARED);
    unparks = 1;
}
#endif

static void start_precise_adaptive(void)
{
    p = new_parker(TPARK_PRECISE | TPARK_SPIN_ADAPTIVE);
    unparks = 2;
}

/* Whoever spins there spins for nothing. */
static void start_fixed_on_one_cpu(void)
{
    scenario_has_one_cpu = true;
    start_fixed();
}

static void start_learning_on_one_cpu(void)
{
    scenario_has_one_cpu = true;
    start_learning();
}

static void start_precise_fixed(void)
{
    p = new_parker(TPARK_PRECISE | TPARK_SPIN_FIXED_US(SPIN_US));
    unparks = 1;
}

static void park_until_near(void)
{
    const struct timespec deadline = deadline_in(NEAR_NS);
    take(tpark_park_until(p, &deadline), &deadline);
}

static void park_until_long(void)
{
    const struct timespec deadline = deadline_in(LONG_NS);
    take(tpark_park_until(p, &deadline), &deadline);
}

static void receive_until_long(void)
{
    const struct timespec deadline = deadline_in(LONG_NS);
    receive_until(&deadline);
}

static void receive_twice_until_long(void)
{
    receive_until_long();
    receive_until_long();
}

static void park_until_long_and_free(void)
{
    park_until_long();
#if TPARK_BACKEND_FUTEX
    /* A park that gave up leaves its unpark to come. */
    if (taken) {
        delete (p);
        is_freed = true;
    }
#endif
}

/* ------------------------------------------------------------------------ handles and wakers -- */

static struct tpark_thread *t;
static struct tpark_unparker *u[2];
static struct tpark_waker w[2];

static void start_unparker(void)
{
    t = tpark_thread_new(0);
    u[0] = tpark_thread_unparker(t);
}

static void start_unparkers(void)
{
    t = tpark_thread_new(0);
    u[0] = tpark_thread_unparker(t);
    u[1] = tpark_thread_unparker(t);
}

static void start_wakers(void)
{
    t = tpark_thread_new(0);
    w[0] = tpark_unparker_into_waker(tpark_thread_unparker(t));
    w[1] = tpark_unparker_into_waker(tpark_thread_unparker(t));
}

static void start_unparker_and_waker(void)
{
    t = tpark_thread_new(0);
    u[0] = tpark_thread_unparker(t);
    w[1] = tpark_unparker_into_waker(tpark_thread_unparker(t));
}

static void owner_parks_and_frees(void)
{
    tpark_thread_park(t);
    tpark_thread_free(t);
}

static void owner_reads_and_frees(void)
{
    tpark_thread_park(t);
    CHECK(message == 1);
    tpark_thread_free(t);
}

static void owner_gives_up(void)
{
    const int result = tpark_thread_park_timeout(t, TIMEOUT_NS);
    CHECK(result == 0 || result == ETIMEDOUT);
    tpark_thread_free(t);
}

static void owner_frees(void)
{
    tpark_thread_free(t);
}

static void unpark_and_free_0(void)
{
    message = 1;
    tpark_unparker_unpark(u[0]);
    tpark_unparker_free(u[0]);
}

static void unpark_and_free_1(void)
{
    tpark_unparker_unpark(u[1]);
    tpark_unparker_free(u[1]);
}

static void clone_free_unpark(void)
{
    struct tpark_unparker *clone = tpark_unparker_clone(u[0]);
    CHECK(tpark_unparker_same_parker(clone, u[0]));
    tpark_unparker_free(u[0]);
    message = 1;
    tpark_unparker_wake_owner(clone, tpark_unparker_notify(clone));
    tpark_unparker_free(clone);
}

static void wake_0(void)
{
    message = 1;
    tpark_waker_wake(w[0]);
}

static void wake_1(void)
{
    tpark_waker_wake(w[1]);
}

static void wake_by_ref_and_drop_1(void)
{
    tpark_waker_wake_by_ref(&w[1]);
    tpark_waker_drop(w[1]);
}

static void clone_wake_drop_0(void)
{
    const struct tpark_waker clone = tpark_waker_clone(&w[0]);
    CHECK(tpark_waker_will_wake(&clone, &w[0]));
    message = 1;
    tpark_waker_wake(w[0]);
    tpark_waker_drop(clone);
}

/* Both threads have the same waker. */
static void clone_of_shared_waker_wakes(void)
{
    message = 1;
    tpark_waker_wake(tpark_waker_clone(&w[0]));
}

static void shared_waker_wakes(void)
{
    tpark_waker_wake_by_ref(&w[0]);
}

static void start_shared_waker(void)
{
    t = tpark_thread_new(0);
    w[0] = tpark_unparker_into_waker(tpark_thread_unparker(t));
}

static void drop_shared_waker(void)
{
    tpark_waker_drop(w[0]);
}

/* ------------------------------------------------------------------------------- the hook -- */

struct hooked {
    struct tpark sleeps_on;
    int place;
    int released;
};

static struct hooked *hooked;
static int releases;

static bool hook_wake(void *context)
{
    struct hooked *h = context;
    CHECK(h->place == 7);
    tpark_unpark(&h->sleeps_on);
    return true;
}

static void hook_release(void *context)
{
    struct hooked *h = context;
    tpark_destroy(&h->sleeps_on);
    free(h);
    releases++;
}

static void start_hooked(void)
{
    hooked = malloc(sizeof *hooked);
    CHECK(tpark_init(&hooked->sleeps_on, 0) == 0);
    hooked->place = 0;
    const struct tpark_hook hook = {.wake = hook_wake, .release = hook_release, .context = hooked};
    t = tpark_thread_new_hooked(0, &hook);
    u[0] = tpark_thread_unparker(t);
    w[1] = tpark_unparker_into_waker(tpark_thread_unparker(t));
}

/* Only the hook wakes it, so once it sleeps there is a token when it wakes. */
static void owner_sleeps_elsewhere(void)
{
    hooked->place = 7;
    struct tpark *parker = tpark_thread_parker(t);
    if (tpark_arm(parker)) {
        tpark_park(&hooked->sleeps_on);
        CHECK(tpark_disarm(parker));
    }
    tpark_thread_free(t);
}

static void check_released_once(void)
{
    CHECK(releases == 1);
}

/* It gives up before the hook has come, and its place lives on for the one that is late. */
static void owner_gives_up_elsewhere(void)
{
    hooked->place = 7;
    struct tpark *parker = tpark_thread_parker(t);
    if (tpark_arm(parker)) {
        const int result = tpark_park_timeout(&hooked->sleeps_on, TIMEOUT_NS);
        CHECK(result == 0 || result == ETIMEDOUT);
        const bool has_token = tpark_disarm(parker);
        CHECK(has_token || result == ETIMEDOUT);
    }
    tpark_thread_free(t);
}

static bool hook_declines(void *context)
{
    (void)context;
    return false;
}

static void start_declining(void)
{
    const struct tpark_hook hook = {.wake = hook_declines};
    t = tpark_thread_new_hooked(0, &hook);
    u[0] = tpark_thread_unparker(t);
    w[1] = tpark_unparker_into_waker(tpark_thread_unparker(t));
}

/* -------------------------------------------------------------------------------- block_on -- */

/* A future that another thread completes: EMPTY, then REGISTERED at most once, then READY. */
enum { EMPTY, REGISTERED, READY };

struct future {
    _Atomic int state;
    struct tpark_waker waker;
    int result;
};

static struct future outer, inner;

static bool poll_future(struct future *f, const struct tpark_waker *waker)
{
    if (atomic_load_explicit(&f->state, memory_order_acquire) == EMPTY) {
        f->waker = tpark_waker_clone(waker);
        int expected = EMPTY;
        if (atomic_compare_exchange_strong_explicit(&f->state, &expected, REGISTERED,
                                                    memory_order_release, memory_order_acquire))
            return false;
        tpark_waker_drop(f->waker);
    }
    CHECK(atomic_load_explicit(&f->state, memory_order_acquire) == READY);
    return true;
}

static void complete(struct future *f)
{
    f->result = 42;
    if (atomic_exchange_explicit(&f->state, READY, memory_order_acq_rel) == REGISTERED)
        tpark_waker_wake(f->waker);
}

static void complete_outer(void)
{
    complete(&outer);
}

static void complete_inner(void)
{
    complete(&inner);
}

static bool poll_inner(void *future, const struct tpark_waker *waker)
{
    return poll_future(future, waker);
}

static int inner_is_done;

static bool poll_outer(void *future, const struct tpark_waker *waker)
{
    const bool is_ready = poll_future(future, waker);
    if (!inner_is_done) {
        inner_is_done = 1;
        CHECK(tpark_block_on(poll_inner, &inner) == 0);
        CHECK(inner.result == 42);
    }
    return is_ready;
}

/* Wakes itself the first time, which is as good as a wake from elsewhere. */
static bool poll_and_wake_itself(void *future, const struct tpark_waker *waker)
{
    struct future *f = future;
    if (inner_is_done)
        return atomic_load_explicit(&f->state, memory_order_acquire) == READY;
    inner_is_done = 1;
    tpark_waker_wake_by_ref(waker);
    return poll_future(f, waker);
}

static void block_on_waking_itself(void)
{
    CHECK(tpark_block_on(poll_and_wake_itself, &inner) == 0);
    CHECK(inner.result == 42);
}

static void block_on_one(void)
{
    CHECK(tpark_block_on(poll_inner, &inner) == 0);
    CHECK(inner.result == 42);
}

static void block_on_nested(void)
{
    CHECK(tpark_block_on(poll_outer, &outer) == 0);
    CHECK(outer.result == 42);
}

#if WITH_COROUTINE
#include "coroutine.h"

static void await_event(void)
{
    CHECK(coroutine_await_event() == 42);
}

static void set_event(void)
{
    coroutine_set_event(42);
}

/* Both calls borrow the same parker, so the waker of the first may wake the second. */
static void block_on_and_await(void)
{
    block_on_waking_itself();
    await_event();
}
#endif

/* ---------------------------------------------------------------------- the current thread -- */

static void start_current(void)
{
    q = new_parker(0);
}

static void current_park_and_end(void)
{
    u[0] = tpark_current_unparker();
    tpark_unpark(q);
    tpark_current_park();
    CHECK(message == 1);
}

static void current_end(void)
{
    w[0] = tpark_current_waker();
    tpark_unpark(q);
}

static void unpark_current(void)
{
    tpark_park(q);
    unpark_and_free_0();
}

static void wake_current(void)
{
    tpark_park(q);
    wake_0();
}

/* Its own parker is another one. */
static void current_try(void)
{
    CHECK(tpark_current_park_timeout(0) == ETIMEDOUT);
}

/* A destructor of the thread's own data parks: on the same parker as before. */
static pthread_key_t key;
static int rounds;

static void park_in_destructor(void *value)
{
    (void)value;
    tpark_current_park();
    CHECK(message == 1);
}

static void current_park_at_the_end(void)
{
    u[0] = tpark_current_unparker();
    CHECK(pthread_key_create(&key, park_in_destructor) == 0);
    CHECK(pthread_setspecific(key, &key) == 0);
    tpark_unpark(q);
}

/* As late as tpark has let go of the parker: then it makes another one. */
static void try_in_third_round(void *value)
{
    if (++rounds < 3)
        CHECK(pthread_setspecific(key, value) == 0);
    else
        CHECK(tpark_current_park_timeout(0) == ETIMEDOUT);
}

static void current_try_at_the_very_end(void)
{
    CHECK(tpark_current_park_timeout(0) == ETIMEDOUT);
    CHECK(pthread_key_create(&key, try_in_third_round) == 0);
    CHECK(pthread_setspecific(key, &key) == 0);
}

static void free_q(void)
{
    delete (q);
}

/* ------------------------------------------------------- who skips an unpark, with a fence -- */

static _Atomic int is_waiting;
static _Atomic int is_done;

static void wait_with_fence(void)
{
    atomic_store_explicit(&is_waiting, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&is_done, memory_order_relaxed))
        tpark_park(p);
}

static void skip_with_fence(void)
{
    atomic_store_explicit(&is_done, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&is_waiting, memory_order_relaxed))
        tpark_unpark(p);
}

/* ------------------------------------------------------------------------------ who to wake -- */

enum { OWNERS = 2 };

/* Tasks are counted by relaxed atomics: no queue promises less. */
static _Atomic int tasks;
static struct tpark_idle idle;
static struct tpark_idler idlers[OWNERS];
static size_t chosen[OWNERS]; /* how often each owner was */
static size_t woken[OWNERS];  /* what each producer was told */
static int task_message;

static void start_idle(void)
{
    idle = (struct tpark_idle)TPARK_IDLE_INIT;
    for (int i = 0; i < OWNERS; i++)
        idlers[i].parker = new_parker(0);
}

static bool is_task(void)
{
    return atomic_load_explicit(&tasks, memory_order_relaxed) > 0;
}

static void add_task(void)
{
    atomic_fetch_add_explicit(&tasks, 1, memory_order_relaxed);
}

static bool take_task(void)
{
    int seen = atomic_load_explicit(&tasks, memory_order_relaxed);
    while (seen > 0 && !atomic_compare_exchange_strong_explicit(
                           &tasks, &seen, seen - 1, memory_order_relaxed, memory_order_relaxed))
        ;
    return seen > 0;
}

/* Idle once, unless there is a task. */
static void idle_for_task(int i)
{
    tpark_idle_prepare(&idle, &idlers[i]);
    if (is_task()) {
        chosen[i] += !tpark_idle_cancel(&idle, &idlers[i]);
    } else {
        CHECK(tpark_idle_commit(&idle, &idlers[i], NULL) == 0);
        chosen[i]++;
        CHECK(is_task());
    }
}

static void idle_0(void)
{
    idle_for_task(0);
}

static void start_idle_one(void)
{
    start_idle();
    tpark_idle_prepare(&idle, &idlers[0]);
}

/* The second one to go idle is chosen first. */
static void start_idle_both(void)
{
    start_idle_one();
    tpark_idle_prepare(&idle, &idlers[1]);
}

static void commit_0(void)
{
    CHECK(tpark_idle_commit(&idle, &idlers[0], NULL) == 0);
    CHECK(is_task());
    chosen[0]++;
}

static void cancel_1(void)
{
    chosen[1] += !tpark_idle_cancel(&idle, &idlers[1]);
}

/* The owner is in the set, and works until it has done two tasks. */
static void work(void)
{
    for (int done = 0;;) {
        if (is_task())
            chosen[0] += !tpark_idle_cancel(&idle, &idlers[0]);
        else
            chosen[0] += tpark_idle_commit(&idle, &idlers[0], NULL) == 0;
        while (take_task())
            done++;
        if (done == 2)
            return;
        tpark_idle_prepare(&idle, &idlers[0]);
    }
}

static void push_0(void)
{
    add_task();
    woken[0] = tpark_idle_wake(&idle, 1);
}

static void push_1(void)
{
    add_task();
    woken[1] = tpark_idle_wake(&idle, 1);
}

static void push_for_all(void)
{
    add_task();
    woken[0] = tpark_idle_wake(&idle, SIZE_MAX);
}

static void idle_until(void)
{
    const struct timespec deadline = deadline_of_timeout();
    tpark_idle_prepare(&idle, &idlers[0]);
    const int result = tpark_idle_commit(&idle, &idlers[0], &deadline);
    CHECK(result == 0 || result == ETIMEDOUT);
    chosen[0] = result == 0;
    if (result == ETIMEDOUT)
        check_time_is_up(&deadline);
    else
        CHECK(is_task());
}

/* Is unparked by its address too, which chooses nobody, and enters the set again. */
static void idle_for_either(void)
{
    tpark_idle_prepare(&idle, &idlers[0]);
    const int result = tpark_idle_commit(&idle, &idlers[0], NULL);
    CHECK(result == 0 || result == EAGAIN);
    chosen[0] = result == 0;
    tpark_idle_prepare(&idle, &idlers[0]);
    chosen[0] += !tpark_idle_cancel(&idle, &idlers[0]);
}

static void unpark_idle(void)
{
    tpark_unpark(idlers[0].parker);
}

static void message_and_wake(void)
{
    task_message = 1;
    add_task();
    woken[0] = tpark_idle_wake(&idle, 1);
}

/* Who was chosen may end the life of its parker, and of its place, with the futex backend. */
static void idle_and_free(void)
{
    tpark_idle_prepare(&idle, &idlers[0]);
    if (!is_task()) {
        CHECK(tpark_idle_commit(&idle, &idlers[0], NULL) == 0);
        chosen[0] = 1;
        CHECK(task_message == 1);
    } else {
        chosen[0] = !tpark_idle_cancel(&idle, &idlers[0]);
    }
#if TPARK_BACKEND_FUTEX
    delete (idlers[0].parker);
    idlers[0].parker = NULL;
#endif
}

static void free_idle(void)
{
    for (int i = 0; i < OWNERS; i++)
        if (idlers[i].parker)
            delete (idlers[i].parker);
    tpark_idle_destroy(&idle);
}

/* Each wake that was counted chose an owner once, and no token is left. */
static void settle_idle(void)
{
    size_t balance = 0;
    for (int i = 0; i < OWNERS; i++) {
        balance += woken[i] - chosen[i];
        CHECK(!tpark_try_park(idlers[i].parker));
    }
    CHECK(balance == 0);
    free_idle();
}

/* Of the two tokens one may be left. */
static void settle_either(void)
{
    CHECK(chosen[0] == woken[0]);
    free_idle();
}

/* ------------------------------------------------------------------------------------------- */

/* clang-format off */
const struct scenario scenarios[] = {
    /* name, kind, budget light and full, setup, finish, threads */
    {"unpark-1", UNTIMED, 3, 6, start_one, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"unpark-1-static", UNTIMED, 3, 6, start_one_static, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"unpark-1-free", UNTIMED, 3, 6, start_one, free_rest, {park_and_free, unpark_with_message}},
    {"notify-wake-free", UNTIMED, 3, 6, start_one, free_rest, {park_and_free, notify_and_wake}},
    {"stray-wake", UNTIMED, 2, 4, start_one, settle_and_free,
     {park_for_message, unpark_with_message, stray_wake}},
    {"unpark-2", UNTIMED, 2, 4, start_two, settle_messages, {receive, send_0, send_1}},
    {"unpark-3", UNTIMED, 1, 3, start_three, settle_messages, {receive, send_0, send_1, send_2}},

    {"timeout-1", TIMED, 2, 5, start_one, settle_and_free, {park_timeout, unpark_with_message}},
    {"until-1", TIMED, 2, 5, start_one, settle_and_free, {park_until, unpark_with_message}},
    {"until-1-static", TIMED, 2, 5, start_one_static, settle_and_free,
     {park_until, unpark_with_message}},
    {"until-past", TIMED, 2, 4, start_one, settle_and_free, {park_until_past, unpark_with_message}},
    {"timeout-never", TIMED, 2, 4, start_one, settle_and_free,
     {park_timeout_never, unpark_with_message}},
    {"try-park", UNTIMED, 2, 4, start_one, settle_and_free, {try_park, unpark_with_message}},
    {"until-2", TIMED, 2, 3, start_two, settle_messages, {receive_timed, send_0, send_1}},
    {"until-3", TIMED, 1, 2, start_three, settle_messages, {receive_timed, send_0, send_1, send_2}},

    {"own-token", UNTIMED, 2, 4, start_self, settle_and_free,
     {park_for_own_token, unpark_with_message}},
    {"ping-pong", UNTIMED, 1, 3, start_pair, free_pair, {pong, ping}},
    {"late-wake", UNTIMED, 1, 2, start_pair, free_pair, {pong, unpark_with_message, answer}},
    {"two-parks", TIMED, 1, 2, start_two, settle_and_free, {receive_twice, send_0, send_1}},

    {"hand-over", TIMED, 0, 1, start_pair, free_pair,
     {receive_and_hand_over, take_over_and_receive, send_0, send_1}},
    {"reuse", UNTIMED, 1, 2, start_pair, free_pair,
     {park_twice_in_one_place, unpark_with_message, answer}},

    {"arm-disarm-2", UNTIMED, 1, 3, start_two, settle_messages, {receive_armed, send_0, notify_1}},
    {"arm-disarm", UNTIMED, 2, 4, start_one, settle_and_free, {arm_and_disarm, look_at_place}},
    {"arm-disarm-unpark", UNTIMED, 2, 4, start_one, settle_and_free,
     {arm_and_disarm, look_at_place_after_unpark}},
#if TPARK_HAS_FUTEX_WORD
    /* A signal handler, the last thread, that interrupts an unpark, a notify, and a park. */
    {"signal-in-unpark", UNTIMED, 1, 2, start_two, settle_messages, {receive, send_0, send_1},
     {0, 0, INTERRUPTS + 1}},
    {"signal-in-notify", UNTIMED, 1, 2, start_two, settle_messages, {receive, notify_1, send_0},
     {0, 0, INTERRUPTS + 1}},
    {"signal-in-park", TIMED, 1, 2, start_two, settle_messages, {receive_timed, send_0, send_1},
     {0, 0, INTERRUPTS + 0}},
    {"arm-futex-word", UNTIMED, 2, 4, start_one, settle_and_free, {arm_and_wait, look_at_place}},
    {"shared-1", UNTIMED, 2, 4, start_shared, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"shared-until-1", TIMED, 2, 5, start_shared, settle_and_free,
     {park_until, unpark_with_message}},
    {"shared-notify-wake", UNTIMED, 2, 4, start_shared, settle_and_free,
     {park_for_message, notify_and_wake}},
    {"shared-no-wake", UNTIMED, 2, 4, start_shared_two, settle_messages,
     {receive, send_0_without_wake, send_1}},
    {"any", UNTIMED, 1, 3, start_any, settle_any, {park_any, unpark_with_message, unpark_q}},
    {"any-twice", UNTIMED, 1, 2, start_any, settle_any,
     {park_any_twice, unpark_with_message, unpark_q}},
    {"any-mixed", UNTIMED, 1, 3, start_any_mixed, settle_any,
     {park_any, unpark_with_message, unpark_q}},
    {"death-of-unparker", UNTIMED, 1, 3, start_shared_two, drain_and_free,
     {receive, send_0, send_1}, {0, DIES}},
    {"death-of-unparker-halves", UNTIMED, 1, 3, start_shared_two, drain_and_free,
     {receive, send_0_by_halves, send_1_by_halves}, {0, DIES}},
    {"death-of-unparkers", UNTIMED, 0, 1, start_shared_three, drain_and_free,
     {receive, send_0, send_1, send_2}, {0, DIES, DIES}},
    {"death-of-owner", TIMED, 1, 2, start_shared, drain_adopted,
     {park_for_message, adopt_and_receive, unpark_with_message}, {DIES}},
    {"death-of-owner-in-place", UNTIMED, 1, 2, start_shared, drain_adopted,
     {park_in_place, adopt_and_look_at_place, unpark_with_message}, {DIES}},
    {"death-of-owner-timed", TIMED, 1, 2, start_shared, drain_adopted,
     {park_until, adopt_and_try, unpark_with_message}, {DIES}},
    {"death-of-both", TIMED, 0, 1, start_shared_two, drain_adopted,
     {receive, adopt_and_receive, send_0, send_1_after_0}, {DIES, 0, DIES}},
#endif

    {"any-until", TIMED, 0, 1, start_any, settle_any,
     {park_any_until, unpark_with_message, unpark_q}},
    {"fixed-1", TICKING, 2, 4, start_fixed, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"fixed-1-static", TICKING, 2, 4, start_fixed_static, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"fixed-1-free", TICKING, 2, 4, start_fixed, free_rest, {park_and_free, unpark_with_message}},
    {"fixed-2", TICKING, 1, 2, start_fixed_two, settle_messages, {receive, send_0, send_1}},
    {"fixed-until", TICKING, 1, 3, start_fixed, settle_and_free,
     {park_until_long, unpark_with_message}},
    {"fixed-until-near", TICKING, 1, 3, start_fixed_long, settle_and_free,
     {park_until_near, unpark_with_message}},
    {"adaptive-pair", TICKING, 1, 2, start_learning, free_rest_of_pair, {pong_and_free, ping}},
    {"adaptive-two-parks", TICKING, 1, 2, start_learning_two, settle_and_free,
     {receive_twice, send_0, send_1}},
    {"precise-1", TICKING, 1, 3, start_precise, settle_and_free,
     {park_until_long, unpark_with_message}},
    {"precise-near", TICKING, 1, 3, start_precise, settle_and_free,
     {park_until_near, unpark_with_message}},
    {"precise-1-free", TICKING, 1, 3, start_precise, free_rest,
     {park_until_long_and_free, unpark_with_message}},
    {"precise-2", TICKING, 1, 2, start_precise_two, settle_messages,
     {receive_until_long, send_0, send_1}},
    {"precise-adaptive", TICKING, 0, 0, start_precise_adaptive, settle_messages,
     {receive_twice_until_long, send_0, send_1}},
#if TPARK_HAS_FUTEX_WORD
    {"precise-shared", TICKING, 1, 3, start_precise_shared, settle_and_free,
     {park_until_long, unpark_with_message}},
#endif
    {"fixed-one-cpu", TICKING, 2, 4, start_fixed_on_one_cpu, settle_and_free,
     {park_for_message, unpark_with_message}},
    {"adaptive-one-cpu", TICKING, 1, 2, start_learning_on_one_cpu, free_rest_of_pair,
     {pong_and_free, ping}},
    {"precise-fixed", TICKING, 1, 3, start_precise_fixed, settle_and_free,
     {park_until_long, unpark_with_message}},

    {"handle-1", UNTIMED, 2, 4, start_unparker, NULL, {owner_reads_and_frees, unpark_and_free_0}},
    {"handle-clone", UNTIMED, 2, 4, start_unparker, NULL,
     {owner_reads_and_frees, clone_free_unpark}},
    {"handle-2", UNTIMED, 1, 3, start_unparkers, NULL,
     {owner_parks_and_frees, unpark_and_free_0, unpark_and_free_1}},
    {"handle-timeout", TIMED, 1, 3, start_unparkers, NULL,
     {owner_gives_up, clone_free_unpark, unpark_and_free_1}},
    {"handle-owner-gone", UNTIMED, 2, 4, start_unparkers, NULL,
     {owner_frees, unpark_and_free_0, unpark_and_free_1}},
    {"waker-wake", UNTIMED, 1, 3, start_wakers, NULL, {owner_parks_and_frees, wake_0, wake_1}},
    {"waker-clone", UNTIMED, 1, 3, start_wakers, NULL,
     {owner_parks_and_frees, clone_wake_drop_0, wake_by_ref_and_drop_1}},
    {"unparker-and-waker", TIMED, 1, 3, start_unparker_and_waker, NULL,
     {owner_gives_up, unpark_and_free_0, wake_by_ref_and_drop_1}},
    {"waker-shared", UNTIMED, 1, 3, start_shared_waker, drop_shared_waker,
     {owner_parks_and_frees, clone_of_shared_waker_wakes, shared_waker_wakes}},
    {"hook-timeout", TIMED, 1, 1, start_hooked, check_released_once,
     {owner_gives_up_elsewhere, unpark_and_free_0, wake_1}},
    {"hook-declines", UNTIMED, 1, 3, start_declining, NULL,
     {owner_parks_and_frees, unpark_and_free_0, wake_1}},
    {"hook", UNTIMED, 1, 3, start_hooked, check_released_once,
     {owner_sleeps_elsewhere, unpark_and_free_0, wake_1}},

    {"block-on", UNTIMED, 2, 4, NULL, NULL, {block_on_one, complete_inner}},
    {"block-on-itself", UNTIMED, 1, 3, NULL, NULL, {block_on_waking_itself, complete_inner}},
    {"block-on-nested", UNTIMED, 1, 2, NULL, NULL,
     {block_on_nested, complete_outer, complete_inner}},
#if WITH_COROUTINE
    {"coroutine", UNTIMED, 2, 4, NULL, NULL, {await_event, set_event}},
    {"coroutine-block-on", UNTIMED, 0, 1, NULL, NULL,
     {block_on_and_await, complete_inner, set_event}},
#endif
    {"current-park", UNTIMED, 1, 3, start_current, free_q, {current_park_and_end, unpark_current}},
    {"current-waker", UNTIMED, 1, 3, start_current, free_q,
     {current_end, wake_current, current_try}},
    {"current-destructor", UNTIMED, 1, 3, start_current, free_q,
     {current_park_at_the_end, unpark_current}},
    {"current-late", UNTIMED, 1, 1, NULL, NULL, {current_try_at_the_very_end}},
    {"fence-and-skip", UNTIMED, 2, 4, start_one, free_rest, {wait_with_fence, skip_with_fence}},

    {"idle-1", UNTIMED, 2, 3, start_idle, settle_idle, {idle_0, push_0}},
    {"idle-free", UNTIMED, 2, 3, start_idle, free_idle, {idle_and_free, message_and_wake}},
    {"idle-until", TIMED, 1, 2, start_idle, settle_idle, {idle_until, push_0}},
    {"idle-all", UNTIMED, 1, 2, start_idle_both, settle_idle, {commit_0, cancel_1, push_for_all}},
    {"idle-either", UNTIMED, 0, 1, start_idle, settle_either,
     {idle_for_either, push_0, unpark_idle}},
    {"idle-two-tasks", UNTIMED, 0, 0, start_idle_one, settle_idle, {work, push_0, push_1}},
    {0},
};

/* SPDX-License-Identifier: MIT */
/* The embedded parker: tokens, states, and the rows of the transition table. */
#include <errno.h>

#include "support.h"

static void park(void *p)
{
    tpark_park(p);
}

TEST(park, consumes_a_token_that_was_given_before)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    tpark_park(&p); /* hangs if the token is lost */
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

TEST(park, sleeps_until_there_is_a_token)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(state_of(&p) == TPARK_EMPTY);
    tpark_destroy(&p);
}

TEST(park, leaves_no_token_behind_however_many_unparks_merged)
{
    struct tpark p = TPARK_INIT;
    for (int i = 0; i < 100; i++)
        tpark_unpark(&p);
    tpark_park(&p);
    CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    tpark_destroy(&p);
}

TEST(park, of_one_parker_is_not_ended_by_an_unpark_of_another)
{
    struct tpark p = TPARK_INIT, other = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&other) == TPARK_EMPTY);
    CHECK(state_of(&p) == TPARK_PARKED);
    tpark_unpark(&p);
    join(&owner);
    CHECK(state_of(&other) == TPARK_NOTIFIED);
    tpark_destroy(&p);
    tpark_destroy(&other);
}

TEST(park, may_be_repeated)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    for (int i = 0; i < 100; i++) {
        start(&owner, park, &p);
        wait_until_parked(&owner, &p);
        CHECK(tpark_unpark(&p) == TPARK_PARKED);
        join(&owner);
    }
    tpark_destroy(&p);
}

TEST(unpark, returns_empty_when_it_gave_the_token)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    CHECK(state_of(&p) == TPARK_NOTIFIED);
}

TEST(unpark, returns_notified_when_it_merged_with_a_token)
{
    struct tpark p = TPARK_INIT;
    tpark_unpark(&p);
    CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
    CHECK(state_of(&p) == TPARK_NOTIFIED);
}

TEST(unpark, returns_parked_when_it_woke_the_owner)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
}

TEST(unpark, may_be_called_by_the_owner_itself)
{
    struct tpark p = TPARK_INIT;
    for (int i = 0; i < 3; i++) {
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        tpark_park(&p);
    }
}

TEST(try_park, consumes_the_token_if_there_is_one)
{
    struct tpark p = TPARK_INIT;
    CHECK(!tpark_try_park(&p));
    tpark_unpark(&p);
    CHECK(tpark_try_park(&p));
    CHECK(!tpark_try_park(&p));
}

TEST(notify, gives_the_token_and_leaves_the_wake_to_the_caller)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    wait_until_parked(&owner, &p);
    const long sleeps = sleeps_of(&owner);
    const struct tpark_owed owed = tpark_notify(&p);
    CHECK(owed.replaced == TPARK_PARKED && owed.wake);
    wait_until_asleep(&owner); /* nobody woke it */
    CHECK(sleeps_of(&owner) == sleeps);
    const struct tpark_owed merged = tpark_notify(&p);
    CHECK(merged.replaced == TPARK_NOTIFIED && !merged.wake);
    tpark_wake_owner(merged);
    CHECK(sleeps_of(&owner) == sleeps);
    tpark_wake_owner(owed);
    join(&owner);
    CHECK(tpark_notify(&p).replaced == TPARK_EMPTY);
}

TEST(wake_owner, gives_no_token_and_one_too_many_is_harmless)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_arm(&p));
    const struct tpark_owed owed = tpark_notify(&p);
    CHECK(tpark_disarm(&p));
    tpark_wake_owner(owed);
    tpark_wake_owner(owed);
    CHECK(state_of(&p) == TPARK_EMPTY);
    CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
}

TEST(arm, makes_the_next_unpark_owe_a_wake)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_arm(&p));
    CHECK(tpark_notify(&p).replaced == TPARK_PARKED);
    CHECK(tpark_disarm(&p));
    CHECK(state_of(&p) == TPARK_EMPTY);
}

TEST(arm, writes_no_mark_that_is_for_shared_parkers)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_arm(&p));
    CHECK(p.armed == 0);
    CHECK(!tpark_disarm(&p));
    tpark_destroy(&p);
}

TEST(arm, consumes_a_token_that_is_there)
{
    struct tpark p = TPARK_INIT;
    tpark_unpark(&p);
    CHECK(!tpark_arm(&p));
    CHECK(state_of(&p) == TPARK_EMPTY);
}

TEST(disarm, without_a_token_leaves_the_parker_empty)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_arm(&p));
    CHECK(!tpark_disarm(&p));
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
}

TEST(init, makes_an_empty_private_parker_with_no_flags)
{
    struct tpark p;
    CHECK(tpark_init(&p, 0) == 0);
    CHECK(state_of(&p) == TPARK_EMPTY);
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    tpark_park(&p);
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    tpark_destroy(&p);
}

static void check_made_alike(const struct tpark *initialised, unsigned flags)
{
    struct tpark made;
    CHECK(tpark_init(&made, flags) == 0);
    CHECK(initialised->state == made.state);
    CHECK(initialised->flags == made.flags);
    CHECK(initialised->armed == made.armed);
    CHECK(initialised->spin == made.spin);
    tpark_destroy(&made);
}

/* The macros are expressions of their argument, whatever operators that has. */
TEST(static_initialiser, makes_what_init_makes_of_any_expression)
{
    enum { YES = 1, NO = 0 };
    static const struct tpark none = TPARK_INIT;
    static const struct tpark chosen = TPARK_INIT_FLAGS(YES ? TPARK_PRECISE : TPARK_SPIN_NEVER);
    static const struct tpark both =
        TPARK_INIT_FLAGS(TPARK_SPIN_FIXED_US(NO ? 7 : 65535) | TPARK_PRECISE);
    static const struct tpark sum = TPARK_INIT_FLAGS(TPARK_SPIN_FIXED_US(4097 | 2) + NO);
    static const struct tpark dear = TPARK_INIT_FLAGS(TPARK_SPIN_PRICE(NO ? 1 : 3) | TPARK_SLACK);
    CHECK(TPARK_SPIN_FIXED_US(YES ? 70000 : NO) == TPARK_SPIN_FIXED_US(65535));
    check_made_alike(&none, 0);
    check_made_alike(&chosen, TPARK_PRECISE);
    check_made_alike(&both, TPARK_SPIN_FIXED | TPARK_PRECISE | 65535u << 16);
    check_made_alike(&dear, TPARK_SPIN_ADAPTIVE | 3u << 6 | TPARK_SLACK);
    check_made_alike(&sum, TPARK_SPIN_FIXED | 4099u << 16);
#if TPARK_BACKEND_FUTEX
    static const struct tpark shared = TPARK_INIT_FLAGS(TPARK_SHARED ^ NO);
    check_made_alike(&shared, TPARK_SHARED);
#endif
}

/* They are in programs, and the states also in the memory of others. */
TEST(values, of_the_flags_and_versions_are_part_of_the_abi)
{
    CHECK(TPARK_SHARED == 1 && TPARK_PRECISE == 2 && TPARK_SPIN_NEVER == 4);
    CHECK(TPARK_SPIN_ADAPTIVE == 8 && TPARK_SPIN_FIXED == 16 && TPARK_SLACK == 32);
    CHECK(TPARK_SPIN_FIXED_US(0) == TPARK_SPIN_FIXED);
    CHECK(TPARK_SPIN_FIXED_US(1) == (TPARK_SPIN_FIXED | 1u << 16));
    CHECK(TPARK_SPIN_FIXED_US(65535) == (TPARK_SPIN_FIXED | 65535u << 16));
    CHECK(TPARK_SPIN_FIXED_US(1.5) == TPARK_SPIN_FIXED_US(1));
#if TPARK_BACKEND_FUTEX
    CHECK(TPARK_LAYOUT == (1u << 24 | 1u << 16 | 8));
    CHECK(TPARK_ANY_MAX == 128);
#else
    CHECK(TPARK_LAYOUT == (2u << 24 | 1u << 16 | sizeof(struct tpark)));
#endif
}

TEST(init, refuses_an_unknown_flag)
{
    struct tpark p;
    for (unsigned flag = TPARK_SLACK << 1; flag; flag <<= 1)
        CHECK(tpark_init(&p, flag) == EINVAL);
}

TEST(init, may_follow_destroy)
{
    struct tpark p;
    for (int i = 0; i < 3; i++) {
        CHECK(tpark_init(&p, 0) == 0);
        tpark_unpark(&p); /* a token that is there is gone with the parker */
        tpark_destroy(&p);
    }
}

TEST(destroy, works_on_a_static_parker_that_has_slept)
{
    struct tpark p = TPARK_INIT;
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    tpark_destroy(&p);
}

#if TPARK_BACKEND_FUTEX
TEST(layout, of_the_futex_backend_takes_eight_bytes_at_most)
{
    CHECK(sizeof(struct tpark) <= 8);
}
#endif

TEST(values, of_the_states_are_the_ones_that_the_protocol_fixes)
{
    CHECK(TPARK_EMPTY == 0 && TPARK_PARKED == 1 && TPARK_NOTIFIED == 2);
}

/* The owner may change, if the program orders the calls. */
TEST(owner, may_be_another_thread_each_time)
{
    struct tpark p = TPARK_INIT;
    struct task owner;
    start(&owner, park, &p);
    tpark_unpark(&p);
    join(&owner);
    tpark_unpark(&p);
    tpark_park(&p);
    CHECK(state_of(&p) == TPARK_EMPTY);
}

/* SPDX-License-Identifier: MIT */
/*
 * Parks on several parkers at once. There is no new protocol here, and no write to a state word:
 * each parker goes through tpark_try_park(), or tpark_arm() and tpark_disarm(), and between the two
 * the thread sleeps in futex_waitv(2) on all the words. Where it finds that it cannot, it disarms
 * them, and once more arms them, listed at a desk (desk.h), and sleeps there.
 *
 * No token is lost. Each call that may consume one (try, an arm that fails, disarm) says so, and
 * what it says goes into has_token and nowhere else; the result is read from there. Every parker
 * that was armed is disarmed on the one way out, by an exchange, so a token that comes after the
 * last look at the words is either found by it, and reported, or given afterwards, to an empty
 * parker, where it stays. A first design returned one token, as WaitForMultipleObjects does, and
 * gave back what else the disarms had consumed: the parkers at the front then starve the others,
 * and between a disarm and the giving back an unpark is told that there was no token.
 *
 * No wake is lost. When the thread sleeps all the words were PARKED, each from its own arm on; the
 * kernel compares every word again after it has queued the thread on it, so that an unpark either
 * is seen there or finds a waiter. Being queued on a word that somebody else is not told about is
 * what tpark_park() does too: an unpark of one parker need not know that the others exist.
 *
 * No stray wake ends it: like the protocol, it trusts no return value of the kernel, and looks at
 * the words and at the clock.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "backend.h"
#include "deadline.h"
#include "desk.h"
#include "park.h"
#include "policy.h"
#include "relax.h"

/*
 * At a desk nobody tells of an unpark by another process, or by another copy of the library. Such a
 * token is looked for at intervals that double from FIRST_NS to LAST_NS, so that it is found no
 * later than the sleep has lasted already; if all parkers are private, every PRIVATE_NS.
 */
enum {
    FIRST_NS = 50 * TPARK_NS_PER_US,
    LAST_NS = 10000 * TPARK_NS_PER_US,
    PRIVATE_NS = TPARK_NS_PER_S
};

static bool is_any_token(const struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (set[i].has_token)
            return true;
    return false;
}

static void try_all(struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set[i].has_token = tpark_try_park(set[i].parker);
}

/* Spins for as long as any of the policies has it. */
static bool spin_for_any(struct tpark_any *set, size_t count, const struct timespec *deadline)
{
    struct tpark_spin spin = tpark_policy_spin(set[0].parker, deadline);
    for (size_t i = 1; i < count; i++) {
        const struct tpark_spin other = tpark_policy_spin(set[i].parker, deadline);
        if (other.time_ns > spin.time_ns)
            spin.time_ns = other.time_ns;
        if (other.undecided)
            spin.undecided = other.undecided;
    }
    if (spin.time_ns) {
        do {
            for (uint32_t i = 0; i < spin.looks && !is_any_token(set, count); i++) {
                tpark_relax();
                try_all(set, count);
            }
        } while (!is_any_token(set, count) && tpark_spin_goes_on(&spin));
    }
    const bool has_won = is_any_token(set, count);
    for (size_t i = 0; i < count; i++) {
        if (set[i].has_token)
            tpark_policy_has_won(set[i].parker, &spin);
        else if (!has_won)
            tpark_policy_goes_to_sleep(set[i].parker, &spin);
    }
    return has_won;
}

/* Arms one after the other, up to the first that has a token. Returns how many it armed. */
static size_t arm_all(struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set[i].has_token = !tpark_arm(set[i].parker);
        if (set[i].has_token) {
            try_all(set + i + 1, count - i - 1);
            return i;
        }
    }
    return count;
}

static void disarm_all(struct tpark_any *set, size_t count, bool has_slept)
{
    for (size_t i = 0; i < count; i++)
        set[i].has_token =
            has_slept ? tpark_disarm(set[i].parker) : tpark_disarm_unslept(set[i].parker);
}

/* Relaxed: disarm_all() decides, and synchronises; this only saves it a premature call. */
static bool are_all_parked(const struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (atomic_load_explicit(tpark_state_word(set[i].parker), memory_order_relaxed) !=
            TPARK_PARKED)
            return false;
    return true;
}

static bool is_over(const struct tpark_any *set, size_t count, const struct timespec *deadline)
{
    return !are_all_parked(set, count) || (deadline && tpark_has_passed(deadline));
}

/* All are armed. Returns when it is over; or false, if no thread can sleep on all of them here. */
static bool sleep_on_all(const struct tpark_any *set, size_t count, const struct timespec *deadline)
{
    while (!is_over(set, count, deadline)) {
        if (count == 1)
            tpark_backend_wait(set[0].parker, deadline);
        else if (!tpark_backend_wait_any(set, count, deadline))
            return false;
    }
    return true;
}

static bool is_any_shared(const struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (set[i].parker->flags & TPARK_SHARED)
            return true;
    return false;
}

/* Adds what is at most a second. */
static struct timespec later(struct timespec t, long ns)
{
    t.tv_nsec += ns;
    if (t.tv_nsec >= TPARK_NS_PER_S) {
        t.tv_nsec -= TPARK_NS_PER_S;
        t.tv_sec++;
    }
    return t;
}

/* All are armed. Returns when it is over. Without a desk the first parker is the bell. */
static void sleep_at(struct tpark_desk *desk, const struct tpark_any *set, size_t count,
                     const struct timespec *deadline)
{
    const bool rings_for_all = desk && !is_any_shared(set, count);
    long interval = rings_for_all ? PRIVATE_NS : FIRST_NS;
    while (!is_over(set, count, deadline)) {
        const struct timespec next = later(tpark_now(), interval);
        const struct timespec *until =
            deadline && tpark_is_before(deadline, &next) ? deadline : &next;
        if (desk)
            tpark_park_until(tpark_desk_bell(desk), until);
        else
            tpark_backend_wait(set[0].parker, until);
        if (interval < LAST_NS)
            interval = interval < LAST_NS / 2 ? interval * 2 : LAST_NS;
    }
}

/* Where sleep_on_all() cannot: no token has been found yet, and none is armed. */
static void park_at_desk(struct tpark_any *set, size_t count, const struct timespec *deadline)
{
    struct tpark_desk *const desk = tpark_desk_take(set, count);
    const size_t armed = arm_all(set, count);
    if (armed == count)
        sleep_at(desk, set, count, deadline);
    disarm_all(set, armed, true);
    tpark_desk_leave(desk);
}

static bool is_valid_set(const struct tpark_any *set, size_t count)
{
    static const uint8_t unused[sizeof set->reserved];
    if (count == 0 || count > TPARK_ANY_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (memcmp(set[i].reserved, unused, sizeof unused) != 0)
            return false;
    return true;
}

int tpark_park_any(struct tpark_any *set, size_t count, const struct timespec *deadline)
{
    if (!is_valid_set(set, count) || !tpark_is_valid_deadline(deadline))
        return EINVAL;
    try_all(set, count);
    if (is_any_token(set, count))
        return 0;
    if (deadline && tpark_has_passed(deadline))
        return ETIMEDOUT;
    const int saved_errno = errno;
    if (!spin_for_any(set, count, deadline)) {
        const size_t armed = arm_all(set, count);
        const bool has_slept = armed < count || sleep_on_all(set, count, deadline);
        disarm_all(set, armed, has_slept);
        if (!has_slept && !is_any_token(set, count))
            park_at_desk(set, count, deadline);
    }
    errno = saved_errno;
    return is_any_token(set, count) ? 0 : ETIMEDOUT;
}

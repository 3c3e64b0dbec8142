/* SPDX-License-Identifier: MIT */
/*
 * Parks on several parkers at once. There is no new protocol here, and no write to a state word:
 * each parker goes through tpark_try_park(), or tpark_arm() and tpark_disarm(), and between the two
 * the thread sleeps in futex_waitv(2) on all the words.
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
 *
 * Without futex_waitv(2) one thread cannot wait on two words. Then it sleeps on the first word, and
 * looks at the others at intervals that double from FIRST_NS to LAST_NS: a token is found no later
 * than the sleep has lasted already, and an idle thread makes a hundred looks a second.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "backend.h"
#include "deadline.h"

enum { FIRST_NS = 50000, LAST_NS = 10000000 };

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

static void disarm_all(struct tpark_any *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set[i].has_token = tpark_disarm(set[i].parker);
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

/* Sleeps on one of them, at most for so long. */
static void wait_for_first(struct tpark *p, long ns, const struct timespec *deadline)
{
    struct timespec next = tpark_now();
    next.tv_nsec += ns;
    if (next.tv_nsec >= TPARK_NS_PER_S) {
        next.tv_nsec -= TPARK_NS_PER_S;
        next.tv_sec++;
    }
    tpark_backend_wait(p, deadline && tpark_is_before(deadline, &next) ? deadline : &next);
}

/* All are armed. Returns when one has a token, or time is up. */
static void sleep_until_any(const struct tpark_any *set, size_t count,
                            const struct timespec *deadline)
{
    long interval = FIRST_NS;
    while (are_all_parked(set, count) && !(deadline && tpark_has_passed(deadline))) {
        if (count == 1) {
            tpark_backend_wait(set[0].parker, deadline);
        } else if (!tpark_backend_wait_any(set, count, deadline)) {
            wait_for_first(set[0].parker, interval, deadline);
            interval = interval < LAST_NS / 2 ? interval * 2 : LAST_NS;
        }
    }
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
    const size_t armed = arm_all(set, count);
    if (armed == count)
        sleep_until_any(set, count, deadline);
    disarm_all(set, armed);
    errno = saved_errno;
    return is_any_token(set, count) ? 0 : ETIMEDOUT;
}

/* SPDX-License-Identifier: MIT */
/*
 * The protocol: every write to the state word of every parker stands in this file. Each row is a
 * function below:
 *
 *           | who                     | operation            | on success     | otherwise
 *   --------+-------------------------+----------------------+----------------+------------------
 *   give    | any thread              | exchange NOTIFIED    | was EMPTY or   | was PARKED: wake
 *           |                         |                      | NOTIFIED: done |
 *   consume | the owner, at first and | CAS NOTIFIED > EMPTY | token consumed | was EMPTY: arm.
 *           | while it spins, and     |                      |                | was PARKED: sleep
 *           | after each sleep        |                      |                | on, or disarm
 *   arm     | the owner, to sleep     | CAS EMPTY > PARKED   | armed          | was NOTIFIED:
 *           |                         |                      |                | take
 *   take    | the owner: if arm found | exchange EMPTY       | was NOTIFIED:  | was PARKED: timed
 *           | a token; to disarm,     |                      | token consumed | out
 *           | when time is up         |                      |                |
 *   adopt   | a new owner, when the   | CAS PARKED > EMPTY   | the old one    | as it was: a
 *           | old one's process died  |                      | was armed      | token stays
 *
 * No unpark is lost. All of these are atomic read-modify-writes of one word, so they form one
 * sequence, and each reads what the one before it in that sequence wrote. Take any give. If the
 * owner is not armed at that point, its next consume, or else arm, finds NOTIFIED. If it is armed,
 * give reads PARKED and goes on to wake it; the owner's wait either starts after the give, finds a
 * state that is not PARKED, and returns, or started before it, and is woken. In both cases the
 * consume after the sleep finds NOTIFIED.
 *
 * Unless a process dies between its give and its wake. So the owner of a process-shared parker sets
 * `armed` before it arms, and clears it when it has consumed a token or given up; and a give that
 * replaced NOTIFIED wakes too while `armed` stands. Nobody else writes `armed`, so no late clear
 * meets a new mark. Suppose that the owner sleeps beside its token: some give replaced PARKED, and
 * its process died before the wake. `armed` was set before the arm, which that give read from, and
 * every later one reads from that give or a later one: so each sees `armed` set, until the owner is
 * up again, and wakes it. What nobody needs is a wake too many: of a give that comes before the
 * owner has got up.
 *
 * Memory that other processes map may hold anything. A state that no row of the table expects is a
 * token there, which the owner takes: who can write the word could have unparked as well. In memory
 * of this process alone it is a bug, and ends the process. The kernel is asked which it is, since
 * the parker's flags may be a lie too. Nothing else is read through, or indexed by, what another
 * process can write.
 *
 * No unpark is invented, and none counts twice: NOTIFIED comes from give alone, and consume or take
 * replaces it with EMPTY. What merges with an unconsumed token is one token.
 *
 * Why give writes also over NOTIFIED, and take reads with a read-modify-write: the token stands for
 * every unpark that merged into it, so the consuming operation must read from the last of them. An
 * unpark that returned early on reading NOTIFIED would have released nothing; a consumer that
 * stored EMPTY blindly might have read an older one (rust-lang/rust pull requests 99587, 54174).
 *
 * Between its first consume and arm, and after it disarmed, the owner may spin (policy.c,
 * precise.c): it tries to consume again and again.
 *
 * Orders, each with what it pairs with:
 *   - release on give with acquire on consume and take: what the unparker wrote is visible after
 *     the park. With several unparks, each give but the first reads from the one before it, and
 *     being a read-modify-write it carries on that one's release sequence: the consumer, which
 *     reads from the last, synchronises with all.
 *   - release on arm with acquire on give: whoever must wake the owner sees what the owner wrote
 *     before it armed (where it sleeps, for a wake hook; `armed`).
 *   - release on arm with acquire on adopt: the new owner sees what the dead one wrote before it
 *     armed.
 * Nothing else is promised, and nothing is sequentially consistent: the two sides meet on one word,
 * whose modifications are totally ordered in any case. A failed CAS and a plain look at the state
 * publish and acquire nothing, so they are relaxed.
 */
#include "config.h"

#include <errno.h>

#include "annotate.h"
#include "backend.h"
#include "deadline.h"
#include "desk.h"
#include "misuse.h"
#include "park.h"
#include "policy.h"
#include "precise.h"
#include "probes.h"
#include "relax.h"

static const char two_owners[] = "the parker is armed already: two threads park on it";
static const char not_armed[] = "the parker is not armed: two threads park on it, or none";
static const char corrupt[] = "the state word is corrupt";

/* A state that no row expects. Returns if it may be another process' doing: then it is a token. */
TPARK_COLD static void wrong_state(struct tpark *p, uint32_t state, const char *function,
                                   const char *reason)
{
    if (!tpark_is_shared_memory(p))
        tpark_misuse(function, state <= TPARK_NOTIFIED ? reason : corrupt);
}

/* Returns what was there. */
static inline uint32_t take(struct tpark *p)
{
    /* Pairs with give(). */
    const uint32_t seen =
        atomic_exchange_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_acquire);
    ANNOTATE_ACQUIRE(p);
    return seen;
}

/* without_token: the state that the caller expects if there is no token. */
static inline bool consume(struct tpark *p, uint32_t without_token, const char *function)
{
    uint32_t seen = TPARK_NOTIFIED;
    /* Pairs with give(). */
    if (atomic_compare_exchange_strong_explicit(tpark_state_word(p), &seen, TPARK_EMPTY,
                                                memory_order_acquire, memory_order_relaxed)) {
        ANNOTATE_ACQUIRE(p);
        return true;
    }
    if (seen == without_token)
        return false;
    wrong_state(p, seen, function, without_token == TPARK_EMPTY ? two_owners : not_armed);
    take(p);
    return true;
}

/* Relaxed: the arm that follows publishes it; that it is cleared late costs a wake too many. */
static inline void set_armed(struct tpark *p, bool armed)
{
    if (p->flags & TPARK_SHARED)
        atomic_store_explicit(tpark_armed_mark(p), armed, memory_order_relaxed);
}

/* Returns false if there was a token, which is consumed. */
static inline bool arm(struct tpark *p, const char *function)
{
    set_armed(p, true);
    uint32_t seen = TPARK_EMPTY;
    ANNOTATE_RELEASE(p);
    /* Pairs with give(), and with tpark_adopt(). */
    if (atomic_compare_exchange_strong_explicit(tpark_state_word(p), &seen, TPARK_PARKED,
                                                memory_order_release, memory_order_relaxed))
        return true;
    if (seen == TPARK_NOTIFIED)
        seen = take(p);
    if (seen != TPARK_NOTIFIED) {
        wrong_state(p, seen, function, two_owners);
        take(p);
    }
    set_armed(p, false);
    return false;
}

/* Returns whether it consumed a token. */
static inline bool disarm(struct tpark *p, const char *function)
{
    const uint32_t seen = take(p);
    set_armed(p, false);
    if (seen != TPARK_NOTIFIED && seen != TPARK_PARKED)
        wrong_state(p, seen, function, not_armed);
    return seen != TPARK_PARKED;
}

/* Returns what was there. */
static inline uint32_t give(struct tpark *p)
{
    ANNOTATE_RELEASE(p);
    /* Release pairs with consume() and take(), acquire with arm(). */
    const uint32_t replaced =
        atomic_exchange_explicit(tpark_state_word(p), TPARK_NOTIFIED, memory_order_acq_rel);
    ANNOTATE_ACQUIRE(p);
    return replaced;
}

/*
 * What a give has to know of the parker: the flags, and above them what the owner asks of its
 * wakers. Read before the exchange: after it the owner may have consumed the token and freed p.
 */
static inline uint32_t traits_of(struct tpark *p)
{
    /* Relaxed, and pairs with nothing: see policy.c. */
    const uint32_t note = atomic_load_explicit(tpark_note_word(p), memory_order_relaxed);
    return p->flags | note << 16;
}

/* What struct tpark_owed keeps beside the traits: so it is not 0, whatever they are. */
enum { OWED = 1 << 8 };

/* Whether a give that replaced this state owes a wake. Reads the parker only if it is shared. */
static inline bool owes_wake(struct tpark *p, uint32_t traits, uint32_t replaced)
{
    if (replaced == TPARK_NOTIFIED && traits & TPARK_SHARED)
        /* Relaxed: arm() published it, and give() acquired that. */
        return atomic_load_explicit(tpark_armed_mark(p), memory_order_relaxed);
    return replaced != TPARK_NOTIFIED && replaced != TPARK_EMPTY;
}

/* What a give has to do that replaced this state. */
static struct tpark_owed owed_after(struct tpark *p, uint32_t traits, uint32_t replaced,
                                    const char *function)
{
    const bool is_owed = owes_wake(p, traits, replaced);
    if (replaced > TPARK_NOTIFIED) {
        wrong_state(p, replaced, function, corrupt);
        replaced = TPARK_PARKED; /* for all we know */
    }
    return (struct tpark_owed){
        .replaced = (enum tpark_state)replaced,
        .wake = is_owed ? OWED | traits : 0,
        .parker = p,
    };
}

/* The deadline of a timeout that starts now; NULL if it is beyond what a struct timespec holds. */
static const struct timespec *deadline_in(uint64_t timeout_ns, struct timespec *deadline)
{
    const uint64_t last = sizeof(time_t) == sizeof(int64_t) ? INT64_MAX : INT32_MAX;
    *deadline = tpark_now();
    uint64_t s = timeout_ns / TPARK_NS_PER_S;
    uint64_t ns = timeout_ns % TPARK_NS_PER_S + (uint64_t)deadline->tv_nsec;
    s += ns / TPARK_NS_PER_S;
    if (s > last - (uint64_t)deadline->tv_sec)
        return NULL;
    deadline->tv_sec += (time_t)s;
    deadline->tv_nsec = (long)(ns % TPARK_NS_PER_S);
    return deadline;
}

/* Tries as often as the spin has it, and once more: a token wins over a deadline. */
static bool spin_for_token(struct tpark *p, struct tpark_spin *spin, const char *function)
{
    do {
        for (uint32_t i = 0; i < spin->looks; i++) {
            if (consume(p, TPARK_EMPTY, function))
                return true;
            tpark_relax();
        }
    } while (tpark_spin_goes_on(spin));
    return consume(p, TPARK_EMPTY, function);
}

/* Spins as the policy has it. If there was no token, the owner is to sleep now. */
static bool spin_first(struct tpark *p, const struct timespec *deadline, const char *function)
{
    struct tpark_spin spin = tpark_policy_spin(p, deadline);
    if (spin.time_ns && spin_for_token(p, &spin, function)) {
        tpark_policy_has_won(p, &spin);
        return true;
    }
    tpark_policy_goes_to_sleep(p, &spin);
    return false;
}

/* Arms, and sleeps until there is a token, or until alarm (NULL: never). */
static bool sleep_for_token(struct tpark *p, const struct timespec *alarm, const char *function)
{
    if (!arm(p, function))
        return true;
    bool token, is_late;
    do {
        const uint64_t began = tpark_probe_sleep_begin(p);
        tpark_backend_wait(p, alarm);
        token = consume(p, TPARK_PARKED, function);
        is_late = !token && alarm && tpark_has_passed(alarm);
        if (token)
            set_armed(p, false);
        else if (is_late)
            token = disarm(p, function);
        tpark_probe_sleep_end(p, token, is_late, began);
    } while (!token && !is_late);
    tpark_policy_is_back(p, token);
    return token;
}

/* The same, but the end is spun: no longer armed, so that an unpark need not wake anybody. */
TPARK_OUT_OF_LINE static bool sleep_precisely(struct tpark *p, const struct timespec *deadline,
                                              const char *function)
{
    const struct timespec alarm = tpark_precise_alarm(deadline);
    if (!tpark_has_passed(&alarm)) {
        if (sleep_for_token(p, &alarm, function))
            return true;
        tpark_precise_learn(&alarm);
    }
    struct tpark_spin spin = tpark_policy_spin_until(deadline);
    return spin_for_token(p, &spin, function);
}

/* The rest of a park whose first look found no token. */
TPARK_SLOW_PATH static bool wait_for_token(struct tpark *p, const struct timespec *deadline,
                                           const char *function)
{
    const int saved_errno = errno;
    bool token = spin_first(p, deadline, function);
    if (!token)
        token = deadline && p->flags & TPARK_PRECISE ? sleep_precisely(p, deadline, function)
                                                     : sleep_for_token(p, deadline, function);
    errno = saved_errno;
    return token;
}

int tpark_init(struct tpark *p, unsigned flags)
{
    if (!tpark_policy_accepts(flags))
        return EINVAL;
    const int saved_errno = errno;
    p->flags = (uint8_t)flags;
    p->armed = 0;
    p->spin = (uint16_t)(flags >> 16); /* the time of TPARK_SPIN_FIXED_US() */
    const int error = tpark_backend_init(p);
    /* Relaxed: the caller publishes the parker, as any object that it makes. */
    atomic_init(tpark_state_word(p), TPARK_EMPTY);
    errno = saved_errno;
    return error;
}

bool tpark_is_armed(struct tpark *p)
{
    /* Relaxed: it looks for a bug, and decides nothing else. */
    return atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) == TPARK_PARKED;
}

void tpark_require_idle(struct tpark *p, const char *function)
{
    if (tpark_is_armed(p))
        wrong_state(p, TPARK_PARKED, function, "the parker is armed: a thread sleeps on it");
}

void tpark_destroy(struct tpark *p)
{
    tpark_require_idle(p, __func__);
    const int saved_errno = errno;
    tpark_backend_destroy(p);
    errno = saved_errno;
}

void tpark_park(struct tpark *p)
{
    if (!consume(p, TPARK_EMPTY, __func__))
        wait_for_token(p, NULL, __func__);
}

/* Out of the way of polls. */
TPARK_OUT_OF_LINE static int wait_for_time(struct tpark *p, uint64_t timeout_ns,
                                           const char *function)
{
    struct timespec deadline;
    return wait_for_token(p, deadline_in(timeout_ns, &deadline), function) ? 0 : ETIMEDOUT;
}

int tpark_park_timeout(struct tpark *p, uint64_t timeout_ns)
{
    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
    return timeout_ns ? wait_for_time(p, timeout_ns, __func__) : ETIMEDOUT;
}

int tpark_park_until(struct tpark *p, const struct timespec *deadline)
{
    if (!tpark_is_valid_deadline(deadline))
        return EINVAL;
    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
    if (deadline && tpark_has_passed(deadline))
        return ETIMEDOUT;
    return wait_for_token(p, deadline, __func__) ? 0 : ETIMEDOUT;
}

bool tpark_try_park(struct tpark *p)
{
    return consume(p, TPARK_EMPTY, __func__);
}

struct tpark_owed tpark_notify(struct tpark *p)
{
    const uint32_t traits = traits_of(p);
    return owed_after(p, traits, give(p), __func__);
}

void tpark_wake_noted_owner(struct tpark_owed owed)
{
    tpark_probe_wake(owed.parker);
    tpark_backend_wake(owed.parker, owed.wake & TPARK_SHARED);
    tpark_desk_ring(owed.parker);
}

void tpark_wake_owner(struct tpark_owed owed)
{
    if (!owed.wake)
        return;
    const int saved_errno = errno;
    tpark_policy_leave_note(owed.parker, owed.wake);
    tpark_wake_noted_owner(owed);
    errno = saved_errno;
}

/* Out of the way of the unparks that are done with their exchange. */
TPARK_SLOW_PATH static enum tpark_state finish_unpark(struct tpark *p, uint32_t traits,
                                                      uint32_t replaced)
{
    const struct tpark_owed owed = owed_after(p, traits, replaced, "tpark_unpark");
    tpark_wake_owner(owed);
    return owed.replaced;
}

enum tpark_state tpark_unpark(struct tpark *p)
{
    const uint32_t traits = traits_of(p);
    const uint32_t replaced = give(p);
    return owes_wake(p, traits, replaced) ? finish_unpark(p, traits, replaced)
                                          : (enum tpark_state)replaced;
}

bool tpark_arm(struct tpark *p)
{
    return arm(p, __func__);
}

bool tpark_disarm(struct tpark *p)
{
    const int saved_errno = errno;
    const bool token = disarm(p, __func__);
    tpark_policy_is_back(p, token);
    errno = saved_errno;
    return token;
}

bool tpark_disarm_unslept(struct tpark *p)
{
    return disarm(p, "tpark_disarm");
}

bool tpark_spin(struct tpark *p, const struct timespec *deadline)
{
    const int saved_errno = errno;
    const bool token = consume(p, TPARK_EMPTY, __func__) || spin_first(p, deadline, __func__);
    errno = saved_errno;
    return token;
}

enum tpark_state tpark_adopt(struct tpark *p)
{
    set_armed(p, false);
    uint32_t seen = TPARK_PARKED;
    /* Pairs with arm(), of the old owner. */
    atomic_compare_exchange_strong_explicit(tpark_state_word(p), &seen, TPARK_EMPTY,
                                            memory_order_acquire, memory_order_relaxed);
    return seen <= TPARK_NOTIFIED ? (enum tpark_state)seen : TPARK_NOTIFIED;
}

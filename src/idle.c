/* SPDX-License-Identifier: MIT */
/*
 * A set of idle owners: a list under a lock, and a look at its head without the lock.
 *
 *        | owner                             | producer
 *   -----+-----------------------------------+------------------------------------
 *        | Q  looks for work, finds none     | P  pushes work
 *        | I  enters the list, under the lock|
 *        | F1 fence                          | F2 fence
 *        | L  looks once more                | H  looks at the head
 *        | parks, or leaves the list         | takes owners off the list, under the
 *        |                                   | lock, and gives each a token after it
 *
 * No work is lost: an owner never sleeps while there is work of which no owner has been told. Take
 * any P, and an owner that has gone through I. The fences are sequentially consistent, so one comes
 * first. If F2 comes before F1, L finds what P pushed, whatever memory order the queue has. If F1
 * comes before F2, H reads the head that I wrote, or a later one:
 *   - not empty: the producer takes the lock. It takes the owner, or another one that is newer, or
 *     finds the list empty by now.
 *   - empty, here or under the lock: somebody has taken the owner off the list after I, and it is
 *     not in the list now. So it has a token, or it cancelled and has found work. Either way it
 *     goes through I again before it sleeps again, and that I comes after the look that found the
 *     list empty, since a later head cannot be read before an earlier one, nor can the lock be had
 *     in another order. If it was the look under the lock, that I happens after P. If it was H,
 *     F2 comes before the next F1: else H would have read what the next I wrote, or a later head.
 *     In both cases the next L finds what P pushed.
 *
 * No wake is lost, and none counts twice: who is on the list is decided under the lock. Whoever
 * took an owner off it owes the owner one token, and gives it after the lock, so that nobody runs
 * into the lock right after a wake. From CHOSEN on the owner's place is the producer's, which walks
 * from one to the next; with GIVEN it is the owner's again, and only then the token is given. So an
 * owner that has a token and is not GIVEN yet has somebody else's, and parks for its own, which is
 * on its way; so does an owner that finds itself chosen when it cancels. (GIVEN with somebody
 * else's token is also possible, and looks the same: then the one that was meant is left for the
 * next park, which ends for no reason, as it may for whoever shares a parker.)
 *
 * The owner reads its place without the lock, and then trusts only what is no longer IDLE: the lock
 * alone decides whether it still is.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>

#include "misuse.h"
#include "tpark_idle.h"

enum place { OUTSIDE, IDLE, CHOSEN, GIVEN };

/* How many tokens are given before the first wake. */
enum { BATCH = 32 };

/* As with the state word of a parker (backend.h), the header's plain types are atomic ones. */
static struct tpark_idler *_Atomic *newest_of(struct tpark_idle *idle)
{
    return (void *)&idle->newest;
}

static _Atomic uint32_t *place_of(struct tpark_idler *me)
{
    return (_Atomic uint32_t *)&me->place;
}

/* Relaxed: the lock orders them, or the fences and the token do, as argued above. */
static struct tpark_idler *look_at_newest(struct tpark_idle *idle)
{
    return atomic_load_explicit(newest_of(idle), memory_order_relaxed);
}

static void set_newest(struct tpark_idle *idle, struct tpark_idler *newest)
{
    atomic_store_explicit(newest_of(idle), newest, memory_order_relaxed);
}

static uint32_t look_at_place(struct tpark_idler *me)
{
    return atomic_load_explicit(place_of(me), memory_order_relaxed);
}

static void set_place(struct tpark_idler *me, enum place place)
{
    atomic_store_explicit(place_of(me), (uint32_t)place, memory_order_relaxed);
}

/* With the lock. */
static void take_off(struct tpark_idle *idle, struct tpark_idler *me)
{
    if (me->newer)
        me->newer->older = me->older;
    else
        set_newest(idle, me->older);
    if (me->older)
        me->older->newer = me->newer;
    set_place(me, OUTSIDE);
}

/* Returns whether the owner has left the set: else a wake has chosen it. */
static bool leave(struct tpark_idle *idle, struct tpark_idler *me)
{
    if (look_at_place(me) != IDLE)
        return false;
    pthread_mutex_lock(&idle->lock);
    const bool is_idle = look_at_place(me) == IDLE;
    if (is_idle)
        take_off(idle, me);
    pthread_mutex_unlock(&idle->lock);
    return is_idle;
}

/* Takes the token of the wake that has chosen the owner, unless that is the one that it has. */
static void finish(struct tpark_idler *me, bool has_token)
{
    /* Pairs with the release of GIVEN: the producer has read all that it needs of the place. */
    if (!has_token || atomic_load_explicit(place_of(me), memory_order_acquire) != GIVEN)
        tpark_park(me->parker);
    set_place(me, OUTSIDE);
}

static void require_prepared(struct tpark_idler *me, const char *function)
{
    if (look_at_place(me) == OUTSIDE)
        tpark_misuse(function, "the owner did not prepare");
}

void tpark_idle_destroy(struct tpark_idle *idle)
{
    if (look_at_newest(idle))
        tpark_misuse(__func__, "an owner is in the set");
    pthread_mutex_destroy(&idle->lock);
}

void tpark_idle_prepare(struct tpark_idle *idle, struct tpark_idler *me)
{
    if (look_at_place(me) != OUTSIDE)
        tpark_misuse(__func__, "the owner is in a set already");
    pthread_mutex_lock(&idle->lock);
    me->newer = NULL;
    me->older = look_at_newest(idle);
    if (me->older)
        me->older->newer = me;
    set_place(me, IDLE);
    set_newest(idle, me);
    pthread_mutex_unlock(&idle->lock);
    /* Pairs with the fence of tpark_idle_wake(). */
    atomic_thread_fence(memory_order_seq_cst);
}

bool tpark_idle_cancel(struct tpark_idle *idle, struct tpark_idler *me)
{
    require_prepared(me, __func__);
    const bool has_left = leave(idle, me);
    if (!has_left)
        finish(me, false);
    return has_left;
}

int tpark_idle_commit(struct tpark_idle *idle, struct tpark_idler *me,
                      const struct timespec *deadline)
{
    require_prepared(me, __func__);
    const int error = tpark_park_until(me->parker, deadline);
    if (error == EINVAL)
        return EINVAL;
    if (leave(idle, me))
        return error ? ETIMEDOUT : EAGAIN;
    finish(me, error == 0);
    return 0;
}

/* Takes the newest owners off the list, as many as there are: a list of their own. */
static struct tpark_idler *choose(struct tpark_idle *idle, size_t count)
{
    pthread_mutex_lock(&idle->lock);
    struct tpark_idler *const first = look_at_newest(idle);
    struct tpark_idler *last = NULL;
    struct tpark_idler *rest = first;
    for (; rest && count; count--) {
        set_place(rest, CHOSEN);
        last = rest;
        rest = rest->older;
    }
    set_newest(idle, rest);
    if (rest)
        rest->newer = NULL;
    if (last)
        last->older = NULL;
    pthread_mutex_unlock(&idle->lock);
    return first;
}

/* The tokens first: who is awake takes its own before the first system call. */
static size_t unpark_all(struct tpark_idler *first)
{
    size_t count = 0;
    while (first) {
        struct tpark_owed owed[BATCH];
        size_t n = 0;
        for (; first && n < BATCH; n++) {
            struct tpark *const parker = first->parker;
            struct tpark_idler *const next = first->older;
            /* Pairs with the acquire in finish(). */
            atomic_store_explicit(place_of(first), GIVEN, memory_order_release);
            owed[n] = tpark_notify(parker);
            first = next;
        }
        for (size_t i = 0; i < n; i++)
            tpark_wake_owner(owed[i]);
        count += n;
    }
    return count;
}

size_t tpark_idle_wake(struct tpark_idle *idle, size_t count)
{
    /* Pairs with the fence of tpark_idle_prepare(). */
    atomic_thread_fence(memory_order_seq_cst);
    if (!look_at_newest(idle) || count == 0)
        return 0;
    return unpark_all(choose(idle, count));
}

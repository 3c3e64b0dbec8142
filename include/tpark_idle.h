/* SPDX-License-Identifier: MIT */
/*
 * Who to wake: a set of idle owners, the newest first.
 *
 * For schedulers, where whoever makes work wakes one of many owners, and does not care which, as
 * long as it is an idle one. A layer over parkers, with one owner's place in the set for each:
 *
 *     a worker that has found nothing to do          whoever makes work
 *
 *     tpark_idle_prepare(&idle, &me);                push(task);
 *     task = pop();                                  tpark_idle_wake(&idle, 1);
 *     if (!task)
 *         tpark_idle_commit(&idle, &me, NULL);
 *     else if (!tpark_idle_cancel(&idle, &me))
 *         tpark_idle_wake(&idle, 1);
 *
 * and then the worker looks for work again. No task is lost: a worker that looks after its prepare
 * finds what was pushed before a wake that did not see the worker, whatever the queue is made of.
 * Each wake chooses another owner, and takes it out of the set, so that one wake of two and two
 * wakes of one are the same. The owner that has been idle for the shortest time is chosen first:
 * its cache is the warmest, and its CPU sleeps the least deeply.
 *
 * Anybody may unpark a parker of the set besides, by its address: that chooses nobody.
 */
#ifndef TPARK_IDLE_H
#define TPARK_IDLE_H

#include <pthread.h>

#include "tpark.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The set. On a cache line of its own it disturbs nobody. */
struct tpark_idle {
    pthread_mutex_t lock;
    struct tpark_idler *newest; /* tpark's, as is the lock */
};

/* A set of nobody: struct tpark_idle idle = TPARK_IDLE_INIT; */
#define TPARK_IDLE_INIT                                                                            \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, NULL                                                            \
    }

/* An owner's place in the set, one set at a time. struct tpark_idler me = { .parker = &parker }; */
struct tpark_idler {
    struct tpark *parker; /* the owner's */
    struct tpark_idler *newer, *older;
    uint32_t place; /* tpark's, as are the two above; 0 outside of any set */
};

/*
 * Ends the set's life. The owners' parkers stay as they are.
 *
 * Errors     Aborts if an owner is in the set.
 * Ordering   None.
 * Context    When no call on the set is running or will follow. Not async-signal-safe.
 */
TPARK_API void tpark_idle_destroy(struct tpark_idle *idle) TPARK_NONNULL(1);

/*
 * Puts an owner into the set. It then looks for work once more, and goes on by one of
 * tpark_idle_commit() and tpark_idle_cancel(); until then it parks nowhere else.
 *
 * Errors     Aborts if the owner is in a set already.
 * Ordering   What was done before any tpark_idle_wake() that did not see the owner in the set
 *            happens before what the owner does next: the two hold sequentially consistent fences.
 * Context    The owner. Not async-signal-safe.
 */
TPARK_API void tpark_idle_prepare(struct tpark_idle *idle, struct tpark_idler *me)
    TPARK_NONNULL(1, 2);

/*
 * Takes the owner out of the set, since it has found work after all. If a wake has chosen it
 * meanwhile, consumes the token of that wake, which was meant for somebody idle: the owner may
 * hand it on by tpark_idle_wake(idle, 1).
 *
 * Returns    true: nobody has chosen the owner. false: a wake has, and counts it as woken.
 * Errors     Aborts if the owner did not prepare.
 * Ordering   Acquire if it returned false, else none.
 * Context    As tpark_idle_prepare().
 */
TPARK_API TPARK_MUST_USE bool tpark_idle_cancel(struct tpark_idle *idle, struct tpark_idler *me)
    TPARK_NONNULL(1, 2);

/*
 * Parks until a wake chooses the owner, which is then out of the set.
 *
 * Returns    0: a wake has chosen the owner. ETIMEDOUT: the deadline has passed, and none has.
 *            EAGAIN: somebody else unparked the parker, and no wake has chosen the owner. EINVAL:
 *            not a time; the owner stays in the set.
 * Units      As tpark_park_until(); NULL is no deadline.
 * Errors     EINVAL if tv_nsec is not in 0..999999999. Aborts if the owner did not prepare.
 * Ordering   Acquire if it returned 0 or EAGAIN, else none.
 * Context    As tpark_idle_prepare(). If nobody else unparks the parker it may end its life right
 *            after, as after tpark_park(); else the token of the wake may be yet to come.
 * Semantics  Of prepare, cancel, commit and wake: Eigen and folly, EventCount.
 */
TPARK_API int tpark_idle_commit(struct tpark_idle *idle, struct tpark_idler *me,
                                const struct timespec *deadline) TPARK_NONNULL(1, 2);

/*
 * Chooses so many owners, or all that there are, the newest first, and unparks them: the tokens
 * first, then the wakes. If the set is empty it costs a fence and one load.
 *
 * Returns    How many it has chosen.
 * Units      Owners; SIZE_MAX for all.
 * Errors     None.
 * Ordering   As tpark_unpark() with each that it has chosen; with all others, see
 *            tpark_idle_prepare().
 * Context    Any thread. Not async-signal-safe.
 */
TPARK_API size_t tpark_idle_wake(struct tpark_idle *idle, size_t count) TPARK_NONNULL(1);

#ifdef __cplusplus
}
#endif

#endif /* TPARK_IDLE_H */

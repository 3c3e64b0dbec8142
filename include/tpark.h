/* SPDX-License-Identifier: MIT */
/*
 * tpark parks a thread until another thread unparks it.
 *
 * A parker holds at most one token. Unpark gives the token, and merges with one that is already
 * there. Park consumes the token, and sleeps until there is one. So an unpark is never lost, in
 * whatever order the two threads arrive, and a spurious wakeup never ends a park.
 *
 * Three ways to own a parker:
 *
 *   struct tpark            embed it anywhere; whoever unparks it needs its address: this file
 *   struct tpark_thread     reference-counted: one owner parks, any number of struct tpark_unparker
 *                           and struct tpark_waker unpark it, and every handle may die first:
 *                           tpark_handles.h
 *   tpark_current_*()       the calling thread's own, made on first use: tpark_handles.h
 *
 * tpark_any.h lets one owner sleep on several parkers. This file includes these two. Apart is
 * tpark_idle.h, a set of idle owners.
 *
 * One thread at a time parks on a parker: its owner. Ownership may move to another thread if the
 * program orders the two threads' calls (a mutex, a join, a message). Two threads that park on one
 * parker at once are a bug, reported by abort() where it is seen.
 *
 * What holds for every function, unless it says otherwise:
 *
 *   Time       Deadlines are absolute times of CLOCK_MONOTONIC; steps of the wall clock do not
 *              move them. The clock stands still while the machine is suspended.
 *   errno      is left as it was.
 *   Cancel     No function is a cancellation point, nor may one be cancelled asynchronously.
 *   Jumps      Who leaves between tpark_arm() and tpark_disarm() (by longjmp(), an exception, a
 *              panic), or leaves a park from a signal handler (by siglongjmp()), leaves the parker
 *              armed. The way back is tpark_disarm(), before any other call of the owner's; it says
 *              whether a token was there. With the pthread backend nothing leads back out of a
 *              park: leave the parker alone.
 *   Misuse     One line on stderr that names the function and the reason, then abort(). A null
 *              pointer crashes; the compiler warns of it. Use after free is undefined.
 *   Peers      Whatever another process writes into a parker in shared memory (futex backend), and
 *              whenever, it only makes parks end with a token that nobody gave, late at their
 *              deadline or, without one, never, and costs time. A corrupt word does not abort.
 *   Ordering   What a thread did before an unpark happens before what the owner does after the
 *              park that consumed the token: with every one of the unparks that merged into it.
 *              Nothing more: a thread that skips an unpark because of another variable needs a
 *              sequentially consistent fence between its write and its read of that variable, and
 *              so does the owner between its write and its park.
 *   Signals    "Async-signal-safe" says that a function may be called from a signal handler, also
 *              one that interrupted any tpark function on the same parker.
 */
#ifndef TPARK_H
#define TPARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct timespec; /* a strict C99 has none in time.h */

#include "tpark_compiler.h"

#define TPARK_VERSION_MAJOR 0
#define TPARK_VERSION_MINOR 2
#define TPARK_VERSION_PATCH 0
#define TPARK_VERSION "0.2.0"

/*
 * The layout: struct tpark, TPARK_INIT_FLAGS and the feature macros of the backend that the
 * library was built with. Defines
 *
 *   TPARK_BACKEND_FUTEX 1 or TPARK_BACKEND_PTHREAD 1
 *   TPARK_SIZEOF_TIME_T      sizeof(time_t) in the library
 *   TPARK_HAS_FUTEX_WORD     1 where tpark_futex_word() exists
 *   TPARK_LAYOUT             a uint32_t: two programs may share a parker if it is the same in both.
 *                            Keep it beside the parker, and compare. With the futex backend it is
 *                            the same for 32-bit and 64-bit programs.
 *
 * A program that defines TPARK_HANDLES_ONLY sees no layout, but handles, wakers and the current
 * thread's parker. Linked with the library tpark-handles, it runs on either backend's.
 */
#include "tpark_backend.h"

/* A wake of the futex backend makes a system call, but never waits. */
#ifdef TPARK_BACKEND_FUTEX
#define TPARK_NONBLOCKING_WAKE TPARK_NONBLOCKING
#else
#define TPARK_NONBLOCKING_WAKE
#endif

#if defined(__cplusplus) && __cplusplus >= 201103L
static_assert(sizeof(time_t) == TPARK_SIZEOF_TIME_T, "tpark was built with another time_t");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(time_t) == TPARK_SIZEOF_TIME_T, "tpark was built with another time_t");
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of the library that runs, to compare with TPARK_VERSION, which was compiled against.
 *
 * Returns    As "0.2.0".
 * Context    Any. Async-signal-safe.
 */
TPARK_API const char *tpark_version(void) TPARK_NONBLOCKING;

/* The three states. tpark_notify() and tpark_unpark() say which one they replaced. */
enum tpark_state {
    TPARK_EMPTY = 0,    /* no token */
    TPARK_PARKED = 1,   /* no token, and the owner sleeps, or is about to */
    TPARK_NOTIFIED = 2, /* a token */
};

/* What tpark_notify() did, and the wake that it leaves to its caller, if any. */
struct tpark_owed {
    enum tpark_state replaced;
    uint32_t wake; /* 0: nobody is to be woken; else tpark's */
    struct tpark *parker;
};

/*
 * Flags of a parker. At most one of them may be a policy: what a park does when there is no token
 * yet, before it sleeps. Without one the library's default holds, chosen when it was built. While
 * the owner spins an unpark need not wake it. No spin goes beyond the deadline of a park, and a
 * timeout of 0 never spins.
 */
enum {
    TPARK_SHARED = 1u << 0, /* other processes that map the parker's memory use it too */

    /* Meet deadlines to a few microseconds: a park with a deadline sleeps until at most 100 us
     * before it, and spins the rest. */
    TPARK_PRECISE = 1u << 1,

    TPARK_SPIN_NEVER = 1u << 2, /* a policy: sleep at once */

    /* A policy: spin for at most 100 us where that is expected to cost no more CPU time, of both
     * threads, than sleeping. The owner learns from its last waits what the next one will be like,
     * and from its sleeps what a sleep costs. */
    TPARK_SPIN_ADAPTIVE = 1u << 3,

    TPARK_SPIN_FIXED = 1u << 4, /* a part of TPARK_SPIN_FIXED_US() */

    /* Sleeps with a deadline keep the thread's timer slack, to save power. Else the futex backend
     * sleeps without slack where the kernel can. Not together with TPARK_PRECISE. */
    TPARK_SLACK = 1u << 5,
};

/*
 * A policy: TPARK_SPIN_ADAPTIVE at a price. 0: latency is worth nothing, so that spinning is to
 * cost no more CPU time than sleeping. 1: a microsecond of latency is worth a microsecond of CPU
 * time. 2: it is worth four. 3: sixteen, so that the owner spins whenever a token is likely to come
 * within 100 us.
 */
#define TPARK_SPIN_PRICE(price)                                                                    \
    (TPARK_CAST(unsigned, TPARK_SPIN_ADAPTIVE) | TPARK_CAST(unsigned, price) << 6)

/*
 * A policy: spin for so many microseconds; a negative time is 0, and more than 65535 are 65535. An
 * owner that may use one CPU only sleeps at once if its waker used that too when it last slept, or
 * if it has not slept yet; with TPARK_SHARED, where it cannot know, it spins.
 */
#define TPARK_SPIN_FIXED_US(us) (TPARK_CAST(unsigned, TPARK_SPIN_FIXED) | TPARK_AS_U16(us) << 16)

#ifndef TPARK_HANDLES_ONLY

/* A private parker without a token: struct tpark p = TPARK_INIT; */
#define TPARK_INIT TPARK_INIT_FLAGS(0)

/* ---------------------------------------------------------------------- the embedded parker -- */

/*
 * Makes an empty parker with these flags. A parker that TPARK_INIT or TPARK_INIT_FLAGS initialised
 * needs no tpark_init(). (They check nothing: an unknown flag is ignored, and of several policies
 * the first in the list above holds.)
 *
 * Returns    0, or an error number.
 * Errors     EINVAL: an unknown flag, more than one policy, or TPARK_SLACK with TPARK_PRECISE.
 *            Pthread backend: what pthread_mutex_init() or pthread_cond_init() returned.
 * Ordering   None: hand the parker to other threads as you would any object.
 * Context    While no other thread uses the parker. Not async-signal-safe.
 */
TPARK_API TPARK_MUST_USE int tpark_init(struct tpark *p, unsigned flags) TPARK_NONNULL(1);

/*
 * Ends a parker's life, after which its memory may be used for anything. A token that is there is
 * gone. With the futex backend it only looks for misuse.
 *
 * Errors     Aborts if the parker is armed: somebody sleeps on it.
 * Ordering   None.
 * Context    When no call on the parker is running or will follow, with one exception: with the
 *            futex backend and without TPARK_SHARED, whoever has consumed a token may destroy and
 *            free the parker while the tpark_unpark() or tpark_notify() that gave it has yet to
 *            return, or its tpark_wake_owner() has yet to be called. Not async-signal-safe.
 */
TPARK_API void tpark_destroy(struct tpark *p) TPARK_NONNULL(1);

/*
 * Sleeps until there is a token, and consumes it. Returns at once if there is one.
 *
 * Errors     Aborts if another thread parks on this parker at this moment.
 * Ordering   Acquire: see the top of this file. Release: what the owner did before it is visible to
 *            the unpark that returns TPARK_PARKED.
 * Context    The owner. Not async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, ParkThread::park, which may also return spuriously on
 *            shutdown; this does not.
 */
TPARK_API void tpark_park(struct tpark *p) TPARK_NONNULL(1);

/*
 * Like tpark_park(), but gives up when timeout_ns have passed. Never gives up earlier. Takes a
 * token that is there whatever the timeout.
 *
 * Returns    0: a token was consumed. ETIMEDOUT: time is up, and no token was consumed.
 * Units      Nanoseconds from the call. 0 looks for a token and never sleeps. A timeout whose
 *            deadline does not fit into a struct timespec is no timeout.
 * Errors     Aborts as tpark_park() does.
 * Ordering   Acquire if it returned 0, else none.
 * Context    The owner. Not async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, ParkThread::park_timeout; the results are POSIX's of
 *            pthread_cond_timedwait().
 */
TPARK_API int tpark_park_timeout(struct tpark *p, uint64_t timeout_ns) TPARK_NONNULL(1);

/*
 * Like tpark_park_timeout(), with an absolute deadline.
 *
 * Returns    0: a token was consumed. ETIMEDOUT: the deadline has passed, and no token was
 *            consumed. EINVAL: not a time.
 * Units      A time of CLOCK_MONOTONIC; NULL is no timeout; negative seconds are long past.
 * Errors     EINVAL if tv_nsec is not in 0..999999999: looked at first, and a token stays where
 *            it is. Aborts as tpark_park() does.
 * Ordering   Acquire if it returned 0, else none.
 * Context    The owner. Not async-signal-safe.
 * Semantics  As tpark_park_timeout().
 */
TPARK_API int tpark_park_until(struct tpark *p, const struct timespec *deadline) TPARK_NONNULL(1);

/*
 * Consumes the token if there is one. Never sleeps.
 *
 * Returns    Whether it consumed a token.
 * Errors     Aborts if another thread parks on this parker at this moment.
 * Ordering   Acquire if it returned true, else none.
 * Context    The owner. Async-signal-safe while the owner is in no other call on this parker.
 */
TPARK_API bool tpark_try_park(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * Gives the token, and wakes the owner if it sleeps: tpark_notify(), then tpark_wake_owner(). Makes
 * a system call (or takes a mutex, with the pthread backend) only if it replaced TPARK_PARKED; with
 * TPARK_SHARED also if the token merges while the owner sleeps, since the process that gave it may
 * have died before its wake.
 *
 * Returns    The state that it replaced. TPARK_NOTIFIED: the token merged with one that was there.
 * Errors     Aborts if the state word was corrupt, unless other processes can write it.
 * Ordering   Release, and acquire of what the owner did before it armed if it returned
 *            TPARK_PARKED.
 * Context    Any thread, also the owner. Futex backend: async-signal-safe; with TPARK_SHARED, any
 *            process that maps the parker; after the exchange it touches nothing of a parker
 *            without TPARK_SHARED. Pthread backend: not async-signal-safe.
 * Waits for  Futex backend: nothing, unless the kernel has no memory for the wake of a parker with
 *            TPARK_SHARED: then for a second at most. Pthread backend: the parker's mutex, which
 *            the owner has for some instructions when it goes to sleep and when it is up again. An
 *            owner that was preempted there inherits the priority of who waits, if tpark_init()
 *            made the parker and the system can do that; but the C library's condition variable
 *            may have locks of its own.
 * Semantics  Tokio, runtime/park.rs, UnparkThread::unpark.
 */
TPARK_API enum tpark_state tpark_unpark(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING_WAKE;

/* ------------------------------------------------------------------------------- the halves -- */

/*
 * The first half of tpark_unpark(): gives the token. For callers that want the system call out of
 * a critical section, or whose owner blocks in a place of its own.
 *
 * Returns    The state that it replaced, and whether it left a wake to its caller: then the caller
 *            owes the owner a tpark_wake_owner(), or the wake of the place where the owner blocks.
 * Errors     As tpark_unpark().
 * Ordering   As tpark_unpark().
 * Context    Any thread. Async-signal-safe with either backend.
 */
TPARK_API TPARK_MUST_USE struct tpark_owed tpark_notify(struct tpark *p)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * The second half of tpark_unpark(): wakes the owner from its sleep, if a wake is owed; gives no
 * token. A wake too many is harmless.
 *
 * Errors     None.
 * Ordering   None: the token carries it.
 * Context    Any thread. Futex backend: async-signal-safe; touches nothing of a parker without
 *            TPARK_SHARED, whose memory need no longer be there. Pthread backend: not
 *            async-signal-safe.
 */
TPARK_API void tpark_wake_owner(struct tpark_owed owed) TPARK_NONBLOCKING_WAKE;

/*
 * The first half of a park: announces that the owner is about to sleep, so that the next unpark
 * wakes it, unless a token is there, which it then consumes. Armed, the owner blocks where it
 * likes until it is woken, and then calls tpark_disarm(); between the two it makes no other call
 * on this parker than tpark_unpark() and its halves.
 *
 * Returns    true: armed. false: a token was there and has been consumed; do not sleep.
 * Errors     Aborts if the parker is armed already, unless other processes can write it.
 * Ordering   true: release; an unpark that returns TPARK_PARKED sees what came before. false:
 *            acquire.
 * Context    The owner. Not async-signal-safe.
 */
TPARK_API TPARK_MUST_USE bool tpark_arm(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * The second half of a park: takes back the announcement of tpark_arm().
 *
 * Returns    Whether it consumed a token.
 * Errors     Aborts if the parker was not armed, where it can tell.
 * Ordering   Acquire if it returned true, else none.
 * Context    The owner, after tpark_arm() returned true. Not async-signal-safe.
 */
TPARK_API TPARK_MUST_USE bool tpark_disarm(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * Makes the caller the owner of a parker whose owner's process has died, at any point of a park.
 * Others may unpark it meanwhile. A token that is there stays.
 *
 * Returns    The state that it found. TPARK_PARKED: the dead owner was armed.
 * Errors     None.
 * Ordering   Acquire of what the dead owner did before it armed, if it returned TPARK_PARKED.
 * Context    One process at a time, after the old owner's death in an order that the program
 *            makes: by waitpid(), a robust mutex, the end of a socket, or the like. Futex backend:
 *            TPARK_SHARED. Pthread backend: without effect on a mutex that the dead owner held.
 */
TPARK_API enum tpark_state tpark_adopt(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * What a park does before it sleeps, for an owner that then arms and blocks in a place of its own:
 * tries for the token as long as the parker's policy has it. The adaptive policy learns from the
 * tpark_disarm() that ends the sleep, if no other park on this parker came in between.
 *
 * Returns    Whether it consumed a token.
 * Units      deadline: a time of CLOCK_MONOTONIC, beyond which it does not spin; NULL: none.
 * Errors     Aborts as tpark_park() does.
 * Ordering   Acquire if it returned true, else none.
 * Context    The owner, not armed. Not async-signal-safe.
 */
TPARK_API TPARK_MUST_USE bool tpark_spin(struct tpark *p, const struct timespec *deadline)
    TPARK_NONNULL(1);

#if TPARK_HAS_FUTEX_WORD
/*
 * The state word, for an owner that has armed and waits on it while it is TPARK_PARKED:
 * futex_waitv(), io_uring's FUTEX_WAIT, or anything else that waits on a 32-bit futex.
 * Wait with FUTEX_PRIVATE_FLAG if, and only if, the parker has no TPARK_SHARED. At most one wait
 * may be queued on the word: cancel and reap a stale one (in a ring) before the next tpark_arm(),
 * park or free, or it takes the wake that the next sleep needs. Never write to the word.
 * Through io_uring, use TPARK_SHARED, or start a thread first: the kernel loses a private wait
 * that was queued there while the process had a single thread, once there is a second one.
 *
 * Returns    The address of the word, as long as the parker lives.
 * Context    Any thread. Async-signal-safe.
 */
TPARK_API uint32_t *tpark_futex_word(struct tpark *p) TPARK_NONNULL(1) TPARK_NONBLOCKING;
#endif

#endif /* TPARK_HANDLES_ONLY */

/* ------------------------------------------------------------------------------- the kernel -- */

/*
 * Asks the kernel for more room for this process' private futexes, of whatever library. Where
 * thousands of threads sleep it makes wakes several times as fast, if there are as many slots as
 * sleepers; the manual page says why. The library never does so by itself.
 *
 * Returns    0, or an error number. 0 also if there are as many slots already.
 * Units      slots: rounded up to a power of 2. 1 to 2^30.
 * Errors     EINVAL: slots is out of range. ENOSYS: the kernel has no such table; before Linux 6.16
 *            there is one large table for all processes. ENOMEM, EBUSY: the kernel's own.
 * Ordering   None.
 * Context    Any thread; best before the process starts its threads. Not async-signal-safe. Makes
 *            the system call prctl(PR_FUTEX_HASH): not for sandboxes that kill for it.
 */
TPARK_API int tpark_grow_futex_hash(unsigned slots);

#ifdef __cplusplus
}
#endif

#ifndef TPARK_HANDLES_ONLY
#include "tpark_any.h"
#endif
#include "tpark_handles.h"

#endif /* TPARK_H */

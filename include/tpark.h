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
 *   struct tpark            embed it anywhere; whoever unparks it needs its address
 *   struct tpark_thread     reference-counted: one owner parks, any number of struct tpark_unparker
 *                           and struct tpark_waker unpark it, and every handle may die first
 *   tpark_current_*()       the calling thread's own, made on first use
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

#define TPARK_VERSION_MAJOR 0
#define TPARK_VERSION_MINOR 2
#define TPARK_VERSION_PATCH 0
#define TPARK_VERSION "0.2.0"

/* Compiler extensions, kept to this place. */
#if defined(__GNUC__)
#ifndef TPARK_API /* the library's own sources have theirs */
#define TPARK_API __attribute__((visibility("default")))
#endif
#define TPARK_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define TPARK_MUST_USE __attribute__((warn_unused_result))
#else
#ifndef TPARK_API
#define TPARK_API
#endif
#define TPARK_NONNULL(...)
#define TPARK_MUST_USE
#endif
/* What never blocks, allocates or takes a lock; a compiler that knows real time checks callers. */
#if defined(__has_attribute)
#if __has_attribute(nonblocking)
#define TPARK_NONBLOCKING __attribute__((nonblocking))
#endif
#endif
#ifndef TPARK_NONBLOCKING
#define TPARK_NONBLOCKING
#endif
#ifdef __cplusplus
#define TPARK_CAST(type, value) static_cast<type>(value)
#else
#define TPARK_CAST(type, value) ((type)(value))
#endif

/*
 * The layout: struct tpark, TPARK_INIT_FLAGS and the feature macros of the backend that the
 * library was built with. (A copy of the sources is built with what this header then finds: the
 * futex backend, or pthread where TPARK_BACKEND_PTHREAD is defined for all files.) Defines
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

/* A number of any type as 0 to 65535. Evaluates it once, and makes a constant of a constant. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define TPARK_INLINE constexpr
#else
#define TPARK_INLINE static inline
#endif
TPARK_INLINE unsigned tpark_as_u16(double value)
{
    return value < 1 ? 0 : value < 65535 ? TPARK_CAST(unsigned, value) : 65535;
}
#if defined(__GNUC__) && !defined(__cplusplus)
#define TPARK_AS_U16(value)                                                                        \
    __builtin_choose_expr(__builtin_constant_p(value),                                             \
                          (value) > 0 ? (value) + 0LL < 65535 ? (unsigned)(value) : 65535u : 0u,   \
                          tpark_as_u16((double)(value)))
#else
#define TPARK_AS_U16(value) tpark_as_u16(TPARK_CAST(double, value))
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
 * gone. Does nothing with the futex backend but look for misuse.
 *
 * Errors     Aborts if the parker is armed: somebody sleeps on it.
 * Ordering   None.
 * Context    When no call on the parker is running or will follow, with one exception: with the
 *            futex backend and without TPARK_SHARED, whoever has consumed a token may destroy and
 *            free the parker while the tpark_unpark() or tpark_notify() that gave it has yet to
 *            return, or its tpark_wake_owner() has yet to be called. Not
 *            async-signal-safe.
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
 * Context    One process at a time, when the old owner is surely gone. Futex backend: TPARK_SHARED.
 *            Pthread backend: without effect on a mutex that the dead owner held.
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

/* ---------------------------------------------------------------------------- any of several -- */

/* One of the parkers that tpark_park_any() looks at, and what it found there. */
struct tpark_any {
    struct tpark *parker;
    bool has_token; /* written by tpark_park_any(): the token was there, and has been consumed */
    uint8_t reserved[7]; /* 0 */
};

enum { TPARK_ANY_MAX = 128 }; /* what the kernel takes */

/*
 * tpark_park_until() on several parkers at once, all of them the caller's, private and
 * process-shared ones in any mixture: sleeps until one of them has a token, and consumes every
 * token that it finds on its one round of the set, so that none starves behind another. A token
 * that comes later than the round's look at its parker stays for the next call. Before it sleeps it
 * spins for as long as any of the parkers' policies has it; TPARK_PRECISE has no effect on it.
 *
 * Returns    0: at least one token was consumed; has_token says which. ETIMEDOUT: the deadline has
 *            passed, and no token was consumed. EINVAL: not a time, or not a set.
 * Units      As tpark_park_until(). A deadline that has passed looks for tokens and never sleeps.
 * Errors     EINVAL if tv_nsec is not in 0..999999999, count not in 1..TPARK_ANY_MAX, or a
 *            reserved byte not 0: looked at first; tokens and has_token stay as they are. Aborts
 *            as tpark_arm() does, also if a parker is there twice, and the call sleeps.
 * Ordering   For each token that was consumed, acquire.
 * Context    The owner of all the parkers. Not async-signal-safe. With the pthread backend, where
 *            the kernel has no futex_waitv(2) (before Linux 5.16), and in a thread under a seccomp
 *            filter, one of several parkers' tokens may be found late if it comes from another
 *            process, or another copy of the library in this one: by as long as the call had slept,
 *            and at most by 10 ms if the set has a parker with TPARK_SHARED, else by 1 s. So may
 *            any while more than 64 threads (32 on 32-bit machines) sleep in this call: by 10 ms.
 */
TPARK_API int tpark_park_any(struct tpark_any *set, size_t count, const struct timespec *deadline)
    TPARK_NONNULL(1);

#endif /* TPARK_HANDLES_ONLY */

/* ------------------------------------------------------------------------------- the kernel -- */

/*
 * Asks the kernel for more room for this process' private futexes, of whatever library. From Linux
 * 6.16 on a process has a hash table of its own for them, of some 16 slots on a small machine, and
 * a wake looks at all sleepers of a slot: where thousands of threads sleep, it takes several times
 * as long. As many slots as sleepers cure it. The library never does so by itself.
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

/* ------------------------------------------------------------------------------ the handles -- */

struct tpark_thread;   /* the right to park: one per parker (Tokio: ParkThread) */
struct tpark_unparker; /* the right to unpark, reference-counted (Tokio: UnparkThread) */

/*
 * For owners that block where no futex wake reaches them: epoll, a device, a remote machine.
 * Whatever unparks through a handle or a waker first calls wake(context) where tpark_wake_owner()
 * would wake the owner. An owner that sleeps in tpark_thread_park() too says in *context where it
 * blocks, before it arms.
 *
 * wake       returns whether it has woken the owner where it blocks; if not, tpark_wake_owner()
 *            follows. Runs in whatever thread or handler unparks: several at once, and after the
 *            owner was woken, or freed its handle. What the owner did before it armed happens
 *            before it.
 * release    runs once, in the thread that frees the last handle, after every wake(); it may free
 *            context. NULL if there is nothing to do.
 * reserved   NULL.
 *
 * Cancellation is disabled while they run, so no function becomes a cancellation point.
 */
struct tpark_hook {
    bool (*wake)(void *context);
    void (*release)(void *context);
    void *context;
    void *reserved[2];
};

/*
 * Makes a parker with its owner's handle: one allocation, on cache lines of its own, for the
 * handle and all its unparkers. Every flag may be given but TPARK_SHARED, since a handle lives in
 * one process.
 *
 * Returns    The handle, or NULL with errno set.
 * Errors     ENOMEM. EINVAL: an unknown flag, TPARK_SHARED, or more than one policy,
 *            or TPARK_SLACK with TPARK_PRECISE.
 * Ordering   None.
 * Context    Any thread. Not async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, ParkThread::new.
 */
TPARK_API TPARK_MUST_USE struct tpark_thread *tpark_thread_new(unsigned flags);

/*
 * tpark_thread_new() with a wake hook. The struct is copied.
 *
 * Returns    As tpark_thread_new(). If it fails, no hook is called.
 * Errors     As tpark_thread_new(). EINVAL: hook->wake is NULL, or a reserved field is not.
 * Ordering   None.
 * Context    As tpark_thread_new().
 */
TPARK_API TPARK_MUST_USE struct tpark_thread *tpark_thread_new_hooked(unsigned flags,
                                                                      const struct tpark_hook *hook)
    TPARK_NONNULL(2);

/*
 * Frees the owner's handle; NULL is a no-op. Unparkers and wakers stay valid, and what they unpark
 * is nobody.
 *
 * Errors     Aborts if the parker is armed.
 * Ordering   As a shared pointer's: every use of the parker happens before the memory is freed.
 * Context    Any thread, while no other call with this handle runs. Not async-signal-safe.
 */
TPARK_API void tpark_thread_free(struct tpark_thread *t);

/*
 * tpark_thread_free(), but leaves the handle alone if the parker is armed: for what may run while a
 * thread still sleeps, as exit handlers and the destructors of static objects do.
 *
 * Returns    Whether the handle is freed.
 * Errors     None.
 * Ordering   As tpark_thread_free().
 * Context    As tpark_thread_free(), but for calls that sleep.
 */
TPARK_API bool tpark_thread_try_free(struct tpark_thread *t);

#ifndef TPARK_HANDLES_ONLY
/*
 * The parker inside, for what only struct tpark offers: tpark_try_park(), tpark_arm(),
 * tpark_futex_word(). tpark_unpark() on it passes by the wake hook.
 *
 * Returns    A pointer that is good until tpark_thread_free(t).
 * Context    Any thread. Async-signal-safe.
 */
TPARK_API struct tpark *tpark_thread_parker(struct tpark_thread *t)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;
#endif

/*
 * A new unparker for this parker.
 *
 * Returns    The unparker, never NULL; the caller frees it.
 * Errors     Aborts if the reference count would overflow (2^31 handles).
 * Ordering   None.
 * Context    Any thread that may use t. Async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, ParkThread::unpark.
 */
TPARK_API TPARK_MUST_USE struct tpark_unparker *tpark_thread_unparker(struct tpark_thread *t)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * tpark_park(), tpark_park_timeout() and tpark_park_until() on the parker inside: the same
 * results, units, errors, ordering, context and semantics.
 */
TPARK_API void tpark_thread_park(struct tpark_thread *t) TPARK_NONNULL(1);
TPARK_API int tpark_thread_park_timeout(struct tpark_thread *t, uint64_t timeout_ns)
    TPARK_NONNULL(1);
TPARK_API int tpark_thread_park_until(struct tpark_thread *t, const struct timespec *deadline)
    TPARK_NONNULL(1);

/*
 * Another unparker for the same parker.
 *
 * Returns    The unparker, never NULL; the caller frees it.
 * Errors     Aborts if the reference count would overflow (2^31 handles).
 * Ordering   None.
 * Context    Any thread. Async-signal-safe.
 * Semantics  Rust, Clone of an Arc.
 */
TPARK_API TPARK_MUST_USE struct tpark_unparker *tpark_unparker_clone(const struct tpark_unparker *u)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * Frees an unparker; NULL is a no-op.
 *
 * Ordering   As tpark_thread_free().
 * Context    Any thread. Not async-signal-safe: the last handle frees the memory.
 */
TPARK_API void tpark_unparker_free(struct tpark_unparker *u);

/*
 * tpark_unpark(), tpark_notify() and tpark_wake_owner() through an unparker: the same results,
 * units, errors, ordering, context and semantics, with these differences: the unparker keeps the
 * parker alive, after the owner is gone an unpark has no effect, and the wake hook goes before
 * tpark_wake_owner(); in a signal handler it must then be async-signal-safe itself.
 */
TPARK_API enum tpark_state tpark_unparker_unpark(struct tpark_unparker *u) TPARK_NONNULL(1);
TPARK_API TPARK_MUST_USE struct tpark_owed tpark_unparker_notify(struct tpark_unparker *u)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;
TPARK_API void tpark_unparker_wake_owner(struct tpark_unparker *u, struct tpark_owed owed)
    TPARK_NONNULL(1);

/*
 * tpark_unparker_unpark(), then tpark_unparker_free().
 *
 * Context    Any thread. Not async-signal-safe: the last handle frees the memory.
 * Semantics  Rust, Wake::wake of an Arc.
 */
TPARK_API enum tpark_state tpark_unparker_unpark_and_free(struct tpark_unparker *u)
    TPARK_NONNULL(1);

#ifndef TPARK_HANDLES_ONLY
/*
 * The parker inside. tpark_unpark() on it passes by the wake hook.
 *
 * Returns    A pointer that is good as long as the unparker.
 * Context    Any thread. Async-signal-safe.
 */
TPARK_API struct tpark *tpark_unparker_parker(struct tpark_unparker *u)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;
#endif

/*
 * Whether two unparkers unpark the same parker; whether an unparker unparks this owner.
 *
 * Context    Any thread. Async-signal-safe.
 * Semantics  smol's parking, Unparker::same_parker and Unparker::will_unpark.
 */
TPARK_API bool tpark_unparker_same_parker(const struct tpark_unparker *a,
                                          const struct tpark_unparker *b)
    TPARK_NONNULL(1, 2) TPARK_NONBLOCKING;
TPARK_API bool tpark_unparker_will_unpark(const struct tpark_unparker *u,
                                          const struct tpark_thread *t)
    TPARK_NONNULL(1, 2) TPARK_NONBLOCKING;

/* ------------------------------------------------------------------------------- the wakers -- */

struct tpark_waker_vtable;

/* What a future is given to announce that it can go on; any executor may make its own kind. */
struct tpark_waker {
    void *data;
    const struct tpark_waker_vtable *vtable;
};

/*
 * What each slot does to the reference that data stands for: clone adds one, wake and drop consume
 * it, wake_by_ref leaves it. A clone has the same data and the same vtable. Every slot may be
 * called from any thread.
 *
 * Semantics  Rust, core::task::RawWakerVTable.
 */
struct tpark_waker_vtable {
    struct tpark_waker (*clone)(void *data);
    void (*wake)(void *data);
    void (*wake_by_ref)(void *data);
    void (*drop)(void *data);
};

/*
 * The vtable of every waker that tpark makes. data is a struct tpark_unparker *, so that
 * { data, &tpark_unparker_waker_vtable } is the whole waker again.
 */
TPARK_API extern const struct tpark_waker_vtable tpark_unparker_waker_vtable;

/*
 * Turns an unparker into a waker, which takes over its reference: do not free the unparker.
 * Allocates nothing.
 *
 * Returns    The waker; the caller wakes or drops it.
 * Ordering   None.
 * Context    Any thread. Async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, UnparkThread::into_waker.
 */
TPARK_API TPARK_MUST_USE struct tpark_waker tpark_unparker_into_waker(struct tpark_unparker *u)
    TPARK_NONNULL(1) TPARK_NONBLOCKING;

/*
 * Call a waker's slots, whatever its kind. tpark_waker_clone() returns the new waker.
 * tpark_waker_wake() and tpark_waker_drop() consume the waker that they are given.
 *
 * Ordering   Of a waker that tpark made: wake and wake_by_ref as tpark_unpark(), drop as
 *            tpark_thread_free().
 * Context    Any thread. Of a waker that tpark made, with the futex backend: clone and
 *            wake_by_ref are async-signal-safe, wake and drop are not, since the last handle
 *            frees the memory.
 * Semantics  Rust, core::task::Waker.
 */
TPARK_API TPARK_MUST_USE struct tpark_waker tpark_waker_clone(const struct tpark_waker *w)
    TPARK_NONNULL(1);
TPARK_API void tpark_waker_wake(struct tpark_waker w);
TPARK_API void tpark_waker_wake_by_ref(const struct tpark_waker *w) TPARK_NONNULL(1);
TPARK_API void tpark_waker_drop(struct tpark_waker w);

/*
 * Whether two wakers wake the same task: the same data and the same vtable.
 *
 * Context    Any thread. Async-signal-safe.
 * Semantics  Rust, core::task::Waker::will_wake.
 */
TPARK_API bool tpark_waker_will_wake(const struct tpark_waker *a, const struct tpark_waker *b)
    TPARK_NONNULL(1, 2) TPARK_NONBLOCKING;

/* ----------------------------------------------------------------------- the current thread -- */

/*
 * tpark_park(), tpark_park_timeout() and tpark_park_until() on the calling thread's own parker,
 * which is made on first use and goes when the thread ends: the same results, units, errors,
 * ordering and semantics, and abort() if there is no memory for it.
 *
 * Context    Any thread, also in a destructor of thread-specific data. Not async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, CachedParkThread.
 */
TPARK_API void tpark_current_park(void);
TPARK_API int tpark_current_park_timeout(uint64_t timeout_ns);
TPARK_API int tpark_current_park_until(const struct timespec *deadline);

/*
 * A new unparker, or waker, for the calling thread's own parker. It may outlive the thread.
 *
 * Returns    The unparker, or NULL with errno set; the waker, or one whose vtable is NULL.
 * Errors     ENOMEM, in errno, from tpark_current_unparker(). Aborts if the reference count would
 *            overflow.
 * Ordering   None.
 * Context    As tpark_current_park().
 * Semantics  Tokio, runtime/park.rs, CachedParkThread::unpark and CachedParkThread::waker.
 */
TPARK_API TPARK_MUST_USE struct tpark_unparker *tpark_current_unparker(void);
TPARK_API TPARK_MUST_USE struct tpark_waker tpark_current_waker(void);

/*
 * Borrows a parker: none that is lent already in this thread, nor that of tpark_current_park().
 * What block_on is made of, in whatever language. The thread keeps what it gets back for its next
 * loan, so that mostly nothing is allocated, and the parker has learnt; and what it has borrowed
 * goes when it ends. Unparkers may outlive the loan: what they unpark is then the next loan, which
 * at first has no token, but may get one that was meant for this one.
 *
 * Returns    The parker, or NULL with errno set. tpark_current_give_back() takes it back, in the
 *            same thread; nobody frees it.
 * Errors     ENOMEM. tpark_current_give_back() aborts if the parker is armed.
 * Ordering   None.
 * Context    Any thread, also in a destructor of thread-specific data. Not async-signal-safe.
 */
TPARK_API TPARK_MUST_USE struct tpark_thread *tpark_current_borrow(void);
TPARK_API void tpark_current_give_back(struct tpark_thread *t) TPARK_NONNULL(1);

/*
 * Runs a future to its end on the calling thread: polls it, parks until its waker is woken, polls
 * again, until poll returns true. poll may clone the waker; it does not own the one it is given.
 * Each call borrows a parker, so whatever runs inside a poll, a nested tpark_block_on() or
 * tpark_current_park() included, cannot take its token. A waker of an earlier call may cause a poll
 * too many.
 *
 * poll may end the thread (pthread_exit(), cancellation). An exception, C++'s or another, may leave
 * it if the library was compiled with -fexceptions, as its own build does; else the parker stays
 * lent until the thread ends, or the exception ends the program. The same holds for a longjmp().
 *
 * Returns    0 when poll returned true, or an error number.
 * Errors     ENOMEM: poll was not called.
 * Ordering   What came before a wake happens before the poll that follows it.
 * Context    Any thread; the call ends in the thread in which it began. Not async-signal-safe.
 * Semantics  Tokio, runtime/park.rs, CachedParkThread::block_on.
 */
TPARK_API TPARK_MUST_USE int
tpark_block_on(bool (*poll)(void *future, const struct tpark_waker *waker), void *future)
    TPARK_NONNULL(1);

#ifdef __cplusplus
}
#endif

#endif /* TPARK_H */

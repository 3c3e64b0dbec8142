/* SPDX-License-Identifier: MIT */
/*
 * Included by tpark.h: reference-counted handles on a parker, wakers, and the calling thread's own
 * parker. What holds for every function stands at the top of tpark.h.
 */
#ifndef TPARK_HANDLES_H
#define TPARK_HANDLES_H

#include "tpark.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#endif /* TPARK_HANDLES_H */

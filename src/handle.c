/* SPDX-License-Identifier: MIT */
/*
 * Owner's handles and unparkers: references to one counted object. The owner's handle is a type of
 * its own only so that the compiler keeps apart who may park and who may unpark.
 *
 * The count is that of a shared pointer. A new reference is made from one that is held, so its
 * increment needs no order. Every decrement releases what its thread did with the object; who
 * brings the count to zero acquires all of that before it frees, by a load, which reads from the
 * last decrement and so synchronises with the whole chain of them.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "annotate.h"
#include "backend.h"
#include "handle.h"
#include "misuse.h"
#include "park.h"
#include "policy.h"

struct inner {
    alignas(TPARK_CACHE_LINE) struct tpark parker;
    _Atomic uint32_t references;
    bool (*wake)(void *context);
    void (*release)(void *context);
    void *context;
    struct tpark_loan loan;
};

#ifdef TPARK_BACKEND_FUTEX
_Static_assert(sizeof(struct inner) == TPARK_CACHE_LINE, "a handle fills one cache line");
#endif

/* A handle may be const, what it refers to never is. */
static struct inner *of(const void *handle)
{
    const union {
        const void *handle;
        struct inner *inner;
    } reference = {handle};
    return reference.inner;
}

static struct inner *of_thread(const struct tpark_thread *t)
{
    return of(t);
}

static struct inner *of_unparker(const struct tpark_unparker *u)
{
    return of(u);
}

static struct tpark_unparker *add_reference(struct inner *inner, const char *function)
{
    /*
     * Relaxed, and pairs with nothing: the caller holds a reference. Half the range is far from
     * zero, however many threads get here before one aborts.
     */
    if (atomic_fetch_add_explicit(&inner->references, 1, memory_order_relaxed) >= INT32_MAX)
        tpark_misuse(function, "the reference count overflows");
    return (struct tpark_unparker *)inner;
}

/* No function is a cancellation point, whatever a hook calls: it would leave its work half done. */
static int begin_hook(void)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    return cancel_state;
}

static void end_hook(int cancel_state)
{
    pthread_setcancelstate(cancel_state, &cancel_state);
}

static void drop_reference(struct inner *inner)
{
    ANNOTATE_RELEASE(&inner->references);
    /* Pairs with the load below, in the thread that drops the last reference. */
    if (atomic_fetch_sub_explicit(&inner->references, 1, memory_order_release) != 1)
        return;
    /* Pairs with every decrement above. A load, since ThreadSanitizer knows no fences. */
    (void)atomic_load_explicit(&inner->references, memory_order_acquire);
    ANNOTATE_ACQUIRE(&inner->references);
    const int saved_errno = errno;
    /* Last, so that nothing is left to do should it end the thread. */
    void (*const release)(void *) = inner->release;
    void *const context = inner->context;
    tpark_destroy(&inner->parker);
    free(inner);
    if (release) {
        const int cancel_state = begin_hook();
        release(context);
        end_hook(cancel_state);
    }
    errno = saved_errno;
}

static struct tpark_thread *make(unsigned flags, struct tpark_hook hook)
{
    if (flags & TPARK_SHARED) {
        errno = EINVAL;
        return NULL;
    }
    const int saved_errno = errno;
    struct inner *inner = aligned_alloc(alignof(struct inner), sizeof *inner);
    if (!inner) {
        errno = ENOMEM;
        return NULL;
    }
    const int error = tpark_init(&inner->parker, flags);
    if (error) {
        free(inner);
        errno = error;
        return NULL;
    }
    atomic_init(&inner->references, 1);
    inner->wake = hook.wake;
    inner->release = hook.release;
    inner->context = hook.context;
    inner->loan = (struct tpark_loan){0};
    errno = saved_errno;
    return (struct tpark_thread *)inner;
}

struct tpark_thread *tpark_thread_new(unsigned flags)
{
    return make(flags, (struct tpark_hook){0});
}

struct tpark_thread *tpark_thread_new_hooked(unsigned flags, const struct tpark_hook *hook)
{
    if (!hook->wake || hook->reserved[0] || hook->reserved[1]) {
        errno = EINVAL;
        return NULL;
    }
    return make(flags, *hook);
}

void tpark_thread_free(struct tpark_thread *t)
{
    /* Else a later unpark would have somebody to wake. */
    if (t)
        tpark_require_idle(&of_thread(t)->parker, __func__);
    (void)tpark_thread_try_free(t);
}

bool tpark_thread_try_free(struct tpark_thread *t)
{
    if (!t)
        return true;
    if (tpark_is_armed(&of_thread(t)->parker))
        return false;
    drop_reference(of_thread(t));
    return true;
}

struct tpark_loan *tpark_thread_loan(struct tpark_thread *t)
{
    return &of_thread(t)->loan;
}

struct tpark *tpark_thread_parker(struct tpark_thread *t)
{
    return &of_thread(t)->parker;
}

struct tpark_unparker *tpark_thread_unparker(struct tpark_thread *t)
{
    return add_reference(of_thread(t), __func__);
}

void tpark_thread_park(struct tpark_thread *t)
{
    tpark_park(&of_thread(t)->parker);
}

int tpark_thread_park_timeout(struct tpark_thread *t, uint64_t timeout_ns)
{
    return tpark_park_timeout(&of_thread(t)->parker, timeout_ns);
}

int tpark_thread_park_until(struct tpark_thread *t, const struct timespec *deadline)
{
    return tpark_park_until(&of_thread(t)->parker, deadline);
}

struct tpark_unparker *tpark_unparker_clone(const struct tpark_unparker *u)
{
    return add_reference(of_unparker(u), __func__);
}

void tpark_unparker_free(struct tpark_unparker *u)
{
    if (u)
        drop_reference(of_unparker(u));
}

enum tpark_state tpark_unparker_unpark(struct tpark_unparker *u)
{
    if (!of_unparker(u)->wake)
        return tpark_unpark(&of_unparker(u)->parker);
    const struct tpark_owed owed = tpark_unparker_notify(u);
    tpark_unparker_wake_owner(u, owed);
    return owed.replaced;
}

struct tpark_owed tpark_unparker_notify(struct tpark_unparker *u)
{
    return tpark_notify(&of_unparker(u)->parker);
}

void tpark_unparker_wake_owner(struct tpark_unparker *u, struct tpark_owed owed)
{
    const struct inner *inner = of_unparker(u);
    if (!owed.wake || !inner->wake) {
        tpark_wake_owner(owed);
        return;
    }
    const int saved_errno = errno;
    tpark_policy_leave_note(owed.parker, owed.wake);
    const int cancel_state = begin_hook();
    const bool is_awake = inner->wake(inner->context);
    end_hook(cancel_state);
    if (!is_awake)
        tpark_wake_noted_owner(owed);
    errno = saved_errno;
}

static void free_unparker(struct tpark_unparker *const *u)
{
    tpark_unparker_free(*u);
}

enum tpark_state tpark_unparker_unpark_and_free(struct tpark_unparker *u)
{
    /* Also if a hook ends the thread. */
    __attribute__((cleanup(free_unparker))) struct tpark_unparker *const ours = u;
    return tpark_unparker_unpark(ours);
}

struct tpark *tpark_unparker_parker(struct tpark_unparker *u)
{
    return &of_unparker(u)->parker;
}

bool tpark_unparker_same_parker(const struct tpark_unparker *a, const struct tpark_unparker *b)
{
    return a == b;
}

bool tpark_unparker_will_unpark(const struct tpark_unparker *u, const struct tpark_thread *t)
{
    return of_unparker(u) == of_thread(t);
}

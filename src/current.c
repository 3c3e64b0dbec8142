/* SPDX-License-Identifier: MIT */
/*
 * The parkers that a thread keeps, and block_on.
 *
 * A thread that gives back a parker which it had borrowed keeps it for its next loan, with what the
 * parker has learnt about spinning. The parker of tpark_current_park() and its kin is a loan for
 * the thread's life. All of them live on the heap, since their unparkers may outlive the thread,
 * and go when it ends, through a destructor of thread-specific data, lent or not: a thread may end
 * in the middle of a poll, and not every C library unwinds the stack then.
 *
 * Destructors run in no particular order, and each may park. So ours steps back for as many rounds
 * as it may: setting its value again makes the C library come round again, after the others. The
 * last round is left to the tools that watch threads (ThreadSanitizer forgets the thread in it).
 * Should somebody park even later, a new parker is made, and may be lost: a leak, once in a
 * thread's life, beats a use after free.
 *
 * The key goes with the code: tpark may be part of a plugin that is unloaded, and a key that is
 * deleted calls no destructor. What threads that live on have kept is lost then, but for the thread
 * that unloads. At exit other threads may still come here; without a key they keep what they make
 * until the process is gone. One that is about to set its value just then meets a key that is
 * deleted, which C libraries refuse or ignore.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "annotate.h"
#include "handle.h"
#include "misuse.h"
#include "park.h"

enum { DESTRUCTOR_ROUNDS = _POSIX_THREAD_DESTRUCTOR_ITERATIONS - 1 };

static _Thread_local struct {
    struct tpark_thread *first; /* of all that the thread keeps */
    struct tpark_thread *current;
    bool has_destructor;
    int rounds;
} kept;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static atomic_int key_state; /* one of these: */
enum { NO_KEY, HAS_KEY, CODE_ENDS };

static void free_all(void)
{
    while (kept.first) {
        struct tpark_thread *t = kept.first;
        kept.first = tpark_thread_loan(t)->next;
        (void)tpark_thread_try_free(t);
    }
    kept.current = NULL;
    kept.has_destructor = false;
}

static void end_thread(void *unused);

static void make_key(void)
{
    int state = NO_KEY;
    /* Release pairs with the exchange in end_code(); other threads have the pthread_once(). */
    if (pthread_key_create(&key, end_thread) == 0 &&
        !atomic_compare_exchange_strong_explicit(&key_state, &state, HAS_KEY, memory_order_release,
                                                 memory_order_relaxed))
        pthread_key_delete(key);
    ANNOTATE_RELEASE(&key_once);
}

/* Relaxed: who reads an old value is one that came a moment earlier. */
static int get_key_state(void)
{
    return atomic_load_explicit(&key_state, memory_order_relaxed);
}

/* Whether the destructor will be called, once more, in this thread. */
static bool set_destructor(void)
{
    pthread_once(&key_once, make_key);
    ANNOTATE_ACQUIRE(&key_once);
    return get_key_state() == HAS_KEY && pthread_setspecific(key, &kept) == 0;
}

static void end_thread(void *unused)
{
    (void)unused;
    if (++kept.rounds < DESTRUCTOR_ROUNDS && set_destructor())
        return;
    free_all();
}

/* When a plugin is unloaded, and at exit. */
__attribute__((destructor)) static void end_code(void)
{
    /* Pairs with the compare-exchange in make_key(). */
    if (atomic_exchange_explicit(&key_state, CODE_ENDS, memory_order_acquire) == HAS_KEY)
        pthread_key_delete(key);
    free_all();
}

/* One that is not lent; NULL if there is none. */
static struct tpark_thread *find_idle(void)
{
    struct tpark_thread *t = kept.first;
    while (t && tpark_thread_loan(t)->is_lent)
        t = tpark_thread_loan(t)->next;
    return t;
}

static struct tpark_thread *make_kept(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    if (!t)
        return NULL;
    const int saved_errno = errno;
    kept.has_destructor = kept.has_destructor || set_destructor();
    errno = saved_errno;
    tpark_thread_loan(t)->next = kept.first;
    kept.first = t;
    return t;
}

struct tpark_thread *tpark_current_borrow(void)
{
    struct tpark_thread *t = find_idle();
    if (t)
        (void)tpark_try_park(tpark_thread_parker(t)); /* a token of the last loan */
    else
        t = make_kept();
    if (t)
        tpark_thread_loan(t)->is_lent = true;
    return t;
}

/* Of a thread that will run no destructor. */
static void forget(struct tpark_thread *t)
{
    struct tpark_thread **at = &kept.first;
    while (*at != t)
        at = &tpark_thread_loan(*at)->next;
    *at = tpark_thread_loan(t)->next;
    tpark_thread_free(t);
}

void tpark_current_give_back(struct tpark_thread *t)
{
    tpark_require_idle(tpark_thread_parker(t), __func__);
    tpark_thread_loan(t)->is_lent = false;
    if (!kept.has_destructor)
        forget(t);
}

/* The calling thread's own parker, made if need be; NULL, with errno set, if there is none. */
static struct tpark_thread *get_current(void)
{
    if (kept.current)
        return kept.current;
    struct tpark_thread *t = tpark_current_borrow();
    if (t && !kept.has_destructor && get_key_state() != CODE_ENDS) {
        tpark_current_give_back(t);
        errno = ENOMEM;
        t = NULL;
    }
    return kept.current = t;
}

static struct tpark_thread *must_get_current(const char *function)
{
    struct tpark_thread *t = get_current();
    if (!t)
        tpark_misuse(function, "no memory for the thread's parker");
    return t;
}

void tpark_current_park(void)
{
    tpark_thread_park(must_get_current(__func__));
}

int tpark_current_park_timeout(uint64_t timeout_ns)
{
    return tpark_thread_park_timeout(must_get_current(__func__), timeout_ns);
}

int tpark_current_park_until(const struct timespec *deadline)
{
    return tpark_thread_park_until(must_get_current(__func__), deadline);
}

struct tpark_unparker *tpark_current_unparker(void)
{
    struct tpark_thread *t = get_current();
    return t ? tpark_thread_unparker(t) : NULL;
}

struct tpark_waker tpark_current_waker(void)
{
    const int saved_errno = errno;
    struct tpark_unparker *u = tpark_current_unparker();
    errno = saved_errno;
    return u ? tpark_unparker_into_waker(u) : (struct tpark_waker){0};
}

static void give_back(struct tpark_thread **t)
{
    if (*t)
        tpark_current_give_back(*t);
}

int tpark_block_on(bool (*poll)(void *future, const struct tpark_waker *waker), void *future)
{
    const int saved_errno = errno;
    /* The attribute, for exceptions that leave poll; end_thread() does without it. */
    __attribute__((cleanup(give_back))) struct tpark_thread *t = tpark_current_borrow();
    errno = saved_errno;
    if (!t)
        return ENOMEM;
    const struct tpark_waker waker = tpark_unparker_into_waker(tpark_thread_lend_unparker(t));
    while (!poll(future, &waker))
        tpark_thread_park(t);
    return 0;
}

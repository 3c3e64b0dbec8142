/* SPDX-License-Identifier: MIT */
/*
 * The calling thread's own parker, and block_on.
 *
 * The parker lives on the heap, since its unparkers may outlive the thread, and goes with the
 * thread through a destructor of thread-specific data. Destructors run in no particular order, and
 * each may park. So ours steps back for as many rounds as it may: setting its value again makes the
 * C library come round again, after the others. The last round is left to the tools that watch
 * threads (ThreadSanitizer forgets the thread in it). Should somebody park even later, a new parker
 * is made, and may be lost: a leak, once in a thread's life, beats a use after free.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "annotate.h"
#include "misuse.h"
#include "tpark.h"

enum { DESTRUCTOR_ROUNDS = _POSIX_THREAD_DESTRUCTOR_ITERATIONS - 1 };

static _Thread_local struct tpark_thread *current;
static _Thread_local int destructor_rounds;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

static void free_current(void *thread)
{
    destructor_rounds++;
    if (destructor_rounds < DESTRUCTOR_ROUNDS && pthread_setspecific(key, thread) == 0)
        return;
    current = NULL;
    tpark_thread_free(thread);
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, free_current);
    ANNOTATE_RELEASE(&key_once);
}

/* The calling thread's own parker, made if need be; NULL if there is no memory for it. */
static struct tpark_thread *get_current(void)
{
    if (current)
        return current;
    const int saved_errno = errno;
    pthread_once(&key_once, make_key);
    ANNOTATE_ACQUIRE(&key_once);
    current = key_error ? NULL : tpark_thread_new(0);
    if (current && pthread_setspecific(key, current) != 0) {
        tpark_thread_free(current);
        current = NULL;
    }
    errno = saved_errno;
    return current;
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
    if (!t) {
        errno = ENOMEM;
        return NULL;
    }
    return tpark_thread_unparker(t);
}

struct tpark_waker tpark_current_waker(void)
{
    struct tpark_thread *t = get_current();
    return t ? tpark_unparker_into_waker(tpark_thread_unparker(t)) : (struct tpark_waker){0};
}

int tpark_block_on(bool (*poll)(void *future, const struct tpark_waker *waker), void *future)
{
    const int saved_errno = errno;
    struct tpark_thread *t = tpark_thread_new(0);
    errno = saved_errno;
    if (!t)
        return ENOMEM;
    const struct tpark_waker waker = tpark_unparker_into_waker(tpark_thread_unparker(t));
    while (!poll(future, &waker))
        tpark_thread_park(t);
    tpark_waker_drop(waker);
    tpark_thread_free(t);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Sleeps on a mutex and a condition variable, for systems and tools that know no futex.
 *
 * No wake is lost. The owner looks at the state and goes to sleep under the mutex; a waker has
 * published its token before it takes the mutex. If the waker has it first, the owner finds
 * NOTIFIED; if the owner has it first, it sleeps by the time the waker signals.
 */
#include "config.h"

#include "backend.h"

#ifdef TPARK_BACKEND_PTHREAD

#include <errno.h>
#include <pthread.h>

#include "misuse.h"

/* A failure here means that the parker's memory is not what it was: there is no way on. */
static void must(int error, const char *call)
{
    if (error)
        tpark_misuse(call, "failed on the parker's mutex or condition variable");
}

static int process_sharing(const struct tpark *p)
{
    return p->flags & TPARK_SHARED ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
}

static int init_mutex_of(struct tpark *p, int protocol)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error)
        return error;
    error = pthread_mutexattr_setpshared(&attributes, process_sharing(p));
    if (!error)
        error = pthread_mutexattr_setprotocol(&attributes, protocol);
    if (!error)
        error = pthread_mutex_init(&p->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error;
}

/* Inherits priority, so that a real-time unpark need not wait for whoever preempted the owner while
 * it had the mutex. Not every system can do that. */
static int init_mutex(struct tpark *p)
{
    const int error = init_mutex_of(p, PTHREAD_PRIO_INHERIT);
    return error == ENOTSUP || error == ENOSYS ? init_mutex_of(p, PTHREAD_PRIO_NONE) : error;
}

static int init_cond(struct tpark *p)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!error)
        error = pthread_condattr_setpshared(&attributes, process_sharing(p));
    if (!error)
        error = pthread_cond_init(&p->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    p->has_cond = !error;
    return error;
}

int tpark_backend_init(struct tpark *p)
{
    int error = init_mutex(p);
    if (error)
        return error;
    error = init_cond(p);
    if (error)
        pthread_mutex_destroy(&p->mutex);
    return error;
}

void tpark_backend_destroy(struct tpark *p)
{
    if (p->has_cond)
        must(pthread_cond_destroy(&p->cond), "pthread_cond_destroy");
    must(pthread_mutex_destroy(&p->mutex), "pthread_mutex_destroy");
}

/* Relaxed: the mutex orders it after the exchange of whoever held the mutex before. */
static bool is_parked(struct tpark *p)
{
    return atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) == TPARK_PARKED;
}

void tpark_backend_wait(struct tpark *p, const struct timespec *deadline)
{
    int cancel_state; /* a condition variable is a cancellation point, a parker is none */
    must(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state), "pthread_setcancelstate");
    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* A static initialiser can only make a condition variable of CLOCK_REALTIME. */
    if (!p->has_cond)
        must(init_cond(p), "pthread_cond_init");
    if (is_parked(p)) {
        const int error = deadline ? pthread_cond_timedwait(&p->cond, &p->mutex, deadline)
                                   : pthread_cond_wait(&p->cond, &p->mutex);
        must(error == ETIMEDOUT ? 0 : error, "pthread_cond_timedwait");
    }
    must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
    must(pthread_setcancelstate(cancel_state, NULL), "pthread_setcancelstate");
}

/* One thread cannot wait on two condition variables. */
bool tpark_backend_wait_any(const struct tpark_any *set, size_t count,
                            const struct timespec *deadline)
{
    (void)set;
    (void)count;
    (void)deadline;
    return false;
}

void tpark_backend_wake(struct tpark *p, bool is_shared)
{
    (void)is_shared;
    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* Without a condition variable the owner has not slept yet, and will look first. */
    const bool has_cond = p->has_cond;
    must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
    /* Not under the mutex, into which the owner would run: two more sleeps on one processor. */
    if (has_cond)
        must(pthread_cond_signal(&p->cond), "pthread_cond_signal");
}

#endif

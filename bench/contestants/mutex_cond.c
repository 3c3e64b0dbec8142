/* SPDX-License-Identifier: MIT */
/* A mutex, a condition variable, and the token as a flag under the mutex. */
#include <errno.h>
#include <pthread.h>

#include "contestant.h"
#include "deadline.h"

struct parker {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool token;
};

static int init(void *parker)
{
    struct parker *const p = parker;
    pthread_mutexattr_t of_mutex;
    pthread_condattr_t of_cond;
    p->token = false;
    pthread_mutexattr_init(&of_mutex);
    pthread_condattr_init(&of_cond);
    pthread_mutexattr_setpshared(&of_mutex, PROCESSES);
    pthread_condattr_setpshared(&of_cond, PROCESSES);
    const int error = pthread_mutex_init(&p->mutex, &of_mutex);
    return error ? error : pthread_cond_init(&p->cond, &of_cond);
}

static void destroy(void *parker)
{
    struct parker *const p = parker;
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->mutex);
}

static inline void unpark(struct parker *p)
{
    pthread_mutex_lock(&p->mutex);
    p->token = true;
    pthread_mutex_unlock(&p->mutex);
    pthread_cond_signal(&p->cond);
}

static inline void park(struct parker *p)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->token)
        pthread_cond_wait(&p->cond, &p->mutex);
    p->token = false;
    pthread_mutex_unlock(&p->mutex);
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    const struct timespec deadline = timeout_ns ? deadline_in(timeout_ns) : (struct timespec){0};
    int error = timeout_ns ? 0 : ETIMEDOUT;
    pthread_mutex_lock(&p->mutex);
    while (!p->token && !error)
        error = pthread_cond_clockwait(&p->cond, &p->mutex, CLOCK_MONOTONIC, &deadline);
    const bool token = p->token;
    p->token = false;
    pthread_mutex_unlock(&p->mutex);
    return token;
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT_OF(mutex_cond);
const struct contestant CONTESTANT_OF(mutex_cond) = {
    .name = NAME_OF("mutex-cond"),
    .what = "a flag under a pthread mutex, and a condition variable",
    .traits = PROCESSES_TRAIT,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .park_timeout = call_park_timeout,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
    .repeat_poll = repeat_poll,
};

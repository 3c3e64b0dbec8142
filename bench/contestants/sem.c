/* SPDX-License-Identifier: MIT */
/* POSIX semaphore of the C library. */
#include <errno.h>
#include <semaphore.h>

#include "contestant.h"
#include "deadline.h"

struct parker {
    sem_t sem;
};

static int init(void *p)
{
    return sem_init(&((struct parker *)p)->sem, PROCESSES, 0) ? errno : 0;
}

static void destroy(void *p)
{
    sem_destroy(&((struct parker *)p)->sem);
}

static inline void park(struct parker *p)
{
    while (sem_wait(&p->sem) && errno == EINTR)
        ;
}

static inline void unpark(struct parker *p)
{
    sem_post(&p->sem);
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return sem_trywait(&p->sem) == 0;
    const struct timespec deadline = deadline_in(timeout_ns);
    int failed;
    while ((failed = sem_clockwait(&p->sem, CLOCK_MONOTONIC, &deadline)) && errno == EINTR)
        ;
    return !failed;
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT_OF(sem);
const struct contestant CONTESTANT_OF(sem) = {
    .name = NAME_OF("sem"),
    .what = "sem_t of the C library",
    .traits = COUNTS | PROCESSES_TRAIT,
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

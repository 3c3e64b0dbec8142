/* SPDX-License-Identifier: MIT */
/*
 * nsync on tpark. All of nsync waits in its semaphore, of which it asks no more than a token: V
 * makes the count at least 1. libnsync.so calls these four through its PLT, so the ones of the
 * program, or of a preloaded object, take their place.
 */
#include <errno.h>
#include <nsync_time.h>
#include <tpark.h>

/* As in nsync's internal/sem.h. */
typedef struct nsync_semaphore_s_ {
    void *sem_space[32];
} nsync_semaphore;

void nsync_mu_semaphore_init(nsync_semaphore *s);
void nsync_mu_semaphore_p(nsync_semaphore *s);
int nsync_mu_semaphore_p_with_deadline(nsync_semaphore *s, nsync_time deadline);
void nsync_mu_semaphore_v(nsync_semaphore *s);

_Static_assert(sizeof(struct tpark) <= sizeof(nsync_semaphore), "a parker fits");

static struct tpark *parker_of(nsync_semaphore *s)
{
    return (struct tpark *)s;
}

void nsync_mu_semaphore_init(nsync_semaphore *s)
{
    /* Its only errors are those of flags, and of a C library that allocates for a mutex. */
    if (tpark_init(parker_of(s), 0) != 0)
        __builtin_trap();
}

void nsync_mu_semaphore_p(nsync_semaphore *s)
{
    tpark_park(parker_of(s));
}

/* How far away a time of the wall clock is; a time that no clock will reach is no deadline. */
static uint64_t ns_until(struct timespec deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (deadline.tv_sec < now.tv_sec ||
        (deadline.tv_sec == now.tv_sec && deadline.tv_nsec <= now.tv_nsec))
        return 0;
    const uint64_t s = (uint64_t)deadline.tv_sec - (uint64_t)now.tv_sec;
    const uint64_t max_s = UINT64_MAX / 1000000000 - 1;
    return s > max_s ? UINT64_MAX
                     : s * 1000000000 + (uint64_t)deadline.tv_nsec - (uint64_t)now.tv_nsec;
}

/* Again after a timeout, for the wall clock may have been set back meanwhile. */
int nsync_mu_semaphore_p_with_deadline(nsync_semaphore *s, nsync_time deadline)
{
    uint64_t ns;
    do {
        ns = ns_until(deadline);
        if (tpark_park_timeout(parker_of(s), ns) == 0)
            return 0;
    } while (ns > 0);
    return ETIMEDOUT;
}

void nsync_mu_semaphore_v(nsync_semaphore *s)
{
    tpark_unpark(parker_of(s));
}

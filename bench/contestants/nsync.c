/* SPDX-License-Identifier: MIT */
/* nsync: its mutex, its condition variable, and the token as a flag under the mutex. */
#include <errno.h>
#include <nsync.h>

#include "contestant.h"

struct parker {
    nsync_mu mu;
    nsync_cv cv;
    bool token;
};

static int init(void *parker)
{
    struct parker *const p = parker;
    nsync_mu_init(&p->mu);
    nsync_cv_init(&p->cv);
    p->token = false;
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline void unpark(struct parker *p)
{
    nsync_mu_lock(&p->mu);
    p->token = true;
    nsync_cv_signal(&p->cv);
    nsync_mu_unlock(&p->mu);
}

static inline bool park_until(struct parker *p, nsync_time deadline)
{
    nsync_mu_lock(&p->mu);
    while (!p->token && nsync_cv_wait_with_deadline(&p->cv, &p->mu, deadline, NULL) == 0)
        ;
    const bool token = p->token;
    p->token = false;
    nsync_mu_unlock(&p->mu);
    return token;
}

static inline void park(struct parker *p)
{
    park_until(p, nsync_time_no_deadline);
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return park_until(p, nsync_time_zero);
    const nsync_time timeout =
        nsync_time_s_ns((time_t)(timeout_ns / 1000000000), (unsigned)(timeout_ns % 1000000000));
    return park_until(p, nsync_time_add(nsync_time_now(), timeout));
}

CONTESTANT_CALLS

extern const struct contestant contestant_nsync;
const struct contestant contestant_nsync = {
    .name = "nsync",
    .what = "a flag under nsync_mu, and nsync_cv",
    .traits = SPINS_FIRST | WALL_CLOCK,
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

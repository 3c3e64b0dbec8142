/* SPDX-License-Identifier: MIT */
/* The limit of the fast paths: the locked instructions that a token needs, and nothing else. */
#include <stdatomic.h>

#include "contestant.h"

struct parker {
    atomic_uint token;
};

static int init(void *p)
{
    atomic_init(&((struct parker *)p)->token, 0);
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    (void)timeout_ns;
    unsigned seen = 1;
    return atomic_compare_exchange_strong_explicit(&p->token, &seen, 0, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void park(struct parker *p)
{
    park_timeout(p, 0);
}

static inline void unpark(struct parker *p)
{
    atomic_exchange_explicit(&p->token, 1, memory_order_acq_rel);
}

CONTESTANT_CALLS

extern const struct contestant contestant_raw_locked;
const struct contestant contestant_raw_locked = {
    .name = "raw-locked",
    .what = "limit: one exchange to unpark, one compare-exchange to park, inlined",
    .traits = CANNOT_WAIT,
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

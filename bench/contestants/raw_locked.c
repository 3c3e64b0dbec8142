/* SPDX-License-Identifier: MIT */
/*
 * The limit of the fast paths: the locked instructions that a token needs, and nothing else. Built
 * once more with what an unpark between processes needs besides: a look at a mark beside the token.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "contestant.h"

#ifndef CONTESTANT
#define CONTESTANT contestant_raw_locked
#define NAME "raw-locked"
#define WHAT "limit: one exchange to unpark, one compare-exchange to park, inlined"
#define LOOKS 0
#endif

struct parker {
    atomic_uint words[1 + LOOKS]; /* the token; the mark, never set */
};

static int init(void *p)
{
    for (int i = 0; i <= LOOKS; i++)
        atomic_init(&((struct parker *)p)->words[i], 0);
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
    return atomic_compare_exchange_strong_explicit(p->words, &seen, 0, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void park(struct parker *p)
{
    park_timeout(p, 0);
}

static inline void unpark(struct parker *p)
{
    const bool merges = atomic_exchange_explicit(p->words, 1, memory_order_acq_rel);
    if (LOOKS && merges && atomic_load_explicit(&p->words[LOOKS], memory_order_relaxed))
        abort();
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT;
const struct contestant CONTESTANT = {
    .name = NAME,
    .what = WHAT,
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

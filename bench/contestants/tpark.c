/* SPDX-License-Identifier: MIT */
/* tpark. Built once per backend, and once more against the shared library. */
#include <tpark.h>

#include "contestant.h"

#ifndef FLAGS
#define FLAGS 0
#endif

#ifndef TRAITS
#define TRAITS 0
#endif

struct parker {
    struct tpark tpark;
};

static int init(void *p)
{
    return tpark_init(&((struct parker *)p)->tpark, FLAGS);
}

static void destroy(void *p)
{
    tpark_destroy(&((struct parker *)p)->tpark);
}

static inline void park(struct parker *p)
{
    tpark_park(&p->tpark);
}

static inline void unpark(struct parker *p)
{
    tpark_unpark(&p->tpark);
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    return tpark_park_timeout(&p->tpark, timeout_ns) == 0;
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT;
const struct contestant CONTESTANT = {
    .name = NAME,
    .what = WHAT,
    .traits = HAS_POLICY | PROCESSES_TRAIT | TRAITS,
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

/* SPDX-License-Identifier: MIT */
/* tpark. Built once per backend and policy, and once more against the shared library. */
#include <tpark.h>
#ifdef BIG_HASH
#include <sys/prctl.h>
#endif

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

#ifdef BIG_HASH
/* As long as there is a parker: the hash is the whole process', and others run in it in turn. */
enum { FUTEX_HASH = 78, SET_SLOTS = 1, GET_SLOTS = 2, SLOTS = 4096 };

static unsigned parkers;
static int slots_before;

static int grow_hash(void)
{
    if (parkers++)
        return 0;
    slots_before = prctl(FUTEX_HASH, GET_SLOTS, 0ul, 0ul, 0ul);
    return tpark_grow_futex_hash(SLOTS);
}

static void shrink_hash(void)
{
    if (--parkers == 0)
        prctl(FUTEX_HASH, SET_SLOTS, (unsigned long)slots_before, 0ul, 0ul);
}
#else
static int grow_hash(void)
{
    return 0;
}

static void shrink_hash(void)
{
}
#endif

static int init(void *p)
{
    const int error = grow_hash();
    return error ? error : tpark_init(&((struct parker *)p)->tpark, FLAGS);
}

static void destroy(void *p)
{
    tpark_destroy(&((struct parker *)p)->tpark);
    shrink_hash();
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

/* SPDX-License-Identifier: MIT */
/* The limit of latency: a thread that never sleeps, and burns its core. */
#include <stdatomic.h>
#include <time.h>

#include "contestant.h"

struct parker {
    atomic_bool token;
};

static int init(void *p)
{
    atomic_init(&((struct parker *)p)->token, false);
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline void unpark(struct parker *p)
{
    atomic_store_explicit(&p->token, true, memory_order_release);
}

static inline bool has_token(struct parker *p)
{
    return atomic_load_explicit(&p->token, memory_order_relaxed);
}

static inline bool consume(struct parker *p)
{
    return atomic_exchange_explicit(&p->token, false, memory_order_acquire);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static inline void park(struct parker *p)
{
    while (!has_token(p))
        relax();
    consume(p);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    const uint64_t end_ns = timeout_ns ? now_ns() + timeout_ns : 0;
    while (!has_token(p)) {
        if (timeout_ns == 0 || now_ns() >= end_ns)
            return false;
        relax();
    }
    return consume(p);
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT_OF(spin);
const struct contestant CONTESTANT_OF(spin) = {
    .name = NAME_OF("spin"),
    .what = "limit: a loop of pause instructions that never sleeps",
    .traits = NEVER_SLEEPS | PROCESSES_TRAIT,
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

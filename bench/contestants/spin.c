/* SPDX-License-Identifier: MIT */
/* The limit of latency: a thread that never sleeps, and burns its core. */
#include <stdatomic.h>

#include "../contestant.h"

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

static inline void park(struct parker *p)
{
    while (!atomic_load_explicit(&p->token, memory_order_relaxed)) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
    atomic_exchange_explicit(&p->token, false, memory_order_acquire);
}

CONTESTANT_CALLS_UNTIMED

extern const struct contestant contestant_spin;
const struct contestant contestant_spin = {
    .name = "spin",
    .what = "limit: a loop of pause instructions that never sleeps",
    .traits = NEVER_SLEEPS,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
};

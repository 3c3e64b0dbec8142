/* SPDX-License-Identifier: MIT */
/*
 * liburcu's idiom for a thread that waits for work (call_rcu, defer_rcu): a futex that is -1 while
 * somebody may sleep, beside the condition that it waits for.
 */
#include <errno.h>
#include <stdlib.h>
#include <urcu/futex.h>
#include <urcu/uatomic.h>

#include "contestant.h"

struct parker {
    int32_t futex;
    int32_t token;
};

static int init(void *parker)
{
    struct parker *const p = parker;
    p->futex = 0;
    p->token = 0;
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline void unpark(struct parker *p)
{
    uatomic_set(&p->token, 1);
    cmm_smp_mb();
    if (caa_unlikely(uatomic_read(&p->futex) == -1)) {
        uatomic_set(&p->futex, 0);
        if (futex_async(&p->futex, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
            abort();
    }
}

static inline void park(struct parker *p)
{
    while (!uatomic_xchg(&p->token, 0)) {
        uatomic_dec(&p->futex);
        cmm_smp_mb();
        if (uatomic_read(&p->token)) {
            uatomic_set(&p->futex, 0);
            continue;
        }
        while (uatomic_read(&p->futex) == -1)
            if (futex_async(&p->futex, FUTEX_WAIT, -1, NULL, NULL, 0) < 0 && errno != EAGAIN &&
                errno != EINTR)
                abort();
    }
}

CONTESTANT_CALLS_UNTIMED

extern const struct contestant contestant_urcu_futex;
const struct contestant contestant_urcu_futex = {
    .name = "urcu-futex",
    .what = "liburcu's idiom for waiting workers, on its public urcu/futex.h (shared futexes)",
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
};

/* SPDX-License-Identifier: MIT */
/*
 * liburcu's idiom for a thread that waits once (a grace period's waiters): it spins for a while,
 * then sleeps, and does not leave before the waker has let go of its memory. Here the same node
 * serves wait after wait.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <urcu/futex.h>
#include <urcu/uatomic.h>

#include "contestant.h"

enum { WAITING = 0, WAKEUP = 1, RUNNING = 2, TEARDOWN = 4, ATTEMPTS = 1000 };

struct parker {
    int32_t state;
};

static int init(void *parker)
{
    ((struct parker *)parker)->state = WAITING;
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline void unpark(struct parker *p)
{
    cmm_smp_mb();
    uatomic_set(&p->state, WAKEUP);
    if (!(uatomic_read(&p->state) & RUNNING) &&
        futex_noasync(&p->state, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
        abort();
    uatomic_or(&p->state, TEARDOWN);
}

static inline bool spin_while(const int32_t *state, int32_t mask, int32_t value)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        if ((uatomic_read(state) & mask) != value)
            return true;
        caa_cpu_relax();
    }
    return false;
}

static inline void park(struct parker *p)
{
    if (!spin_while(&p->state, WAKEUP, 0))
        while (uatomic_read(&p->state) == WAITING)
            if (futex_noasync(&p->state, FUTEX_WAIT, WAITING, NULL, NULL, 0) < 0 &&
                errno != EAGAIN && errno != EINTR)
                abort();
    uatomic_or(&p->state, RUNNING);
    if (!spin_while(&p->state, TEARDOWN, 0))
        while (!(uatomic_read(&p->state) & TEARDOWN))
            poll(NULL, 0, 10);
    cmm_smp_mb();
    uatomic_set(&p->state, WAITING);
}

CONTESTANT_CALLS_UNTIMED

extern const struct contestant contestant_urcu_wait;
const struct contestant contestant_urcu_wait = {
    .name = "urcu-wait",
    .what = "liburcu's idiom for one-shot waiters, on its public urcu/futex.h (shared futexes)",
    .traits = ONE_SHOT | SPINS_FIRST | NAPS,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
};

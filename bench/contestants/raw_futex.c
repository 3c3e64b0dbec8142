/* SPDX-License-Identifier: MIT */
/*
 * The limit of sleeping: futex(2) by hand, inlined, without any of the checks of a library. Built a
 * second time with the one wait to which the kernel applies no timer slack, as the limit of
 * timeouts.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "contestant.h"
#include "deadline.h"

#ifndef SLACK_FREE
#define SLACK_FREE 0
#define CONTESTANT CONTESTANT_OF(raw_futex)
#define NAME NAME_OF("raw-futex")
#define WHAT "limit: a hand-written loop of futex(2) calls, inlined"
#endif

enum { PRIVATE = PROCESSES ? 0 : FUTEX_PRIVATE_FLAG };
enum { EMPTY, PARKED, TOKEN };

struct parker {
    _Atomic uint32_t state;
};

static long wait_until(struct parker *p, const struct timespec *deadline)
{
#if SLACK_FREE
    enum { FUTEX_WAIT_2 = 455, SIZE_U32 = 2 }; /* since Linux 6.7 */
    return syscall(FUTEX_WAIT_2, &p->state, (unsigned long)PARKED,
                   (unsigned long)FUTEX_BITSET_MATCH_ANY, SIZE_U32 | PRIVATE, deadline,
                   CLOCK_MONOTONIC);
#else
    return syscall(SYS_futex, &p->state, FUTEX_WAIT_BITSET | PRIVATE, PARKED, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY);
#endif
}

static int init(void *parker)
{
    struct parker *const p = parker;
    atomic_init(&p->state, EMPTY);
    /* It is not PARKED, so this returns at once. */
    const struct timespec past = {0};
    return wait_until(p, &past) && errno != EAGAIN ? errno : 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline bool replace(struct parker *p, uint32_t old, uint32_t new)
{
    return atomic_compare_exchange_strong_explicit(&p->state, &old, new, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static inline void unpark(struct parker *p)
{
    if (atomic_exchange_explicit(&p->state, TOKEN, memory_order_acq_rel) == PARKED)
        syscall(SYS_futex, &p->state, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0);
}

static inline void park(struct parker *p)
{
    while (!replace(p, TOKEN, EMPTY)) {
        replace(p, EMPTY, PARKED);
        syscall(SYS_futex, &p->state, FUTEX_WAIT | PRIVATE, PARKED, NULL, NULL, 0);
    }
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    if (replace(p, TOKEN, EMPTY))
        return true;
    if (timeout_ns == 0)
        return false;
    if (!replace(p, EMPTY, PARKED))
        return replace(p, TOKEN, EMPTY);
    const struct timespec deadline = deadline_in(timeout_ns);
    wait_until(p, &deadline);
    return atomic_exchange_explicit(&p->state, EMPTY, memory_order_acquire) == TOKEN;
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT;
const struct contestant CONTESTANT = {
    .name = NAME,
    .what = WHAT,
    .traits = (SLACK_FREE ? TIMES_OUT : 0) | PROCESSES_TRAIT,
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

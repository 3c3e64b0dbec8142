/* SPDX-License-Identifier: MIT */
/*
 * Concurrency Kit's event count. Built twice: for many producers, and for one. Its operating system
 * is up to its user: here futex(2). A token is a count that the owner has not seen.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <ck_ec.h>

#include "contestant.h"
#include "deadline.h"

struct parker {
    struct ck_ec32 count;
    uint32_t seen;
};

static int get_time(const struct ck_ec_ops *ops, struct timespec *out)
{
    (void)ops;
    return clock_gettime(CLOCK_MONOTONIC, out);
}

static void wait32(const struct ck_ec_wait_state *state, const uint32_t *address, uint32_t expected,
                   const struct timespec *deadline)
{
    (void)state;
    syscall(SYS_futex, address, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

static void wake32(const struct ck_ec_ops *ops, const uint32_t *address)
{
    (void)ops;
    syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static const struct ck_ec_ops ops = {.gettime = get_time, .wait32 = wait32, .wake32 = wake32};
static const struct ck_ec_mode mode = {.ops = &ops, .single_producer = SINGLE_PRODUCER};

static int init(void *parker)
{
    struct parker *const p = parker;
    ck_ec32_init(&p->count, 0);
    p->seen = 0;
    return 0;
}

static void destroy(void *p)
{
    (void)p;
}

static inline void unpark(struct parker *p)
{
    ck_ec32_inc(&p->count, &mode);
}

/* ck_ec_wait() may return although the count is the same: a late wake has cleared its flag. */
static inline bool park_until(struct parker *p, const struct timespec *deadline)
{
    const uint32_t seen = p->seen;
    int timed_out = 0;
    while ((p->seen = ck_ec32_value(&p->count)) == seen && !timed_out)
        timed_out = ck_ec32_wait(&p->count, &mode, seen, deadline);
    return p->seen != seen;
}

static inline void park(struct parker *p)
{
    park_until(p, NULL);
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    const struct timespec deadline = timeout_ns ? deadline_in(timeout_ns) : (struct timespec){0};
    return park_until(p, &deadline);
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT;
const struct contestant CONTESTANT = {
    .name = NAME,
    .what = WHAT,
    .traits = SPINS_FIRST | (SINGLE_PRODUCER ? ONE_PRODUCER : 0),
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

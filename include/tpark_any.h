/* SPDX-License-Identifier: MIT */
/*
 * Included by tpark.h: one owner sleeps on several parkers. What holds for every function stands
 * at the top of tpark.h.
 */
#ifndef TPARK_ANY_H
#define TPARK_ANY_H

#include "tpark.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of the parkers that tpark_park_any() looks at, and what it found there. */
struct tpark_any {
    struct tpark *parker;
    bool has_token; /* written by tpark_park_any(): the token was there, and has been consumed */
    uint8_t reserved[7]; /* 0 */
};

enum { TPARK_ANY_MAX = 128 }; /* what the kernel takes */

/*
 * tpark_park_until() on several parkers at once, all of them the caller's, private and
 * process-shared ones in any mixture: sleeps until one of them has a token, and consumes every
 * token that it finds on its one round of the set, so that none starves behind another. A token
 * that comes later than the round's look at its parker stays for the next call. Before it sleeps it
 * spins for as long as any of the parkers' policies has it; TPARK_PRECISE has no effect on it.
 *
 * Returns    0: at least one token was consumed; has_token says which. ETIMEDOUT: the deadline has
 *            passed, and no token was consumed. EINVAL: not a time, or not a set.
 * Units      As tpark_park_until(). A deadline that has passed looks for tokens and never sleeps.
 * Errors     EINVAL if tv_nsec is not in 0..999999999, count not in 1..TPARK_ANY_MAX, or a
 *            reserved byte not 0: looked at first; tokens and has_token stay as they are. Aborts
 *            as tpark_arm() does, also if a parker is there twice, and the call sleeps.
 * Ordering   For each token that was consumed, acquire.
 * Context    The owner of all the parkers. Not async-signal-safe. With the pthread backend, where
 *            the kernel has no futex_waitv(2) (before Linux 5.16), and in a thread under a seccomp
 *            filter, one of several parkers' tokens may be found late if it comes from another
 *            process, or another copy of the library in this one: by as long as the call had slept,
 *            and at most by 10 ms if the set has a parker with TPARK_SHARED, else by 1 s. So may
 *            any while more than 64 threads (32 on 32-bit machines) sleep in this call: by 10 ms.
 */
TPARK_API int tpark_park_any(struct tpark_any *set, size_t count, const struct timespec *deadline)
    TPARK_NONNULL(1);

#ifdef __cplusplus
}
#endif

#endif /* TPARK_ANY_H */

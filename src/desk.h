/* SPDX-License-Identifier: MIT */
/*
 * Where a thread sleeps that has armed several parkers, if it cannot wait on all of them: without
 * futex_waitv(2), and with the pthread backend. It lists them at a desk of the process, which has a
 * parker of its own, the bell, and sleeps on that. Whoever wakes the owner of a listed parker rings
 * the bell too.
 *
 * No wake is lost. The list is written before the owner arms the parkers on it, and an unpark reads
 * it after it has replaced the PARKED of that arming, which orders the two. A desk is the
 * process's, and never freed, so a bell that is rung late rings for nobody, or for the next thread
 * there, which looks at its parkers and goes back to sleep.
 *
 * Unparks by other processes, or by another copy of the library in this one, ring no bell: so a
 * sleep there is to end by itself now and then.
 */
#ifndef TPARK_SRC_DESK_H
#define TPARK_SRC_DESK_H

#include <limits.h>
#include <stdatomic.h>

#include "tpark.h"

#pragma GCC visibility push(hidden)

struct tpark_desk;

/* Takes a desk and lists the parkers, none of them armed. NULL: there is none left. */
struct tpark_desk *tpark_desk_take(const struct tpark_any *set, size_t count);
/* When none of them is armed any more; NULL is a no-op. */
void tpark_desk_leave(struct tpark_desk *desk);
/* The parker to sleep on. */
struct tpark *tpark_desk_bell(struct tpark_desk *desk);

/* A bit for each desk that is taken. */
extern atomic_ulong tpark_desks_taken;

/* Rings where this parker is listed. Only its address counts. Async-signal-safe where an unpark is.
 */
void tpark_desk_ring_listed(const struct tpark *p);

static inline void tpark_desk_ring(const struct tpark *p)
{
    /* Relaxed: see the top of this file. */
    if (atomic_load_explicit(&tpark_desks_taken, memory_order_relaxed))
        tpark_desk_ring_listed(p);
}

#pragma GCC visibility pop

#endif

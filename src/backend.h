/* SPDX-License-Identifier: MIT */
/*
 * What the protocol (park.c) asks of the blocking layer. One file implements it, and the build
 * chooses which: backend_futex.c or backend_pthread.c. The protocol owns every transition of the
 * state; the backend owns sleeping, reads the state, and never writes it. Since a wait reports
 * nothing, two backends cannot disagree about what happened.
 *
 * Every function may change errno; the protocol restores it.
 */
#ifndef TPARK_SRC_BACKEND_H
#define TPARK_SRC_BACKEND_H

#include <stdatomic.h>

#include "tpark.h"

#pragma GCC visibility push(hidden)

enum { TPARK_CACHE_LINE = 64 };

/* Make what the layer needs besides state and flags, which are set. 0, or an error number. */
int tpark_backend_init(struct tpark *p);
void tpark_backend_destroy(struct tpark *p);

/*
 * Sleep while the state is PARKED. May return for any reason and at any time; orders nothing.
 * The check and the sleep are atomic against tpark_backend_wake(). deadline: a valid, non-negative
 * time of CLOCK_MONOTONIC; NULL: none. Only the owner calls it.
 */
void tpark_backend_wait(struct tpark *p, const struct timespec *deadline);

/*
 * The same while all parkers of the set are PARKED, 1 to TPARK_ANY_MAX of them. False, without
 * having slept, where that cannot be done, or not this time.
 */
bool tpark_backend_wait_any(const struct tpark_any *set, size_t count,
                            const struct timespec *deadline);

/*
 * Wake the owner if it sleeps. The state was PARKED when the token was published, and may be
 * anything by now, PARKED again included: then this is a stray wake. Never skip it, or assert, for
 * what the state reads. is_shared: whether it has TPARK_SHARED, when it may no longer be looked at.
 */
void tpark_backend_wake(struct tpark *p, bool is_shared);

/*
 * The header's plain integers as the atomics that they are: the header is also C++, and is read by
 * binding generators that know no _Atomic. The same size and alignment make them the same objects
 * to the compilers that we support.
 */
_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "");
_Static_assert(_Alignof(_Atomic uint32_t) == _Alignof(uint32_t), "");
_Static_assert(sizeof(_Atomic uint16_t) == sizeof(uint16_t), "");
_Static_assert(_Alignof(_Atomic uint16_t) == _Alignof(uint16_t), "");
_Static_assert(sizeof(_Atomic uint8_t) == sizeof(uint8_t), "");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "unpark in a signal handler needs lock-free atomics");

static inline _Atomic uint32_t *tpark_state_word(struct tpark *p)
{
    return (_Atomic uint32_t *)&p->state;
}

static inline _Atomic uint8_t *tpark_armed_mark(struct tpark *p)
{
    return (_Atomic uint8_t *)&p->armed;
}

/*
 * Of an adaptive parker. Shared: the note of its waker. Private, whose notes lie elsewhere: what
 * the owner asks of its wakers.
 */
static inline _Atomic uint16_t *tpark_note_word(struct tpark *p)
{
    return (_Atomic uint16_t *)&p->spin;
}

#pragma GCC visibility pop

#endif

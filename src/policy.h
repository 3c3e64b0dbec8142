/* SPDX-License-Identifier: MIT */
/*
 * What an owner does in place of sleeping. The protocol (park.c) owns every transition of the
 * state, and tries for the token; this says for how long it goes on trying, and learns from how
 * that ended. Only the owner calls these functions, unless they say otherwise.
 */
#ifndef TPARK_SRC_POLICY_H
#define TPARK_SRC_POLICY_H

#include "tpark.h"

#pragma GCC visibility push(hidden)

/* Whether all flags are known, and name one policy at most. */
bool tpark_policy_accepts(unsigned flags);

/*
 * Tells the owner who wakes it, and when, if the owner asks for that. traits: the flags, and the
 * note word as it was before the exchange, shifted by 16. Touches a parker only if it is shared.
 * Any thread; async-signal-safe.
 */
void tpark_policy_leave_note(struct tpark *p, uint32_t traits);

/* A spin: how often to try for the token, and until when. */
struct tpark_spin {
    uint32_t time_ns; /* at most; 0: not at all */
    uint32_t looks;   /* so many between two readings of the clock */
    uint64_t deadline_ns;
    uint64_t start_ns;             /* 0: not read yet */
    uint64_t now_ns;               /* as read last */
    const struct tpark *undecided; /* NULL, or whose time_ns is not known yet */
};

/* The spin with which a park begins, as its policy has it. deadline: not beyond it; NULL: none. */
struct tpark_spin tpark_policy_spin(const struct tpark *p, const struct timespec *deadline);

/* A spin until the deadline. */
struct tpark_spin tpark_policy_spin_until(const struct timespec *deadline);

/* Whether there is time for more looks. */
bool tpark_spin_goes_on(struct tpark_spin *spin);

/* Learns from a spin that found a token. */
void tpark_policy_has_won(const struct tpark *p, const struct tpark_spin *spin);

/* The owner goes to sleep, after this spin in vain; then it is back, with a token or without. */
void tpark_policy_goes_to_sleep(struct tpark *p, struct tpark_spin *spin);
void tpark_policy_is_back(struct tpark *p, bool token);

#pragma GCC visibility pop

#endif

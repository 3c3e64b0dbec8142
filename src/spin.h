/* SPDX-License-Identifier: MIT */
/*
 * What an owner does in place of sleeping: before its sleep, as the parker's policy has it, and
 * after it, until a deadline that is to be met precisely. The protocol (park.c) owns every
 * transition of the state; this file only looks at it, and says when to try for the token.
 */
#ifndef TPARK_SRC_SPIN_H
#define TPARK_SRC_SPIN_H

#include "tpark.h"

#pragma GCC visibility push(hidden)

/* Whether all flags are known, and name one policy at most. */
bool tpark_spin_accepts(unsigned flags);

/* What the owner remembers from the beginning of a park to the end of its sleep. */
struct tpark_spin {
    bool learns;
    int cpu;
    uint64_t start_ns;
};

/*
 * Begins a park: spins for as long as the policy has it, but not beyond the deadline (NULL: none).
 * Returns whether the state is EMPTY no more. Only the owner calls it, before it arms.
 */
bool tpark_spin_first(struct tpark_spin *spin, struct tpark *p, const struct timespec *deadline);

/* Learns from the sleep that followed: for how long to spin next time. */
void tpark_spin_learn(const struct tpark_spin *spin, struct tpark *p, bool token);

/* Whether the owner of a parker with these flags reads notes. */
bool tpark_spin_wants_note(unsigned flags);

/*
 * Leaves the owner a note of who wakes it, and when. Only the address counts: the parker may be
 * gone. Async-signal-safe.
 */
void tpark_spin_leave_note(const struct tpark *p);

/* When a sleep must end to leave time for meeting the deadline precisely. */
struct timespec tpark_spin_alarm(const struct timespec *deadline);

/* Learns how late a sleep ended that was to end at this alarm. */
void tpark_spin_learn_lateness(const struct timespec *alarm);

/* Spins until the deadline. Returns whether the state is EMPTY no more. */
bool tpark_spin_last(struct tpark *p, const struct timespec *deadline);

#pragma GCC visibility pop

#endif

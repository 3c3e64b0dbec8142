/* SPDX-License-Identifier: MIT */
/* What a waker tells the owner that it wakes: when it gave the token, and on which CPU it ran. */
#ifndef TPARK_SRC_NOTE_H
#define TPARK_SRC_NOTE_H

#include "tpark.h"

#pragma GCC visibility push(hidden)

struct tpark_note {
    bool is_there;
    bool same_cpu; /* the waker ran where the owner runs now: while one of them spins, none works */
    uint64_t time_ns; /* modulo range_ns, in whole units */
    uint64_t unit_ns;
    uint64_t range_ns;
};

/*
 * Leaves a note. Of a private parker only the address counts: the parker may be gone.
 * Async-signal-safe.
 */
void tpark_note_leave(struct tpark *p, bool is_shared);

/* The last note to the owner of this parker, as far as it can be told from others. */
struct tpark_note tpark_note_read(struct tpark *p);

/*
 * How long after `start` the note was left, if it was left between start and now; else UINT64_MAX,
 * also if that is longer ago than a note can tell.
 */
uint64_t tpark_note_wait(const struct tpark_note *note, uint64_t start_ns, uint64_t now_ns);

#pragma GCC visibility pop

#endif

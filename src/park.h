/* SPDX-License-Identifier: MIT */
/* What the protocol (park.c) offers to the library besides tpark.h. */
#ifndef TPARK_SRC_PARK_H
#define TPARK_SRC_PARK_H

#include "tpark.h"

#pragma GCC visibility push(hidden)

/* What ends a parker's life, or its owner's, while it is armed is misuse. */
bool tpark_is_armed(struct tpark *p);
void tpark_require_idle(struct tpark *p, const char *function);

/* tpark_disarm() of an owner that could not sleep, and has nothing to learn from that. */
bool tpark_disarm_unslept(struct tpark *p);

/* tpark_wake_owner() of whoever owes a wake, and has left the note. Changes errno. */
void tpark_wake_noted_owner(struct tpark_owed owed);

#pragma GCC visibility pop

#endif

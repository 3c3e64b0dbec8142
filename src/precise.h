/* SPDX-License-Identifier: MIT */
/* TPARK_PRECISE: sleeps that end before the deadline, so that a spin can meet it. */
#ifndef TPARK_SRC_PRECISE_H
#define TPARK_SRC_PRECISE_H

#include <time.h>

#pragma GCC visibility push(hidden)

/* When a sleep must end to leave time for meeting the deadline precisely. */
struct timespec tpark_precise_alarm(const struct timespec *deadline);

/* Learns how late a sleep ended that was to end at this alarm. */
void tpark_precise_learn(const struct timespec *alarm);

#pragma GCC visibility pop

#endif

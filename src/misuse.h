/* SPDX-License-Identifier: MIT */
#ifndef TPARK_SRC_MISUSE_H
#define TPARK_SRC_MISUSE_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)

/*
 * Writes "tpark: FUNCTION: REASON" as one line to stderr, and aborts. Async-signal-safe: a corrupt
 * parker may be met in a signal handler.
 */
_Noreturn void tpark_misuse(const char *function, const char *reason);

/* Whether other processes may write there: what stands in it need not be this program's bug. */
bool tpark_is_shared_memory(const void *address);

#pragma GCC visibility pop

#endif

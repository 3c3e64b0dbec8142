/* SPDX-License-Identifier: MIT */
/*
 * The whole list of what the futex backend asks of a Linux kernel. No other file of the library
 * makes a system call by its number.
 *
 *   futex(2)        FUTEX_WAIT_BITSET, FUTEX_WAKE and, for a pause, FUTEX_WAIT. All that is needed,
 *                   and all that a thread under a seccomp filter uses: only its refusal is fatal.
 *                   By the name of futex_time64 where a 32-bit kernel has no other.
 *   futex_waitv(2)  Since Linux 5.16. Sleeps on several words, and on one without timer slack.
 *   futex_wait(2)   Since Linux 6.7. Sleeps on one word without timer slack.
 *   prctl(2)        PR_GET_SECCOMP, by who is about to make one of these two newer calls.
 *                   PR_FUTEX_HASH (6.16), but only if the program calls tpark_grow_futex_hash(),
 *                   which both backends have (hash.c).
 *   nanosleep(2)    Where the kernel has no memory even for a futex of this thread alone.
 *
 * Why it asks first: a filter may answer an unknown call with any error, or by killing the process,
 * and there is no way to try. It may have been there when the program started, or come later, upon
 * the process or one thread. So each newer call is made only if the kernel says, right before, that
 * the thread has no filter. A filter that kills for the question itself, or that another thread
 * brings upon this one between the question and the end of the sleep, takes a library that was
 * built with -Dtpark_newer_calls=never: it makes neither the question nor the calls. With =always
 * it makes the calls without the question, for programs whose filter lets them through.
 *
 * Flags are those of a parker: TPARK_SHARED, TPARK_SLACK. Every function may change errno.
 */
#ifndef TPARK_SRC_FUTEX_H
#define TPARK_SRC_FUTEX_H

#include "tpark.h"

#pragma GCC visibility push(hidden)

/*
 * Sleeps while *word has this value. May return for any reason, and orders nothing. deadline: a
 * valid, non-negative time of CLOCK_MONOTONIC; NULL: none.
 */
void tpark_futex_wait(uint32_t *word, uint32_t value, unsigned flags,
                      const struct timespec *deadline);

/* Wakes one thread that sleeps on the word. Reads nothing through it. */
void tpark_futex_wake(uint32_t *word, unsigned flags);

/* One of several words to sleep on, as the kernel wants it. */
struct tpark_futex_waiter {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
struct tpark_futex_waiter tpark_futex_waiter(uint32_t *word, uint32_t value, unsigned flags);

/*
 * Sleeps while every word has its value, like tpark_futex_wait(). Returns false, and has not slept,
 * where the kernel offers no such sleep, or not this time.
 */
bool tpark_futex_wait_any(const struct tpark_futex_waiter *waiters, size_t count,
                          const struct timespec *deadline);

#pragma GCC visibility pop

#endif

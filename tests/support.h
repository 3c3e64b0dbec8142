/* SPDX-License-Identifier: MIT */
/* What the tests share: threads that can be watched, and processes that must die. */
#ifndef TPARK_TESTS_SUPPORT_H
#define TPARK_TESTS_SUPPORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"
#include "tpark.h"

enum { MS = 1000000 }; /* in nanoseconds */

/* A thread of the test. */
struct task {
    pthread_t pthread;
    _Atomic pid_t tid;
    void (*run)(void *);
    void *argument;
};

void start(struct task *task, void (*run)(void *), void *argument);
void join(struct task *task);

/* The state of the parker, looked at from outside. */
enum tpark_state state_of(const struct tpark *p);

/* Wait until the thread sleeps, and the parker is PARKED. Both can be observed: no time is guessed.
 */
void wait_until_parked(struct task *task, const struct tpark *p);
/* Wait until the thread sleeps in the kernel, wherever. */
void wait_until_asleep(struct task *task);
/* How often the thread has gone to sleep so far. */
long sleeps_of(struct task *task);
/* The system call in which the thread sleeps, and its arguments. False where the kernel hides it.
 */
bool sleeping_call(struct task *task, long *number, unsigned long arguments[6]);

uint64_t now_ns(clockid_t clock);
struct timespec deadline_in_ns(int64_t ns);
static inline uint64_t monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

/* Ends a child process as _exit() does, but for what it covered. */
_Noreturn void leave(int status);
/* Runs f in a child process, and checks that it ends by abort() and writes exactly this line. */
void check_aborts(void (*f)(void), const char *line);
/* Runs f in a child process, and checks that it returns. */
void check_in_child(void (*f)(void *), void *argument);

/* Wakes the owner for no reason, as the blocking layer would. */
void stray_wake(struct tpark *p);

#endif

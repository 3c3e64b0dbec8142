/* SPDX-License-Identifier: MIT */
/*
 * A scenario is a small program: setup, then the threads, then finish when all of them have ended.
 * The scenarios themselves (scenarios.c) are plain C11 with the API of tpark: explore.c explores
 * them, threads.c runs them with threads of the system, and so could a model checker of C11.
 */
#ifndef TPARK_TESTS_MODEL_SCENARIO_H
#define TPARK_TESTS_MODEL_SCENARIO_H

#include <stdbool.h>

enum { SCENARIO_THREADS = 4 };

enum scenario_kind {
    UNTIMED,
    TIMED,   /* run with and without futex_wait(2) */
    TICKING, /* each look at the clock finds it later, so that spinning ends */
};

struct scenario {
    const char *name;
    enum scenario_kind kind;
    /* How many stale reads, and how many sleeps that end without cause, an execution may have. */
    unsigned light_budget;
    unsigned full_budget;
    void (*setup)(void);
    void (*finish)(void);
    void (*threads[SCENARIO_THREADS])(void);
    /*
     * A digit for each thread, left out where all are 0. DIES: the thread may end at any moment, as
     * if its process were killed. INTERRUPTS + i: the thread is a signal handler, which at any
     * moment interrupts thread i; it does not return before it has ended.
     */
    int roles[SCENARIO_THREADS];
};

enum { DIES = 1, INTERRUPTS };

extern const struct scenario scenarios[]; /* up to one without a name */

/* Waits until a thread has ended, or died; the first is 0. Its atomic writes are then the last
 * ones; what else it did, the model does not order, so that it is seen what the parker orders. */
void scenario_wait_for_end(int thread);

/* Whether there is but one CPU; each execution starts with more. */
extern bool scenario_has_one_cpu;

/* Whether nothing but a deadline moves the clock, so that whoever gives up does so in time. */
extern bool scenario_time_stands_still;

#define CHECK(condition) ((condition) ? (void)0 : scenario_failed(#condition, __FILE__, __LINE__))
_Noreturn void scenario_failed(const char *condition, const char *file, int line);

#endif

/* SPDX-License-Identifier: MIT */
/* What the three parts of the explorer share: explore.c, memory.c, system.c. */
#ifndef TPARK_TESTS_MODEL_MODEL_H
#define TPARK_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "scenario.h"
#include "tpark.h"

enum {
    THREADS = SCENARIO_THREADS + 1, /* thread 0 runs setup and finish */
    LOCATIONS = 16,                 /* atomic objects in one execution */
    KEYS = 4,                       /* of thread-specific data */
    WORDS = 2,                      /* that one thread may sleep on */
    TOUCHED = 2 * WORDS + 1,
    NS_PER_S = 1000000000,
};

/*
 * A vector clock, and the coherence that goes with it: thread[] orders plain accesses, seen[] is
 * the oldest write of each atomic object that may still be read.
 */
struct clock {
    uint16_t thread[THREADS];
    uint16_t seen[LOCATIONS];
};

struct thread;

/* What a thread is about to do, as far as the choice of the next thread depends on it. */
struct operation {
    /* Two operations commute unless they touch the same object and one of them writes it. */
    uintptr_t object[TOUCHED]; /* 0 after the last */
    bool writes[TOUCHED];
    /* In how many ways it can happen now, 0 if it must wait. NULL: one. */
    unsigned (*ways)(const struct thread *t);
    /* Whether one of the ways needs no luck, such as a spurious wakeup. NULL: yes. */
    bool (*certain)(const struct thread *t);
    void *argument;
    uint64_t expected; /* of a compare-exchange, */
    bool is_weak;      /* which may fail without cause */
};

struct sleep {
    const void *queue[WORDS];     /* NULL: none */
    const uint32_t *state[WORDS]; /* of the parker */
    bool is_private[WORDS];
    const struct timespec *deadline;
    int64_t expires_ns;
    bool is_interruptible;
    bool is_asleep;
    bool is_woken;
};

struct thread {
    int id;
    bool started;
    bool finished;
    bool is_mortal;
    struct thread *interrupted;   /* by this one, a signal handler; NULL: by none, or not yet */
    const struct thread *handler; /* that interrupts this thread now */
    struct operation operation;
    unsigned way; /* the explorer's choice: below operation.ways() */
    struct clock clock;
    struct clock acquired; /* by relaxed loads: an acquire fence adds it to clock */
    struct clock released; /* by the last release fence: what relaxed stores publish */
    struct sleep sleep;
    int64_t time_ns;  /* of its last look at the clock */
    bool was_refused; /* futex_wait(2), by the kernel */
    int cancel_state;
    void *specific[KEYS];
};

/* explore.c */
extern struct thread threads[THREADS];
extern struct thread *running;
extern unsigned stale_left;
extern unsigned spurious_left;
extern bool is_anonymous; /* executions are compared: what they print must not depend on names */
/* One that has futex_wait(2), one that has not, and a thread that a filter may kill for it. */
enum { NEW, OLD, FILTERING, KERNELS };
extern int kernel; /* below KERNELS */

/* Lets the explorer run other threads first; returns the way that it chose. */
unsigned step(const struct operation *o);
/* Ends the operation that step() began, with one line for the trace. */
__attribute__((format(printf, 2, 3))) void done(const void *pc, const char *format, ...);
/* Ends the execution, and the exploration. */
_Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...);
/* The same, and says where. */
_Noreturn __attribute__((format(printf, 2, 3))) void fail_at(const void *pc, const char *format,
                                                             ...);
/* errno, and the program's own thread-local variables, which switch with the threads. */
bool is_thread_local(const void *address);

/* memory.c */
void memory_start(void);
void memory_finish(void);
void clock_join(struct clock *c, const struct clock *other);
/* The same of atomic objects only: nothing older is read, but nothing else is ordered. */
void clock_see(struct clock *c, const struct clock *other);
/* An access by the kernel or the C library, which never races with an atomic one. */
void touch(const void *address, size_t size, const void *pc);
/* The end of an object's life: as a write to all of it. */
void touch_last(const void *address, size_t size, const void *pc);
/* Whether address is in a block that aligned_alloc() made, so that a handle keeps it alive. */
bool is_handle(const void *address);
bool is_freed(const void *address);
/* What a free of address writes, as an object of operations; 0 if it is not in the heap. */
uintptr_t lifetime_object(const void *address);

/* system.c */
void system_start(void);
void system_finish_thread(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark asks of a contestant. A contestant is one file that defines struct parker,
 * park(), unpark() and, if it can, park_timeout(), expands CONTESTANT_CALLS, and describes itself
 * in one struct contestant. It runs the way its own users run it.
 */
#ifndef BENCH_CONTESTANT_H
#define BENCH_CONTESTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What sets a contestant apart from a parker that merges tokens, and sleeps at once. */
enum contestant_traits {
    COUNTS = 1u << 0,       /* unparks add up: each one ends a park of its own */
    ONE_SHOT = 1u << 1,     /* a second unpark before the park is forbidden */
    ONE_PRODUCER = 1u << 2, /* one thread at a time may unpark */
    SPINS_FIRST = 1u << 3,  /* spins for a while before it sleeps */
    NEVER_SLEEPS = 1u << 4, /* only spins */
    CANNOT_WAIT = 1u << 5,  /* a limit of the fast paths: park() does not wait for a token */
    OWN_THREAD = 1u << 6,   /* the parker is the thread's: none can be embedded, or moved */
    USES_FILE = 1u << 7,    /* holds a file descriptor */
    WALL_CLOCK = 1u << 8,   /* its timeouts follow the wall clock */
    WORKER = 1u << 9,       /* no parker, but a sleeping thread of its own that runs functions */
    TIMES_OUT = 1u << 10,   /* of interest for its timeouts: else it is the same as another one */
    HAS_POLICY = 1u << 11,  /* its users choose whether it spins, or it chooses by itself */
    NAPS = 1u << 12,        /* sleeps for 10 ms at a time where the waker is slow */
    BETWEEN_PROCESSES = 1u << 13, /* lies in memory that owner and waker share */
    BLOCKS_ON = 1u << 14,         /* a park is a block_on, of a future that an unpark wakes */
    WAITS_ONLY = 1u << 15,        /* one of many policies, for the measurement of waits */
    IDLE_SET = 1u << 16,          /* a set of idle owners, which chooses whom to wake */
    CALLED_OTHERWISE = 1u << 17,  /* asleep it is the same as another one */
    CROWD_ONLY = 1u << 18, /* a setting of the process that matters to thousands of sleepers */
};

/* A contestant that can be built a second time, for an owner and a waker in two processes. */
#ifdef PROCESSES
#define CONTESTANT_OF(id) contestant_##id##_processes
#define NAME_OF(name) name "-processes"
#define PROCESSES_TRAIT BETWEEN_PROCESSES
#else
#define PROCESSES 0
#define CONTESTANT_OF(id) contestant_##id
#define NAME_OF(name) name
#define PROCESSES_TRAIT 0
#endif

/* What an IDLE_SET has: one set for all of its parkers. */
struct idle_calls {
    void (*prepare)(void *parker);
    bool (*cancel)(void *parker); /* false: a wake has chosen the owner */
    void (*commit)(void *parker);
    size_t (*wake)(size_t count);
};

struct contestant {
    const char *name;
    const char *what;
    unsigned traits;
    size_t size;                /* bytes of a parker */
    int (*init)(void *parker);  /* 0, or an error number */
    void (*bind)(void *parker); /* by the owner, before any unpark; NULL: nothing to do */
    void (*destroy)(void *parker);
    void (*park)(void *parker);
    void (*unpark)(void *parker);
    /* Whether it consumed a token; NULL: it has no timeout. */
    bool (*park_timeout)(void *parker, uint64_t timeout_ns);
    /* The loops of the fast paths, here so that each contestant is called as its users call it. */
    void (*repeat_pair)(void *parker, uint64_t n);
    void (*repeat_unpark)(void *parker, uint64_t n);
    void (*repeat_poll)(void *parker, uint64_t n);
    /* In place of all these, a WORKER has: wakes the worker, which calls function(argument). */
    void (*post)(void *parker, void (*function)(void *argument), void *argument);
    const struct idle_calls *idle; /* of an IDLE_SET, in place of park and unpark */
};

#define CONTESTANT_CALLS_UNTIMED                                                                   \
    static void call_park(void *p)                                                                 \
    {                                                                                              \
        park((struct parker *)p);                                                                  \
    }                                                                                              \
    static void call_unpark(void *p)                                                               \
    {                                                                                              \
        unpark((struct parker *)p);                                                                \
    }                                                                                              \
    static void repeat_pair(void *p, uint64_t n)                                                   \
    {                                                                                              \
        for (; n; n--) {                                                                           \
            unpark((struct parker *)p);                                                            \
            park((struct parker *)p);                                                              \
        }                                                                                          \
    }                                                                                              \
    static void repeat_unpark(void *p, uint64_t n)                                                 \
    {                                                                                              \
        for (; n; n--)                                                                             \
            unpark((struct parker *)p);                                                            \
    }

#define CONTESTANT_CALLS                                                                           \
    CONTESTANT_CALLS_UNTIMED                                                                       \
    static bool call_park_timeout(void *p, uint64_t timeout_ns)                                    \
    {                                                                                              \
        return park_timeout((struct parker *)p, timeout_ns);                                       \
    }                                                                                              \
    static void repeat_poll(void *p, uint64_t n)                                                   \
    {                                                                                              \
        for (; n; n--)                                                                             \
            park_timeout((struct parker *)p, 0);                                                   \
    }

#ifdef __cplusplus
}
#endif

#endif

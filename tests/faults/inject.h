/* SPDX-License-Identifier: MIT */
/*
 * The calls of the library into the system, made to fail as a test wants: the test programs are
 * linked with --wrap for each of them. Exact and the same in every run, where stress would have to
 * be lucky.
 */
#ifndef TPARK_TESTS_INJECT_H
#define TPARK_TESTS_INJECT_H

#include <limits.h>
#include <sys/syscall.h>

#include "tpark.h"

enum call {
#if TPARK_BACKEND_FUTEX
    FUTEX_WAIT_2, /* futex_wait(2) */
    FUTEX_SLEEP,  /* futex(2), FUTEX_WAIT_BITSET */
    FUTEX_ROUSE,  /* futex(2), FUTEX_WAKE */
    FUTEX_PAUSE,  /* futex(2), FUTEX_WAIT */
    FUTEX_WAITV,  /* futex_waitv(2) */
    FUTEX_TIME64, /* futex_time64(2) where there is a futex(2) too */
    SECCOMP_MODE, /* prctl(2), PR_GET_SECCOMP: error is what it returns */
#else
    COND_WAIT,
    COND_TIMEDWAIT,
    COND_SIGNAL,
    COND_INIT,
    COND_DESTROY,
    CONDATTR_INIT,
    CONDATTR_DESTROY,
    CONDATTR_SETCLOCK,
    CONDATTR_SETPSHARED,
    MUTEX_INIT,
    MUTEX_DESTROY,
    MUTEX_LOCK,
    MUTEXATTR_INIT,
    MUTEXATTR_DESTROY,
    MUTEXATTR_SETPSHARED,
#endif
    KEY_CREATE,
    SETSPECIFIC,
    CLOCK_READ,
    CALLS,
};

enum { ALWAYS = INT_MAX };

/* What happens to the next calls of a kind. */
struct fault {
    enum call call;
    int times;
    int error;                       /* what they fail with; 0: they succeed, without any effect */
    bool proceeds;                   /* they are made after all, and error means nothing */
    void (*meanwhile)(void *object); /* runs in the caller first; may be NULL */
    void *object;
};

#if TPARK_BACKEND_FUTEX
/* What prctl(2) says of the futex hash of the process. */
extern struct futex_hash {
    bool is_modelled; /* else the kernel is asked */
    int slots;
    int sets;                 /* how often somebody set them */
    int get_error, set_error; /* 0: it succeeds */
} futex_hash;
#endif

/* Replaces what was injected into calls of this kind before. */
void inject(struct fault fault);
/* The calls of this kind so far, those that failed by injection included. */
int count_of(enum call call);

#if TPARK_BACKEND_FUTEX
/* Until when the last FUTEX_SLEEP was to last. */
extern struct timespec sleep_deadline;
#endif

#if TPARK_BACKEND_PTHREAD
/* Between whom the last mutex, or condition variable, was to be shared. */
extern int mutex_sharing, cond_sharing;
#endif

/* From now on CLOCK_MONOTONIC stands at this time. */
void stop_clock(struct timespec t);

#endif

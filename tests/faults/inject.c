/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    struct fault fault;
    atomic_int left;
    atomic_int count;
} script[CALLS];

static struct timespec stopped_at;
static atomic_bool is_clock_stopped;

void inject(struct fault fault)
{
    script[fault.call].fault = fault;
    script[fault.call].left = fault.times;
}

int count_of(enum call call)
{
    return script[call].count;
}

void stop_clock(struct timespec t)
{
    stopped_at = t;
    is_clock_stopped = true;
}

/* Counts a call, and returns the fault that it is to suffer; NULL: none. */
static const struct fault *next_fault(enum call call)
{
    script[call].count++;
    int left = script[call].left;
    while (left > 0 && !atomic_compare_exchange_weak(&script[call].left, &left, left - 1))
        ;
    if (left <= 0)
        return NULL;
    const struct fault *fault = &script[call].fault;
    if (fault->meanwhile)
        fault->meanwhile(fault->object);
    return fault->proceeds ? NULL : fault;
}

/* What is called by the C library's own name is wrapped; the real one is for the wrapper. */
#define WRAP(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

/* Of the functions that return an error number. */
#define WRAP_PTHREAD(call, name, parameters, arguments)                                            \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        const struct fault *fault = next_fault(call);                                              \
        return fault ? fault->error : __real_##name arguments;                                     \
    }

WRAP_PTHREAD(KEY_CREATE, pthread_key_create, (pthread_key_t * key, void (*destructor)(void *)),
             (key, destructor))
WRAP_PTHREAD(SETSPECIFIC, pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

WRAP(int, clock_gettime, clockid_t clock, struct timespec *t)
{
    if (clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, t);
    next_fault(CLOCK_READ); /* never fails, whatever it is told */
    if (!is_clock_stopped)
        return __real_clock_gettime(clock, t);
    *t = stopped_at;
    return 0;
}

#if TPARK_BACKEND_FUTEX

#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif

#ifndef SYS_futex_waitv
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif

static enum call kind_of(long number, long operation)
{
    if (number == SYS_futex_wait)
        return FUTEX_WAIT_2;
    if (number == SYS_futex_waitv)
        return FUTEX_WAITV;
#ifdef SYS_futex_time64
    if (number == SYS_futex_time64)
        return FUTEX_TIME64;
#endif
    if (number != SYS_futex)
        return CALLS;
    switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
        return FUTEX_SLEEP;
    case FUTEX_WAKE:
        return FUTEX_ROUSE;
    case FUTEX_WAIT:
        return FUTEX_PAUSE;
    default:
        return CALLS;
    }
}

struct timespec sleep_deadline;

WRAP(long, syscall, long number, ...)
{
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    const enum call call = kind_of(number, a[1]);
    if (call == FUTEX_SLEEP && a[3]) {
        const long *until = (const long *)a[3];
        sleep_deadline = (struct timespec){.tv_sec = (time_t)until[0], .tv_nsec = until[1]};
    }
    const struct fault *fault = call == CALLS ? NULL : next_fault(call);
    if (!fault)
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (!fault->error)
        return 0;
    errno = fault->error;
    return -1;
}

/* Of prctl(2), since Linux 6.16. */
enum { FUTEX_HASH = 78, SET_SLOTS = 1, GET_SLOTS = 2 };

struct futex_hash futex_hash;

static int hash_call(const unsigned long a[4])
{
    const bool is_get = a[0] == GET_SLOTS && !a[1];
    const bool is_set = a[0] == SET_SLOTS && a[1] > 1 && !(a[1] & (a[1] - 1));
    futex_hash.sets += is_set;
    const int refusal = is_get ? futex_hash.get_error : futex_hash.set_error;
    if (refusal || !(is_get || is_set) || a[2] || a[3]) {
        errno = refusal ? refusal : EINVAL;
        return -1;
    }
    if (is_set)
        futex_hash.slots = (int)a[1];
    return is_get ? futex_hash.slots : 0;
}

WRAP(int, prctl, int option, ...)
{
    va_list list;
    va_start(list, option);
    unsigned long a[4];
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == FUTEX_HASH && futex_hash.is_modelled)
        return hash_call(a);
    const struct fault *fault = option == PR_GET_SECCOMP ? next_fault(SECCOMP_MODE) : NULL;
    return fault ? fault->error : __real_prctl(option, a[0], a[1], a[2], a[3]);
}

#else

int mutex_sharing = -1, cond_sharing = -1;

WRAP_PTHREAD(COND_WAIT, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex),
             (cond, mutex))
WRAP_PTHREAD(COND_TIMEDWAIT, pthread_cond_timedwait,
             (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *deadline),
             (cond, mutex, deadline))
WRAP_PTHREAD(COND_SIGNAL, pthread_cond_signal, (pthread_cond_t * cond), (cond))
WRAP_PTHREAD(COND_INIT, pthread_cond_init,
             (pthread_cond_t * cond, const pthread_condattr_t *attributes), (cond, attributes))
WRAP_PTHREAD(COND_DESTROY, pthread_cond_destroy, (pthread_cond_t * cond), (cond))
WRAP_PTHREAD(CONDATTR_INIT, pthread_condattr_init, (pthread_condattr_t * attributes), (attributes))
WRAP_PTHREAD(CONDATTR_SETCLOCK, pthread_condattr_setclock,
             (pthread_condattr_t * attributes, clockid_t clock), (attributes, clock))
WRAP_PTHREAD(CONDATTR_SETPSHARED, pthread_condattr_setpshared,
             (pthread_condattr_t * attributes, int sharing), (attributes, cond_sharing = sharing))
WRAP_PTHREAD(CONDATTR_DESTROY, pthread_condattr_destroy, (pthread_condattr_t * attributes),
             (attributes))
WRAP_PTHREAD(MUTEX_DESTROY, pthread_mutex_destroy, (pthread_mutex_t * mutex), (mutex))
WRAP_PTHREAD(MUTEXATTR_DESTROY, pthread_mutexattr_destroy, (pthread_mutexattr_t * attributes),
             (attributes))
WRAP_PTHREAD(MUTEX_INIT, pthread_mutex_init,
             (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes), (mutex, attributes))
WRAP_PTHREAD(MUTEX_LOCK, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP_PTHREAD(MUTEXATTR_INIT, pthread_mutexattr_init, (pthread_mutexattr_t * attributes),
             (attributes))
WRAP_PTHREAD(MUTEXATTR_SETPSHARED, pthread_mutexattr_setpshared,
             (pthread_mutexattr_t * attributes, int sharing), (attributes, mutex_sharing = sharing))

#endif

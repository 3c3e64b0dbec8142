/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "futex.h"

#ifdef TPARK_BACKEND_FUTEX

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "misuse.h"

/* Written out, since <linux/futex.h> is not there with every C library. */
enum {
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_PRIVATE_FLAG = 128,
};
static const unsigned FUTEX_BITSET_MATCH_ANY = UINT32_MAX;

/* The kernel's long, which only on x32 is longer than ours. */
#if defined(__x86_64__) && defined(__ILP32__)
typedef long long kernel_long;
#else
typedef long kernel_long;
#endif

/* --------------------------------------------------------------------------- the newer calls -- */

/* System calls of this age are numbered alike on all machines, but for the start. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif
enum { SIZE_U32 = 0x02 }; /* FUTEX2_SIZE_U32 */

enum { NEVER, AUTO, ALWAYS };
static const int newer_calls = TPARK_NEWER_CALLS;

/* Time as the kernel reads it there on every machine. */
struct time64 {
    int64_t s;
    int64_t ns;
};

static struct time64 time64_of(const struct timespec *t)
{
    return t ? (struct time64){.s = t->tv_sec, .ns = t->tv_nsec} : (struct time64){0};
}

/*
 * Whether the thread is under a seccomp filter, for all that the kernel tells. Once there, it stays
 * there. That it is not holds for this moment only.
 */
static bool may_be_filtered(void)
{
    static _Thread_local bool is_filtered;
    if (!is_filtered)
        is_filtered = prctl(PR_GET_SECCOMP) != 0;
    return is_filtered;
}

/*
 * A call that the kernel of this process has not. Only an ENOSYS that no filter can have made says
 * so: every other error is of this one call, and what one thread meets binds no other. Relaxed: who
 * sees an old value finds out for itself.
 */
static bool may_try(const atomic_bool *is_missing)
{
    if (newer_calls != AUTO)
        return newer_calls == ALWAYS;
    return !atomic_load_explicit(is_missing, memory_order_relaxed) && !may_be_filtered();
}

/* Whether a sleep is over, for whatever reason. */
static bool has_slept(long result)
{
    return result >= 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
}

static bool has_slept_in_newer(long result, atomic_bool *is_missing)
{
    if (has_slept(result))
        return true;
    /* A filter may have come since the first question. */
    if (newer_calls == AUTO && errno == ENOSYS && !may_be_filtered())
        atomic_store_explicit(is_missing, true, memory_order_relaxed);
    return false;
}

static uint32_t private_flag(unsigned flags)
{
    return flags & TPARK_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
}

struct tpark_futex_waiter tpark_futex_waiter(uint32_t *word, uint32_t value, unsigned flags)
{
    return (struct tpark_futex_waiter){
        .value = value,
        .address = (uintptr_t)word,
        .flags = SIZE_U32 | private_flag(flags),
    };
}

bool tpark_futex_wait_any(const struct tpark_futex_waiter *waiters, size_t count,
                          const struct timespec *deadline)
{
    static atomic_bool is_missing;
    if (!may_try(&is_missing))
        return false;
    const struct time64 until = time64_of(deadline);
    return has_slept_in_newer(syscall(SYS_futex_waitv, waiters, (unsigned)count, 0u,
                                      deadline ? &until : NULL, CLOCK_MONOTONIC),
                              &is_missing);
}

/* The kernel applies the timer slack (50 us by default) in futex(2), and not in these two. */
static bool wait_without_slack(uint32_t *word, uint32_t value, unsigned flags,
                               const struct timespec *deadline)
{
    static atomic_bool is_missing;
    const struct time64 until = time64_of(deadline);
    if (may_try(&is_missing) &&
        has_slept_in_newer(syscall(SYS_futex_wait, word, (unsigned long)value,
                                   (unsigned long)FUTEX_BITSET_MATCH_ANY,
                                   SIZE_U32 | private_flag(flags), &until, CLOCK_MONOTONIC),
                           &is_missing))
        return true;
    const struct tpark_futex_waiter waiter = tpark_futex_waiter(word, value, flags);
    return tpark_futex_wait_any(&waiter, 1, deadline);
}

/* ---------------------------------------------------------------------------------- futex(2) -- */

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *time)
{
#ifdef SYS_futex
    /* On a 32-bit machine it is the oldest of all, and its time has 32 bits. Waking early for a
     * deadline beyond is allowed, and takes 68 years of uptime. */
    const int64_t last = sizeof(kernel_long) == sizeof(int64_t) ? INT64_MAX : INT32_MAX;
    const struct {
        kernel_long s;
        kernel_long ns;
    } until = {
        .s = (kernel_long)(time && time->tv_sec < last ? time->tv_sec : last),
        .ns = time ? time->tv_nsec : 0,
    };
    const long result = syscall(SYS_futex, word, operation, value, time ? &until : NULL, NULL,
                                FUTEX_BITSET_MATCH_ANY);
#ifndef SYS_futex_time64
    return result;
#else
    if (result >= 0 || errno != ENOSYS)
        return result;
#endif
#endif
#ifdef SYS_futex_time64
    const struct time64 until64 = time64_of(time);
    return syscall(SYS_futex_time64, word, operation, value, time ? &until64 : NULL, NULL,
                   FUTEX_BITSET_MATCH_ANY);
#endif
}

/*
 * The kernel is out of memory, which passes: lets a millisecond go by. A futex that is private to
 * the process needs none, and no other system call; but if even that fails, this is no busy loop.
 */
static void pause_for_memory(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    uint32_t word = 0;
    if (has_slept(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, word, &ms)))
        return;
    int cancel_state; /* nanosleep(2) is a cancellation point, a parker is none */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    nanosleep(&ms, NULL);
    pthread_setcancelstate(cancel_state, NULL);
}

void tpark_futex_wait(uint32_t *word, uint32_t value, unsigned flags,
                      const struct timespec *deadline)
{
    if (deadline && !(flags & TPARK_SLACK) && wait_without_slack(word, value, flags, deadline))
        return;
    /* The bitset variant, since its deadline is absolute. */
    const int operation = FUTEX_WAIT_BITSET | (int)private_flag(flags);
    if (has_slept(futex(word, operation, value, deadline)))
        return;
    if (errno != ENOMEM) /* this sleep can never succeed: to try again would be a busy loop */
        tpark_misuse(__func__, "the kernel refuses futex waits");
    pause_for_memory();
}

/* For how often a wake is tried again while the kernel has no memory: about a second. */
enum { WAKE_TRIES = 1000 };

void tpark_futex_wake(uint32_t *word, unsigned flags)
{
    const int operation = FUTEX_WAKE | (int)private_flag(flags);
    for (int i = 0; i < WAKE_TRIES && futex(word, operation, 1, NULL) < 0; i++) {
        /* The memory may be gone, or be somebody's priority-inheriting lock by now. */
        if (errno == EFAULT || errno == EINVAL)
            return;
        if (errno != ENOMEM)
            tpark_misuse(__func__, "the kernel refuses futex wakes");
        pause_for_memory();
    }
}

#endif

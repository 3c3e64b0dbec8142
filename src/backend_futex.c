/* SPDX-License-Identifier: MIT */
/*
 * Sleeps in futex(2) on the state word itself. The kernel compares the word with PARKED and queues
 * the thread in one step against a wake: that is the whole of the backend's contract. What is left
 * is to choose the system call, and to know its return codes.
 */
#include "config.h"

#include "backend.h"

#ifdef TPARK_BACKEND_FUTEX

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "misuse.h"

/*
 * futex_wait(2), since Linux 6.7, is the one wait to which the kernel applies no timer slack (50 us
 * by default). System calls of this age are numbered alike on all machines, but for the start.
 */
#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif
enum { SIZE_U32 = 0x02 }; /* FUTEX2_SIZE_U32, which <linux/futex.h> has since 6.7 too */

/* Time as the kernel reads it in futex_wait(2), and in futex(2) on 64-bit machines. */
struct time64 {
    int64_t s;
    int64_t ns;
};

/* Whether a system call failed since this kernel lacks it, or a sandbox forbids it. */
static bool is_missing(long result)
{
    return result == -1 && (errno == ENOSYS || errno == EPERM);
}

static long futex(uint32_t *word, int operation, uint32_t value, const struct time64 *deadline)
{
#ifdef SYS_futex_time64
    /* A 32-bit machine: before Linux 5.1 there is only SYS_futex, and its time has 32 bits. */
    static atomic_bool is_old;
    if (!atomic_load_explicit(&is_old, memory_order_relaxed)) {
        const long result = syscall(SYS_futex_time64, word, operation, value, deadline, NULL,
                                    FUTEX_BITSET_MATCH_ANY);
        if (!is_missing(result))
            return result;
        atomic_store_explicit(&is_old, true, memory_order_relaxed);
    }
#ifndef SYS_futex
    errno = ENOSYS;
    return -1;
#else
    /* Waking early for a deadline beyond the range is allowed, and takes 68 years of uptime. */
    const struct {
        int32_t s;
        int32_t ns;
    } time32 = {
        .s = deadline && deadline->s < INT32_MAX ? (int32_t)deadline->s : INT32_MAX,
        .ns = deadline ? (int32_t)deadline->ns : 0,
    };
    return syscall(SYS_futex, word, operation, value, deadline ? &time32 : NULL, NULL,
                   FUTEX_BITSET_MATCH_ANY);
#endif
#else
    return syscall(SYS_futex, word, operation, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
#endif
}

static long wait_until(uint32_t *word, int private_flag, const struct time64 *deadline)
{
    /* Relaxed: who sees an old value finds out for itself. */
    static atomic_bool has_slack;
    if (deadline && !atomic_load_explicit(&has_slack, memory_order_relaxed)) {
        const long result = syscall(SYS_futex_wait, word, (unsigned long)TPARK_PARKED,
                                    (unsigned long)FUTEX_BITSET_MATCH_ANY,
                                    (unsigned)(SIZE_U32 | private_flag), deadline, CLOCK_MONOTONIC);
        if (!is_missing(result))
            return result;
        atomic_store_explicit(&has_slack, true, memory_order_relaxed);
    }
    /* The bitset variant, since its deadline is absolute. */
    return futex(word, FUTEX_WAIT_BITSET | private_flag, TPARK_PARKED, deadline);
}

int tpark_backend_init(struct tpark *p)
{
    (void)p;
    return 0;
}

void tpark_backend_destroy(struct tpark *p)
{
    (void)p;
}

void tpark_backend_wait(struct tpark *p, const struct timespec *deadline)
{
    const struct time64 until = {
        .s = deadline ? deadline->tv_sec : 0,
        .ns = deadline ? deadline->tv_nsec : 0,
    };
    const int private_flag = p->flags & TPARK_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    if (wait_until(&p->state, private_flag, deadline ? &until : NULL) == 0)
        return;
    switch (errno) {
    case EAGAIN:    /* the state is not PARKED any more */
    case EINTR:     /* a signal */
    case ETIMEDOUT: /* the deadline */
        return;
    default: /* this sleep can never succeed: to try again would be a busy loop */
        tpark_misuse(__func__, "the kernel refuses futex waits");
    }
}

/*
 * Hands an address to the kernel, and reads nothing through it. If the owner is gone and the memory
 * in other use by now, somebody's futex wait returns 0 without cause, as every one may.
 */
void tpark_backend_wake(struct tpark *p, bool is_shared)
{
    uint32_t *const word = (uint32_t *)((char *)p + offsetof(struct tpark, state));
    const int private_flag = is_shared ? 0 : FUTEX_PRIVATE_FLAG;
    /* The memory may be gone (EFAULT), or somebody's priority-inheriting lock (EINVAL). */
    if (futex(word, FUTEX_WAKE | private_flag, 1, NULL) < 0 && errno != EFAULT && errno != EINVAL)
        tpark_misuse(__func__, "the kernel refuses futex wakes");
}

uint32_t *tpark_futex_word(struct tpark *p)
{
    return &p->state;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * USDT probes on the slow path, for bpftrace, perf, SystemTap and gdb. Provider "tpark":
 *
 *   sleep_begin(parker)              the owner is about to sleep
 *   sleep_end(parker, reason, ns)    it is up again; reason is an enum wakeup, and it sleeps again
 *                                    after a spurious one; ns is how long it slept, 0 if nobody
 *                                    watched when it began
 *   wake(parker)                     an unpark is about to wake the owner
 *
 * A probe has a semaphore, which a tracer counts up while it watches. Unwatched, a probe costs a
 * load and a branch, and no clock is read. Built without tracing, it is nothing at all.
 *
 * Included by park.c alone: the semaphores are defined here.
 */
#ifndef TPARK_SRC_PROBES_H
#define TPARK_SRC_PROBES_H

#include <stdbool.h>
#include <stdint.h>

struct tpark;

#if TPARK_TRACING

#include "deadline.h"

/* Why a sleep ended. The values are in the manual and in scripts. */
enum wakeup { TOKEN = 0, TIMEOUT = 1, SPURIOUS = 2 };

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* The names and the section are what sys/sdt.h and the tracers look for. */
#define TPARK_SEMAPHORE __attribute__((section(".probes"), used, visibility("hidden")))
volatile unsigned short tpark_sleep_begin_semaphore TPARK_SEMAPHORE;
volatile unsigned short tpark_sleep_end_semaphore TPARK_SEMAPHORE;
volatile unsigned short tpark_wake_semaphore TPARK_SEMAPHORE;

#ifdef __clang__ /* sys/sdt.h is GNU C, and not of our making */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#if __has_warning("-Wc23-extensions") /* as newer ones call the same */
#pragma clang diagnostic ignored "-Wc23-extensions"
#endif
#endif

/* Returns when the sleep began, for tpark_probe_sleep_end(); 0 if nobody watches for that. */
static inline uint64_t tpark_probe_sleep_begin(const struct tpark *p)
{
    if (__builtin_expect(tpark_sleep_begin_semaphore, 0))
        STAP_PROBE1(tpark, sleep_begin, p);
    return __builtin_expect(tpark_sleep_end_semaphore, 0) ? tpark_now_ns() : 0;
}

static inline void tpark_probe_sleep_end(const struct tpark *p, bool token, bool is_late,
                                         uint64_t began)
{
    if (__builtin_expect(tpark_sleep_end_semaphore, 0)) {
        const uint64_t ns = began ? tpark_now_ns() - began : 0;
        STAP_PROBE3(tpark, sleep_end, p, token ? TOKEN : is_late ? TIMEOUT : SPURIOUS, ns);
    }
}

static inline void tpark_probe_wake(const struct tpark *p)
{
    if (__builtin_expect(tpark_wake_semaphore, 0))
        STAP_PROBE1(tpark, wake, p);
}

#else

static inline uint64_t tpark_probe_sleep_begin(const struct tpark *p)
{
    (void)p;
    return 0;
}

static inline void tpark_probe_sleep_end(const struct tpark *p, bool token, bool is_late,
                                         uint64_t began)
{
    (void)p, (void)token, (void)is_late, (void)began;
}

static inline void tpark_probe_wake(const struct tpark *p)
{
    (void)p;
}

#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * Included first by every source: what the build may choose, and what holds if it does not. So the
 * sources need no build system: cc -Iinclude -c, with all of them, makes a library.
 */
#ifndef TPARK_SRC_CONFIG_H
#define TPARK_SRC_CONFIG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

/* The policy of a parker that names none. */
#ifndef TPARK_SPIN_DEFAULT
#define TPARK_SPIN_DEFAULT TPARK_SPIN_ADAPTIVE
#endif

/* When system calls newer than futex(2) are made: see futex.h. */
#ifndef TPARK_NEWER_CALLS
#define TPARK_NEWER_CALLS AUTO
#endif

/* Probes: see probes.h. */
#ifndef TPARK_TRACING
#define TPARK_TRACING 0
#endif

/* What valgrind is told: see annotate.h. */
#ifndef TPARK_VALGRIND_ANNOTATIONS
#define TPARK_VALGRIND_ANNOTATIONS 0
#endif

/*
 * Only the shared library shows its functions to other objects. A copy within somebody's shared
 * object or program must neither be taken for another build of tpark, nor call one. For the same
 * reason what the sources share among themselves is declared between pragmas that hide it, whatever
 * the compiler was told.
 */
#if defined(__GNUC__) && !defined(TPARK_BUILDS_SHARED)
#define TPARK_API __attribute__((visibility("hidden")))
#endif

/* Keeps what is rare out of the path that is not: no registers saved for it, no space in the cache.
 */
#if defined(__GNUC__)
#define TPARK_COLD __attribute__((cold, noinline))
#else
#define TPARK_COLD
#endif

/*
 * What ends in a system call is rare, but not slow: one function, with what it calls. Behind a
 * system call the processor has forgotten where functions return to, so each return of one that was
 * called before it is mispredicted. TPARK_OUT_OF_LINE: but for this, which is called on either side
 * of it.
 */
#if defined(__GNUC__)
#define TPARK_SLOW_PATH __attribute__((noinline, flatten))
#define TPARK_OUT_OF_LINE __attribute__((noinline))
#else
#define TPARK_SLOW_PATH
#define TPARK_OUT_OF_LINE
#endif

/* A function whose unsigned arithmetic wraps around as it is meant to: for clang's
 * -fsanitize=integer. */
#if defined(__clang__)
#define TPARK_WRAPS __attribute__((no_sanitize("integer")))
#else
#define TPARK_WRAPS
#endif

#endif

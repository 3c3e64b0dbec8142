/* SPDX-License-Identifier: MIT */
/*
 * The calls of the library out into the C library that tests count, refuse, or run between: the
 * test programs are linked with --wrap for each of them.
 */
#ifndef TPARK_TESTS_WRAP_H
#define TPARK_TESTS_WRAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The wrapped calls, but for that of the clock, leave another errno than they found, also where
 * they succeed: the C library may do so. A refused allocation leaves that errno, too, since C does
 * not say that it is ENOMEM.
 */
enum { SPOILT_ERRNO = 2345 };

extern atomic_int allocations;       /* by aligned_alloc(), */
extern atomic_int other_allocations; /* and otherwise */
extern atomic_int locks;
extern atomic_int frees;
extern size_t last_allocation;
extern bool refuse_allocations;

/* Called before each system call that the library makes by syscall(), unless NO_HOOK. */
extern void (*_Atomic before_syscall)(long number);
#define NO_HOOK ((void (*)(long))0)

/* Called before each look of the library at a clock, unless NULL. */
extern void (*before_clock)(void);

/* The clock ids that the library has asked for. */
extern atomic_uint clocks_read;

/* What CLOCK_MONOTONIC reads, unless 0; and what is called before each such reading. */
extern uint64_t fake_clock_ns;
extern void (*on_clock)(void);

/* What the thread's CPU time reads, unless 0. */
extern uint64_t fake_cpu_ns;

/* The CPU on which the library runs, unless -1. */
extern int fake_cpu;

/* How many CPUs the thread may use, unless 0. */
extern int fake_cpus;

#endif

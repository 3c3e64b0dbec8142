/* SPDX-License-Identifier: MIT */
#include "wrap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

atomic_int allocations;
atomic_int other_allocations;
atomic_int locks;
atomic_int frees;
size_t last_allocation;
bool refuse_allocations;
void (*_Atomic before_syscall)(long number);
void (*before_clock)(void);
atomic_uint clocks_read;
void (*on_clock)(void);
uint64_t fake_clock_ns;
uint64_t fake_cpu_ns;
int fake_cpu = -1;
int fake_cpus;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __real_sched_getcpu(void);
int __wrap_sched_getcpu(void);
int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    errno = SPOILT_ERRNO;
    if (refuse_allocations)
        return NULL;
    allocations++;
    last_allocation = size;
    return __real_aligned_alloc(alignment, size);
}

void *__wrap_malloc(size_t size)
{
    other_allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    other_allocations++;
    return __real_calloc(count, size);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    locks++;
    return __real_pthread_mutex_lock(mutex);
}

void __wrap_free(void *memory)
{
    frees++;
    __real_free(memory);
    errno = SPOILT_ERRNO;
}

/* Reads six arguments, however many there are: AddressSanitizer would object. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    void (*const before)(long) = before_syscall;
    if (before)
        before(number);
    const long result = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result >= 0)
        errno = SPOILT_ERRNO;
    return result;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (before_clock)
        before_clock();
    clocks_read |= 1u << clock;
    if (clock == CLOCK_THREAD_CPUTIME_ID && fake_cpu_ns) {
        *t = (struct timespec){.tv_sec = (time_t)(fake_cpu_ns / 1000000000),
                               .tv_nsec = (long)(fake_cpu_ns % 1000000000)};
        return 0;
    }
    if (clock != CLOCK_MONOTONIC || fake_clock_ns == 0)
        return __real_clock_gettime(clock, t);
    if (on_clock)
        on_clock();
    *t = (struct timespec){.tv_sec = (time_t)(fake_clock_ns / 1000000000),
                           .tv_nsec = (long)(fake_clock_ns % 1000000000)};
    return 0;
}

int __wrap_sched_getcpu(void)
{
    errno = SPOILT_ERRNO;
    return fake_cpu < 0 ? __real_sched_getcpu() : fake_cpu;
}

/* ThreadSanitizer asks before it can follow a call. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
__attribute__((disable_sanitizer_instrumentation))
#endif
#endif
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    errno = SPOILT_ERRNO;
    if (fake_cpus == 0)
        return __real_sched_getaffinity(pid, size, cpus);
    CPU_ZERO_S(size, cpus);
    for (int i = 0; i < fake_cpus; i++)
        CPU_SET_S((size_t)i, size, cpus);
    return 0;
}

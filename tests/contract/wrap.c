/* SPDX-License-Identifier: MIT */
#include "wrap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

atomic_int allocations;
atomic_int frees;
size_t last_allocation;
bool refuse_allocations;
void (*before_syscall)(long number);
void (*before_clock)(void);
atomic_uint clocks_read;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (refuse_allocations) {
        errno = ENOMEM;
        return NULL;
    }
    allocations++;
    last_allocation = size;
    return __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *memory)
{
    frees++;
    __real_free(memory);
}

long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (before_syscall)
        before_syscall(number);
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (before_clock)
        before_clock();
    clocks_read |= 1u << clock;
    return __real_clock_gettime(clock, t);
}

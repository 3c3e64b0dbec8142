/* SPDX-License-Identifier: MIT */
/*
 * A program to watch: a thread sleeps until time is up, then for a token, with a stray wake
 * between. With the argument "unwatched" it checks that the probes read no clock.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "../support.h"

/* Spinning reads the clock. */
static struct tpark parker = TPARK_INIT_FLAGS(TPARK_SPIN_NEVER);
static atomic_bool timed_out;
static atomic_int clock_reads;

/* The linker puts it in place of clock_gettime(): --wrap. */
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    atomic_fetch_add(&clock_reads, 1);
    return __real_clock_gettime(clock, t);
}

static void sleep_twice(void *unwatched)
{
    pthread_setname_np(pthread_self(), "sleeper");
    CHECK(tpark_park_timeout(&parker, 2 * MS) == ETIMEDOUT);
    const int reads = atomic_load(&clock_reads);
    atomic_store(&timed_out, true);
    tpark_park(&parker);
    CHECK(!unwatched || atomic_load(&clock_reads) == reads);
}

int main(int argc, char **argv)
{
    const bool unwatched = argc > 1 && strcmp(argv[1], "unwatched") == 0;
    pthread_setname_np(pthread_self(), "waker");
    struct task task;
    start(&task, sleep_twice, unwatched ? &task : NULL);
    while (!atomic_load(&timed_out))
        sched_yield();
    wait_until_parked(&task, &parker);
    const long sleeps = sleeps_of(&task);
    do
        stray_wake(&parker);
    while (sleeps_of(&task) == sleeps);
    wait_until_parked(&task, &parker);
    nanosleep(&(struct timespec){.tv_nsec = 2 * MS}, NULL);
    tpark_unpark(&parker);
    join(&task);
    return 0;
}

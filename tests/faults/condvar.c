/* SPDX-License-Identifier: MIT */
/* A C library that refuses a call of the pthread backend. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "../support.h"
#include "inject.h"

static struct tpark p = TPARK_INIT;
static enum call broken;

static void inject_error(enum call call, int error)
{
    inject((struct fault){.call = call, .times = 1, .error = error});
}

static void refuse_init(void *call)
{
    struct tpark q;
    const enum call refused = *(enum call *)call;
    inject_error(refused, EAGAIN);
    CHECK(tpark_init(&q, 0) == EAGAIN);
    CHECK(count_of(MUTEXATTR_INIT) - (refused == MUTEXATTR_INIT) == count_of(MUTEXATTR_DESTROY));
    CHECK(count_of(CONDATTR_INIT) - (refused == CONDATTR_INIT) == count_of(CONDATTR_DESTROY));
    CHECK(count_of(MUTEX_INIT) - (refused == MUTEX_INIT) == count_of(MUTEX_DESTROY));
    CHECK(count_of(COND_DESTROY) == 0);
}

TEST(init, that_the_system_refuses_leaves_nothing_behind)
{
    static enum call calls[] = {MUTEXATTR_INIT,    MUTEXATTR_SETPSHARED, MUTEX_INIT, CONDATTR_INIT,
                                CONDATTR_SETCLOCK, CONDATTR_SETPSHARED,  COND_INIT};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        check_in_child(refuse_init, &calls[i]);
}

TEST(destroy, leaves_nothing_behind)
{
    struct tpark q;
    CHECK(tpark_init(&q, 0) == 0);
    tpark_destroy(&q);
    tpark_thread_free(tpark_thread_new(0));
    CHECK(count_of(MUTEX_INIT) == 2 && count_of(MUTEX_DESTROY) == 2);
    CHECK(count_of(COND_INIT) == 2 && count_of(COND_DESTROY) == 2);
    CHECK(count_of(MUTEXATTR_INIT) == 2 && count_of(MUTEXATTR_DESTROY) == 2);
    CHECK(count_of(CONDATTR_INIT) == 2 && count_of(CONDATTR_DESTROY) == 2);
}

TEST(destroy, of_a_static_parker_destroys_the_condition_variable_only_if_it_was_made)
{
    tpark_destroy(&p);
    CHECK(count_of(MUTEX_DESTROY) == 1);
    CHECK(count_of(COND_DESTROY) == 0);
}

TEST(init, shares_with_other_processes_what_is_shared_and_nothing_else)
{
    struct tpark q;
    CHECK(tpark_init(&q, 0) == 0);
    CHECK(mutex_sharing == PTHREAD_PROCESS_PRIVATE && cond_sharing == PTHREAD_PROCESS_PRIVATE);
    tpark_destroy(&q);
    CHECK(tpark_init(&q, TPARK_SHARED) == 0);
    CHECK(mutex_sharing == PTHREAD_PROCESS_SHARED && cond_sharing == PTHREAD_PROCESS_SHARED);
    tpark_destroy(&q);
}

TEST(init, returns_what_the_system_refuses_it_with)
{
    static const enum call calls[] = {MUTEXATTR_INIT, MUTEXATTR_SETPSHARED, MUTEX_INIT,
                                      CONDATTR_INIT,  CONDATTR_SETCLOCK,    CONDATTR_SETPSHARED,
                                      COND_INIT};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct tpark q;
        inject_error(calls[i], EAGAIN);
        errno = 4321;
        CHECK(tpark_init(&q, 0) == EAGAIN);
        CHECK(errno == 4321);
        inject_error(calls[i], ENOMEM);
        CHECK(tpark_thread_new(0) == NULL);
        CHECK(errno == ENOMEM);
    }
    struct tpark q;
    CHECK(tpark_init(&q, 0) == 0);
    tpark_destroy(&q);
}

TEST(init, does_without_priority_inheritance_where_there_is_none)
{
    static const int errors[] = {ENOTSUP, ENOSYS};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct tpark q;
        inject_error(MUTEX_INIT, errors[i]);
        const int before = count_of(MUTEX_INIT);
        CHECK(tpark_init(&q, 0) == 0);
        CHECK(count_of(MUTEX_INIT) == before + 2);
        tpark_destroy(&q);
    }
}

/*
 * All on one CPU: the owner has the mutex and does not get on, since a thread of middling priority
 * has the CPU, and a real-time thread unparks.
 */
enum { LOW = 1, MIDDLE, HIGH, HOG_MS = 300 };

static atomic_bool has_mutex, is_hogging;

static bool set_priority(int priority)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    return sched_setaffinity(0, sizeof cpus, &cpus) == 0 &&
           sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = priority}) ==
               0;
}

static void hold_mutex(void *q)
{
    CHECK(set_priority(LOW));
    CHECK(pthread_mutex_lock(&((struct tpark *)q)->mutex) == 0);
    has_mutex = true;
    while (!is_hogging)
        usleep(1000);
    CHECK(pthread_mutex_unlock(&((struct tpark *)q)->mutex) == 0);
}

static void hog(void *unused)
{
    (void)unused;
    CHECK(set_priority(MIDDLE));
    is_hogging = true;
    const uint64_t until = monotonic_ns() + HOG_MS * (uint64_t)MS;
    while (monotonic_ns() < until)
        ;
}

TEST(unpark, in_real_time_does_not_wait_for_threads_of_lower_priority)
{
    if (!set_priority(HIGH))
        SKIP("needs the right to be a real-time thread");
    struct tpark q;
    CHECK(tpark_init(&q, 0) == 0);
    CHECK(tpark_arm(&q));
    struct task low, middle;
    start(&low, hold_mutex, &q);
    while (!has_mutex)
        usleep(1000);
    start(&middle, hog, NULL);
    while (!is_hogging)
        usleep(1000);
    const uint64_t before = monotonic_ns();
    CHECK(tpark_unpark(&q) == TPARK_PARKED);
    CHECK(monotonic_ns() - before < HOG_MS * (uint64_t)MS / 2);
    join(&low);
    join(&middle);
    CHECK(tpark_disarm(&q));
    tpark_destroy(&q);
}

static void park_untimed(void)
{
    inject_error(broken, EINVAL);
    tpark_park(&p);
}

static void park_timed(void)
{
    inject_error(broken, EINVAL);
    tpark_park_timeout(&p, 3600 * 1000 * (uint64_t)MS);
}

static void break_it(void)
{
    inject_error(broken, EINVAL);
}

/* The owner that signals itself from within its sleep: one thread is enough. */
static void unpark_slept_on(void)
{
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT); /* makes the condition variable */
    CHECK(tpark_arm(&p));
    break_it();
    tpark_unpark(&p);
}

static void destroy_slept_on(void)
{
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    break_it();
    tpark_destroy(&p);
}

static const char *line_of(const char *call)
{
    static char line[128];
    snprintf(line, sizeof line, "tpark: %s: failed on the parker's mutex or condition variable\n",
             call);
    return line;
}

TEST(sleep_, that_can_never_succeed_aborts)
{
    broken = MUTEX_LOCK;
    check_aborts(park_untimed, line_of("pthread_mutex_lock"));
    check_aborts(park_timed, line_of("pthread_mutex_lock"));
    broken = COND_INIT;
    check_aborts(park_untimed, line_of("pthread_cond_init"));
    broken = COND_WAIT;
    check_aborts(park_untimed, line_of("pthread_cond_timedwait"));
    broken = COND_TIMEDWAIT;
    check_aborts(park_timed, line_of("pthread_cond_timedwait"));
}

TEST(wake, that_can_never_succeed_aborts)
{
    broken = MUTEX_LOCK;
    check_aborts(unpark_slept_on, line_of("pthread_mutex_lock"));
    broken = COND_SIGNAL;
    check_aborts(unpark_slept_on, line_of("pthread_cond_signal"));
}

TEST(destroy, that_the_system_refuses_aborts)
{
    broken = COND_DESTROY;
    check_aborts(destroy_slept_on, line_of("pthread_cond_destroy"));
}

/* Where several parkers are slept on at a desk, which has a parker of its own, made on first use.
 */
static struct tpark several[2] = {TPARK_INIT_FLAGS(TPARK_SPIN_NEVER),
                                  TPARK_INIT_FLAGS(TPARK_SPIN_NEVER)};
static struct tpark_any set[2] = {{.parker = &several[0]}, {.parker = &several[1]}};

static int park_any_for_a_ms(void)
{
    const struct timespec deadline = deadline_in_ns(MS);
    return tpark_park_any(set, 2, &deadline);
}

static void unpark_second(void *unused)
{
    (void)unused;
    CHECK(tpark_unpark(&several[1]) == TPARK_EMPTY);
}

TEST(park_any, that_finds_a_token_before_its_sleep_leaves_its_desk_to_the_next)
{
    inject((struct fault){
        .call = MUTEX_INIT, .times = 1, .proceeds = true, .meanwhile = unpark_second});
    CHECK(park_any_for_a_ms() == 0);
    CHECK(!set[0].has_token && set[1].has_token);
    CHECK(park_any_for_a_ms() == ETIMEDOUT);
    CHECK(count_of(MUTEX_INIT) == 1);
}

TEST(park_any, that_cannot_make_its_desk_leaves_it_to_the_next)
{
    enum { MORE_THAN_DESKS = 70 };
    for (int i = 1; i <= MORE_THAN_DESKS; i++) {
        inject_error(MUTEX_INIT, EAGAIN);
        CHECK(park_any_for_a_ms() == ETIMEDOUT);
        CHECK(count_of(MUTEX_INIT) == i);
    }
}

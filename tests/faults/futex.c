/* SPDX-License-Identifier: MIT */
/* Kernels and sandboxes that refuse a system call of the futex backend. */
#include <errno.h>

#include "../support.h"
#include "inject.h"

static const uint64_t hour_ns = 3600 * 1000 * (uint64_t)MS;
static const int missing[] = {ENOSYS, EPERM};

static struct tpark p = TPARK_INIT;
static int error;

enum { PARKS = 3 };

static void check_falls_back(void *argument)
{
    inject((struct fault){.call = FUTEX_WAIT_2, .times = ALWAYS, .error = *(const int *)argument});
    for (int i = 0; i < PARKS; i++)
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(count_of(FUTEX_WAIT_2) == 1);
    CHECK(count_of(FUTEX_SLEEP) == PARKS);
}

TEST(futex_wait, that_is_missing_or_forbidden_is_tried_once)
{
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        check_in_child(check_falls_back, (void *)&missing[i]);
}

static void unpark(void *unused)
{
    (void)unused;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
}

TEST(futex_wait, is_the_choice_for_sleeps_with_a_deadline_and_for_no_other)
{
    inject((struct fault){.call = FUTEX_WAIT_2, .times = 1, .meanwhile = unpark});
    CHECK(tpark_park_timeout(&p, hour_ns) == 0);
    CHECK(count_of(FUTEX_WAIT_2) == 1 && count_of(FUTEX_SLEEP) == 0);
    inject((struct fault){.call = FUTEX_SLEEP, .times = 1, .meanwhile = unpark});
    tpark_park(&p);
    CHECK(count_of(FUTEX_WAIT_2) == 1 && count_of(FUTEX_SLEEP) == 1);
}

static void park_untimed(void)
{
    inject((struct fault){.call = FUTEX_SLEEP, .times = ALWAYS, .error = error});
#ifdef SYS_futex_time64
    inject((struct fault){.call = OLD_FUTEX, .times = ALWAYS, .error = error});
#endif
    tpark_park(&p);
}

static void park_timed(void)
{
    inject((struct fault){.call = FUTEX_WAIT_2, .times = ALWAYS, .error = error});
    tpark_park_timeout(&p, hour_ns);
}

static void park_timed_after_fallback(void)
{
    inject((struct fault){.call = FUTEX_WAIT_2, .times = 1, .error = ENOSYS});
    inject((struct fault){.call = FUTEX_SLEEP, .times = ALWAYS, .error = error});
#ifdef SYS_futex_time64
    inject((struct fault){.call = OLD_FUTEX, .times = ALWAYS, .error = error});
#endif
    tpark_park_timeout(&p, hour_ns);
}

static const char no_wait[] = "tpark: tpark_backend_wait: the kernel refuses futex waits\n";
static const char no_wake[] = "tpark: tpark_backend_wake: the kernel refuses futex wakes\n";

static void check_each_aborts(const int *errors, size_t n, void (*f)(void), const char *line)
{
    for (size_t i = 0; i < n; i++) {
        error = errors[i];
        check_aborts(f, line);
    }
}

TEST(wait, that_can_never_succeed_aborts)
{
    static const int errors[] = {ENOSYS, EPERM, EINVAL, EFAULT, ENOMEM, EACCES};
    const size_t n = sizeof errors / sizeof *errors;
    check_each_aborts(errors, n, park_untimed, no_wait);
    check_each_aborts(errors, n, park_timed_after_fallback, no_wait);
    /* All but the two that mean that futex_wait(2) is not there. */
    check_each_aborts(errors + 2, n - 2, park_timed, no_wait);
}

/* An unpark that finds the parker armed. */
static void unpark_armed(void)
{
    CHECK(tpark_arm(&p));
    errno = 4321;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    CHECK(errno == 4321);
    CHECK(tpark_disarm(&p));
}

static void unpark_with_error(void)
{
    inject((struct fault){.call = FUTEX_ROUSE, .times = ALWAYS, .error = error});
#ifdef SYS_futex_time64
    inject((struct fault){.call = OLD_FUTEX, .times = ALWAYS, .error = error});
#endif
    unpark_armed();
}

TEST(wake, of_memory_that_is_gone_or_in_other_use_is_no_error)
{
    static const int errors[] = {EFAULT, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        error = errors[i];
        const int before = count_of(FUTEX_ROUSE);
        unpark_with_error();
        CHECK(count_of(FUTEX_ROUSE) == before + 1);
    }
}

TEST(wake, that_can_never_succeed_aborts)
{
    static const int errors[] = {ENOSYS, EPERM, EACCES, ENOMEM};
    check_each_aborts(errors, sizeof errors / sizeof *errors, unpark_with_error, no_wake);
}

/* The other tests wake a thread; this one asks what is tried when there is none. */
TEST(wake, is_issued_once_and_for_an_unpark_that_merges_only_while_the_owner_is_armed)
{
    unpark_armed();
    CHECK(count_of(FUTEX_ROUSE) == 1);
    CHECK(tpark_init(&p, TPARK_SHARED) == 0);
    unpark_armed();
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_try_park(&p));
    CHECK(tpark_arm(&p));
    CHECK(tpark_notify(&p).wake); /* of a process that dies before its wake */
    CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
    CHECK(count_of(FUTEX_ROUSE) == 3);
    CHECK(tpark_disarm(&p));
}

#ifdef SYS_futex_time64
static void check_old_time(void *argument)
{
    const struct fault fault = {.times = ALWAYS, .error = *(const int *)argument};
    for (enum call call = FUTEX_WAIT_2; call <= FUTEX_ROUSE; call++) {
        struct fault of_call = fault;
        of_call.call = call;
        inject(of_call);
    }
    const uint64_t before = monotonic_ns();
    for (int i = 0; i < PARKS; i++)
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(monotonic_ns() - before >= (uint64_t)PARKS * MS);
    unpark_armed();
    CHECK(count_of(FUTEX_WAIT_2) == 1);
    CHECK(count_of(FUTEX_SLEEP) == 1);
    CHECK(count_of(FUTEX_ROUSE) == 0);
    CHECK(count_of(OLD_FUTEX) == PARKS + 1);
}
#endif

TEST(futex_time64, that_is_missing_or_forbidden_is_tried_once)
{
#ifdef SYS_futex_time64
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        check_in_child(check_old_time, (void *)&missing[i]);
#else
    SKIP("the machine has 64 bits: there is one futex(2)");
#endif
}

/* SPDX-License-Identifier: MIT */
/* The sleep on several parkers at once: what futex_waitv(2) returns, and where it is refused. */
#include <errno.h>

#include "../support.h"
#include "inject.h"

enum { PARKERS = 3, FAULTS = 1000 };

static struct tpark p[PARKERS] = {TPARK_INIT, TPARK_INIT, TPARK_INIT};
static struct tpark_any set[PARKERS] = {{.parker = &p[0]}, {.parker = &p[1]}, {.parker = &p[2]}};
static int error;

static void notify_last(void *unused)
{
    (void)unused;
    CHECK(tpark_notify(&p[PARKERS - 1]).replaced == TPARK_PARKED);
}

/* The next sleep, whichever it is, brings a token. */
static void end_the_sleep(void *unused)
{
    (void)unused;
    inject((struct fault){.call = FUTEX_WAITV, .times = 1, .meanwhile = notify_last});
}

static void check_takes_the_last(void)
{
    errno = 4321;
    CHECK(tpark_park_any(set, PARKERS, NULL) == 0);
    CHECK(errno == 4321);
    for (int i = 0; i < PARKERS; i++) {
        CHECK(set[i].has_token == (i == PARKERS - 1));
        CHECK(state_of(&p[i]) == TPARK_EMPTY);
    }
}

static void count_down(void *left)
{
    if (--*(int *)left == 0)
        notify_last(NULL);
}

TEST(park_any, does_not_end_by_sleeps_that_end_without_an_unpark)
{
    static const int errors[] = {0, EINTR, EAGAIN, ETIMEDOUT};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int left = FAULTS;
        const int before = count_of(FUTEX_WAITV);
        inject((struct fault){.call = FUTEX_WAITV,
                              .times = ALWAYS,
                              .error = errors[i],
                              .meanwhile = count_down,
                              .object = &left});
        check_takes_the_last();
        CHECK(count_of(FUTEX_WAITV) == before + FAULTS);
    }
}

TEST(park_any, without_memory_for_one_sleep_asks_again)
{
    inject((struct fault){.call = FUTEX_WAITV, .times = 1, .error = ENOMEM});
    inject((struct fault){
        .call = FUTEX_WAIT_2, .times = 1, .error = ETIMEDOUT, .meanwhile = end_the_sleep});
    check_takes_the_last();
    CHECK(count_of(FUTEX_WAITV) == 2);
    CHECK(count_of(FUTEX_WAIT_2) == 1);
}

static void check_falls_back(void *argument)
{
    const int *missing = argument;
    inject((struct fault){.call = FUTEX_WAITV, .times = ALWAYS, .error = *missing});
    for (int i = 0; i < 3; i++) {
        inject((struct fault){.call = FUTEX_WAIT_2, .times = 1, .meanwhile = notify_last});
        check_takes_the_last();
    }
    CHECK(count_of(FUTEX_WAITV) == 1);
    CHECK(count_of(FUTEX_WAIT_2) == 3);
}

TEST(futex_waitv, that_is_missing_or_forbidden_is_tried_once)
{
    static const int missing[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        check_in_child(check_falls_back, (void *)&missing[i]);
}

static void park_any_with_error(void)
{
    inject((struct fault){.call = FUTEX_WAITV, .times = ALWAYS, .error = error});
    tpark_park_any(set, PARKERS, NULL);
}

TEST(park_any, whose_sleep_can_never_succeed_aborts)
{
    static const int errors[] = {EINVAL, EFAULT, EACCES};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        error = errors[i];
        check_aborts(park_any_with_error,
                     "tpark: tpark_park_any: the kernel refuses futex waits\n");
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * The same faults from the kernel itself, by a filter on the futex calls of one parker: it proves
 * the way of the error number through the C library and the system call, and that the calls are the
 * ones which the wrapped tests take them for.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support.h"

#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif

static struct tpark p = TPARK_INIT;
static int error;

/* One rule for a system call on the state word of p; operation < 0: the call has none. */
static scmp_filter_ctx filter_of(uint32_t action, int number, int operation)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    CHECK(filter != NULL);
    const struct scmp_arg_cmp word = {
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (uintptr_t)tpark_futex_word(&p), .datum_b = 0};
    const struct scmp_arg_cmp command = {.arg = 1,
                                         .op = SCMP_CMP_MASKED_EQ,
                                         .datum_a = (unsigned)FUTEX_CMD_MASK,
                                         .datum_b = (scmp_datum_t)(operation < 0 ? 0 : operation)};
    const int added = operation < 0 ? seccomp_rule_add(filter, action, number, 1, word)
                                    : seccomp_rule_add(filter, action, number, 2, word, command);
    CHECK(added == 0);
    return filter;
}

/* For the calling thread alone. */
static void load(scmp_filter_ctx filter)
{
    const int result = seccomp_load(filter);
    if (result != 0) {
        fprintf(stderr, "seccomp_load: error %d\n", -result);
        SKIP("the kernel lets nobody load a filter here");
    }
}

static void refuse(int number, int operation, int error_number)
{
    scmp_filter_ctx filter = filter_of(SCMP_ACT_ERRNO((uint16_t)error_number), number, operation);
    load(filter);
    seccomp_release(filter);
}

/* A thread that parks under a filter of its own, while its waker has none. */
struct filtered {
    uint64_t timeout_ns; /* 0: none */
    scmp_filter_ctx filter;
    atomic_bool is_loaded;
    int result;
    atomic_bool is_done;
};

static void park_filtered(void *argument)
{
    struct filtered *f = argument;
    load(f->filter);
    f->is_loaded = true;
    if (f->timeout_ns)
        f->result = tpark_park_timeout(&p, f->timeout_ns);
    else
        tpark_park(&p);
    f->is_done = true;
}

static const uint64_t hour_ns = 3600 * 1000 * (uint64_t)MS;

static void check_falls_back(void *argument)
{
    refuse(SYS_futex_wait, -1, *(const int *)argument);
    for (int i = 0; i < 3; i++)
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);

    struct filtered f = {.timeout_ns = hour_ns, .filter = seccomp_init(SCMP_ACT_ALLOW)};
    struct task owner;
    start(&owner, park_filtered, &f);
    wait_until_parked(&owner, &p);
    long number;
    unsigned long arguments[6];
    if (sleeping_call(&owner, &number, arguments))
        CHECK(number == SYS_futex);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(f.result == 0);
}

TEST(filter, that_makes_futex_wait_missing_or_forbidden_leaves_futex)
{
    static const int missing[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        check_in_child(check_falls_back, (void *)&missing[i]);
}

static void park_without_wait(void)
{
    refuse(SYS_futex, FUTEX_WAIT_BITSET, error);
    tpark_park(&p);
}

static void park_timed_without_any_wait(void)
{
    refuse(SYS_futex_wait, -1, ENOSYS);
    refuse(SYS_futex, FUTEX_WAIT_BITSET, error);
    tpark_park_timeout(&p, hour_ns);
}

static void unpark_without_wake(void)
{
    refuse(SYS_futex, FUTEX_WAKE, error);
    CHECK(tpark_arm(&p));
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
}

TEST(filter, that_forbids_futex_aborts_and_does_not_spin)
{
    static const int errors[] = {ENOSYS, EPERM, EACCES};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        error = errors[i];
        static const char no_wait[] = "tpark: tpark_backend_wait: the kernel refuses futex waits\n";
        check_aborts(park_without_wait, no_wait);
        check_aborts(park_timed_without_any_wait, no_wait);
        check_aborts(unpark_without_wake,
                     "tpark: tpark_backend_wake: the kernel refuses futex wakes\n");
    }
}

TEST(filter, that_fails_wakes_as_for_memory_that_is_gone_is_no_error)
{
    refuse(SYS_futex, FUTEX_WAKE, EFAULT);
    CHECK(tpark_arm(&p));
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    CHECK(tpark_disarm(&p));
}

/* Answers so many waits with the error, and lets the next one into the kernel. */
static void answer(int listener, int times, int error_number)
{
    struct seccomp_notif *request;
    struct seccomp_notif_resp *response;
    CHECK(seccomp_notify_alloc(&request, &response) == 0);
    for (int i = 0; i <= times; i++) {
        memset(request, 0, sizeof *request); /* the kernel insists */
        CHECK(seccomp_notify_receive(listener, request) == 0);
        response->id = request->id;
        response->val = 0;
        response->error = i < times ? -error_number : 0;
        response->flags = i < times ? 0 : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        CHECK(seccomp_notify_respond(listener, response) == 0);
    }
    seccomp_notify_free(request, response);
}

struct trial {
    int number;
    int operation;
    uint64_t timeout_ns;
    int error;
};

static void check_sleeps_on(void *argument)
{
    const struct trial *trial = argument;
    struct filtered f = {.timeout_ns = trial->timeout_ns,
                         .filter = filter_of(SCMP_ACT_NOTIFY, trial->number, trial->operation)};
    struct task owner;
    start(&owner, park_filtered, &f);
    while (!f.is_loaded)
        sched_yield();
    const int listener = seccomp_notify_fd(f.filter);
    CHECK(listener >= 0);
    answer(listener, 100, trial->error);
    wait_until_parked(&owner, &p);
    CHECK(!f.is_done);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(f.result == 0);
}

/* A process may have one supervisor. */
TEST(filter, whose_supervisor_ends_sleeps_without_an_unpark_does_not_end_the_park)
{
    static const int errors[] = {0, EINTR, EAGAIN, ETIMEDOUT};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        check_in_child(check_sleeps_on,
                       &(struct trial){SYS_futex, FUTEX_WAIT_BITSET, 0, errors[i]});
        check_in_child(check_sleeps_on, &(struct trial){SYS_futex_wait, -1, hour_ns, errors[i]});
    }
}

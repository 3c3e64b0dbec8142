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
#include "inject.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif
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

/* Parks until an unpark, and tells the call in which it slept; 0: the kernel hides it. */
static long sleep_and_tell(struct filtered *f)
{
    struct task owner;
    start(&owner, park_filtered, f);
    wait_until_parked(&owner, &p);
    long number;
    unsigned long arguments[6];
    if (!sleeping_call(&owner, &number, arguments))
        number = 0;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(f->result == 0);
    return number;
}

static long sleep_without_own_filter(void)
{
    struct filtered f = {.timeout_ns = hour_ns, .filter = seccomp_init(SCMP_ACT_ALLOW)};
    const long number = sleep_and_tell(&f);
    seccomp_release(f.filter);
    return number;
}

static scmp_filter_ctx filter_of_newer_calls(uint32_t action, bool waitv_too)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    CHECK(filter != NULL);
    CHECK(seccomp_rule_add(filter, action, SYS_futex_wait, 0) == 0);
    if (waitv_too)
        CHECK(seccomp_rule_add(filter, action, SYS_futex_waitv, 0) == 0);
    return filter;
}

static const uint32_t actions[] = {
    SCMP_ACT_KILL_PROCESS,  SCMP_ACT_KILL_THREAD,   SCMP_ACT_TRAP,
    SCMP_ACT_ERRNO(ENOSYS), SCMP_ACT_ERRNO(EPERM),  SCMP_ACT_ERRNO(EACCES),
    SCMP_ACT_ERRNO(EINVAL), SCMP_ACT_ERRNO(EFAULT), SCMP_ACT_ERRNO(ENOMEM),
};

static void for_each_action(void (*check)(void *))
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        check_in_child(check, (void *)&actions[i]);
}

/* A set of three, of which the last gets a token. */
static void park_on_any(void)
{
    static struct tpark q = TPARK_INIT, r = TPARK_INIT;
    struct tpark_any set[] = {{.parker = &p}, {.parker = &q}, {.parker = &r}};
    const struct timespec deadline = deadline_in_ns(MS);
    CHECK(tpark_park_any(set, 3, &deadline) == ETIMEDOUT);
}

static void check_lives_from_the_start(void *action)
{
    load(filter_of_newer_calls(*(const uint32_t *)action, true));
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    park_on_any();
    const long number = sleep_without_own_filter();
    CHECK(number == 0 || number == SYS_futex);
}

static void check_lives_later(void *action)
{
    CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    park_on_any();
    check_lives_from_the_start(action);
}

TEST(filter, that_kills_or_refuses_newer_calls_is_survived)
{
    for_each_action(check_lives_from_the_start);
    for_each_action(check_lives_later);
}

static void check_lives_in_one_thread(void *action)
{
    const long before = sleep_without_own_filter();
    struct filtered f = {.timeout_ns = hour_ns,
                         .filter = filter_of_newer_calls(*(const uint32_t *)action, true)};
    const long number = sleep_and_tell(&f);
    CHECK(number == 0 || number == SYS_futex);
    CHECK(sleep_without_own_filter() == before);
}

TEST(filter, of_one_thread_leaves_the_others_as_they_were)
{
    for_each_action(check_lives_in_one_thread);
}

/* The owner has gone to sleep by then: once woken it finds the filter before its next sleep. */
static void park_twice(void *results)
{
    for (int i = 0; i < 2; i++)
        ((atomic_int *)results)[i] = tpark_park_timeout(&p, hour_ns);
}

static void check_lives_when_synchronised(void *action)
{
    atomic_int results[2] = {-1, -1};
    struct task owner;
    start(&owner, park_twice, results);
    wait_until_parked(&owner, &p);
    scmp_filter_ctx filter = filter_of_newer_calls(*(const uint32_t *)action, true);
    CHECK(seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0);
    load(filter);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    while (results[0] < 0)
        sched_yield();
    wait_until_parked(&owner, &p);
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    join(&owner);
    CHECK(results[0] == 0 && results[1] == 0);
}

TEST(filter, that_one_thread_brings_upon_all_is_survived)
{
    for_each_action(check_lives_when_synchronised);
}

/* What a kernel without these calls answers, and to the question whether there is a filter. */
static void check_old_kernel(void *has_waitv)
{
    const bool has_it = *(const bool *)has_waitv;
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = 0});
    load(filter_of_newer_calls(SCMP_ACT_ERRNO(ENOSYS), !has_it));
    const long number = sleep_without_own_filter();
    if (!has_it)
        CHECK(number == 0 || number == SYS_futex);
    else /* the kernel of this machine may be old itself */
        CHECK(number == 0 || number == SYS_futex || number == SYS_futex_waitv);
    for (int i = 0; i < 3; i++)
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
    CHECK(count_of(FUTEX_WAIT_2) == 1);
    park_on_any();
}

TEST(kernel, of_linux_5_15_or_6_6_is_enough)
{
    static const bool has_waitv[] = {false, true};
    check_in_child(check_old_kernel, (void *)&has_waitv[0]);
    check_in_child(check_old_kernel, (void *)&has_waitv[1]);
}

static void park_without_wait(void)
{
    refuse(SYS_futex, FUTEX_WAIT_BITSET, error);
    tpark_park(&p);
}

static void park_timed_without_any_wait(void)
{
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
        static const char no_wait[] = "tpark: tpark_futex_wait: the kernel refuses futex waits\n";
        check_aborts(park_without_wait, no_wait);
        check_aborts(park_timed_without_any_wait, no_wait);
        check_aborts(unpark_without_wake,
                     "tpark: tpark_futex_wake: the kernel refuses futex wakes\n");
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
    /* The answer of a thread that has no filter: for the newer calls' sake. */
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = 0});
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

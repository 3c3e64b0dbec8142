/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a process and its threads, seen by a tracer: none on the fast path, one wait
 * and one wake for each sleep.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif

enum { ROUNDS = 200 };

/* The calls between the two marks of the traced process. */
static struct {
    int futex_wait;  /* futex_wait(2) */
    int futex_waitv; /* futex_waitv(2) */
    int wait;        /* futex(2) */
    int wake;
    int question; /* whether there is a filter */
    int other;
} counted;

/* A call that the library never makes, with an argument that nobody else uses. */
enum { MARK = -4321 };

static void mark(void)
{
    getpgid(MARK);
}

/* What we need of a structure that each C library names in its own way. */
struct call_info {
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
    uint64_t instruction_pointer;
    uint64_t stack_pointer;
    uint64_t number;
    uint64_t arguments[6];
};

enum { ENTRY = 1 }; /* PTRACE_SYSCALL_INFO_ENTRY */

static bool is_between_marks;

static bool is_futex(uint64_t number)
{
#ifdef SYS_futex_time64
    if (number == SYS_futex_time64)
        return true;
#endif
    return number == SYS_futex;
}

static void count_call(pid_t thread)
{
    struct call_info info = {0};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) < 0)
        SKIP("the kernel does not tell a tracer the system call");
    if (info.op != ENTRY)
        return;
    if (info.number == SYS_getpgid && (int)info.arguments[0] == MARK) {
        is_between_marks = !is_between_marks;
    } else if (is_between_marks) {
        const int command = (int)info.arguments[1] & FUTEX_CMD_MASK;
        if (info.number == SYS_futex_wait)
            counted.futex_wait++;
        else if (info.number == SYS_futex_waitv)
            counted.futex_waitv++;
        else if (info.number == SYS_prctl && info.arguments[0] == PR_GET_SECCOMP)
            counted.question++;
        else if (is_futex(info.number) && command == FUTEX_WAIT_BITSET)
            counted.wait++;
        else if (is_futex(info.number) && command == FUTEX_WAKE)
            counted.wake++;
        else
            counted.other++, fprintf(stderr, "system call %d\n", (int)info.number);
    }
}

static void trace(pid_t child)
{
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        SKIP("nobody can trace a process here");
    CHECK(ptrace(PTRACE_SETOPTIONS, child, NULL,
                 (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) == 0);
    pid_t thread = child;
    int signal_number = 0;
    for (;;) {
        /* A thread that has died meanwhile cannot go on: no matter. */
        ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(intptr_t)signal_number);
        thread = waitpid(-1, &status, __WALL);
        CHECK(thread > 0);
        signal_number = 0;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != child)
                continue;
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            return;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            count_call(thread);
        else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
            signal_number = WSTOPSIG(status);
    }
}

static void count_calls_of(void (*f)(void))
{
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer makes system calls of its own");
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        f();
        _exit(0);
    }
    trace(child);
    CHECK(!is_between_marks);
}

/* The adaptive policy asks for the time on the CPU too, in a few sleeps. */
static struct tpark p = TPARK_INIT_FLAGS(TPARK_SPIN_NEVER);

static void use_fast_paths(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    struct tpark_waker w = tpark_current_waker();
    mark();
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
        tpark_park(&p);
        CHECK(tpark_notify(&p).replaced == TPARK_EMPTY);
        CHECK(tpark_try_park(&p));
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        CHECK(!tpark_arm(&p));
        CHECK(tpark_arm(&p));
        CHECK(!tpark_disarm(&p));
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        CHECK(tpark_park_timeout(&p, UINT64_MAX) == 0);
        CHECK(tpark_park_timeout(&p, 0) == ETIMEDOUT);
        CHECK(tpark_unpark(&p) == TPARK_EMPTY);
        CHECK(tpark_park_until(&p, &(struct timespec){.tv_sec = -1}) == 0);
        CHECK(tpark_unparker_unpark(u) == TPARK_EMPTY);
        tpark_unparker_free(tpark_unparker_clone(u));
        tpark_thread_park(t);
        tpark_waker_wake(tpark_waker_clone(&w));
        tpark_current_park();
    }
    mark();
    tpark_waker_drop(w);
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

TEST(system_calls, are_none_on_the_fast_paths)
{
    count_calls_of(use_fast_paths);
    CHECK(counted.wait + counted.wake == 0);
    CHECK(counted.futex_wait + counted.futex_waitv + counted.question + counted.other == 0);
}

static atomic_int unparks;
static atomic_bool is_over;

/* Spins, so that the only calls are those of the parker. */
static void unpark_when_parked(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        while (state_of(&p) != TPARK_PARKED)
            ;
        CHECK(tpark_unpark(&p) == TPARK_PARKED);
        unparks++;
    }
    while (!is_over)
        ;
}

static void sleep_often(const struct timespec *deadline)
{
    struct task unparker;
    start(&unparker, unpark_when_parked, NULL);
    while (unparker.tid == 0)
        ;
    mark();
    for (int i = 1; i <= ROUNDS; i++) {
        CHECK(tpark_park_until(&p, deadline) == 0);
        while (unparks < i) /* the token may be here before its wake, which would hit the next */
            ;
    }
    mark();
    is_over = true;
    join(&unparker);
}

static void sleep_without_deadline(void)
{
    sleep_often(NULL);
}

static void sleep_with_deadline(void)
{
    const struct timespec deadline = deadline_in_ns(3600 * 1000 * (int64_t)MS);
    sleep_often(&deadline);
}

static void time_out(void)
{
    mark();
    for (int i = 0; i < ROUNDS; i++)
        CHECK(tpark_park_timeout(&p, 100000) == ETIMEDOUT);
    mark();
}

TEST(system_calls, are_one_wait_and_one_wake_for_a_sleep)
{
    count_calls_of(sleep_without_deadline);
    CHECK(counted.wait == ROUNDS && counted.wake == ROUNDS);
    CHECK(counted.futex_wait + counted.futex_waitv + counted.question + counted.other == 0);
}

/* What the kernel has not is tried once; under a filter the question is not asked again. */
static void check_timed_waits(void)
{
    if (counted.question == 1) {
        CHECK(counted.wait == ROUNDS && counted.futex_wait + counted.futex_waitv == 0);
    } else if (counted.wait) {
        CHECK(counted.wait == ROUNDS && counted.futex_wait == 1 && counted.futex_waitv == 1);
    } else if (counted.futex_waitv) {
        CHECK(counted.futex_waitv == ROUNDS && counted.futex_wait == 1);
    } else {
        CHECK(counted.futex_wait == ROUNDS && counted.question == ROUNDS);
    }
}

TEST(system_calls, are_a_question_one_wait_and_one_wake_for_a_sleep_with_a_deadline)
{
    count_calls_of(sleep_with_deadline);
    check_timed_waits();
    CHECK(counted.wake == ROUNDS && counted.other == 0);
}

TEST(system_calls, are_a_question_and_one_wait_for_a_park_that_times_out)
{
    count_calls_of(time_out);
    check_timed_waits();
    CHECK(counted.wake == 0 && counted.other == 0);
}

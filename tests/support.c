/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

__attribute__((weak)) void __gcov_dump(void); /* there if coverage is measured */

void leave(int status)
{
    if (__gcov_dump)
        __gcov_dump();
    _exit(status);
}

static void *run_task(void *argument)
{
    struct task *task = argument;
    task->tid = (pid_t)syscall(SYS_gettid);
    task->run(task->argument);
    return NULL;
}

void start(struct task *task, void (*run)(void *), void *argument)
{
    task->tid = 0;
    task->run = run;
    task->argument = argument;
    CHECK(pthread_create(&task->pthread, NULL, run_task, task) == 0);
}

void join(struct task *task)
{
    CHECK(pthread_join(task->pthread, NULL) == 0);
}

/* Relaxed: a look must not order what only the parker may. */
enum tpark_state state_of(const struct tpark *p)
{
    return (enum tpark_state)atomic_load_explicit((const _Atomic uint32_t *)&p->state,
                                                  memory_order_relaxed);
}

/* Reads a file of /proc about the thread; false if there is none. */
static bool read_proc(struct task *task, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)task->tid, name);
    const int fd = open(path, O_RDONLY);
    if (fd < 0)
        return false;
    const ssize_t length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

void wait_until_asleep(struct task *task)
{
    for (;; sched_yield()) {
        char text[512];
        if (task->tid == 0 || !read_proc(task, "stat", text, sizeof text))
            continue;
        const char *after_name = strrchr(text, ')');
        if (after_name && after_name[2] == 'S')
            return;
    }
}

void wait_until_parked(struct task *task, const struct tpark *p)
{
    while (state_of(p) != TPARK_PARKED)
        sched_yield();
    wait_until_asleep(task);
}

long sleeps_of(struct task *task)
{
    char text[4096];
    CHECK(read_proc(task, "status", text, sizeof text));
    const char *line = strstr(text, "\nvoluntary_ctxt_switches:");
    CHECK(line != NULL);
    return strtol(strchr(line, ':') + 1, NULL, 10);
}

bool sleeping_call(struct task *task, long *number, unsigned long a[6])
{
    char text[512];
    /* Under an emulator the numbers are those of another machine: see what this read is called. */
    struct task self = {.tid = (pid_t)syscall(SYS_gettid)};
    if (!read_proc(&self, "syscall", text, sizeof text) || strtol(text, NULL, 10) != SYS_read)
        return false;
    return read_proc(task, "syscall", text, sizeof text) &&
           sscanf(text, "%ld %lx %lx %lx %lx %lx %lx", number, &a[0], &a[1], &a[2], &a[3], &a[4],
                  &a[5]) == 7;
}

uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct timespec deadline_in_ns(int64_t ns)
{
    const int64_t at = (int64_t)monotonic_ns() + ns;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000),
                             .tv_nsec = (long)(at % 1000000000)};
}

/* Waits for the child, and returns its status and what it wrote, each further write after a bar. */
static int end_of(pid_t child, int output, char *text, size_t size)
{
    size_t length = 0;
    ssize_t n;
    while (length < size - 2 && (n = read(output, text + length, size - 2 - length)) > 0) {
        length += (size_t)n;
        text[length++] = '|';
    }
    text[length ? length - 1 : 0] = '\0';
    close(output);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

enum { ABORTED = 66 };

/* So that nobody else has a say on stderr: emulators report a process that a signal killed. */
static void exit_as_aborted(int signal_number)
{
    (void)signal_number;
    leave(ABORTED);
}

void check_aborts(void (*f)(void), const char *line)
{
    int output[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, output) == 0); /* keeps writes apart */
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_LIMIT_S); /* no child inherits it, or dies with its parent */
        signal(SIGABRT, exit_as_aborted);
        dup2(output[1], STDERR_FILENO);
        close(output[0]);
        close(output[1]);
        f();
        leave(0);
    }
    close(output[1]);
    char text[4096];
    const int status = end_of(child, output[0], text, sizeof text);
    const bool has_aborted = WIFEXITED(status) && WEXITSTATUS(status) == ABORTED;
    if (!has_aborted || strcmp(text, line) != 0)
        fprintf(stderr, "expected an abort with '%s', got status %#x with '%s'\n", line,
                (unsigned)status, text);
    CHECK(has_aborted);
    CHECK(strcmp(text, line) == 0);
}

void check_in_child(void (*f)(void *), void *argument)
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_LIMIT_S);
        f(argument);
        leave(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void stray_wake(struct tpark *p)
{
#if TPARK_BACKEND_FUTEX
    const int private_flag = p->flags & TPARK_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
    syscall(SYS_futex, &p->state, FUTEX_WAKE | private_flag, 1);
#else
    pthread_mutex_lock(&p->mutex);
    if (p->has_cond)
        pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->mutex);
#endif
}

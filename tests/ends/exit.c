/* SPDX-License-Identifier: MIT */
/* A process may exit() while its threads sleep, wake each other, come and go: its status is what it
 * says, and what it wrote comes out. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support.h"

enum { ROUNDS = 100, SIDES = 2 };

static struct tpark parkers[SIDES] = {TPARK_INIT, TPARK_INIT};
static struct task tasks[SIDES];

static void sleep_for_ever(void *parker)
{
    for (;;)
        tpark_park(parker);
}

static void exit_while_a_thread_sleeps(void)
{
    start(&tasks[0], sleep_for_ever, &parkers[0]);
    wait_until_parked(&tasks[0], &parkers[0]);
}

static void wake_each_other(void *parker)
{
    for (struct tpark *other = &parkers[parker == &parkers[0]];;) {
        tpark_unpark(other);
        tpark_park(parker);
    }
}

static void exit_while_threads_wake_each_other(void)
{
    for (int i = 0; i < SIDES; i++)
        start(&tasks[i], wake_each_other, &parkers[i]);
}

/* In a thread that exits in the middle of it, or goes on meanwhile. */
static void use_own_parkers(void)
{
    (void)tpark_current_park_timeout(1000);
    struct tpark_thread *t = tpark_current_borrow();
    CHECK(t != NULL);
    (void)tpark_thread_park_timeout(t, 1000);
    tpark_current_give_back(t);
}

/* A chain of threads: two of them at a time. */
static void *come_and_go(void *unused)
{
    use_own_parkers();
    pthread_t next;
    CHECK(pthread_create(&next, NULL, come_and_go, NULL) == 0);
    CHECK(pthread_detach(next) == 0);
    use_own_parkers();
    return unused;
}

static void exit_while_threads_come_and_go(void)
{
    come_and_go(NULL);
}

static bool exit_in_poll(void *future, const struct tpark_waker *waker)
{
    (void)future;
    tpark_waker_wake_by_ref(waker);
    exit(0);
}

static void exit_within_block_on(void)
{
    (void)!tpark_block_on(exit_in_poll, NULL);
}

static void exit_in_handlers(void)
{
    CHECK(atexit(use_own_parkers) == 0);
    use_own_parkers();
}

static void exit_in_a_forked_child(void)
{
    exit_while_a_thread_sleeps();
    use_own_parkers();
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        exit(0);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

#ifdef TPARK_BACKEND_FUTEX
static void exit_from_handler(int signal_number)
{
    (void)signal_number;
    exit(0);
}

static void interrupt_main(void *main_task)
{
    struct task *task = main_task;
    wait_until_asleep(task);
    pthread_kill(task->pthread, SIGUSR1);
}

/* The thread that exits is one that sleeps. */
static void exit_in_a_signal_handler(void)
{
    static struct task self;
    self = (struct task){.pthread = pthread_self(), .tid = getpid()};
    signal(SIGUSR1, exit_from_handler);
    start(&tasks[0], interrupt_main, &self);
    tpark_current_park();
}
#endif

/* f in a child process that then exits: with status 0, and the line that it has printed. */
static void check_exits(const char *name, void (*f)(void))
{
    int output[2];
    CHECK(pipe(output) == 0);
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_LIMIT_S);
        dup2(output[1], STDOUT_FILENO);
        close(output[0]);
        close(output[1]);
        printf("buffered\n");
        f();
        exit(0);
    }
    close(output[1]);
    char text[64] = "";
    ssize_t length = 0, n;
    while ((n = read(output[0], text + length, sizeof text - 1 - (size_t)length)) > 0)
        length += n;
    close(output[0]);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0 || strncmp(text, "buffered\n", 9) != 0)
        fprintf(stderr, "%s: status %#x, with '%s'\n", name, (unsigned)status, text);
    CHECK(status == 0);
    CHECK(strncmp(text, "buffered\n", 9) == 0);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*call)(void);
    } exits[] = {
#define EXIT(call) {#call, call}
        EXIT(exit_while_a_thread_sleeps),
        EXIT(exit_while_threads_wake_each_other),
        EXIT(exit_while_threads_come_and_go),
        EXIT(exit_within_block_on),
        EXIT(exit_in_handlers),
        EXIT(exit_in_a_forked_child),
#ifdef TPARK_BACKEND_FUTEX
        EXIT(exit_in_a_signal_handler),
#endif
    };
    const size_t count = sizeof exits / sizeof *exits;
    for (size_t i = 0; i < count; i++)
        for (int round = 0; round < ROUNDS; round++)
            check_exits(exits[i].name, exits[i].call);
    printf("%zu passed, 0 failed, 0 skipped\n", count);
    return 0;
}

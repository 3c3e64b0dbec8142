/* SPDX-License-Identifier: MIT */
/*
 * Runs the scenarios with threads of the system, each run in a process of its own. It explores
 * nothing, and shows that the scenarios are programs, on this machine and with its kernel.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

enum { RUNS = 30, HANG_LIMIT_S = 30 };

bool scenario_time_stands_still = false;
bool scenario_has_one_cpu;

static atomic_bool has_ended[SCENARIO_THREADS];

void scenario_wait_for_end(int thread)
{
    while (!has_ended[thread])
        sched_yield();
}

void scenario_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
    abort();
}

static const struct scenario *running;

static void *start(void *thread)
{
    void (*const *run)(void) = thread;
    (*run)();
    has_ended[run - running->threads] = true;
    return NULL;
}

static void run(const struct scenario *s)
{
    alarm(HANG_LIMIT_S);
    running = s;
    if (s->setup)
        s->setup();
    pthread_t threads[SCENARIO_THREADS];
    for (int i = 0; i < SCENARIO_THREADS; i++)
        if (s->threads[i] && pthread_create(&threads[i], NULL, start, (void *)&s->threads[i]) != 0)
            abort();
    for (int i = 0; i < SCENARIO_THREADS; i++)
        if (s->threads[i])
            pthread_join(threads[i], NULL);
    if (s->finish)
        s->finish();
    exit(0); /* not _exit(): sanitizers look for leaks at exit */
}

int main(void)
{
    for (const struct scenario *s = scenarios; s->name; s++) {
        for (int i = 0; i < RUNS; i++) {
            fflush(NULL);
            const pid_t child = fork();
            if (child == 0)
                run(s);
            int status = -1;
            if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
                printf("%s: FAILED in run %d: wait status %#x\n", s->name, i, (unsigned)status);
                return 1;
            }
        }
        printf("%-20s %d runs\n", s->name, RUNS);
    }
    return 0;
}

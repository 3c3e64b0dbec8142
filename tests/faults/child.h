/* SPDX-License-Identifier: MIT */
/* A parker in memory that a test shares with a child process, and the child. */
#ifndef TPARK_TESTS_FAULTS_CHILD_H
#define TPARK_TESTS_FAULTS_CHILD_H

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support.h"

/* What a test and its child share. */
struct shared {
    struct tpark p;
    uint64_t timeout_ns; /* 0: none */
    int result;
    atomic_int rounds;
};

static inline struct shared *map_shared(unsigned flags)
{
    struct shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    CHECK(tpark_init(&s->p, flags) == 0);
    return s;
}

static inline pid_t start_child(void (*f)(struct shared *), struct shared *s)
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_LIMIT_S);
        f(s);
        leave(0);
    }
    return child;
}

static inline void check_ends(pid_t child)
{
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Waits until the child's main thread is asleep with its parker PARKED. */
static inline void wait_until_child_parked(pid_t child, const struct shared *s)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    for (;; sched_yield()) {
        char text[512];
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        const size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = '\0';
        const char *after_name = strrchr(text, ')');
        if (state_of(&s->p) == TPARK_PARKED && after_name && after_name[2] == 'S')
            return;
    }
}

static inline void park(struct shared *s)
{
    if (s->timeout_ns)
        s->result = tpark_park_timeout(&s->p, s->timeout_ns);
    else
        tpark_park(&s->p);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Runs every test of the program in a process of its own, one after the other. Who expects tests to
 * hang sets TEST_HANG_LIMIT_S.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SKIPPED = 77 };

static struct test *first;
static struct test **last = &first;

void register_test(struct test *test)
{
    *last = test;
    last = &test->next;
}

void skip_test(const char *reason)
{
    printf("skipped: %s: ", reason);
    fflush(stdout);
    _exit(SKIPPED);
}

static int run(const struct test *test)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const char *const limit_s = getenv("TEST_HANG_LIMIT_S");
        alarm(limit_s ? (unsigned)atoi(limit_s) : HANG_LIMIT_S);
        test->run();
        exit(0); /* not _exit(): sanitizers look for leaks at exit */
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static int is_named(const struct test *test, const char *pattern)
{
    return strstr(test->sentence, pattern) || strstr(test->subject, pattern);
}

/* The arguments choose tests: each whose name contains one of them, or, after '-', does not. */
static int is_chosen(const struct test *test, char **patterns)
{
    if (!*patterns)
        return 1;
    for (; *patterns; patterns++)
        if (**patterns == '-' ? !is_named(test, *patterns + 1) : is_named(test, *patterns))
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    int passed = 0, failed = 0, skipped = 0;
    for (const struct test *test = first; test; test = test->next) {
        if (!is_chosen(test, argv + 1))
            continue;
        const int status = run(test);
        if (status == 0) {
            passed++;
            continue;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            skipped++;
        else
            failed++,
                printf("failed (%s): ", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
        printf("%s: %s\n", test->subject, test->sentence);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0 || passed == 0;
}

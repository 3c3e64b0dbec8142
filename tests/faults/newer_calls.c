/* SPDX-License-Identifier: MIT */
/* Builds with -Dtpark_newer_calls=never, and with always: each has this program linked to it. */
#include <errno.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "../support.h"
#include "inject.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv (SYS_pidfd_open + 15)
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait (SYS_pidfd_open + 21)
#endif

enum { PARKS = 5, TIMEOUT_NS = 100000 };

static struct tpark p = TPARK_INIT_FLAGS(TPARK_SPIN_NEVER);

static void park_often(void)
{
    static struct tpark q = TPARK_INIT_FLAGS(TPARK_SPIN_NEVER);
    struct tpark_any set[] = {{.parker = &p}, {.parker = &q}};
    for (int i = 0; i < PARKS; i++) {
        CHECK(tpark_park_timeout(&p, TIMEOUT_NS) == ETIMEDOUT);
        const struct timespec deadline = deadline_in_ns(TIMEOUT_NS);
        CHECK(tpark_park_any(set, 2, &deadline) == ETIMEDOUT);
    }
}

/* A park whose time is up before it sleeps makes no call. */
static void park_until_made(enum call call)
{
    while (count_of(call) < PARKS)
        park_often();
}

/* A filter upon the newer calls, which kills for the question whether there is one. */
static void load_filter(uint32_t action)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    CHECK(filter != NULL);
    const struct scmp_arg_cmp question = {
        .arg = 0, .op = SCMP_CMP_EQ, .datum_a = PR_GET_SECCOMP, .datum_b = 0};
    if (action != SCMP_ACT_ALLOW) {
        CHECK(seccomp_rule_add(filter, action, SYS_futex_wait, 0) == 0);
        CHECK(seccomp_rule_add(filter, action, SYS_futex_waitv, 0) == 0);
    }
    CHECK(seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SYS_prctl, 1, question) == 0);
    const int result = seccomp_load(filter);
    if (result != 0) {
        fprintf(stderr, "seccomp_load: error %d\n", -result);
        SKIP("the kernel lets nobody load a filter here");
    }
    seccomp_release(filter);
}

#ifdef NEVER_NEWER_CALLS

TEST(newer_calls_never, makes_none_and_does_not_ask_whether_there_is_a_filter)
{
    park_until_made(FUTEX_SLEEP);
    CHECK(count_of(SECCOMP_MODE) + count_of(FUTEX_WAIT_2) + count_of(FUTEX_WAITV) == 0);
}

static void park_where_all_of_them_kill(void *unused)
{
    (void)unused;
    load_filter(SCMP_ACT_KILL_PROCESS);
    park_often();
}

TEST(newer_calls_never, lives_under_a_filter_that_kills_for_the_question_too)
{
    check_in_child(park_where_all_of_them_kill, NULL);
}

#else

static void check_all_made(void)
{
    park_until_made(FUTEX_WAIT_2);
    park_until_made(FUTEX_WAITV);
    CHECK(count_of(SECCOMP_MODE) == 0);
}

TEST(newer_calls_always, makes_them_without_the_question)
{
    check_all_made();
}

static void park_under_filter_that_allows(void *unused)
{
    (void)unused;
    load_filter(SCMP_ACT_ALLOW);
    check_all_made();
}

TEST(newer_calls_always, makes_them_under_a_filter_that_lets_them_through)
{
    check_in_child(park_under_filter_that_allows, NULL);
}

static void park_under_filter_that_refuses(void *error)
{
    load_filter(SCMP_ACT_ERRNO(*(const uint16_t *)error));
    check_all_made();
    CHECK(count_of(FUTEX_WAITV) >= count_of(FUTEX_WAIT_2)); /* also in the place of futex_wait(2) */
    park_until_made(FUTEX_SLEEP);
}

TEST(newer_calls_always, tries_again_what_was_refused_and_sleeps_in_futex)
{
    static const uint16_t errors[] = {ENOSYS, EPERM, EACCES, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        check_in_child(park_under_filter_that_refuses, (void *)&errors[i]);
}

#endif

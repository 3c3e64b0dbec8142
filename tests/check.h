/* SPDX-License-Identifier: MIT */
/*
 * The tests are written against this: under Criterion where it is found, and under runner.c where
 * it does not run (sanitizers, other C libraries and machines). A test's name is the sentence of
 * the contract that it checks.
 */
#ifndef TPARK_TESTS_CHECK_H
#define TPARK_TESTS_CHECK_H

enum { HANG_LIMIT_S = 120 }; /* no test waits this long unless it hangs */

#ifdef WITH_CRITERION
#include <criterion/criterion.h>
#define TEST(subject, sentence) Test(subject, sentence, .timeout = HANG_LIMIT_S)
#define SKIP(reason) cr_skip_test("%s", reason)
#else
struct test {
    const char *subject;
    const char *sentence;
    void (*run)(void);
    struct test *next;
};
void register_test(struct test *test);
_Noreturn void skip_test(const char *reason);

#define TEST(subject_, sentence_)                                                                  \
    static void subject_##_##sentence_(void);                                                      \
    __attribute__((constructor)) static void register_##subject_##_##sentence_(void)               \
    {                                                                                              \
        static struct test test = {#subject_, #sentence_, subject_##_##sentence_, NULL};           \
        register_test(&test);                                                                      \
    }                                                                                              \
    static void subject_##_##sentence_(void)
#define SKIP(reason) skip_test(reason)
#endif

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

/* In any thread, and in a child process. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif

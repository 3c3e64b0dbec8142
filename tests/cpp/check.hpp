/* SPDX-License-Identifier: MIT */
#ifndef TPARK_TESTS_CPP_CHECK_HPP
#define TPARK_TESTS_CPP_CHECK_HPP

#include <cstdio>
#include <cstdlib>

#define CHECK(condition) ((condition) ? void() : check_failed(__FILE__, __LINE__, #condition))

[[noreturn]] inline void check_failed(const char *file, int line, const char *condition)
{
    std::fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    std::abort();
}

#endif

/* SPDX-License-Identifier: MIT */
/* Included by tpark.h: what the headers ask of the compiler. Extensions are kept to this file. */
#ifndef TPARK_COMPILER_H
#define TPARK_COMPILER_H

#if defined(__GNUC__)
#ifndef TPARK_API /* the library's own sources have theirs */
#define TPARK_API __attribute__((visibility("default")))
#endif
#define TPARK_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define TPARK_MUST_USE __attribute__((warn_unused_result))
#else
#ifndef TPARK_API
#define TPARK_API
#endif
#define TPARK_NONNULL(...)
#define TPARK_MUST_USE
#endif
/* What never blocks, allocates or takes a lock; a compiler that knows real time checks callers
 * (clang 19 knows the attribute, but wants it again at each definition). */
#if defined(__clang_major__) && __clang_major__ >= 20
#if __has_attribute(nonblocking)
#define TPARK_NONBLOCKING __attribute__((nonblocking))
#endif
#endif
#ifndef TPARK_NONBLOCKING
#define TPARK_NONBLOCKING
#endif
#ifdef __cplusplus
#define TPARK_CAST(type, value) static_cast<type>(value)
#else
#define TPARK_CAST(type, value) ((type)(value))
#endif

/* A number of any type as 0 to 65535. Evaluates it once, and makes a constant of a constant. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define TPARK_INLINE constexpr
#else
#define TPARK_INLINE static inline
#endif
TPARK_INLINE unsigned tpark_as_u16(double value)
{
    return value < 1 ? 0 : value < 65535 ? TPARK_CAST(unsigned, value) : 65535;
}
#if defined(__GNUC__) && !defined(__cplusplus)
#define TPARK_AS_U16(value)                                                                        \
    __builtin_choose_expr(__builtin_constant_p(value),                                             \
                          (value) > 0 ? (value) + 0LL < 65535 ? (unsigned)(value) : 65535u : 0u,   \
                          tpark_as_u16((double)(value)))
#else
#define TPARK_AS_U16(value) tpark_as_u16(TPARK_CAST(double, value))
#endif

#endif

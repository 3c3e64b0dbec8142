/* SPDX-License-Identifier: MIT */
/*
 * Tells valgrind's helgrind and drd what an object's atomics order: they take an atomic operation
 * for a plain one (and helgrind does not know pthread_once() either). Off unless the build asks for
 * it, with -Dvalgrind_annotations=true. drd understands helgrind's requests.
 */
#ifndef TPARK_SRC_ANNOTATE_H
#define TPARK_SRC_ANNOTATE_H

#if TPARK_VALGRIND_ANNOTATIONS
#include <valgrind/helgrind.h>
/* Before the operation that releases; after the one that acquires. */
#define ANNOTATE_RELEASE(object) ANNOTATE_HAPPENS_BEFORE(object)
#define ANNOTATE_ACQUIRE(object) ANNOTATE_HAPPENS_AFTER(object)
#else
#define ANNOTATE_RELEASE(object) ((void)0)
#define ANNOTATE_ACQUIRE(object) ((void)0)
#endif

#endif

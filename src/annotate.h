/* SPDX-License-Identifier: MIT */
/*
 * Tells valgrind's helgrind and drd what the atomics of an object order, since they do not know it:
 * to them an atomic read-modify-write is a read (and helgrind does not know pthread_once()). Off unless the build asks for it. drd understands
 * helgrind's requests.
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

/* SPDX-License-Identifier: MIT */
/*
 * Included by tpark.h: the layout of the backend. This is the file of the source tree, for builds
 * of the library itself and for copies of it in other projects. The backend is futex, or pthread if
 * all that includes tpark.h is compiled with -DTPARK_BACKEND_PTHREAD. Where tpark is installed, a
 * file of the same name says what the library there was built for.
 */
#ifndef TPARK_BACKEND_H
#define TPARK_BACKEND_H

#if defined(TPARK_HANDLES_ONLY)
#elif defined(TPARK_BACKEND_PTHREAD) || !defined(__linux__)
#include "tpark_pthread.h"
#else
#include "tpark_futex.h"
#endif

#ifndef TPARK_SIZEOF_TIME_T
#define TPARK_SIZEOF_TIME_T sizeof(time_t)
#endif

#endif

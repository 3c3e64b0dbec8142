/* SPDX-License-Identifier: MIT */
/* Included by tpark_backend.h. The layout of a parker that sleeps on a mutex and a condition
 * variable. */
#ifndef TPARK_PTHREAD_H
#define TPARK_PTHREAD_H

#ifdef TPARK_BACKEND_FUTEX
#error "TPARK_BACKEND_FUTEX is defined, but this tpark has the pthread backend"
#endif

#include <pthread.h>

#define TPARK_BACKEND_PTHREAD 1
#define TPARK_HAS_FUTEX_WORD 0

struct tpark {
    uint32_t state; /* an enum tpark_state; tpark's to write */
    uint8_t flags;  /* fixed when the parker is made */
    uint8_t armed;  /* the owner's: it is armed, or about to be; kept if TPARK_SHARED */
    uint16_t spin;  /* the policy's */
    pthread_mutex_t mutex;
    bool has_cond; /* guarded by mutex */
    pthread_cond_t cond;
};

#define TPARK_LAYOUT TPARK_CAST(uint32_t, 2u << 24 | 1u << 16 | sizeof(struct tpark))

/* TPARK_SHARED does not compile here: only tpark_init() can make a process-shared mutex. */
#define TPARK_INIT_FLAGS(flags_)                                                                   \
    {                                                                                              \
        0, ((flags_) + 0 * sizeof(char[((flags_)&TPARK_SHARED) ? -1 : 1])) & 0xff, 0,              \
            (flags_) >> 16 & 0xffff, PTHREAD_MUTEX_INITIALIZER, false, PTHREAD_COND_INITIALIZER    \
    }

#endif

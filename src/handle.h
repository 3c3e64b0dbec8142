/* SPDX-License-Identifier: MIT */
/* What a handle keeps for current.c. */
#ifndef TPARK_SRC_HANDLE_H
#define TPARK_SRC_HANDLE_H

#include <stdbool.h>

#include "tpark.h"

#pragma GCC visibility push(hidden)

/* Of a parker that a thread keeps; nobody else looks at it. */
struct tpark_loan {
    struct tpark_thread *next; /* what else the thread keeps */
    bool is_lent;
};

struct tpark_loan *tpark_thread_loan(struct tpark_thread *t);

/* The owner's reference, seen as an unparker that is not to be freed. */
static inline struct tpark_unparker *tpark_thread_lend_unparker(struct tpark_thread *t)
{
    return (struct tpark_unparker *)t;
}

#pragma GCC visibility pop

#endif

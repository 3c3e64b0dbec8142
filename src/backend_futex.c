/* SPDX-License-Identifier: MIT */
/*
 * Sleeps in futex(2) on the state word itself. The kernel compares the word with PARKED and queues
 * the thread in one step against a wake: that is the whole of the backend's contract. How to ask
 * the kernel for it is known to futex.c.
 */
#include "config.h"

#include "backend.h"

#ifdef TPARK_BACKEND_FUTEX

#include <stddef.h>

#include "futex.h"

int tpark_backend_init(struct tpark *p)
{
    (void)p;
    return 0;
}

void tpark_backend_destroy(struct tpark *p)
{
    (void)p;
}

void tpark_backend_wait(struct tpark *p, const struct timespec *deadline)
{
    tpark_futex_wait(&p->state, TPARK_PARKED, p->flags, deadline);
}

bool tpark_backend_wait_any(const struct tpark_any *set, size_t count,
                            const struct timespec *deadline)
{
    struct tpark_futex_waiter waiters[count]; /* on the stack no more than the set needs */
    for (size_t i = 0; i < count; i++)
        waiters[i] = tpark_futex_waiter(&set[i].parker->state, TPARK_PARKED, set[i].parker->flags);
    return tpark_futex_wait_any(waiters, count, deadline);
}

/*
 * Hands an address to the kernel, and reads nothing through it. If the owner is gone and the memory
 * in other use by now, somebody's futex wait returns 0 without cause, as every one may.
 */
void tpark_backend_wake(struct tpark *p, bool is_shared)
{
    uint32_t *const word = (uint32_t *)((char *)p + offsetof(struct tpark, state));
    tpark_futex_wake(word, is_shared ? TPARK_SHARED : 0);
}

uint32_t *tpark_futex_word(struct tpark *p)
{
    return &p->state;
}

#endif

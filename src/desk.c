/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "desk.h"

#include "backend.h"

/* On cache lines of their own, since each is one thread's most of the time. */
enum { DESKS = sizeof(unsigned long) * CHAR_BIT };

static struct tpark_desk {
    _Alignas(TPARK_CACHE_LINE) struct tpark bell;
    bool has_bell; /* of whoever has taken the desk */
    _Atomic size_t count;
    const struct tpark *_Atomic parkers[TPARK_ANY_MAX];
} desks[DESKS];

atomic_ulong tpark_desks_taken;

/* Returns a desk that was free; NULL: none is. */
static struct tpark_desk *take_free(void)
{
    unsigned long taken = atomic_load_explicit(&tpark_desks_taken, memory_order_relaxed);
    while (~taken) {
        unsigned i = 0;
        while (taken >> i & 1)
            i++;
        /* Acquire pairs with the release in tpark_desk_leave(). */
        if (atomic_compare_exchange_weak_explicit(&tpark_desks_taken, &taken, taken | 1ul << i,
                                                  memory_order_acquire, memory_order_relaxed))
            return &desks[i];
    }
    return NULL;
}

struct tpark_desk *tpark_desk_take(const struct tpark_any *set, size_t count)
{
    struct tpark_desk *const desk = take_free();
    if (desk && !desk->has_bell)
        desk->has_bell = tpark_init(&desk->bell, TPARK_SPIN_NEVER) == 0;
    if (desk && !desk->has_bell) {
        tpark_desk_leave(desk);
        return NULL;
    }
    if (desk) {
        /* Release publishes the bell, also to who finds here what it no longer looks for. */
        for (size_t i = 0; i < count; i++)
            atomic_store_explicit(&desk->parkers[i], set[i].parker, memory_order_release);
        atomic_store_explicit(&desk->count, count, memory_order_release);
    }
    return desk;
}

void tpark_desk_leave(struct tpark_desk *desk)
{
    if (!desk)
        return;
    atomic_store_explicit(&desk->count, 0, memory_order_relaxed);
    /* Release pairs with the acquire in take_free(). */
    atomic_fetch_and_explicit(&tpark_desks_taken, ~(1ul << (desk - desks)), memory_order_release);
}

struct tpark *tpark_desk_bell(struct tpark_desk *desk)
{
    return &desk->bell;
}

static bool is_listed(struct tpark_desk *desk, const struct tpark *p)
{
    const size_t count = atomic_load_explicit(&desk->count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (atomic_load_explicit(&desk->parkers[i], memory_order_acquire) == p)
            return true;
    return false;
}

void tpark_desk_ring_listed(const struct tpark *p)
{
    unsigned long taken = atomic_load_explicit(&tpark_desks_taken, memory_order_relaxed);
    for (struct tpark_desk *desk = desks; taken; desk++, taken >>= 1)
        if (taken & 1 && is_listed(desk, p))
            tpark_unpark(&desk->bell);
}

/* SPDX-License-Identifier: MIT */
/*
 * Wakers. A waker that tpark makes is an unparker behind the four slots: its data is the unparker,
 * whose clones are all the same pointer.
 */
#include "config.h"

#include "tpark.h"

static struct tpark_waker clone_slot(void *data)
{
    return tpark_unparker_into_waker(tpark_unparker_clone(data));
}

static void wake_slot(void *data)
{
    tpark_unparker_unpark_and_free(data);
}

static void wake_by_ref_slot(void *data)
{
    tpark_unparker_unpark(data);
}

static void drop_slot(void *data)
{
    tpark_unparker_free(data);
}

const struct tpark_waker_vtable tpark_unparker_waker_vtable = {
    .clone = clone_slot,
    .wake = wake_slot,
    .wake_by_ref = wake_by_ref_slot,
    .drop = drop_slot,
};

struct tpark_waker tpark_unparker_into_waker(struct tpark_unparker *u)
{
    return (struct tpark_waker){.data = u, .vtable = &tpark_unparker_waker_vtable};
}

struct tpark_waker tpark_waker_clone(const struct tpark_waker *w)
{
    return w->vtable->clone(w->data);
}

void tpark_waker_wake(struct tpark_waker w)
{
    w.vtable->wake(w.data);
}

void tpark_waker_wake_by_ref(const struct tpark_waker *w)
{
    w->vtable->wake_by_ref(w->data);
}

void tpark_waker_drop(struct tpark_waker w)
{
    w.vtable->drop(w.data);
}

bool tpark_waker_will_wake(const struct tpark_waker *a, const struct tpark_waker *b)
{
    return a->data == b->data && a->vtable == b->vtable;
}

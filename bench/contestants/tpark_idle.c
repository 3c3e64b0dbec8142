/* SPDX-License-Identifier: MIT */
/* tpark's set of idle owners, of which it wakes the newest. */
#include <stdlib.h>
#include <tpark_idle.h>

#include "contestant.h"

struct parker {
    struct tpark tpark;
    struct tpark_idler idler;
};

static struct tpark_idle set = TPARK_IDLE_INIT;

static int init(void *parker)
{
    struct parker *const p = parker;
    p->idler = (struct tpark_idler){.parker = &p->tpark};
    return tpark_init(&p->tpark, 0);
}

static void destroy(void *p)
{
    tpark_destroy(&((struct parker *)p)->tpark);
}

static void prepare(void *p)
{
    tpark_idle_prepare(&set, &((struct parker *)p)->idler);
}

static bool cancel(void *p)
{
    return tpark_idle_cancel(&set, &((struct parker *)p)->idler);
}

static void commit(void *p)
{
    if (tpark_idle_commit(&set, &((struct parker *)p)->idler, NULL) != 0)
        abort();
}

static size_t wake(size_t count)
{
    return tpark_idle_wake(&set, count);
}

static const struct idle_calls calls = {prepare, cancel, commit, wake};

extern const struct contestant contestant_tpark_idle;
const struct contestant contestant_tpark_idle = {
    .name = "tpark-idle",
    .what = "tpark_idle_commit() and tpark_idle_wake(), the futex backend, linked statically",
    .traits = IDLE_SET,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .idle = &calls,
};

/* SPDX-License-Identifier: MIT */
/*
 * An object with a tpark of its own. Compiled with -DTPARK_IS_IN="the name of the file that must
 * hold it".
 */
#include <tpark.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct guarded {
    struct tpark parker;
    unsigned char after[256];
};

/* Functions are called where they are found; so is the object that a waker is known by. */
static int is_elsewhere(uintptr_t symbol, const char *name)
{
    Dl_info where;
    const int found = dladdr((void *)symbol, &where) && strstr(where.dli_fname, TPARK_IS_IN);
    if (!found)
        printf("%s: %s is in %s\n", TPARK_IS_IN, name, where.dli_fname);
    return !found;
}

static int try_tpark(void)
{
    static struct guarded g;
    memset(g.after, 0x5a, sizeof g.after);
    int wrong = is_elsewhere((uintptr_t)tpark_init, "tpark_init");
    wrong += is_elsewhere((uintptr_t)tpark_park_timeout, "tpark_park_timeout");
    wrong += is_elsewhere((uintptr_t)tpark_unparker_unpark, "tpark_unparker_unpark");

    wrong += tpark_init(&g.parker, TPARK_PRECISE) != 0;
    wrong += tpark_unpark(&g.parker) != TPARK_EMPTY;
    tpark_park(&g.parker);
    wrong += tpark_park_timeout(&g.parker, 100000) == 0;
    tpark_destroy(&g.parker);

    struct tpark_thread *t = tpark_thread_new(0);
    const struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    wrong += w.vtable != &tpark_unparker_waker_vtable;
    tpark_waker_wake(w);
    tpark_thread_park(t);
    tpark_thread_free(t);

    tpark_waker_wake(tpark_current_waker());
    tpark_current_park();

    for (size_t i = 0; i < sizeof g.after; i++)
        wrong += g.after[i] != 0x5a;
    if (wrong)
        printf("%s: %d things are wrong\n", TPARK_IS_IN, wrong);
    return wrong;
}

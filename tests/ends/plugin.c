/* SPDX-License-Identifier: MIT */
/* A plugin with a tpark of its own. */
#include <tpark.h>

__attribute__((visibility("default"))) void use(void);

static bool is_ready(void *future, const struct tpark_waker *waker)
{
    (void)future, (void)waker;
    return true;
}

void use(void)
{
    (void)tpark_current_park_timeout(0);
    (void)!tpark_block_on(is_ready, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A user's program that knows no layout: it is linked with tpark-handles, and runs on the library
 * of either backend. */
#include <tpark.h>

#include <pthread.h>

static void *unpark(void *unparker)
{
    tpark_unparker_unpark(unparker);
    tpark_unparker_free(unparker);
    return NULL;
}

static bool is_second_poll(void *polls, const struct tpark_waker *waker)
{
    tpark_waker_wake_by_ref(waker);
    return ++*(int *)polls == 2;
}

int main(void)
{
    struct tpark_thread *me = tpark_thread_new(TPARK_SPIN_NEVER);
    pthread_t other;
    if (!me || pthread_create(&other, NULL, unpark, tpark_thread_unparker(me)) != 0)
        return 1;
    tpark_thread_park(me);
    if (pthread_join(other, NULL) != 0 || tpark_thread_park_timeout(me, 1000) == 0)
        return 1;
    tpark_thread_free(me);
    tpark_waker_wake(tpark_current_waker());
    tpark_current_park();
    int polls = 0;
    return tpark_block_on(is_second_poll, &polls) == 0 && polls == 2 ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/* A thread that must not block calls whatever is declared not to. With BLOCKS it also parks. */
#ifdef __cplusplus
#include <tpark.hpp>
#endif
#include <tpark.h>

static struct tpark parker = TPARK_INIT;
#ifdef __cplusplus
static tparkxx::parker plus;
#endif

static void work(struct tpark_thread *t, struct tpark_unparker *u) TPARK_NONBLOCKING;
static void work(struct tpark_thread *t, struct tpark_unparker *u) TPARK_NONBLOCKING
{
    (void)tpark_version();
    if (tpark_arm(&parker)) {
        const struct tpark_owed owed = tpark_notify(&parker);
#ifdef TPARK_BACKEND_FUTEX
        tpark_wake_owner(owed);
        (void)tpark_futex_word(&parker);
#endif
        (void)owed;
        (void)!tpark_disarm(&parker);
    }
    (void)tpark_adopt(&parker);
#ifdef TPARK_BACKEND_FUTEX
    (void)tpark_unpark(&parker);
#endif
    (void)tpark_try_park(&parker);

    struct tpark_unparker *clone = tpark_unparker_clone(u);
    (void)tpark_unparker_same_parker(clone, u);
    (void)tpark_unparker_will_unpark(clone, t);
    (void)tpark_unparker_notify(clone);
    (void)tpark_unparker_parker(clone);
    (void)tpark_thread_parker(t);
    const struct tpark_waker one = tpark_unparker_into_waker(clone);
    const struct tpark_waker other = tpark_unparker_into_waker(tpark_thread_unparker(t));
    (void)tpark_waker_will_wake(&one, &other);
#ifdef __cplusplus
    (void)plus.notify();
    (void)plus.try_park();
#endif
#ifdef BLOCKS
    tpark_park(&parker);
#endif
}

int main(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    if (!t)
        return 1;
    struct tpark_unparker *u = tpark_thread_unparker(t);
    work(t, u);
    /* What work() must not free. */
    tpark_unparker_free(u);
    tpark_unparker_free(u);
    tpark_unparker_free(u);
    tpark_thread_free(t);
    return 0;
}

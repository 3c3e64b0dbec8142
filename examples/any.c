/* SPDX-License-Identifier: MIT */
/*
 * One thread that owns several parkers, and sleeps on all of them in futex_waitv(2).
 *
 * A dispatcher serves some producers. Each has a mailbox with a parker of its own, so a producer
 * touches no cache line that another one writes, and the dispatcher knows from tpark_park_any()
 * which mailboxes to look into, without a shared list and its lock. A parker more is for orders to
 * the dispatcher itself, which come through the same sleep.
 *
 * tpark_park_any() consumes all the tokens that it finds, not one: every entry of the set whose
 * has_token is true must be served. A mailbox that is never empty cannot starve the others.
 *
 * Where the kernel has no futex_waitv(2), or a sandbox forbids it, the function falls back by
 * itself to one that looks at the parkers at intervals; nothing is lost then but time.
 *
 * Run:    ./any
 * Exits with 0 if every letter was delivered.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <tpark.h>

enum { PRODUCERS = 3, LETTERS = 20000, ORDERS = PRODUCERS };

struct mailbox {
    _Alignas(64) struct tpark parker; /* the dispatcher's */
    atomic_long sent;                 /* letters so far; the producer writes it */
    long taken;                       /* of them; the dispatcher's */
};

static struct mailbox mailboxes[PRODUCERS];
static struct tpark orders = TPARK_INIT;
static atomic_bool is_asked_to_end;

static void *produce(void *argument)
{
    struct mailbox *mailbox = argument;
    for (int i = 0; i < LETTERS; i++) {
        atomic_fetch_add(&mailbox->sent, 1);
        tpark_unpark(&mailbox->parker);
    }
    return NULL;
}

static void serve(struct mailbox *mailbox)
{
    /* The token publishes at least the letters that were sent before it. */
    mailbox->taken = atomic_load(&mailbox->sent);
}

static void *dispatch(void *argument)
{
    long *rounds = argument;
    struct tpark_any set[PRODUCERS + 1] = {[ORDERS] = {.parker = &orders}};
    for (int i = 0; i < PRODUCERS; i++)
        set[i].parker = &mailboxes[i].parker;
    bool is_over = false;
    while (!is_over) {
        const int error = tpark_park_any(set, PRODUCERS + 1, NULL);
        assert(error == 0);
        ++*rounds;
        for (int i = 0; i < PRODUCERS; i++)
            if (set[i].has_token)
                serve(&mailboxes[i]);
        is_over = set[ORDERS].has_token && atomic_load(&is_asked_to_end);
    }
    return NULL;
}

int main(void)
{
    pthread_t dispatcher, producers[PRODUCERS];
    long rounds = 0;
    for (int i = 0; i < PRODUCERS; i++)
        mailboxes[i].parker = (struct tpark)TPARK_INIT;
    pthread_create(&dispatcher, NULL, dispatch, &rounds);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, &mailboxes[i]);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    atomic_store(&is_asked_to_end, true);
    tpark_unpark(&orders);
    pthread_join(dispatcher, NULL);

    for (int i = 0; i < PRODUCERS; i++) {
        /* A token that came after the dispatcher's last look is still there: nothing is lost. */
        if (tpark_try_park(&mailboxes[i].parker))
            serve(&mailboxes[i]);
        assert(mailboxes[i].taken == LETTERS);
    }
    /* Now there is nothing: a deadline that has passed looks, and does not sleep. */
    struct tpark_any set[] = {{.parker = &mailboxes[0].parker}, {.parker = &mailboxes[1].parker}};
    const int error = tpark_park_any(set, 2, &(struct timespec){0});
    assert(error == ETIMEDOUT);
    printf("%d letters in %ld rounds\n", PRODUCERS * LETTERS, rounds);
    return 0;
}

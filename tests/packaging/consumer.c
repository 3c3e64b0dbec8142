/* SPDX-License-Identifier: MIT */
/* A user's program: two threads hand a number to and fro, by parkers and by handles. */
#include <tpark.h>

#include <pthread.h>

enum { ROUNDS = 1000 };

struct table {
    struct tpark side[2];
    struct tpark_unparker *owner;
    int ball;
};

static void *return_the_ball(void *argument)
{
    struct table *table = argument;
    for (int i = 0; i < ROUNDS; i++) {
        tpark_park(&table->side[1]);
        table->ball++;
        tpark_unpark(&table->side[0]);
    }
    tpark_waker_wake(tpark_unparker_into_waker(table->owner));
    return NULL;
}

int main(void)
{
    struct tpark_thread *me = tpark_thread_new(0);
    if (!me)
        return 1;
    struct table table = {.side = {TPARK_INIT, TPARK_INIT}, .owner = tpark_thread_unparker(me)};
    pthread_t other;
    if (pthread_create(&other, NULL, return_the_ball, &table) != 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        table.ball++;
        tpark_unpark(&table.side[1]);
        tpark_park(&table.side[0]);
    }
    tpark_thread_park(me);
    tpark_thread_free(me);
    if (pthread_join(other, NULL) != 0)
        return 1;
    tpark_destroy(&table.side[0]);
    tpark_destroy(&table.side[1]);
    return table.ball == 2 * ROUNDS ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// A user's program in C++: two threads hand a number to and fro, by parkers and by handles.
#include <tpark.h>

#include <thread>

namespace
{

const int rounds = 1000;

struct table {
    tpark side[2];
    tpark_unparker *owner;
    int ball;
};

void return_the_ball(table *t)
{
    for (int i = 0; i < rounds; i++) {
        tpark_park(&t->side[1]);
        t->ball++;
        tpark_unpark(&t->side[0]);
    }
    tpark_waker_wake(tpark_unparker_into_waker(t->owner));
}

} // namespace

int main()
{
    tpark_thread *me = tpark_thread_new(0);
    if (!me)
        return 1;
    table t = {{TPARK_INIT, TPARK_INIT}, tpark_thread_unparker(me), 0};
    std::thread other(return_the_ball, &t);
    for (int i = 0; i < rounds; i++) {
        t.ball++;
        tpark_unpark(&t.side[1]);
        tpark_park(&t.side[0]);
    }
    tpark_thread_park(me);
    tpark_thread_free(me);
    other.join();
    tpark_destroy(&t.side[0]);
    tpark_destroy(&t.side[1]);
    return t.ball == 2 * rounds ? 0 : 1;
}

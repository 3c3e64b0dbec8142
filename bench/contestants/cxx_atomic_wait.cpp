// SPDX-License-Identifier: MIT
// C++20's std::atomic::wait and notify_one, on an int, for which no proxy is needed.
#include <atomic>
#include <new>

#include "contestant.h"

struct parker {
    std::atomic<int> token{0};
};

static int init(void *p)
{
    new (p) parker;
    return 0;
}

static void destroy(void *p)
{
    static_cast<parker *>(p)->~parker();
}

static inline void park(parker *p)
{
    while (p->token.exchange(0, std::memory_order_acquire) == 0)
        p->token.wait(0, std::memory_order_relaxed);
}

static inline void unpark(parker *p)
{
    if (p->token.exchange(1, std::memory_order_release) == 0)
        p->token.notify_one();
}

CONTESTANT_CALLS_UNTIMED

extern "C" const contestant contestant_cxx_atomic_wait;
const contestant contestant_cxx_atomic_wait = {
    .name = "cxx-atomic-wait",
    .what = "std::atomic<int>::wait and notify_one of C++20",
    .traits = SPINS_FIRST,
    .size = sizeof(parker),
    .init = init,
    .bind = nullptr,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .park_timeout = nullptr,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
    .repeat_poll = nullptr,
    .post = nullptr,
    .idle = nullptr,
};

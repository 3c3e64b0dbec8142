// SPDX-License-Identifier: MIT
// C++20's std::binary_semaphore.
#include <chrono>
#include <new>
#include <semaphore>

#include "contestant.h"

struct parker {
    std::binary_semaphore semaphore{0};
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
    p->semaphore.acquire();
}

static inline void unpark(parker *p)
{
    p->semaphore.release();
}

static inline bool park_timeout(parker *p, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return p->semaphore.try_acquire();
    return p->semaphore.try_acquire_for(std::chrono::nanoseconds(timeout_ns));
}

CONTESTANT_CALLS

extern "C" const contestant contestant_cxx_semaphore;
const contestant contestant_cxx_semaphore = {
    .name = "cxx-semaphore",
    .what = "std::binary_semaphore of C++20",
    .traits = ONE_SHOT | SPINS_FIRST,
    .size = sizeof(parker),
    .init = init,
    .bind = nullptr,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .park_timeout = call_park_timeout,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
    .repeat_poll = repeat_poll,
    .post = nullptr,
    .idle = nullptr,
};

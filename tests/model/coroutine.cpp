/* SPDX-License-Identifier: MIT */
/*
 * sync_wait() of tpark.hpp for the explorer, on an event that another thread sets. What it
 * allocates comes from malloc(), which the explorer knows.
 */
#include <tpark.hpp>

#include <cstdlib>

#include "coroutine.h"

#if !TPARK_HAS_SYNC_WAIT
#error "This compiler has no coroutines."
#endif

void *operator new(std::size_t size)
{
    if (void *memory = std::malloc(size))
        return memory;
    std::abort();
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

namespace
{

class event
{
  public:
    bool await_ready() noexcept
    {
        return false;
    }

    /* Whether to wait. */
    bool await_suspend(std::coroutine_handle<> h) noexcept
    {
        waiter_ = h;
        state expected = EMPTY;
        return state_.compare_exchange_strong(expected, WAITED_FOR, std::memory_order_release,
                                              std::memory_order_acquire);
    }

    int await_resume() noexcept
    {
        return result_;
    }

    void set(int result) noexcept
    {
        result_ = result;
        if (state_.exchange(SET, std::memory_order_acq_rel) == WAITED_FOR)
            waiter_.resume();
    }

  private:
    enum state { EMPTY, WAITED_FOR, SET };

    std::atomic<state> state_{EMPTY};
    std::coroutine_handle<> waiter_{};
    int result_ = 0;
};

event the_event;

} /* namespace */

int coroutine_await_event(void)
{
    return tparkxx::sync_wait(the_event);
}

void coroutine_set_event(int result)
{
    the_event.set(result);
}

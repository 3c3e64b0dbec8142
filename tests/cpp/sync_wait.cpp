/* SPDX-License-Identifier: MIT */
/* sync_wait() of every kind of awaitable, resumed here or by another thread. */
#include <tpark.hpp>

#if !TPARK_HAS_SYNC_WAIT
#include <cstdio>

int main()
{
    std::puts("this compiler has no C++20 coroutines");
    return 77;
}
#else
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "check.hpp"

using tparkxx::sync_wait;

namespace
{

/* Resumes the coroutine in a thread of its own, and gives it what get() returns. */
template <class Get> struct elsewhere {
    Get get;
    std::thread::id caller = std::this_thread::get_id();
    std::thread thread{};

    bool await_ready() const noexcept
    {
        return false;
    }
    void await_suspend(std::coroutine_handle<> h)
    {
        thread = std::thread([h] { h.resume(); });
    }
    decltype(auto) await_resume()
    {
        CHECK(std::this_thread::get_id() == caller);
        return get();
    }
    ~elsewhere()
    {
        if (thread.joinable())
            thread.join();
    }
};
template <class Get> elsewhere(Get) -> elsewhere<Get>;

/* Resumed before the caller looks whether it was: no token orders the two then. */
struct resumed_at_once {
    std::thread thread{};
    std::atomic<bool> is_resumed{false};
    int value = 0;

    bool await_ready() const noexcept
    {
        return false;
    }
    void await_suspend(std::coroutine_handle<> h)
    {
        thread = std::thread([this, h] {
            value = 7;
            h.resume();
            is_resumed.store(true, std::memory_order_relaxed);
        });
        while (!is_resumed.load(std::memory_order_relaxed))
            std::this_thread::yield();
    }
    int await_resume()
    {
        const int result = value;
        thread.join();
        return result;
    }
};

struct ready {
    int value;

    bool await_ready() const noexcept
    {
        return true;
    }
    void await_suspend(std::coroutine_handle<>) const noexcept
    {
    }
    int await_resume() const noexcept
    {
        return value;
    }
};

struct with_member {
    ready operator co_await() const noexcept
    {
        return {2};
    }
};

struct with_free_function {
};
ready operator co_await(with_free_function) noexcept
{
    return {3};
}

void a_ready_awaitable_gives_its_value()
{
    CHECK(sync_wait(ready{1}) == 1);
    ready r{4};
    CHECK(sync_wait(r) == 4);
    CHECK(sync_wait(with_member{}) == 2);
    CHECK(sync_wait(with_free_function{}) == 3);
}

void another_thread_may_resume_it()
{
    for (int i = 0; i < 500; i++)
        CHECK(sync_wait(elsewhere{[i] { return i; }}) == i);
    bool was_called = false;
    sync_wait(elsewhere{[&] { was_called = true; }});
    CHECK(was_called);
}

void what_came_before_the_resumption_is_visible_after_the_wait()
{
    CHECK(sync_wait(resumed_at_once{}) == 7);
}

/* What await_suspend() returns says who runs next. */
struct undecided {
    bool is_suspended;
    std::thread thread{};

    bool await_ready() const noexcept
    {
        return false;
    }
    bool await_suspend(std::coroutine_handle<> h)
    {
        if (is_suspended)
            thread = std::thread([h] { h.resume(); });
        return is_suspended;
    }
    bool await_resume()
    {
        const bool was_suspended = thread.joinable();
        if (was_suspended)
            thread.join();
        return was_suspended;
    }
};

struct at_once {
    int *suspensions;

    bool await_ready() const noexcept
    {
        return false;
    }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> h)
    {
        ++*suspensions;
        return h;
    }
    void await_resume() const noexcept
    {
    }
};

void an_awaitable_may_decide_in_the_end_who_goes_on()
{
    CHECK(!sync_wait(undecided{false}));
    CHECK(sync_wait(undecided{true}));
    int suspensions = 0;
    sync_wait(at_once{&suspensions});
    CHECK(suspensions == 1);
}

/* Resumed once the caller, woken by the waker of an earlier wait, has gone to sleep again. */
struct woken_before {
    const tparkxx::waker *stale;
    std::atomic<bool> is_resumed{false};
    std::thread thread{};

    bool await_ready() const noexcept
    {
        return false;
    }
    void await_suspend(std::coroutine_handle<> h)
    {
        stale->wake_by_ref();
        const auto unparker = static_cast<tpark_unparker *>(stale->get().data);
        const std::uint32_t *state = &tpark_unparker_parker(unparker)->state;
        thread = std::thread([this, h, state] {
            while (__atomic_load_n(state, __ATOMIC_RELAXED) != TPARK_PARKED)
                std::this_thread::yield();
            is_resumed = true;
            h.resume();
        });
    }
    void await_resume()
    {
        CHECK(is_resumed);
        thread.join();
    }
};

void a_token_that_is_no_resumption_does_not_end_the_wait()
{
    std::unique_ptr<tparkxx::waker> stale;
    tparkxx::block_on([&](const tpark_waker &lent) {
        stale = std::make_unique<tparkxx::waker>(tparkxx::waker::clone(lent));
        return true;
    });
    sync_wait(woken_before{stale.get()});
}

void results_keep_their_kind()
{
    std::string text = "text";
    static_assert(
        std::is_same_v<decltype(sync_wait(elsewhere{[&]() -> std::string & { return text; }})),
                       std::string &>);
    CHECK(&sync_wait(elsewhere{[&]() -> std::string & { return text; }}) == &text);
    const std::string moved =
        sync_wait(elsewhere{[&]() -> std::string && { return std::move(text); }});
    CHECK(moved == "text" && text.empty());
    const auto owned = sync_wait(elsewhere{[] { return std::make_unique<int>(5); }});
    CHECK(*owned == 5);
}

void an_exception_ends_the_wait()
{
    try {
        sync_wait(elsewhere{[]() -> int { throw std::runtime_error("awaited"); }});
        CHECK(false);
    } catch (const std::runtime_error &) {
    }
}

void waits_may_nest()
{
    CHECK(sync_wait(elsewhere{[] {
              tparkxx::this_thread::get_unparker().unpark();
              const int inner = sync_wait(elsewhere{[] { return 6; }});
              tparkxx::this_thread::park(); /* the token is still there */
              return inner;
          }}) == 6);
}

} /* namespace */

int main()
{
    a_ready_awaitable_gives_its_value();
    another_thread_may_resume_it();
    what_came_before_the_resumption_is_visible_after_the_wait();
    an_awaitable_may_decide_in_the_end_who_goes_on();
    a_token_that_is_no_resumption_does_not_end_the_wait();
    results_keep_their_kind();
    an_exception_ends_the_wait();
    waits_may_nest();
}
#endif

/* SPDX-License-Identifier: MIT */
/*
 * tpark in the habits of the C++ standard library: C++17, header only. What the functions promise
 * is in tpark.h; here is what C++ adds.
 *
 *   parker      the embedded parker; stays where it is, as a mutex does
 *   owner       the one who parks; move-only, like std::thread
 *   unparker    who unparks; copyable, like std::shared_ptr, and may outlive the owner
 *   waker       what a future or a coroutine is given to announce that it can go on; copyable
 *   this_thread::park() and its kin, on the calling thread's own parker
 *   block_on(), and sync_wait() for awaitables where the compiler has C++20's coroutines
 *
 * Times are std::chrono's. Timed parks return whether a token was consumed. A duration that is not
 * positive looks for a token; one that the clock cannot reach is no timeout; fractions of a
 * nanosecond are rounded up. Deadlines are times of std::chrono::steady_clock, which is
 * CLOCK_MONOTONIC.
 *
 * Errors are exceptions: std::bad_alloc for want of memory, std::system_error else. What can fail
 * says so; everything else is noexcept. An object that was moved from can be destroyed and assigned
 * to, and nothing else.
 *
 * The namespace is tparkxx, since tpark is the name of a struct.
 */
#ifndef TPARK_HPP
#define TPARK_HPP

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tpark.h"

#if defined(__cpp_impl_coroutine) && __cpp_impl_coroutine >= 201902L
#define TPARK_HAS_SYNC_WAIT 1
#include <atomic>
#include <coroutine>
#include <optional>
#else
#define TPARK_HAS_SYNC_WAIT 0
#endif

namespace tparkxx
{

/* What an unpark replaced. */
enum class state {
    empty = TPARK_EMPTY,
    parked = TPARK_PARKED,
    notified = TPARK_NOTIFIED,
};

namespace detail
{

/* Nanoseconds, rounded up; 0 if not positive (or not a number); no more than fits. */
template <class Rep, class Period>
std::chrono::nanoseconds saturate(const std::chrono::duration<Rep, Period> &d)
{
    using namespace std::chrono;
    /* Just below what std::chrono::nanoseconds holds: 291 years. */
    constexpr auto limit = duration<double, std::nano>(9.2e18);
    if (!(d > duration<Rep, Period>::zero()))
        return nanoseconds::zero();
    if (duration<double, std::nano>(d) >= limit)
        return (nanoseconds::max)();
    return std::chrono::ceil<nanoseconds>(d);
}

template <class Rep, class Period>
std::uint64_t timeout_ns(const std::chrono::duration<Rep, Period> &d)
{
    const auto ns = saturate(d);
    return ns == (std::chrono::nanoseconds::max)() ? UINT64_MAX
                                                   : static_cast<std::uint64_t>(ns.count());
}

/* A deadline for C, where nullptr is none. */
class deadline
{
  public:
    template <class Duration>
    explicit deadline(const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
    {
        using namespace std::chrono;
        const auto ns = saturate(at.time_since_epoch());
        const auto s = duration_cast<seconds>(ns);
        is_reachable_ =
            ns != (nanoseconds::max)() && s.count() <= (std::numeric_limits<time_t>::max)();
        if (is_reachable_) {
            time_.tv_sec = static_cast<time_t>(s.count());
            time_.tv_nsec = static_cast<long>((ns - s).count());
        }
    }

    const timespec *get() const noexcept
    {
        return is_reachable_ ? &time_ : nullptr;
    }

  private:
    timespec time_{};
    bool is_reachable_;
};

[[noreturn]] inline void raise(int error, const char *function)
{
    if (error == ENOMEM)
        throw std::bad_alloc();
    throw std::system_error(error, std::generic_category(), function);
}

} /* namespace detail */

#ifndef TPARK_HANDLES_ONLY
class parker
{
  public:
    constexpr parker() noexcept = default;

    /* Throws std::system_error: an unknown flag, or what the backend could not make. */
    explicit parker(unsigned flags)
    {
        if (const int error = tpark_init(&raw_, flags))
            detail::raise(error, "tpark_init");
    }

    ~parker()
    {
        tpark_destroy(&raw_);
    }

    parker(const parker &) = delete;
    parker &operator=(const parker &) = delete;

    void park() noexcept
    {
        tpark_park(&raw_);
    }

    template <class Rep, class Period>
    [[nodiscard]] bool park_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return tpark_park_timeout(&raw_, detail::timeout_ns(timeout)) == 0;
    }

    template <class Duration>
    [[nodiscard]] bool
    park_until(const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
    {
        return tpark_park_until(&raw_, detail::deadline(at).get()) == 0;
    }

    [[nodiscard]] bool try_park() noexcept
    {
        return tpark_try_park(&raw_);
    }

    state unpark() noexcept
    {
        return static_cast<state>(tpark_unpark(&raw_));
    }

    /* The first half of unpark(), and the second: see tpark_notify(). */
    [[nodiscard]] tpark_owed notify() noexcept
    {
        return tpark_notify(&raw_);
    }

    static void wake_owner(const tpark_owed &owed) noexcept
    {
        tpark_wake_owner(owed);
    }

    [[nodiscard]] bool arm() noexcept
    {
        return tpark_arm(&raw_);
    }

    [[nodiscard]] bool disarm() noexcept
    {
        return tpark_disarm(&raw_);
    }

    ::tpark *native_handle() noexcept
    {
        return &raw_;
    }

  private:
    ::tpark raw_ = TPARK_INIT;
};
#endif

/* Of any kind, tpark's or an executor's own. */
class waker
{
  public:
    /* Takes over the reference. */
    explicit waker(const tpark_waker &raw) noexcept : raw_(raw)
    {
    }

    /* A new reference beside one that is only lent, such as a poll function's. */
    static waker clone(const tpark_waker &lent)
    {
        return waker(tpark_waker_clone(&lent));
    }

    waker(const waker &other) : raw_(tpark_waker_clone(&other.raw_))
    {
    }

    waker(waker &&other) noexcept : raw_(other.release())
    {
    }

    waker &operator=(waker other) noexcept
    {
        std::swap(raw_, other.raw_);
        return *this;
    }

    ~waker()
    {
        if (raw_.vtable)
            tpark_waker_drop(raw_);
    }

    /* Wakes, and gives up the reference. */
    void wake() &&
    {
        tpark_waker_wake(release());
    }

    void wake_by_ref() const
    {
        tpark_waker_wake_by_ref(&raw_);
    }

    const tpark_waker &get() const noexcept
    {
        return raw_;
    }

    tpark_waker release() noexcept
    {
        return std::exchange(raw_, tpark_waker{});
    }

    /* Whether two wakers wake the same task. */
    friend bool operator==(const waker &a, const waker &b) noexcept
    {
        return tpark_waker_will_wake(&a.raw_, &b.raw_);
    }

    friend bool operator!=(const waker &a, const waker &b) noexcept
    {
        return !(a == b);
    }

  private:
    tpark_waker raw_;
};

class unparker
{
  public:
    /* Takes over the reference. */
    explicit unparker(tpark_unparker *raw) noexcept : raw_(raw)
    {
    }

    unparker(const unparker &other) noexcept : raw_(tpark_unparker_clone(other.raw_))
    {
    }

    unparker(unparker &&other) noexcept : raw_(other.release())
    {
    }

    unparker &operator=(unparker other) noexcept
    {
        std::swap(raw_, other.raw_);
        return *this;
    }

    ~unparker()
    {
        tpark_unparker_free(raw_);
    }

    state unpark() const noexcept
    {
        return static_cast<state>(tpark_unparker_unpark(raw_));
    }

    [[nodiscard]] tpark_owed notify() const noexcept
    {
        return tpark_unparker_notify(raw_);
    }

    void wake_owner(const tpark_owed &owed) const noexcept
    {
        tpark_unparker_wake_owner(raw_, owed);
    }

    /* Gives up the reference to the waker. */
    [[nodiscard]] waker into_waker() &&noexcept
    {
        return waker(tpark_unparker_into_waker(release()));
    }

    tpark_unparker *get() const noexcept
    {
        return raw_;
    }

    tpark_unparker *release() noexcept
    {
        return std::exchange(raw_, nullptr);
    }

    /* Whether two unparkers unpark the same parker. */
    friend bool operator==(const unparker &a, const unparker &b) noexcept
    {
        return tpark_unparker_same_parker(a.raw_, b.raw_);
    }

    friend bool operator!=(const unparker &a, const unparker &b) noexcept
    {
        return !(a == b);
    }

  private:
    tpark_unparker *raw_;
};

class owner
{
  public:
    owner() : owner(0u)
    {
    }

    /* Throws std::bad_alloc, or std::system_error: flags that a handle does not take. */
    explicit owner(unsigned flags) : owner(tpark_thread_new(flags))
    {
    }

    /*
     * For an owner that blocks where no futex wake reaches it: see struct tpark_hook. The callable
     * returns whether it woke the owner, is noexcept, and destroyed with the last handle. Throws
     * also what moving it throws.
     */
    template <class Hook,
              class = std::enable_if_t<std::is_nothrow_invocable_r_v<bool, std::decay_t<Hook> &>>>
    explicit owner(Hook &&hook, unsigned flags = 0)
        : owner(make_hooked(std::forward<Hook>(hook), flags))
    {
    }

    owner(owner &&other) noexcept : raw_(other.release())
    {
    }

    owner &operator=(owner &&other) noexcept
    {
        owner(std::move(other)).swap(*this);
        return *this;
    }

    ~owner()
    {
        tpark_thread_free(raw_);
    }

    void swap(owner &other) noexcept
    {
        std::swap(raw_, other.raw_);
    }

    [[nodiscard]] unparker get_unparker() const noexcept
    {
        return unparker(tpark_thread_unparker(raw_));
    }

    [[nodiscard]] waker get_waker() const noexcept
    {
        return get_unparker().into_waker();
    }

    void park() noexcept
    {
        tpark_thread_park(raw_);
    }

    template <class Rep, class Period>
    [[nodiscard]] bool park_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return tpark_thread_park_timeout(raw_, detail::timeout_ns(timeout)) == 0;
    }

    template <class Duration>
    [[nodiscard]] bool
    park_until(const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
    {
        return tpark_thread_park_until(raw_, detail::deadline(at).get()) == 0;
    }

#ifndef TPARK_HANDLES_ONLY
    /* The parker inside, for try, arm and disarm; good until the owner ends. */
    ::tpark *native_handle() const noexcept
    {
        return tpark_thread_parker(raw_);
    }
#endif

    tpark_thread *release() noexcept
    {
        return std::exchange(raw_, nullptr);
    }

  private:
    explicit owner(tpark_thread *raw) : raw_(raw)
    {
        if (!raw_)
            detail::raise(errno, "tpark_thread_new");
    }

    template <class Hook> static tpark_thread *make_hooked(Hook &&hook, unsigned flags)
    {
        using Context = std::decay_t<Hook>;
        auto context = std::make_unique<Context>(std::forward<Hook>(hook));
        tpark_hook raw{};
        raw.wake = [](void *self) -> bool { return (*static_cast<Context *>(self))(); };
        raw.release = [](void *self) { delete static_cast<Context *>(self); };
        raw.context = context.get();
        tpark_thread *t = tpark_thread_new_hooked(flags, &raw);
        if (t)
            static_cast<void>(context.release());
        return t;
    }

    tpark_thread *raw_;
};

namespace this_thread
{

inline void park() noexcept
{
    tpark_current_park();
}

template <class Rep, class Period>
[[nodiscard]] bool park_for(const std::chrono::duration<Rep, Period> &timeout)
{
    return tpark_current_park_timeout(detail::timeout_ns(timeout)) == 0;
}

template <class Duration>
[[nodiscard]] bool
park_until(const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
{
    return tpark_current_park_until(detail::deadline(at).get()) == 0;
}

/* Throws std::bad_alloc. */
[[nodiscard]] inline unparker get_unparker()
{
    tpark_unparker *raw = tpark_current_unparker();
    if (!raw)
        detail::raise(errno, "tpark_current_unparker");
    return unparker(raw);
}

/* Throws std::bad_alloc. */
[[nodiscard]] inline waker get_waker()
{
    return get_unparker().into_waker();
}

} /* namespace this_thread */

/*
 * tpark_block_on() for a callable bool(const tpark_waker &), which may throw: then the exception
 * ends the call. Throws std::bad_alloc.
 */
template <class Poll> void block_on(Poll &&poll)
{
    struct call {
        std::remove_reference_t<Poll> &poll;
        std::exception_ptr exception;
    } call{poll, nullptr};
    const auto poll_once = [](void *argument, const tpark_waker *lent) -> bool {
        auto &self = *static_cast<struct call *>(argument);
        try {
            return self.poll(*lent);
        } catch (...) {
            self.exception = std::current_exception(); /* not through the frames of C */
            return true;
        }
    };
    if (const int error = tpark_block_on(poll_once, &call))
        detail::raise(error, "tpark_block_on");
    if (call.exception)
        std::rethrow_exception(call.exception);
}

#if TPARK_HAS_SYNC_WAIT

namespace detail
{

template <class T>
concept has_member_co_await = requires(T &&t)
{
    std::forward<T>(t).operator co_await();
};
template <class T>
concept has_free_co_await = requires(T &&t)
{
    operator co_await(std::forward<T>(t));
};

template <class T> decltype(auto) get_awaiter(T &&t)
{
    if constexpr (has_member_co_await<T>)
        return std::forward<T>(t).operator co_await();
    else if constexpr (has_free_co_await<T>)
        return operator co_await(std::forward<T>(t));
    else
        return std::forward<T>(t);
}

template <class T>
using await_result =
    decltype(std::declval<std::remove_reference_t<decltype(get_awaiter(std::declval<T>()))> &>()
                 .await_resume());

/* What the coroutine leaves behind, outside of its frame. */
struct outcome {
    std::exception_ptr exception;
    std::optional<waker> waiting;
    std::atomic<bool> is_done = false;

    /* With is_done the frame and this object may go: what is needed then is on this stack. */
    void finish() noexcept
    {
        waker w = *std::move(waiting);
        is_done.store(true, std::memory_order_release); /* pairs with the load in sync_wait() */
        std::move(w).wake();
    }
};

struct runner {
    struct promise_type {
        outcome *result = nullptr;

        runner get_return_object() noexcept
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept
        {
            return {};
        }
        auto final_suspend() noexcept
        {
            struct awaiter {
                bool await_ready() noexcept
                {
                    return false;
                }
                /* Not inlined: compilers have put the locals of an inlined one into the frame. */
#if defined(__GNUC__)
                __attribute__((noinline))
#endif
                void
                await_suspend(std::coroutine_handle<promise_type> h) noexcept
                {
                    h.promise().result->finish();
                }
                void await_resume() noexcept
                {
                }
            };
            return awaiter{};
        }
        void return_void() noexcept
        {
        }
        void unhandled_exception() noexcept
        {
            result->exception = std::current_exception();
        }
    };

    std::coroutine_handle<promise_type> handle;
};

template <class T, class Store> runner run(T &&awaitable, Store store)
{
    auto &&awaiter = get_awaiter(std::forward<T>(awaitable));
    if constexpr (std::is_void_v<await_result<T>>)
        co_await awaiter;
    else
        store(co_await awaiter);
}

} /* namespace detail */

/*
 * Awaits on the calling thread, which parks until the awaitable is done; whoever resumes it runs
 * what follows in the awaitable, and the thread goes on. Returns the result (a value for an rvalue
 * reference), or throws what the awaitable threw, or std::bad_alloc.
 */
template <class T>
auto sync_wait(T &&awaitable)
    -> std::conditional_t<std::is_lvalue_reference_v<detail::await_result<T>>,
                          detail::await_result<T>, std::remove_reference_t<detail::await_result<T>>>
{
    using result = detail::await_result<T>;
    using stored = std::conditional_t<
        std::is_void_v<result>, char,
        std::conditional_t<std::is_lvalue_reference_v<result>, std::remove_reference_t<result> *,
                           std::remove_cv_t<std::remove_reference_t<result>>>>;
    std::optional<stored> value;
    detail::outcome outcome;
    const auto store = [&value](auto &&r) {
        if constexpr (std::is_lvalue_reference_v<result>)
            value.emplace(std::addressof(r));
        else
            value.emplace(std::forward<decltype(r)>(r));
    };
    const auto handle = detail::run(std::forward<T>(awaitable), store).handle;
    struct destroyer {
        std::coroutine_handle<> handle;
        ~destroyer()
        {
            handle.destroy();
        }
    } const destroyer{handle};
    handle.promise().result = &outcome;
    block_on([&](const tpark_waker &lent) {
        if (!outcome.waiting) {
            outcome.waiting = waker::clone(lent);
            handle.resume();
        }
        return outcome.is_done.load(std::memory_order_acquire); /* pairs with outcome::finish() */
    });
    if (outcome.exception)
        std::rethrow_exception(outcome.exception);
    if constexpr (std::is_lvalue_reference_v<result>)
        return **value;
    else if constexpr (!std::is_void_v<result>)
        return *std::move(value);
}

#endif /* TPARK_HAS_SYNC_WAIT */

} /* namespace tparkxx */

#endif /* TPARK_HPP */

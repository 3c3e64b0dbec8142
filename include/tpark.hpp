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
 *   idle_set    whom to wake of many (tpark_idle.h); an owner is in it while its idler lives, or
 *               until a wake has chosen it
 *   block_on(), and sync_wait() for awaitables where the compiler has C++20's coroutines
 *
 * Times are std::chrono's. Timed parks return whether a token was consumed. A duration that is not
 * positive looks for a token; one that the clock cannot reach is no timeout; fractions of a
 * nanosecond are rounded up. Deadlines are times of std::chrono::steady_clock, which is
 * CLOCK_MONOTONIC.
 *
 * Errors are exceptions: std::bad_alloc for want of memory, std::system_error else. What can fail
 * says so; everything else is noexcept. Compiled without exceptions, what would throw calls
 * std::terminate(); who wants to go on makes the C object, and hands it over. An object that was
 * moved from can be destroyed and assigned to, and nothing else.
 *
 * No destructor looks for misuse, since one of a static object runs while other threads may sleep.
 *
 * The namespace is tparkxx, since tpark is the name of a struct.
 */
#ifndef TPARK_HPP
#define TPARK_HPP

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tpark.h"
#ifndef TPARK_HANDLES_ONLY
#include "tpark_idle.h"
#endif

#if defined(__cpp_impl_coroutine) && __cpp_impl_coroutine >= 201902L
#define TPARK_HAS_SYNC_WAIT 1
#include <atomic>
#include <coroutine>
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

/* What notify() leaves to do, and what it replaced. */
using owed = ::tpark_owed;

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
    /* In two steps, so that no period overflows on the way. */
    const auto s = duration_cast<seconds>(d);
    return s + std::chrono::ceil<nanoseconds>(d - s);
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

/* The end of a timeout that starts now, or the last time there is. */
template <class Rep, class Period>
std::chrono::steady_clock::time_point from_now(const std::chrono::duration<Rep, Period> &timeout)
{
    using clock = std::chrono::steady_clock;
    const auto ns = saturate(timeout);
    const auto now = clock::now();
    const auto last = (clock::time_point::max)();
    return ns < last - now ? now + ns : last;
}

[[noreturn]] inline void raise(int error, const char *function)
{
#ifdef __cpp_exceptions
    if (error == ENOMEM)
        throw std::bad_alloc();
    throw std::system_error(error, std::generic_category(), function);
#else
    static_cast<void>(error), static_cast<void>(function);
    std::terminate();
#endif
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

    /* Nothing to give back on Linux; elsewhere tpark_destroy() may be needed with pthread. */
    ~parker() = default;

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
    [[nodiscard]] owed notify() noexcept
    {
        return tpark_notify(&raw_);
    }

    static void wake_owner(const owed &wake) noexcept
    {
        tpark_wake_owner(wake);
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

    [[nodiscard]] owed notify() const noexcept
    {
        return tpark_unparker_notify(raw_);
    }

    void wake_owner(const owed &wake) const noexcept
    {
        tpark_unparker_wake_owner(raw_, wake);
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
    explicit owner(unsigned flags) : raw_(checked(tpark_thread_new(flags)))
    {
    }

    /* Takes over the handle. */
    static owner adopt(tpark_thread *raw) noexcept
    {
        return owner(adopted{raw});
    }

    /*
     * For an owner that blocks where no futex wake reaches it: see struct tpark_hook. The callable
     * returns whether it woke the owner, is noexcept, and destroyed with the last handle. Throws
     * also what moving it throws.
     */
    template <class Hook,
              class = std::enable_if_t<std::is_nothrow_invocable_r_v<bool, std::decay_t<Hook> &>>>
    explicit owner(Hook &&hook, unsigned flags = 0)
        : raw_(make_hooked(std::forward<Hook>(hook), flags))
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

    /* Leaves a parker alone on which a thread sleeps. */
    ~owner()
    {
        static_cast<void>(tpark_thread_try_free(raw_));
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
    /* No mere pointer, for which 0 would do as well as for flags. */
    struct adopted {
        tpark_thread *raw;
    };

    explicit owner(adopted handle) noexcept : raw_(handle.raw)
    {
    }

    static tpark_thread *checked(tpark_thread *t)
    {
        if (!t)
            detail::raise(errno, "tpark_thread_new");
        return t;
    }

    template <class Hook> static tpark_thread *make_hooked(Hook &&hook, unsigned flags)
    {
        using Context = std::decay_t<Hook>;
        auto context = std::make_unique<Context>(std::forward<Hook>(hook));
        tpark_hook raw{};
        raw.wake = [](void *self) -> bool { return (*static_cast<Context *>(self))(); };
        raw.release = [](void *self) { delete static_cast<Context *>(self); };
        raw.context = context.get();
        tpark_thread *t = checked(tpark_thread_new_hooked(flags, &raw));
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

namespace detail
{

/* A parker that the thread keeps: see tpark_current_borrow(). */
class loan
{
  public:
    loan() : raw_(tpark_current_borrow())
    {
        if (!raw_)
            raise(errno, "tpark_current_borrow");
    }

    ~loan()
    {
        tpark_current_give_back(raw_);
    }

    loan(const loan &) = delete;
    loan &operator=(const loan &) = delete;

    waker get_waker() const noexcept
    {
        return unparker(tpark_thread_unparker(raw_)).into_waker();
    }

    void park() noexcept
    {
        tpark_thread_park(raw_);
    }

  private:
    tpark_thread *raw_;
};

} /* namespace detail */

/*
 * tpark_block_on() for a callable bool(const tpark_waker &). Whatever leaves it ends the call: its
 * exception, another language's, or the end of the thread. Throws std::bad_alloc.
 */
template <class Poll> void block_on(Poll &&poll)
{
    detail::loan self;
    const waker w = self.get_waker();
    while (!poll(w.get()))
        self.park();
}

#ifndef TPARK_HANDLES_ONLY

/* One of the set of park_any(), which says in has_token whether it consumed the parker's token. */
inline tpark_any any_of(parker &p) noexcept
{
    tpark_any one{};
    one.parker = p.native_handle();
    return one;
}

inline tpark_any any_of(const owner &o) noexcept
{
    tpark_any one{};
    one.parker = o.native_handle();
    return one;
}

namespace detail
{

template <class Set> bool park_any(Set &set, const timespec *until)
{
    const int error = tpark_park_any(std::data(set), std::size(set), until);
    if (error != 0 && error != ETIMEDOUT)
        raise(error, "tpark_park_any");
    return error == 0;
}

} /* namespace detail */

/*
 * tpark_park_any() on an array, std::array or std::vector of what any_of() makes. The timed ones
 * return whether a token was consumed. Throw std::system_error: the set is empty, or too large.
 */
template <class Set> void park_any(Set &set)
{
    static_cast<void>(detail::park_any(set, nullptr));
}

template <class Set, class Duration>
[[nodiscard]] bool
park_any_until(Set &set, const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
{
    return detail::park_any(set, detail::deadline(at).get());
}

template <class Set, class Rep, class Period>
[[nodiscard]] bool park_any_for(Set &set, const std::chrono::duration<Rep, Period> &timeout)
{
    return park_any_until(set, detail::from_now(timeout));
}

/* Who is idle. */
class idle_set
{
  public:
    constexpr idle_set() noexcept = default;

    /* Nothing to give back on Linux; elsewhere tpark_idle_destroy() may be needed. */
    ~idle_set() = default;

    idle_set(const idle_set &) = delete;
    idle_set &operator=(const idle_set &) = delete;

    /* Wakes so many owners, the newest first. Returns how many there were. */
    std::size_t wake(std::size_t count) noexcept
    {
        return tpark_idle_wake(&raw_, count);
    }

    bool wake_one() noexcept
    {
        return wake(1) == 1;
    }

    std::size_t wake_all() noexcept
    {
        return wake(SIZE_MAX);
    }

    ::tpark_idle *native_handle() noexcept
    {
        return &raw_;
    }

  private:
    ::tpark_idle raw_ = TPARK_IDLE_INIT;
};

/*
 * An owner in a set, on its stack, while it looks for work once more:
 *
 *     tparkxx::idler me(idle, parker);
 *     task = pop();
 *     if (!task)
 *         me.commit();
 *
 * Whatever way it goes out of scope before, the owner is idle no longer, and a wake that has chosen
 * it is handed on.
 */
class idler
{
  public:
    idler(idle_set &set, parker &p) noexcept : idler(set, p.native_handle())
    {
    }

    idler(idle_set &set, const owner &o) noexcept : idler(set, o.native_handle())
    {
    }

    ~idler()
    {
        if (is_prepared_ && !cancel())
            tpark_idle_wake(set_, 1);
    }

    idler(const idler &) = delete;
    idler &operator=(const idler &) = delete;

    /* Returns whether nobody has chosen the owner. If not, the wake is the caller's to hand on. */
    [[nodiscard]] bool cancel() noexcept
    {
        is_prepared_ = false;
        return tpark_idle_cancel(set_, &raw_);
    }

    /* Parks. All three return whether a wake has chosen the owner: else time is up, or somebody
     * unparked its parker. */
    bool commit() noexcept
    {
        return commit(nullptr);
    }

    template <class Rep, class Period>
    [[nodiscard]] bool commit_for(const std::chrono::duration<Rep, Period> &timeout)
    {
        return commit_until(detail::from_now(timeout));
    }

    template <class Duration>
    [[nodiscard]] bool
    commit_until(const std::chrono::time_point<std::chrono::steady_clock, Duration> &at)
    {
        return commit(detail::deadline(at).get());
    }

  private:
    idler(idle_set &set, ::tpark *parker) noexcept : set_(set.native_handle())
    {
        raw_.parker = parker;
        tpark_idle_prepare(set_, &raw_);
    }

    bool commit(const timespec *deadline) noexcept
    {
        is_prepared_ = false;
        return tpark_idle_commit(set_, &raw_, deadline) == 0;
    }

    ::tpark_idle *set_;
    ::tpark_idler raw_{};
    bool is_prepared_ = true;
};

#endif /* TPARK_HANDLES_ONLY */

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

/*
 * A coroutine that does nothing but ring when it is resumed: what an awaitable is given for the
 * caller of sync_wait(), which itself is none. Nobody's code runs in it, so nothing can be thrown
 * in the thread that resumes it.
 */
class bell
{
  public:
    struct promise_type {
        /* Of the coroutine's argument. */
        explicit promise_type(waker &w) noexcept : waiter(std::move(w))
        {
        }

        /* Once it has rung, the waiter may destroy it: what is needed then is on this stack. */
        void ring() noexcept
        {
            waker w = std::move(waiter);
            /* Pairs with the load in has_rung(): what the awaitable did before it resumed the
             * coroutine is visible to await_resume(). */
            is_rung.store(true, std::memory_order_release);
            std::move(w).wake();
        }

        bell get_return_object() noexcept
        {
            return bell(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept
        {
            return {};
        }
        auto final_suspend() noexcept
        {
            struct ringer {
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
                    h.promise().ring();
                }
                void await_resume() noexcept
                {
                }
            };
            return ringer{};
        }
        void return_void() noexcept
        {
        }
        void unhandled_exception() noexcept
        {
        }

        waker waiter;
        std::atomic<bool> is_rung{false};
    };

    static bell make(waker)
    {
        co_return;
    }

    bell(bell &&other) noexcept : handle_(std::exchange(other.handle_, nullptr))
    {
    }

    ~bell()
    {
        if (handle_)
            handle_.destroy();
    }

    std::coroutine_handle<promise_type> get() const noexcept
    {
        return handle_;
    }

    bool has_rung() const noexcept
    {
        return handle_.promise().is_rung.load(std::memory_order_acquire); /* pairs with ring() */
    }

  private:
    explicit bell(std::coroutine_handle<promise_type> h) noexcept : handle_(h)
    {
    }

    std::coroutine_handle<promise_type> handle_;
};

/* As a coroutine that awaits does: what await_suspend() returns says who runs next. */
template <class Awaiter, class Handle> void suspend(Awaiter &awaiter, Handle h)
{
    using next = decltype(awaiter.await_suspend(h));
    if constexpr (std::is_void_v<next>) {
        awaiter.await_suspend(h);
    } else if constexpr (std::is_same_v<next, bool>) {
        if (!awaiter.await_suspend(h))
            h.resume();
    } else {
        awaiter.await_suspend(h).resume();
    }
}

} /* namespace detail */

/*
 * Awaits on the calling thread, which parks until whatever the awaitable waits for resumes it, and
 * then takes the result. Returns it (a value for an rvalue reference), or throws what the awaitable
 * throws, or std::bad_alloc. Whatever else leaves the awaitable's functions in this thread, as an
 * exception of another language or the end of the thread, leaves this call too.
 */
template <class T>
auto sync_wait(T &&awaitable)
    -> std::conditional_t<std::is_lvalue_reference_v<detail::await_result<T>>,
                          detail::await_result<T>, std::remove_reference_t<detail::await_result<T>>>
{
    auto &&awaiter = detail::get_awaiter(std::forward<T>(awaitable));
    if (!awaiter.await_ready()) {
        detail::loan self;
        const detail::bell bell = detail::bell::make(self.get_waker());
        detail::suspend(awaiter, bell.get());
        while (!bell.has_rung())
            self.park();
    }
    return awaiter.await_resume();
}

#endif /* TPARK_HAS_SYNC_WAIT */

} /* namespace tparkxx */

#endif /* TPARK_HPP */

/* SPDX-License-Identifier: MIT */
/* What tpark.hpp adds to tpark.h: ownership, times, exceptions. */
#include <tpark.hpp>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>

#include "check.hpp"

using namespace std::chrono;
using namespace std::chrono_literals;
using tparkxx::owner;
using tparkxx::parker;
using tparkxx::state;
using tparkxx::unparker;
using tparkxx::waker;

static_assert(!std::is_copy_constructible_v<parker> && !std::is_move_constructible_v<parker>);
static_assert(!std::is_copy_constructible_v<owner> && !std::is_copy_assignable_v<owner>);
static_assert(std::is_nothrow_move_constructible_v<owner> &&
              std::is_nothrow_move_assignable_v<owner>);
static_assert(std::is_copy_constructible_v<unparker> && std::is_copy_assignable_v<unparker>);
static_assert(std::is_nothrow_move_constructible_v<unparker>);
static_assert(std::is_copy_constructible_v<waker> && std::is_nothrow_move_constructible_v<waker>);
static_assert(sizeof(parker) == sizeof(::tpark));
static_assert(sizeof(owner) == sizeof(void *) && sizeof(unparker) == sizeof(void *));

namespace
{

parker static_parker; /* constant-initialised: no code runs before main */

void a_parker_holds_one_token()
{
    parker p;
    CHECK(p.unpark() == state::empty);
    CHECK(p.unpark() == state::notified);
    p.park();
    CHECK(!p.try_park());
    CHECK(p.arm());
    const tpark_owed owed = p.notify();
    CHECK(owed.replaced == TPARK_PARKED);
    p.wake_owner(owed);
    CHECK(p.disarm());
    static_parker.unpark();
    static_parker.park();
}

void an_unknown_flag_throws()
{
    try {
        parker p(~0u);
        CHECK(false);
    } catch (const std::system_error &e) {
        CHECK(e.code() == std::errc::invalid_argument);
    }
    parker shared(TPARK_SHARED);
    shared.unpark();
    shared.park();
    try {
        owner o(TPARK_SHARED);
        CHECK(false);
    } catch (const std::system_error &e) {
        CHECK(e.code() == std::errc::invalid_argument);
    }
    owner precise(TPARK_PRECISE | TPARK_SPIN_NEVER);
    CHECK(!precise.park_for(100us));
}

void a_duration_that_is_not_positive_never_sleeps()
{
    parker p;
    CHECK(!p.park_for(0s));
    CHECK(!p.park_for(-1h));
    CHECK(!p.park_for((nanoseconds::min)()));
    CHECK(!p.park_for(duration<double>(std::nan(""))));
    CHECK(!p.park_for(duration<double>(-std::numeric_limits<double>::infinity())));
    CHECK(!p.park_until(steady_clock::time_point()));
    CHECK(!p.park_until((steady_clock::time_point::min)()));
    p.unpark();
    CHECK(p.park_for(-1h));
    p.unpark();
    CHECK(p.park_until((steady_clock::time_point::min)()));
}

void conversions_saturate_and_round_up()
{
    using tparkxx::detail::timeout_ns;
    CHECK(timeout_ns(1ns) == 1);
    CHECK(timeout_ns(3h) == 10800000000000u);
    CHECK(timeout_ns(duration<double, std::nano>(0.25)) == 1);
    CHECK(timeout_ns(duration<int, std::pico>(1001)) == 2);
    CHECK(timeout_ns(duration<unsigned char>(255)) == 255000000000u);
    CHECK(timeout_ns(duration<std::uint64_t, std::nano>(UINT64_MAX)) == UINT64_MAX);
    CHECK(timeout_ns((hours::max)()) == UINT64_MAX);
    CHECK(timeout_ns((nanoseconds::max)()) == UINT64_MAX);
    CHECK(timeout_ns(duration<float>(std::numeric_limits<float>::infinity())) == UINT64_MAX);

    using tparkxx::detail::deadline;
    using clock = steady_clock;
    CHECK(deadline((clock::time_point::max)()).get() == nullptr);
    CHECK(deadline(time_point<clock, hours>((hours::max)())).get() == nullptr);
    const deadline at(time_point<clock, duration<double>>(duration<double>(1.5)));
    CHECK(at.get()->tv_sec == 1 && at.get()->tv_nsec == 500000000);
}

void a_timed_park_lasts_at_least_its_time()
{
    parker p;
    const auto before = steady_clock::now();
    CHECK(!p.park_for(duration<double, std::milli>(1.5)));
    CHECK(steady_clock::now() - before >= 1500us);
    const auto at = steady_clock::now() + 2ms;
    CHECK(!p.park_until(at));
    CHECK(steady_clock::now() >= at);
}

void a_time_that_is_never_reached_is_no_timeout()
{
    parker p, q;
    std::thread other([&] {
        for (int i = 0; i < 4; i++) {
            q.park();
            p.unpark();
        }
    });
    q.unpark();
    CHECK(p.park_for((hours::max)()));
    q.unpark();
    CHECK(p.park_for((nanoseconds::max)()));
    q.unpark();
    CHECK(p.park_until((steady_clock::time_point::max)()));
    q.unpark();
    p.park();
    other.join();
}

void handles_may_end_in_any_order()
{
    auto first = std::make_unique<owner>();
    unparker u = first->get_unparker();
    unparker copy = u;
    CHECK(copy == u);
    owner second = std::move(*first);
    first.reset();
    CHECK(u.unpark() == state::empty);
    CHECK(copy.notify().replaced == TPARK_NOTIFIED);
    second.park();
    CHECK(!second.park_for(0ns));
    owner third;
    CHECK(third.get_unparker() != u);
    third = std::move(second);
    CHECK(third.get_unparker() == u);
    u.unpark();
    CHECK(third.park_until(steady_clock::now()));
    third = owner();
    CHECK(third.get_unparker() != u);
    u.unpark(); /* nobody */
    u = third.get_unparker();
    copy = std::move(u);
    copy.unpark();
    third.park();
}

void an_owner_is_woken_from_its_sleep()
{
    owner o;
    std::atomic<bool> was_parked{false};
    std::thread other([&, u = o.get_unparker()] {
        while (!was_parked) {
            const tpark_owed owed = u.notify();
            was_parked = owed.replaced == TPARK_PARKED;
            u.wake_owner(owed);
        }
    });
    while (!was_parked)
        o.park();
    other.join();
}

void a_hook_is_called_and_destroyed_once()
{
    auto calls = std::make_shared<int>(0);
    {
        auto o = std::make_unique<owner>([calls]() noexcept { return ++*calls > 0; });
        CHECK(calls.use_count() == 2);
        const unparker u = o->get_unparker();
        u.unpark();
        CHECK(*calls == 0);
        o->park();
        CHECK(tpark_arm(o->native_handle()));
        u.unpark();
        CHECK(*calls == 1);
        CHECK(tpark_disarm(o->native_handle()));
        o.reset();
        CHECK(calls.use_count() == 2);
    }
    CHECK(calls.use_count() == 1);
}

/* A kind of our own, whose references can be counted. */
int references, wakes;
const tpark_waker_vtable *counting_vtable();

tpark_waker make_counting()
{
    references++;
    return {nullptr, counting_vtable()};
}

const tpark_waker_vtable *counting_vtable()
{
    static const tpark_waker_vtable vtable = {
        [](void *) { return make_counting(); },
        [](void *) {
            wakes++;
            references--;
        },
        [](void *) { wakes++; },
        [](void *) { references--; },
    };
    return &vtable;
}

void a_waker_keeps_its_count()
{
    {
        waker a(make_counting());
        waker b = a;
        waker c = std::move(b);
        CHECK(references == 2 && a == c);
        b = c;
        CHECK(references == 3);
        c = waker::clone(a.get());
        CHECK(references == 3);
        c.wake_by_ref();
        CHECK(wakes == 1 && references == 3);
        std::move(c).wake();
        CHECK(wakes == 2 && references == 2);
    }
    CHECK(references == 0);

    owner o;
    const waker w = o.get_waker();
    CHECK(w == waker(w));
    CHECK(w == o.get_unparker().into_waker());
    waker(w).wake_by_ref();
    o.park();
    waker(w).wake();
    o.park();
}

void the_current_thread_has_a_parker()
{
    tparkxx::this_thread::get_unparker().unpark();
    tparkxx::this_thread::park();
    tparkxx::this_thread::get_waker().wake();
    CHECK(tparkxx::this_thread::park_for(1h));
    CHECK(!tparkxx::this_thread::park_until(steady_clock::now()));
}

void block_on_polls_until_true_and_passes_exceptions()
{
    int polls = 0;
    std::thread other;
    tparkxx::block_on([&](const tpark_waker &lent) {
        if (polls == 0)
            other = std::thread([w = waker::clone(lent)]() mutable { std::move(w).wake(); });
        return ++polls == 2;
    });
    other.join();
    CHECK(polls == 2);
    try {
        tparkxx::block_on([](const tpark_waker &) -> bool { throw std::runtime_error("poll"); });
        CHECK(false);
    } catch (const std::runtime_error &) {
    }
}

} /* namespace */

int main()
{
    a_parker_holds_one_token();
    an_unknown_flag_throws();
    a_duration_that_is_not_positive_never_sleeps();
    conversions_saturate_and_round_up();
    a_timed_park_lasts_at_least_its_time();
    a_time_that_is_never_reached_is_no_timeout();
    handles_may_end_in_any_order();
    an_owner_is_woken_from_its_sleep();
    a_hook_is_called_and_destroyed_once();
    a_waker_keeps_its_count();
    the_current_thread_has_a_parker();
    block_on_polls_until_true_and_passes_exceptions();
}

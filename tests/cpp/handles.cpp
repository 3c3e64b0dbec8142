/* SPDX-License-Identifier: MIT */
/* What tpark.hpp adds to tpark.h: ownership, times, exceptions. */
#include <tpark.hpp>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>

#include "check.hpp"

using namespace std::chrono;
using namespace std::chrono_literals;
using tparkxx::idle_set;
using tparkxx::idler;
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
static_assert(std::is_trivially_destructible_v<parker>);
static_assert(std::is_trivially_destructible_v<idle_set>);
static_assert(!std::is_copy_constructible_v<idler> && !std::is_move_constructible_v<idler>);
static_assert(!std::is_constructible_v<owner, std::nullptr_t>);
static_assert(sizeof(parker) == sizeof(::tpark));
static_assert(sizeof(owner) == sizeof(void *) && sizeof(unparker) == sizeof(void *));

static bool is_out_of_memory;

/* In place of the C library's: how the library gets its memory, and nobody else here does. */
extern "C" void *aligned_alloc(size_t alignment, size_t size) noexcept
{
    void *memory = nullptr;
    return !is_out_of_memory && posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

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
    /* Neither a decimal fraction nor a whole number of nanoseconds; 291 years of it. */
    CHECK(timeout_ns(duration<std::int64_t, std::ratio<1, 3>>(1)) == 333333334);
    CHECK(timeout_ns(duration<std::int64_t, std::ratio<1, 3>>(27'000'000'000)) ==
          9'000'000'000'000'000'000);
    CHECK(timeout_ns(duration<std::int64_t, std::ratio<7, 3>>(3)) == 7'000'000'000);
    CHECK(timeout_ns(duration<double>(0.1)) == 100'000'000);
    CHECK(timeout_ns(nanoseconds(9'199'999'999'999'990'000)) == 9'199'999'999'999'990'000);
    CHECK(timeout_ns(nanoseconds(9'200'000'000'000'010'000)) == UINT64_MAX);

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
        for (int i = 0; i < 5; i++) {
            q.park();
            const std::uint32_t *state = &p.native_handle()->state;
            while (__atomic_load_n(state, __ATOMIC_RELAXED) != TPARK_PARKED)
                std::this_thread::yield();
            p.unpark();
        }
    });
    q.unpark();
    CHECK(p.park_for((hours::max)()));
    q.unpark();
    CHECK(p.park_for((nanoseconds::max)()));
    q.unpark();
    CHECK(p.park_until((steady_clock::time_point::max)()));
    tpark_any set[] = {tparkxx::any_of(p)};
    q.unpark();
    CHECK(tparkxx::park_any_for(set, (hours::max)()));
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

void zero_is_a_number_of_flags()
{
    parker p(0);
    owner o(0);
    p.unpark();
    CHECK(p.try_park() && !o.park_for(0s));
}

void a_hook_is_destroyed_and_errno_told_when_flags_are_refused()
{
    struct hook {
        std::shared_ptr<int> alive;
        bool operator()() noexcept
        {
            return true;
        }
        ~hook()
        {
            errno = EIO;
        }
    };
    const auto alive = std::make_shared<int>(0);
    try {
        owner o(hook{alive}, TPARK_SHARED);
        CHECK(false);
    } catch (const std::system_error &e) {
        CHECK(e.code() == std::errc::invalid_argument);
    }
    CHECK(alive.use_count() == 1);
}

/* A hook that is called once more when the last handle goes. */
struct at_the_end {
    std::function<void()> call;

    explicit at_the_end(std::function<void()> f) : call(std::move(f))
    {
    }
    at_the_end(at_the_end &&other) noexcept : call(std::exchange(other.call, nullptr))
    {
    }
    ~at_the_end()
    {
        if (call)
            call();
    }
    bool operator()() const noexcept
    {
        return true;
    }
};

unparker get(const owner &o, const unparker *)
{
    return o.get_unparker();
}

waker get(const owner &o, const waker *)
{
    return o.get_waker();
}

/* When the last handle of a parker goes, the variable that held it has its new value already. */
template <class Handle> void an_assignment_frees_last()
{
    owner other;
    const Handle expected = get(other, static_cast<Handle *>(nullptr));
    for (const bool is_move : {false, true}) {
        Handle variable = expected;
        bool was_right = false;
        {
            owner o(at_the_end([&] { was_right = variable == expected; }));
            variable = get(o, &variable);
        }
        if (is_move)
            variable = Handle(expected);
        else
            variable = expected;
        CHECK(was_right);
    }
}

void an_assignment_of_an_owner_frees_last()
{
    owner other;
    const unparker expected = other.get_unparker();
    bool was_right = false;
    owner *variable = nullptr;
    owner o(at_the_end([&] { was_right = variable->get_unparker() == expected; }));
    variable = &o;
    o = std::move(other);
    CHECK(was_right);
}

void an_assignment_to_itself_changes_nothing()
{
    bool is_over = false;
    const auto make = [&] { return owner(at_the_end([&] { is_over = true; })); };
    {
        owner o = make();
        owner &me = o;
        o = std::move(me);
        CHECK(!is_over);
        o.get_unparker().unpark();
        o.park();
    }
    CHECK(std::exchange(is_over, false));
    {
        unparker u = make().get_unparker(); /* the only one */
        unparker &itself = u;
        u = itself;
        CHECK(!is_over);
        u = std::move(itself);
        CHECK(!is_over && u.unpark() == state::empty);
    }
    CHECK(std::exchange(is_over, false));
    {
        waker w = make().get_waker();
        waker &itself = w;
        w = itself;
        CHECK(!is_over);
        w = std::move(itself);
        CHECK(!is_over);
        w.wake_by_ref();
    }
    CHECK(is_over);
}

void an_assignment_gives_back_what_was_there()
{
    auto calls = std::make_shared<int>(0);
    const auto make = [&] { return owner([calls]() noexcept { return ++*calls > 0; }); };
    owner o = make();
    CHECK(calls.use_count() == 2);
    o = make();
    CHECK(calls.use_count() == 2);
    unparker u = o.get_unparker();
    unparker moved = std::move(u);
    CHECK(u.get() == nullptr && u.release() == nullptr);
    o = owner();
    CHECK(calls.use_count() == 2);
    moved = o.get_unparker();
    CHECK(calls.use_count() == 1);
}

void a_set_is_parked_on()
{
    parker p;
    owner o;
    tpark_any set[] = {tparkxx::any_of(p), tparkxx::any_of(o)};
    CHECK(!tparkxx::park_any_for(set, 1ms));
    o.get_unparker().unpark();
    tparkxx::park_any(set);
    CHECK(!set[0].has_token && set[1].has_token);
    p.unpark();
    CHECK(tparkxx::park_any_until(set, steady_clock::now()));
    CHECK(set[0].has_token && !set[1].has_token);
    p.unpark();
    CHECK(tparkxx::park_any_for(set, (nanoseconds::max)()));
    CHECK(!tparkxx::park_any_for(set, -1h));
    std::array<tpark_any, TPARK_ANY_MAX + 1> too_many{};
    try {
        tparkxx::park_any(too_many);
        CHECK(false);
    } catch (const std::system_error &e) {
        CHECK(e.code() == std::errc::invalid_argument);
    }
}

idle_set static_set; /* constant-initialised, too */

void an_idler_is_in_the_set_while_it_lives_and_is_woken_newest_first()
{
    parker p;
    owner o;
    CHECK(!static_set.wake_one());
    {
        idler older(static_set, p);
        idler newer(static_set, o);
        CHECK(static_set.wake_one());
        CHECK(newer.commit());
        CHECK(static_set.wake(2) == 1);
        CHECK(older.commit_for(1h));
    }
    {
        idler one(static_set, p), other(static_set, o);
        CHECK(static_set.wake_all() == 2);
        CHECK(one.commit_until(steady_clock::now()) && !other.cancel());
    }
    {
        idler unneeded(static_set, p);
    }
    CHECK(static_set.wake_all() == 0 && !p.try_park() && !o.park_for(0s));
}

void an_idler_that_is_not_committed_hands_its_wake_on()
{
    idle_set set;
    parker p, q;
    idler older(set, p);
    try {
        idler newer(set, q);
        CHECK(set.wake_one());
        throw std::runtime_error("pop");
    } catch (const std::runtime_error &) {
    }
    CHECK(!q.try_park());
    CHECK(older.commit_for(0s));
}

void an_idler_that_was_cancelled_leaves_its_wake_to_the_caller()
{
    idle_set set;
    parker p, q;
    idler older(set, p);
    {
        idler newer(set, q);
        CHECK(set.wake_one());
        CHECK(!newer.cancel());
    }
    CHECK(!q.try_park());
    CHECK(older.cancel());
}

void a_commit_says_whether_a_wake_has_chosen_the_owner()
{
    idle_set set;
    parker p;
    const auto before = steady_clock::now();
    CHECK(!idler(set, p).commit_for(1500us));
    CHECK(steady_clock::now() - before >= 1500us);
    CHECK(!idler(set, p).commit_until(steady_clock::now()));
    CHECK(!idler(set, p).commit_for(-1h));
    p.unpark();
    CHECK(!idler(set, p).commit());
    CHECK(!set.wake_one());
    std::thread other([&] {
        while (!set.wake_one())
            std::this_thread::yield();
    });
    CHECK(idler(set, p).commit_for((hours::max)()));
    other.join();
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

void want_of_memory_throws_bad_alloc_and_leaves_nothing()
{
    const auto alive = std::make_shared<int>(0);
    void (*const calls[])(const std::shared_ptr<int> &) = {
        [](const std::shared_ptr<int> &) { const owner o; },
        [](const std::shared_ptr<int> &) { const owner o(TPARK_PRECISE); },
        [](const std::shared_ptr<int> &a) { const owner o([a]() noexcept { return true; }); },
        [](const std::shared_ptr<int> &) { const auto u = tparkxx::this_thread::get_unparker(); },
        [](const std::shared_ptr<int> &) { const auto w = tparkxx::this_thread::get_waker(); },
        [](const std::shared_ptr<int> &a) {
            tparkxx::block_on([a](const tpark_waker &) { return true; });
        },
    };
    std::thread([&] { /* that has no parker yet */
                      for (const auto call : calls) {
                          bool was_thrown = false;
                          is_out_of_memory = true;
                          try {
                              call(alive);
                          } catch (const std::bad_alloc &) {
                              was_thrown = true;
                          }
                          is_out_of_memory = false;
                          CHECK(was_thrown);
                      }
    })
        .join();
    CHECK(alive.use_count() == 1);
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
    zero_is_a_number_of_flags();
    a_hook_is_destroyed_and_errno_told_when_flags_are_refused();
    an_assignment_frees_last<unparker>();
    an_assignment_frees_last<waker>();
    an_assignment_of_an_owner_frees_last();
    an_assignment_to_itself_changes_nothing();
    an_assignment_gives_back_what_was_there();
    a_set_is_parked_on();
    an_idler_is_in_the_set_while_it_lives_and_is_woken_newest_first();
    an_idler_that_is_not_committed_hands_its_wake_on();
    an_idler_that_was_cancelled_leaves_its_wake_to_the_caller();
    a_commit_says_whether_a_wake_has_chosen_the_owner();
    a_waker_keeps_its_count();
    want_of_memory_throws_bad_alloc_and_leaves_nothing();
    the_current_thread_has_a_parker();
    block_on_polls_until_true_and_passes_exceptions();
}

/* SPDX-License-Identifier: MIT */
/* Whatever ends a poll, an await, a thread or the process: nothing leaks, and nothing aborts. */
#include <tpark.hpp>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "check.hpp"

using tparkxx::owner;
using tparkxx::parker;

namespace
{

/* ----------------------------------------------------------------- what leaves, in three kinds --
 */

void throw_exception()
{
    throw std::runtime_error("ours");
}

/* As another language would. */
void throw_foreign()
{
    static _Unwind_Exception exception;
    std::memset(&exception, 0, sizeof exception);
    exception.exception_class = 0x4d4f5a0052555354; /* Rust's */
    _Unwind_RaiseException(&exception);
    CHECK(false);
}

void end_thread()
{
    pthread_exit(nullptr);
}

void be_cancelled()
{
    pthread_cancel(pthread_self());
    pthread_testcancel();
    CHECK(false);
}

/* AddressSanitizer does not follow the end of a thread through the frames that it unwinds. */
#if defined(__SANITIZE_ADDRESS__)
#define FOLLOWS_THE_END_OF_A_THREAD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOLLOWS_THE_END_OF_A_THREAD 0
#endif
#endif
#ifndef FOLLOWS_THE_END_OF_A_THREAD
#define FOLLOWS_THE_END_OF_A_THREAD 1
#endif

/* Runs f in a thread, and expects that leave() ends it, or f with an exception. */
template <class F> void check_leaves(F f)
{
    for (void (*leave)() : {throw_exception, throw_foreign, end_thread, be_cancelled}) {
        if (!FOLLOWS_THE_END_OF_A_THREAD && (leave == end_thread || leave == be_cancelled))
            continue;
        struct call {
            F &f;
            void (*leave)();
            int entered;
            int left;
        } call{f, leave, 0, 0};
        const auto run = [](void *argument) -> void * {
            auto &self = *static_cast<struct call *>(argument);
            /* Two are enough for all of it, so each is given back each time. */
            tpark_thread *const first = tpark_current_borrow();
            tpark_thread *const kept = tpark_current_borrow();
            tpark_current_give_back(kept);
            tpark_current_give_back(first);
            struct count {
                struct call &self;
                tpark_thread *kept;
                ~count()
                {
                    self.left++;
                    tpark_thread *const again = tpark_current_borrow();
                    CHECK(again == kept);
                    tpark_current_give_back(again);
                }
            };
            const bool is_thrown = self.leave == throw_exception || self.leave == throw_foreign;
            for (int i = 0; i < (is_thrown ? 3 : 1); i++) {
                count count{self, kept};
                self.entered++;
                if (!is_thrown)
                    self.f(self.leave);
                else
                    try {
                        self.f(self.leave);
                        CHECK(false);
                    } catch (...) {
                    }
            }
            return nullptr;
        };
        pthread_t thread;
        CHECK(pthread_create(&thread, nullptr, run, &call) == 0);
        CHECK(pthread_join(thread, nullptr) == 0);
        CHECK(call.entered > 0);
#ifdef __GLIBC__ /* others do not unwind the stack of a thread that ends */
        CHECK(call.left == call.entered);
#endif
    }
}

void a_poll_may_be_left_in_any_way()
{
    check_leaves([](void (*leave)()) {
        int polls = 0;
        tparkxx::block_on([&](const tpark_waker &lent) {
            tpark_waker_wake_by_ref(&lent);
            if (++polls == 2)
                leave();
            return false;
        });
    });
    check_leaves([](void (*leave)()) {
        tparkxx::block_on([&](const tpark_waker &) {
            tparkxx::block_on([&](const tpark_waker &) {
                leave();
                return true;
            });
            return true;
        });
    });
}

void a_poll_of_the_function_in_c_may_be_left_in_any_way()
{
    check_leaves([](void (*leave)()) {
        const auto poll = [](void *argument, const tpark_waker *) -> bool {
            (*static_cast<void (**)()>(argument))();
            return true;
        };
        static_cast<void>(tpark_block_on(poll, &leave) == 0);
    });
}

/* ---------------------------------------------------------------------------- ends of a process --
 */

parker sides[2];
owner &static_owner()
{
    static owner o;
    return o;
}

void exit_while_a_thread_sleeps_on_a_static_parker()
{
    std::thread([] {
        for (;;)
            sides[0].park();
    }).detach();
    while (*const_cast<volatile std::uint32_t *>(&sides[0].native_handle()->state) != TPARK_PARKED)
        std::this_thread::yield();
}

void exit_while_threads_wake_each_other()
{
    for (int i = 0; i < 2; i++)
        std::thread([i] {
            for (;;) {
                sides[!i].unpark();
                sides[i].park();
            }
        }).detach();
}

void exit_while_a_thread_sleeps_on_a_static_owner()
{
    owner &o = static_owner();
    std::thread([&o] { o.park(); }).detach();
    /* The state is read as a program may not, between the two only to wait. */
    while (*const_cast<volatile std::uint32_t *>(&o.native_handle()->state) != TPARK_PARKED)
        std::this_thread::yield();
}

void exit_in_a_forked_child()
{
    exit_while_a_thread_sleeps_on_a_static_parker();
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        std::exit(0);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void exit_within_block_on()
{
    tparkxx::block_on([](const tpark_waker &) -> bool { std::exit(0); });
}

void a_process_may_end_while_its_threads_sleep()
{
    for (void (*f)() :
         {exit_while_a_thread_sleeps_on_a_static_parker, exit_while_threads_wake_each_other,
          exit_while_a_thread_sleeps_on_a_static_owner, exit_in_a_forked_child,
          exit_within_block_on})
        for (int i = 0; i < 20; i++) {
            std::fflush(nullptr);
            const pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                f();
                std::exit(0);
            }
            int status = -1;
            CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
}

/* -------------------------------------------------------------------------------- destructors --
 */

void no_destructor_looks_for_misuse()
{
    {
        parker p;
        CHECK(p.arm());
    }
    tpark_thread *leaked;
    {
        owner o;
        CHECK(tpark_arm(o.native_handle()));
        leaked = o.release();
        const owner again = owner::adopt(leaked);
    }
    CHECK(!tpark_disarm(tpark_thread_parker(leaked))); /* it is still there */
    tpark_thread_free(leaked);
}

#if TPARK_HAS_SYNC_WAIT

struct leaving {
    void (*leave)();
    int where;

    bool await_ready()
    {
        if (where == 0)
            leave();
        return false;
    }
    bool await_suspend(std::coroutine_handle<>)
    {
        if (where == 1)
            leave();
        return false;
    }
    int await_resume()
    {
        leave();
        return 0;
    }
};

void an_await_may_be_left_in_any_way()
{
    for (int where = 0; where < 3; where++)
        check_leaves([where](void (*leave)()) { tparkxx::sync_wait(leaving{leave, where}); });
}

#else

void an_await_may_be_left_in_any_way()
{
}

#endif

} /* namespace */

int main()
{
    a_poll_may_be_left_in_any_way();
    a_poll_of_the_function_in_c_may_be_left_in_any_way();
    an_await_may_be_left_in_any_way();
    a_process_may_end_while_its_threads_sleep();
    no_destructor_looks_for_misuse();
}

/* SPDX-License-Identifier: MIT */
/* tpark.hpp without exceptions and RTTI. */
#include <tpark.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "there are exceptions, or RTTI"
#endif

namespace
{

void all_classes_are_usable()
{
    tparkxx::parker p;
    p.unpark();
    p.park();
    tparkxx::owner o([]() noexcept { return false; });
    const tparkxx::unparker u = o.get_unparker();
    tparkxx::waker w = o.get_waker();
    u.unpark();
    o.park();
    std::move(w).wake();
    CHECK(o.park_for(std::chrono::nanoseconds(0)));
    tparkxx::idle_set idle;
    tparkxx::idler me(idle, p);
    CHECK(idle.wake_one() && me.commit());
    tparkxx::this_thread::get_unparker().unpark();
    tparkxx::this_thread::park();
    tparkxx::block_on([polls = 0](const tpark_waker &lent) mutable {
        tpark_waker_wake_by_ref(&lent);
        return ++polls == 2;
    });
}

void a_failure_that_is_to_be_survived_goes_through_the_c_function()
{
    tpark_thread *const refused = tpark_thread_new(TPARK_SHARED);
    CHECK(refused == nullptr);
    tparkxx::owner o = tparkxx::owner::adopt(tpark_thread_new(0));
    o.get_unparker().unpark();
    o.park();
}

void a_failure_terminates()
{
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        std::set_terminate([] { _exit(3); });
        tparkxx::owner o(TPARK_SHARED);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

} /* namespace */

int main()
{
    all_classes_are_usable();
    a_failure_that_is_to_be_survived_goes_through_the_c_function();
    a_failure_terminates();
}

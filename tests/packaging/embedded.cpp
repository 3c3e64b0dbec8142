/* SPDX-License-Identifier: MIT */
/* A user's program in C++ without exceptions and without run-time types. */
#include <tpark.hpp>

int main()
{
    using namespace std::chrono_literals;
    tparkxx::parker parker(TPARK_SPIN_NEVER);
    parker.unpark();
    parker.park();
    tparkxx::owner owner;
    tparkxx::unparker unparker = owner.get_unparker();
    unparker.unpark();
    owner.park();
    tparkxx::waker waker = owner.get_waker();
    waker.wake_by_ref();
    return owner.park_for(1s) && !owner.park_for(1us) ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * Abseil on tpark. Mutex, CondVar, Notification, BlockingCounter and Barrier all wait in one
 * semaphore per thread, which Abseil lets a program replace: its two functions are weak.
 *
 * Abseil's semaphore counts, and tpark's token does not; it makes no difference, since every wait
 * is a loop around a state of its own, which is set before the post. A token that stands for two
 * posts thus ends the wait that either was for.
 */
#include <absl/synchronization/internal/create_thread_identity.h>
#include <absl/synchronization/internal/per_thread_sem.h>
#include <absl/synchronization/internal/waiter.h>
#include <sched.h>
#include <tpark.h>

#include <atomic>
#include <cstdlib>

namespace
{

using absl::base_internal::ThreadIdentity;
using absl::synchronization_internal::KernelTimeout;
using absl::synchronization_internal::Waiter;

// Where Abseil's own semaphore would be. All that its constructor, which cannot be replaced, writes
// there is a word of 0; the thread, or the first that posts to it, makes the parker.
enum State { NEW, IN_THE_MAKING, MADE };
struct Place {
    std::atomic<int32_t> state;
    tpark parker;
};
static_assert(ABSL_WAITER_MODE == ABSL_WAITER_MODE_FUTEX && sizeof(Waiter) == sizeof(int32_t),
              "another semaphore of Abseil's");
static_assert(sizeof(Place) <= sizeof(ThreadIdentity::WaiterState), "a parker fits");

tpark *parker_of(ThreadIdentity *identity)
{
    auto *place = reinterpret_cast<Place *>(identity->waiter_state.data);
    int32_t seen = NEW;
    if (place->state.load(std::memory_order_acquire) == MADE)
        return &place->parker;
    if (place->state.compare_exchange_strong(seen, IN_THE_MAKING, std::memory_order_relaxed)) {
        if (tpark_init(&place->parker, 0) != 0)
            std::abort();
        place->state.store(MADE, std::memory_order_release);
    }
    while (place->state.load(std::memory_order_acquire) != MADE)
        sched_yield();
    return &place->parker;
}

// How far away a time of the wall clock is.
uint64_t ns_until(timespec deadline)
{
    const absl::Duration left = absl::TimeFromTimespec(deadline) - absl::Now();
    return left <= absl::ZeroDuration() ? 0
                                        : static_cast<uint64_t>(absl::ToInt64Nanoseconds(
                                              absl::Ceil(left, absl::Nanoseconds(1))));
}

} // namespace

extern "C" {

void ABSL_INTERNAL_C_SYMBOL(AbslInternalPerThreadSemPost)(ThreadIdentity *identity)
{
    tpark_unpark(parker_of(identity));
}

bool ABSL_INTERNAL_C_SYMBOL(AbslInternalPerThreadSemWait)(KernelTimeout timeout)
{
    tpark *parker = parker_of(absl::synchronization_internal::GetOrCreateCurrentThreadIdentity());
    if (!timeout.has_timeout()) {
        tpark_park(parker);
        return true;
    }
    // Again after a timeout, for the wall clock may have been set back meanwhile.
    uint64_t ns;
    do {
        ns = ns_until(timeout.MakeAbsTimespec());
        if (tpark_park_timeout(parker, ns) == 0)
            return true;
    } while (ns > 0);
    return false;
}
}

/* SPDX-License-Identifier: MIT */
/*
 * A program of Abseil's, which knows nothing of tpark: `work` runs every workload for a moment,
 * `work WORKLOAD ROUNDS` one of them. Each asserts its own result.
 */
#undef NDEBUG
#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace
{

enum { THREADS = 4 };

template <typename Run> void run_threads(Run run)
{
    std::vector<std::thread> threads;
    for (long i = 0; i < THREADS; i++)
        threads.emplace_back(run, i);
    for (auto &thread : threads)
        thread.join();
}

// A mutex that all want, held for a while.
void mutex(long rounds)
{
    absl::Mutex mu;
    volatile long count = 0;
    run_threads([&](long) {
        for (long i = 0; i < rounds / THREADS; i++) {
            absl::MutexLock lock(&mu);
            for (int work = 0; work < 300; work++)
                count = count + 1;
        }
    });
    assert(count == rounds / THREADS * THREADS * 300);
}

// Condition variables: threads take their turn.
void turns(long rounds)
{
    absl::Mutex mu;
    absl::CondVar turn_changed[THREADS];
    long turn = 0;
    run_threads([&](long me) {
        absl::MutexLock lock(&mu);
        for (long i = 0; i < rounds / THREADS; i++) {
            while (turn % THREADS != me)
                turn_changed[me].Wait(&mu);
            turn++;
            turn_changed[turn % THREADS].Signal();
        }
    });
    assert(turn == rounds / THREADS * THREADS);
}

// Waits that end at their deadline: of condition variables, and for a condition.
void deadlines(long rounds)
{
    run_threads([&](long) {
        absl::Mutex mu;
        absl::CondVar never;
        absl::MutexLock lock(&mu);
        for (long i = 0; i < rounds / THREADS; i++) {
            const absl::Time deadline = absl::Now() + absl::Microseconds(100);
            if (i % 2) {
                const bool timed_out = never.WaitWithDeadline(&mu, deadline);
                assert(timed_out);
            } else {
                bool is_true = false;
                const bool came_true = mu.AwaitWithDeadline(absl::Condition(&is_true), deadline);
                assert(!came_true);
            }
            assert(absl::Now() >= deadline);
        }
    });
}

// Notifications: of a thread that waits, after a wait that was in vain, and counters.
void notifications(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        absl::Notification notification;
        absl::BlockingCounter waiting(2);
        auto wait = [&] {
            waiting.DecrementCount();
            notification.WaitForNotification();
        };
        std::thread one(wait), two(wait);
        assert(!notification.WaitForNotificationWithTimeout(absl::Microseconds(10)));
        waiting.Wait();
        notification.Notify();
        one.join();
        two.join();
    }
}

const struct {
    const char *name;
    void (*run)(long rounds);
    long moment;
} workloads[] = {
    {"mutex", mutex, 20000},
    {"turns", turns, 4000},
    {"deadlines", deadlines, 400},
    {"notifications", notifications, 200},
};

} // namespace

int main(int argc, char **argv)
{
    for (const auto &workload : workloads)
        if (argc < 2 || std::strcmp(argv[1], workload.name) == 0)
            workload.run(argc > 2 ? std::atol(argv[2]) : workload.moment);
}

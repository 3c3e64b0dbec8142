/* SPDX-License-Identifier: MIT */
/*
 * A sleep never ends on time: the timer is coarse, the CPU has to wake up, another thread runs. So
 * a precise owner has itself woken a margin earlier, and spins the rest:
 *
 *     park begins                                 alarm    it wakes up      deadline
 *          |------------------ sleep ---------------|------ late ------|-- spin --|
 *                                                   |---------- margin -----------|
 *
 * The margin is a little more than what the thread's sleeps have lately been late, and never more
 * than a limit, which the contract names. It goes up to the latest at once, and comes down by a
 * fraction: it is exceeded by one sleep in a hundred or so. It is the thread's own, since timer
 * slack and priority are.
 */
#include "config.h"

#include "precise.h"

#include "deadline.h"

enum { MAX_MARGIN_NS = 100 * TPARK_NS_PER_US };

static _Thread_local uint32_t margin_ns = MAX_MARGIN_NS;

struct timespec tpark_precise_alarm(const struct timespec *deadline)
{
    struct timespec alarm = *deadline;
    alarm.tv_nsec -= (long)margin_ns;
    if (alarm.tv_nsec < 0) {
        alarm.tv_nsec += TPARK_NS_PER_S;
        alarm.tv_sec--;
    }
    return alarm;
}

void tpark_precise_learn(const struct timespec *alarm)
{
    const uint64_t late = tpark_now_ns() - tpark_to_ns(alarm);
    const uint32_t target = late < MAX_MARGIN_NS ? (uint32_t)late : MAX_MARGIN_NS;
    margin_ns = target > margin_ns ? target : margin_ns - (margin_ns - target) / 256;
}

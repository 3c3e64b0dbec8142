// SPDX-License-Identifier: MIT
// Abseil's own parking, one semaphore per thread, which only its classes may use: by way of a
// Notification, which can be given once, so each token is a new one.
#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <new>

#include "contestant.h"

struct parker {
    absl::Notification token;
};

static int init(void *p)
{
    new (p) parker;
    return 0;
}

static void destroy(void *p)
{
    static_cast<parker *>(p)->~parker();
}

static inline void unpark(parker *p)
{
    p->token.Notify();
}

static inline void renew(parker *p)
{
    p->token.~Notification();
    new (&p->token) absl::Notification;
}

static inline void park(parker *p)
{
    p->token.WaitForNotification();
    renew(p);
}

static inline bool park_timeout(parker *p, uint64_t timeout_ns)
{
    const bool token = timeout_ns == 0
                           ? p->token.HasBeenNotified()
                           : p->token.WaitForNotificationWithTimeout(absl::Nanoseconds(timeout_ns));
    if (token)
        renew(p);
    return token;
}

CONTESTANT_CALLS

extern "C" const contestant contestant_absl;
const contestant contestant_absl = {
    .name = "absl",
    .what = "an absl::Notification of Abseil, a new one for each token",
    .traits = ONE_SHOT | WALL_CLOCK,
    .size = sizeof(parker),
    .init = init,
    .bind = nullptr,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .park_timeout = call_park_timeout,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
    .repeat_poll = repeat_poll,
    .post = nullptr,
    .idle = nullptr,
};

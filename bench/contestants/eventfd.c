/* SPDX-License-Identifier: MIT */
/* eventfd(2), as event loops wake their threads. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "contestant.h"

struct parker {
    int fd;
};

static int init(void *parker)
{
    struct parker *const p = parker;
    p->fd = eventfd(0, EFD_CLOEXEC);
    return p->fd < 0 ? errno : 0;
}

static void destroy(void *p)
{
    close(((struct parker *)p)->fd);
}

static inline void unpark(struct parker *p)
{
    while (eventfd_write(p->fd, 1) && errno == EINTR)
        ;
}

static inline void park(struct parker *p)
{
    eventfd_t tokens;
    while (eventfd_read(p->fd, &tokens) && errno == EINTR)
        ;
}

static inline bool park_timeout(struct parker *p, uint64_t timeout_ns)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ns / 1000000000),
        .tv_nsec = (long)(timeout_ns % 1000000000),
    };
    struct pollfd ready = {.fd = p->fd, .events = POLLIN};
    if (ppoll(&ready, 1, &timeout, NULL) != 1)
        return false;
    park(p);
    return true;
}

CONTESTANT_CALLS

extern const struct contestant CONTESTANT_OF(eventfd);
const struct contestant CONTESTANT_OF(eventfd) = {
    .name = NAME_OF("eventfd"),
    .what = "a blocking eventfd(2); with a timeout, ppoll(2) first",
    .traits = USES_FILE | PROCESSES_TRAIT,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .park_timeout = call_park_timeout,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
    .repeat_poll = repeat_poll,
};

/* SPDX-License-Identifier: MIT */
/* A pipe, as processes have always woken each other: a byte is a token. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "contestant.h"

struct parker {
    int to_read;
    int to_write;
};

/* Full, it holds tokens enough: then an unpark merges. */
static int init(void *parker)
{
    struct parker *const p = parker;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) || fcntl(ends[1], F_SETFL, O_NONBLOCK))
        return errno;
    p->to_read = ends[0];
    p->to_write = ends[1];
    return 0;
}

static void destroy(void *parker)
{
    struct parker *const p = parker;
    close(p->to_read);
    close(p->to_write);
}

static inline void unpark(struct parker *p)
{
    while (write(p->to_write, "", 1) < 0 && errno == EINTR)
        ;
}

static inline void park(struct parker *p)
{
    char token;
    while (read(p->to_read, &token, 1) < 0 && errno == EINTR)
        ;
}

CONTESTANT_CALLS_UNTIMED

extern const struct contestant CONTESTANT_OF(pipe);
const struct contestant CONTESTANT_OF(pipe) = {
    .name = NAME_OF("pipe"),
    .what = "a byte in a pipe(2)",
    .traits = COUNTS | USES_FILE | PROCESSES_TRAIT,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .park = call_park,
    .unpark = call_unpark,
    .repeat_pair = repeat_pair,
    .repeat_unpark = repeat_unpark,
};

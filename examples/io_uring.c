/* SPDX-License-Identifier: MIT */
/*
 * A loop that waits for I/O completions and for unparks at once, in io_uring_enter(2).
 *
 * The owner arms its parker, and queues a FUTEX_WAIT on the state word beside its I/O: then an
 * unpark is one more completion. Linux has that operation since 6.7; Debian 12's liburing does not
 * know it, so the submission is filled by hand.
 *
 * Two traps, both reproduced before they were written down here:
 *
 *   - A stale wait. If I/O ends the sleep, the wait is still queued on the word. It would take the
 *     wake that the next sleep needs (in a ring that defers its work, as here; in another one the
 *     completion happens to interrupt that sleep). So it is cancelled, and its completion reaped,
 *     before the next arm or park: exactly one comes of it, whatever the race with an unpark.
 *   - The private hash. Linux 6.16 and later keep private futexes in a table per process, which
 *     exists once there are two threads. A private wait that a process queues in a ring while it
 *     has one thread is never found by the wakes of a thread that is made later; and the owner of
 *     a ring cannot know who will make one. So the parker here is TPARK_SHARED, whose waits live in
 *     the kernel's global table. (Handles are private: make the first other thread, before the
 *     first wait.)
 *
 * Run:    ./io_uring
 * Exits with 0 if no wake and no completion was lost; with 77 where the kernel refuses the ring or
 * the operation.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <tpark.h>
#include <unistd.h>

enum { SKIPPED = 77, ROUNDS = 2000 };

/* <linux/io_uring.h> and <linux/futex.h> of Linux 6.7. */
enum { OP_FUTEX_WAIT = 51, FUTEX2_U32 = 0x02, FUTEX2_IS_PRIVATE = 128 };

enum { WAIT = 1, CANCEL, READ }; /* what a completion is of */

struct loop {
    struct io_uring ring;
    struct tpark parker;
    bool is_wait_queued;
    int wait_result; /* of the last wait */
    bool is_read_done;
    char byte;
};

static struct io_uring_sqe *new_submission(struct loop *loop, uint64_t kind)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    assert(sqe);
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = kind;
    return sqe;
}

static void queue_wait(struct loop *loop)
{
    struct io_uring_sqe *sqe = new_submission(loop, WAIT);
    sqe->opcode = OP_FUTEX_WAIT;
    sqe->fd = FUTEX2_U32 | (loop->parker.flags & TPARK_SHARED ? 0 : FUTEX2_IS_PRIVATE);
    sqe->addr = (uintptr_t)tpark_futex_word(&loop->parker);
    sqe->addr2 = TPARK_PARKED; /* sleeps while the word is that */
    sqe->addr3 = UINT32_MAX;   /* woken by any wake */
    loop->is_wait_queued = true;
}

static void queue_cancel_of_wait(struct loop *loop)
{
    struct io_uring_sqe *sqe = new_submission(loop, CANCEL);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = WAIT;
}

static void queue_read(struct loop *loop, int fd)
{
    struct io_uring_sqe *sqe = new_submission(loop, READ);
    sqe->opcode = IORING_OP_READ;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)&loop->byte;
    sqe->len = 1;
    loop->is_read_done = false;
}

/* Submits, waits for a completion, and handles all that are there. Returns whether I/O is done. */
static bool enter(struct loop *loop)
{
    const int result = io_uring_submit_and_wait(&loop->ring, 1);
    assert(result >= 0 || result == -EINTR);
    bool is_io_done = false;
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
        if (cqe->user_data == WAIT) {
            /* Woken, not PARKED any more, or cancelled: the state tells, not the result. */
            loop->wait_result = cqe->res;
            loop->is_wait_queued = false;
        } else if (cqe->user_data == READ) {
            assert(cqe->res == 1);
            loop->is_read_done = is_io_done = true;
        }
        io_uring_cqe_seen(&loop->ring, cqe);
    }
    return is_io_done;
}

/* Sleeps until there is a token, which it consumes, or I/O is done. Returns whether a token was. */
static bool park_or_complete(struct loop *loop)
{
    if (!tpark_arm(&loop->parker))
        return true;
    queue_wait(loop);
    bool is_io_done = false;
    while (loop->is_wait_queued && !is_io_done)
        is_io_done = enter(loop);
    const bool token = tpark_disarm(&loop->parker);
    if (loop->is_wait_queued)
        queue_cancel_of_wait(loop);
    while (loop->is_wait_queued)
        enter(loop);
    return token;
}

/* The other thread: after a first unpark it answers each of the owner's by what ends its sleep. */
static struct tpark peer = TPARK_INIT;
static struct loop loop;
static int pipe_ends[2];

static void *answer(void *unused)
{
    tpark_unpark(&loop.parker);
    for (int round = 0; round < ROUNDS; round++) {
        tpark_park(&peer);
        const ssize_t written = write(pipe_ends[1], "x", 1);
        assert(written == 1);
        for (int i = 0; i < 2; i++) {
            tpark_park(&peer);
            tpark_unpark(&loop.parker);
        }
    }
    return unused;
}

int main(void)
{
    const int error = tpark_init(&loop.parker, TPARK_SHARED) || pipe(pipe_ends);
    assert(!error);
    const unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    if (io_uring_queue_init(8, &loop.ring, flags) < 0)
        return SKIPPED;

    /* The word is EMPTY, so the operation must fail at once: with EINVAL if there is none. */
    queue_wait(&loop);
    enter(&loop);
    if (loop.wait_result == -EINVAL)
        return SKIPPED;
    assert(loop.wait_result == -EAGAIN);

    /* The second trap: the wait is in the kernel before there is a thread that could wake it. */
    const bool is_armed = tpark_arm(&loop.parker);
    assert(is_armed);
    queue_wait(&loop);
    io_uring_submit(&loop.ring);
    pthread_t thread;
    pthread_create(&thread, NULL, answer, NULL);
    while (loop.is_wait_queued)
        enter(&loop);
    const bool is_first_token = tpark_disarm(&loop.parker);
    assert(is_first_token);

    for (int round = 0; round < ROUNDS; round++) {
        /* I/O ends the sleep, and leaves a stale wait behind. */
        queue_read(&loop, pipe_ends[0]);
        tpark_unpark(&peer);
        while (!loop.is_read_done) {
            const bool token = park_or_complete(&loop);
            assert(!token);
        }
        /* The first trap: a sleep in the futex itself. */
        tpark_unpark(&peer);
        tpark_park(&loop.parker);
        /* An unpark ends the sleep in the ring. */
        tpark_unpark(&peer);
        while (!park_or_complete(&loop)) {
        }
    }
    pthread_join(thread, NULL);
    io_uring_queue_exit(&loop.ring);
    tpark_destroy(&loop.parker);
    printf("%d rounds\n", ROUNDS);
    return 0;
}

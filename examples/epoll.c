/* SPDX-License-Identifier: MIT */
/*
 * A server that blocks in epoll_wait(2) while it has connections, else in tpark_thread_park(), and
 * is woken through the same unparkers and wakers. The protocol is the same: arm, block, disarm.
 * Only the wake differs: before it arms, the server writes down where it will block, and the wake
 * hook of an unpark that finds it armed writes to an eventfd if that is epoll, and only then.
 *
 * A hook may come late, when the server has long been awake and blocks elsewhere: then it is a
 * stray wake, as any sleep may see. As long as the server sleeps, the place that it wrote stands.
 *
 * The hook's context belongs to the parker, not to the server's thread: it is closed and freed by
 * tpark_hook.release, when the last unparker is gone, which may be long after the thread.
 *
 * Run:    ./epoll
 * Exits with 0 if the server was woken in the futex without a write to the eventfd, and in epoll,
 * answered every request, and the context was released by the last unparker.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <tpark.h>
#include <unistd.h>

enum { CLIENTS = 3 };
enum place { IN_FUTEX, IN_EPOLL };

struct context { /* of the hook */
    struct tpark *parker;
    int eventfd;
    _Atomic enum place place;
    atomic_long wakes[2]; /* by place */
};

struct server {
    struct tpark_thread *owner;
    struct context *context;
    int epoll;
    int connections;
    pthread_mutex_t lock;
    int inbox[CLIENTS]; /* new connections */
    int inbox_size;
    bool is_closed; /* to new ones; it ends with the last connection */
};

static atomic_bool is_context_released;

/* Woken in the futex, the owner is woken by the library. */
static bool wake(void *argument)
{
    struct context *context = argument;
    const enum place place = atomic_load(&context->place);
    atomic_fetch_add(&context->wakes[place], 1);
    return place == IN_EPOLL && eventfd_write(context->eventfd, 1) == 0;
}

static void release(void *argument)
{
    struct context *context = argument;
    close(context->eventfd);
    free(context);
    atomic_store(&is_context_released, true);
}

static void watch(struct server *server, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    const int error = epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
    assert(!error);
}

/* Answers one request, or ends the connection. */
static void serve(struct server *server, int fd)
{
    char byte;
    if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        return;
    close(fd);
    server->connections--;
}

/* Blocks in epoll, unless there is a token, and serves what is ready. */
static void poll_connections(struct server *server)
{
    struct tpark *parker = tpark_thread_parker(server->owner);
    struct epoll_event events[8];
    atomic_store(&server->context->place, IN_EPOLL);
    const bool is_armed = tpark_arm(parker);
    const int count = epoll_wait(server->epoll, events, 8, is_armed ? -1 : 0);
    if (is_armed)
        (void)!tpark_disarm(parker); /* the inbox is looked at whether there is a token or not */
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == server->context->eventfd)
            eventfd_read(server->context->eventfd, &(eventfd_t){0});
        else
            serve(server, events[i].data.fd);
    }
}

/* False when there is nothing left to do. */
static bool take_inbox(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    for (; server->inbox_size > 0; server->connections++)
        watch(server, server->inbox[--server->inbox_size]);
    const bool is_over = server->is_closed && server->connections == 0;
    pthread_mutex_unlock(&server->lock);
    return !is_over;
}

static void *run(void *argument)
{
    struct server *server = argument;
    while (take_inbox(server)) {
        if (server->connections > 0) {
            poll_connections(server);
        } else {
            atomic_store(&server->context->place, IN_FUTEX);
            tpark_thread_park(server->owner);
        }
    }
    close(server->epoll);
    tpark_thread_free(server->owner);
    return NULL;
}

static void tell(struct server *server, struct tpark_unparker *unparker, int new_connection)
{
    pthread_mutex_lock(&server->lock);
    if (new_connection >= 0)
        server->inbox[server->inbox_size++] = new_connection;
    else
        server->is_closed = true;
    /* The token under the lock; the system call after it. */
    const struct tpark_owed owed = tpark_unparker_notify(unparker);
    pthread_mutex_unlock(&server->lock);
    tpark_unparker_wake_owner(unparker, owed);
}

static void request(int fd)
{
    char answer = 0;
    const bool is_answered = write(fd, "a", 1) == 1 && read(fd, &answer, 1) == 1;
    assert(is_answered && answer == 'a');
}

int main(void)
{
    struct context *context = calloc(1, sizeof *context);
    assert(context);
    const struct tpark_hook hook = {.wake = wake, .release = release, .context = context};
    struct server server = {.owner = tpark_thread_new_hooked(0, &hook),
                            .context = context,
                            .epoll = epoll_create1(EPOLL_CLOEXEC),
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    assert(server.owner && server.epoll >= 0);
    context->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch(&server, context->eventfd);
    struct tpark_unparker *unparker = tpark_thread_unparker(server.owner);
    const struct tpark_waker waker = tpark_unparker_into_waker(tpark_unparker_clone(unparker));
    pthread_t thread;
    pthread_create(&thread, NULL, run, &server);

    /* Nothing to serve: it sleeps in the futex, and a waker finds it there. */
    while (atomic_load(&context->wakes[IN_FUTEX]) == 0)
        tpark_waker_wake_by_ref(&waker);
    assert(atomic_load(&context->wakes[IN_EPOLL]) == 0);

    int ends[CLIENTS][2];
    for (int i = 0; i < CLIENTS; i++) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]);
        tell(&server, unparker, ends[i][1]);
        request(ends[i][0]);
    }
    /* Something to serve: it sleeps in epoll, and the same waker finds it there. */
    while (atomic_load(&context->wakes[IN_EPOLL]) == 0)
        tpark_waker_wake_by_ref(&waker);
    for (int i = 0; i < CLIENTS; i++) {
        request(ends[i][0]);
        close(ends[i][0]);
    }
    tell(&server, unparker, -1);
    pthread_join(thread, NULL);
    tpark_waker_drop(waker);
    assert(!atomic_load(&is_context_released)); /* the thread is gone, an unparker is left */
    tpark_unparker_free(unparker);
    assert(atomic_load(&is_context_released));
    return 0;
}

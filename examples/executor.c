/* SPDX-License-Identifier: MIT */
/*
 * block_on, and a small multi-threaded executor for hand-written futures.
 *
 * A future is a poll function and its data. Poll returns true when the future is done; else it has
 * left a clone of the waker where somebody will wake it. struct tpark_waker is the one thing that
 * futures and executors agree on, and each executor brings its own kind:
 *
 *   - tpark_block_on() polls on the calling thread, and its waker unparks that thread;
 *   - the executor's waker queues its task (four functions, below), and then unparks one of the
 *     executor's threads, by that thread's own parker: tpark_current_park().
 *
 * A task counts its wakes. The first puts it into the queue; the thread that polls it takes off the
 * count what it knew of before the poll, and polls again if there were more. So no two threads poll
 * a task at once, and a wake in the middle of a poll is not lost.
 *
 * Run:    ./executor
 * Sends a number down a chain of tasks, each of which waits for its left neighbour, and blocks on
 * the far end. Exits with 0 if it arrives, and every reference to a task is given back.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tpark.h>

enum { THREADS = 2, LINKS = 1000 };

/* A future: a number that arrives once. */
struct oneshot {
    pthread_mutex_t lock;
    bool has_value;
    int value;
    struct tpark_waker waker; /* of who waits for it; vtable NULL: nobody yet */
};

static void send_value(struct oneshot *channel, int value)
{
    pthread_mutex_lock(&channel->lock);
    channel->has_value = true;
    channel->value = value;
    const struct tpark_waker waker = channel->waker;
    channel->waker.vtable = NULL;
    pthread_mutex_unlock(&channel->lock);
    if (waker.vtable)
        tpark_waker_wake(waker);
}

static bool poll_oneshot(void *future, const struct tpark_waker *waker)
{
    struct oneshot *channel = future;
    struct tpark_waker old = {0}; /* dropped after the lock, as it may free a task */
    pthread_mutex_lock(&channel->lock);
    const bool is_ready = channel->has_value;
    if (!is_ready) {
        old = channel->waker;
        channel->waker = tpark_waker_clone(waker);
    }
    pthread_mutex_unlock(&channel->lock);
    if (old.vtable)
        tpark_waker_drop(old);
    return is_ready;
}

struct task {
    bool (*poll)(void *future, const struct tpark_waker *waker);
    void *future;
    atomic_int references, wakes; /* references: of the wakers and of the queue */
};

static struct {
    pthread_mutex_t lock;
    struct task *queue[LINKS]; /* a ring: each task is in it at most once */
    unsigned head, tail;
    struct tpark_unparker *idle[THREADS];
    int idle_count;
    bool is_closed;
    atomic_int tasks; /* that exist */
} executor = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Drops the lock, and then wakes an idle thread, if there is one and something for it to do. */
static void unlock_and_wake_one(void)
{
    struct tpark_unparker *idle = NULL;
    if (executor.idle_count > 0 && (executor.head != executor.tail || executor.is_closed))
        idle = executor.idle[--executor.idle_count];
    pthread_mutex_unlock(&executor.lock);
    if (idle) {
        tpark_unparker_unpark(idle);
        tpark_unparker_free(idle);
    }
}

static void drop_task(void *data)
{
    struct task *task = data;
    if (atomic_fetch_sub(&task->references, 1) == 1) {
        free(task);
        atomic_fetch_sub(&executor.tasks, 1);
    }
}

static void wake_by_ref(void *data)
{
    struct task *task = data;
    if (atomic_fetch_add(&task->wakes, 1) > 0)
        return;
    atomic_fetch_add(&task->references, 1);
    pthread_mutex_lock(&executor.lock);
    executor.queue[executor.tail++ % LINKS] = task;
    unlock_and_wake_one();
}

static void wake_task(void *data)
{
    wake_by_ref(data);
    drop_task(data);
}

static struct tpark_waker clone_task(void *data);
static const struct tpark_waker_vtable task_waker = {clone_task, wake_task, wake_by_ref, drop_task};
static struct tpark_waker clone_task(void *data)
{
    atomic_fetch_add(&((struct task *)data)->references, 1);
    return (struct tpark_waker){data, &task_waker};
}

static void spawn(bool (*poll)(void *, const struct tpark_waker *), void *future)
{
    struct task *task = malloc(sizeof *task);
    assert(task);
    *task = (struct task){.poll = poll, .future = future, .references = 1};
    atomic_fetch_add(&executor.tasks, 1);
    wake_task(task); /* its first poll */
}

/* Takes a task out of the queue, and sleeps while there is none. NULL: the executor is closed. */
static struct task *next_task(void)
{
    pthread_mutex_lock(&executor.lock);
    while (executor.head == executor.tail && !executor.is_closed) {
        executor.idle[executor.idle_count++] = tpark_current_unparker();
        pthread_mutex_unlock(&executor.lock);
        tpark_current_park(); /* whoever takes the unparker off the list uses it, once */
        pthread_mutex_lock(&executor.lock);
    }
    struct task *task = NULL;
    if (executor.head != executor.tail)
        task = executor.queue[executor.head++ % LINKS];
    unlock_and_wake_one();
    return task;
}

static void *run_tasks(void *unused)
{
    (void)unused;
    for (struct task *task; (task = next_task()) != NULL; drop_task(task)) {
        const struct tpark_waker waker = {.data = task, .vtable = &task_waker};
        int wakes;
        do {
            wakes = atomic_load(&task->wakes);
            if (task->poll(task->future, &waker))
                break; /* its count stays above zero: it is not queued again */
        } while (atomic_fetch_sub(&task->wakes, wakes) != wakes);
    }
    return NULL;
}

static struct oneshot chain[LINKS + 1];

static bool poll_link(void *left, const struct tpark_waker *waker)
{
    const bool is_ready = poll_oneshot(left, waker);
    if (is_ready)
        send_value((struct oneshot *)left + 1, ((struct oneshot *)left)->value + 1);
    return is_ready;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i <= LINKS; i++)
        pthread_mutex_init(&chain[i].lock, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run_tasks, NULL);
    for (int i = 0; i < LINKS; i++)
        spawn(poll_link, &chain[i]);
    send_value(&chain[0], 0);
    const int error = tpark_block_on(poll_oneshot, &chain[LINKS]);
    assert(error == 0 && chain[LINKS].value == LINKS);
    pthread_mutex_lock(&executor.lock);
    executor.is_closed = true;
    unlock_and_wake_one();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert(executor.tasks == 0);
    return 0;
}

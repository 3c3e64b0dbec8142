/* SPDX-License-Identifier: MIT */
/*
 * A work-stealing thread pool whose workers park.
 *
 * Each worker has a queue of its own: it takes the newest task, and others steal the oldest. A
 * worker without work searches the other queues, and parks if there is nothing. Waking is thrifty,
 * as in Tokio and rayon: a new task wakes one worker, and none while another is searching anyway;
 * the last searcher that finds work wakes the next, since there may be more. So work spreads one
 * wake at a time, and there is no stampede.
 *
 * Who is idle stands in a set (tpark_idle.h), from which a wake takes the newest. No task is lost:
 * a submitter that finds nobody to wake, or somebody who searches, has queued its task before. A
 * worker says that it no longer searches, enters the set, and then looks at the queues once more.
 * Between the two steps of each is a sequentially consistent fence. Whichever comes first, the
 * submitter finds the worker in the set, or the worker finds the task.
 *
 * No token is left behind: every wake of the set meets one commit, or one cancel that says so.
 *
 * Run:    ./thread_pool
 * Exits with 0 if every task ran once and every wake met one park.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <tpark_idle.h>

enum { WORKERS = 4, QUEUE_SIZE = 64, ROUNDS = 300, DEPTH = 6 };

struct worker;
struct task {
    void (*run)(struct worker *self, int argument);
    int argument;
};

struct queue {
    pthread_mutex_t lock;
    struct task tasks[QUEUE_SIZE]; /* a ring: the oldest at head, the newest before tail */
    size_t head, tail;
};

struct worker {
    struct pool *pool;
    struct queue *queue;
    pthread_t thread;
    struct tpark parker;
    struct tpark_idler place;
    long runs, woken;
};

struct pool {
    struct worker workers[WORKERS];
    struct queue queues[WORKERS + 1]; /* the last one is for other threads than the workers */
    struct tpark_idle idle;
    atomic_int searching; /* workers that do, or have been woken to */
    atomic_long wakes;
    atomic_bool is_closed;
};

static void push(struct queue *queue, struct task task)
{
    pthread_mutex_lock(&queue->lock);
    assert(queue->tail - queue->head < QUEUE_SIZE);
    queue->tasks[queue->tail++ % QUEUE_SIZE] = task;
    pthread_mutex_unlock(&queue->lock);
}

static bool pop(struct queue *queue, bool is_newest, struct task *task)
{
    pthread_mutex_lock(&queue->lock);
    const bool found = queue->tail != queue->head;
    if (found)
        *task = queue->tasks[(is_newest ? --queue->tail : queue->head++) % QUEUE_SIZE];
    pthread_mutex_unlock(&queue->lock);
    return found;
}

static bool wake_idle(struct pool *pool)
{
    atomic_fetch_add(&pool->searching, 1); /* on its behalf, so that the next task wakes no other */
    const bool is_woken = tpark_idle_wake(&pool->idle, 1) == 1;
    if (is_woken)
        atomic_fetch_add(&pool->wakes, 1);
    else
        atomic_fetch_sub(&pool->searching, 1);
    return is_woken;
}

/* Whoever has seen a task that nobody may be looking for calls it. */
static void wake_one(struct pool *pool)
{
    atomic_thread_fence(memory_order_seq_cst); /* between the task and the look at `searching` */
    if (atomic_load(&pool->searching) == 0 && !wake_idle(pool))
        wake_idle(pool); /* for a task that came while the first seemed to have woken somebody */
}

static bool is_work_left(struct pool *pool)
{
    size_t tasks = 0;
    for (struct queue *q = pool->queues; q <= &pool->queues[WORKERS]; q++) {
        pthread_mutex_lock(&q->lock);
        tasks += q->tail - q->head;
        pthread_mutex_unlock(&q->lock);
    }
    return tasks > 0;
}

/* Looks at all queues but its own, the next one first. */
static bool steal(struct worker *self, struct task *task)
{
    struct pool *pool = self->pool;
    const size_t me = (size_t)(self->queue - pool->queues);
    bool found = false;
    for (size_t i = 1; i <= WORKERS && !found; i++)
        found = pop(&pool->queues[(me + i) % (WORKERS + 1)], false, task);
    return found;
}

/* Sleeps while there is nothing to do. Afterwards it counts as searching. */
static void be_idle(struct worker *self)
{
    struct pool *pool = self->pool;
    bool is_woken = true; /* who wakes it has counted it */
    tpark_idle_prepare(&pool->idle, &self->place);
    if (is_work_left(pool) || atomic_load(&pool->is_closed))
        is_woken = !tpark_idle_cancel(&pool->idle, &self->place);
    else
        tpark_idle_commit(&pool->idle, &self->place, NULL);
    if (is_woken)
        self->woken++;
    else
        atomic_fetch_add(&pool->searching, 1);
}

/* Searches, and sleeps while there is nothing to find. False when the pool is closed. */
static bool find_task(struct worker *self, struct task *task)
{
    struct pool *pool = self->pool;
    atomic_fetch_add(&pool->searching, 1);
    for (;;) {
        const bool found = steal(self, task);
        const bool is_last = atomic_fetch_sub(&pool->searching, 1) == 1;
        if (found && is_last)
            wake_one(pool);
        if (found || atomic_load(&pool->is_closed))
            return found;
        be_idle(self);
    }
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct task task = {NULL, 0};
    while (pop(self->queue, true, &task) || find_task(self, &task)) {
        self->runs++;
        task.run(self, task.argument);
    }
    return NULL;
}

/* The work: a binary tree, each of whose nodes is a task that queues its children. */
static struct tpark main_parker = TPARK_INIT;
static atomic_int pending;

static void run_node(struct worker *self, int depth)
{
    for (int child = 0; child < 2 && depth > 0; child++) {
        push(self->queue, (struct task){run_node, depth - 1});
        wake_one(self->pool);
    }
    if (atomic_fetch_sub(&pending, 1) == 1)
        tpark_unpark(&main_parker);
}

int main(void)
{
    static struct pool pool = {.idle = TPARK_IDLE_INIT};
    for (int i = 0; i <= WORKERS; i++)
        pthread_mutex_init(&pool.queues[i].lock, NULL);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &pool.workers[i];
        *w = (struct worker){.pool = &pool, .queue = &pool.queues[i], .parker = TPARK_INIT};
        w->place.parker = &w->parker;
        pthread_create(&w->thread, NULL, work, w);
    }
    const int nodes = (2 << DEPTH) - 1;
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&pending, nodes);
        push(&pool.queues[WORKERS], (struct task){run_node, DEPTH});
        wake_one(&pool);
        tpark_park(&main_parker);
        assert(atomic_load(&pending) == 0);
    }
    atomic_store(&pool.is_closed, true);
    pool.wakes += (long)tpark_idle_wake(&pool.idle, SIZE_MAX);
    long runs = 0, woken = 0;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(pool.workers[i].thread, NULL);
        runs += pool.workers[i].runs;
        woken += pool.workers[i].woken;
    }
    tpark_idle_destroy(&pool.idle);
    printf("%ld tasks in %d rounds, %ld wakes\n", runs, ROUNDS, pool.wakes);
    assert(runs == (long)ROUNDS * nodes);
    assert(woken == pool.wakes);
    return 0;
}

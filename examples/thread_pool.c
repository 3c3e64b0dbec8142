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
 * No task is lost. A task is queued before its submitter takes the pool's lock. A worker says under
 * that lock that it no longer searches and is idle, and then looks at the queues once more.
 * Whichever has the lock first, the submitter finds an idle worker, or the worker finds the task.
 *
 * No token is left behind: who takes a worker off the idle list owes it one unpark, and nobody else
 * unparks it. So one park meets one wake, and needs no loop around it.
 *
 * (A pool in production looks at `searching` and `idle` by atomics before it takes the lock. Then
 * both sides need a sequentially consistent fence between the queue and those two.)
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
#include <tpark.h>

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
    struct worker *next_idle;
    long runs, parks;
};

struct pool {
    struct worker workers[WORKERS];
    struct queue queues[WORKERS + 1]; /* the last one is for other threads than the workers */
    pthread_mutex_t lock;             /* of what follows */
    struct worker *idle;
    int searching;
    long wakes;
    bool is_closed;
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

/* Whoever has seen a task that nobody may be looking for calls it. */
static void wake_one(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct worker *w = pool->searching == 0 ? pool->idle : NULL;
    if (w) {
        pool->idle = w->next_idle;
        pool->searching++; /* on its behalf, so that the next task wakes no other */
        pool->wakes++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (w)
        tpark_unpark(&w->parker); /* the system call is not made under the lock */
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

/* Searches, and sleeps while there is nothing to find. False when the pool is closed. */
static bool find_task(struct worker *self, struct task *task)
{
    struct pool *pool = self->pool;
    const size_t me = (size_t)(self->queue - pool->queues);
    pthread_mutex_lock(&pool->lock);
    pool->searching++;
    pthread_mutex_unlock(&pool->lock);
    for (;;) {
        bool found = false;
        for (size_t i = 1; i <= WORKERS && !found; i++)
            found = pop(&pool->queues[(me + i) % (WORKERS + 1)], false, task);
        pthread_mutex_lock(&pool->lock);
        const bool is_last = --pool->searching == 0;
        const bool is_over = !found && pool->is_closed;
        if (!found && !is_over) {
            self->next_idle = pool->idle;
            pool->idle = self;
        }
        pthread_mutex_unlock(&pool->lock);
        if (is_last && (found || is_over))
            wake_one(pool);
        if (found || is_over)
            return found;
        if (is_work_left(pool))
            wake_one(pool); /* most likely itself: then the park finds the token */
        tpark_park(&self->parker);
        self->parks++; /* who woke it has counted it as searching */
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
    static struct pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i <= WORKERS; i++)
        pthread_mutex_init(&pool.queues[i].lock, NULL);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &pool.workers[i];
        *w = (struct worker){.pool = &pool, .queue = &pool.queues[i], .parker = TPARK_INIT};
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
    pthread_mutex_lock(&pool.lock);
    pool.is_closed = true;
    pthread_mutex_unlock(&pool.lock);
    wake_one(&pool); /* who leaves wakes the next */
    long runs = 0, parks = 0;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(pool.workers[i].thread, NULL);
        runs += pool.workers[i].runs;
        parks += pool.workers[i].parks;
    }
    printf("%ld tasks in %d rounds, %ld wakes\n", runs, ROUNDS, pool.wakes);
    assert(runs == (long)ROUNDS * nodes);
    assert(parks == pool.wakes);
    return 0;
}

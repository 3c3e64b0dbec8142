/* SPDX-License-Identifier: MIT */
/*
 * K: a small runtime. Producers push tasks at random times into one lock-free queue; workers run
 * them, and park when the queue is empty.
 *
 * How it parks, as runtimes do: a worker that finds nothing says that it is idle, looks once more,
 * and parks. A producer that has pushed takes one idle worker, and unparks it. Whoever clears the
 * idle flag decides: if it is the worker itself, no unpark comes; if it is a producer, exactly one
 * comes, and the worker parks to take it. So one-shot parkers fit too. A contestant that is a set
 * of idle owners takes the place of all that.
 */
#include <ck_ring.h>
#include <math.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "machine.h"
#include "measure.h"

enum { TASK_NS = 5000, RING_SIZE = 1024, MAX_THREADS = 4 };

struct task {
    uint64_t due; /* when it should have been pushed: a late producer counts */
    uint64_t ran;
};

struct worker {
    struct runtime *runtime;
    void *parker;
    pthread_t thread;
    alignas(128) atomic_bool is_idle;
    uint64_t cpu_ns;
};

struct producer {
    struct runtime *runtime;
    struct task *tasks;
    uint64_t seed;
    pthread_t thread;
    uint64_t push_ns; /* spent in pushing, wakes included */
};

struct runtime {
    const struct contestant *contestant;
    pthread_barrier_t start;
    struct ck_ring ring;
    struct ck_ring_buffer *buffer;
    struct worker workers[MAX_THREADS];
    struct producer producers[MAX_THREADS];
    unsigned worker_count;
    unsigned producer_count;
    double gap_ns; /* mean time between the tasks of one producer */
    uint64_t n;    /* tasks of one producer */
    atomic_bool is_over;
};

static struct task *pop(struct runtime *r)
{
    void *task;
    return ck_ring_dequeue_mpmc(&r->ring, r->buffer, &task) ? task : NULL;
}

static void run_task(struct task *task)
{
    task->ran = bench_clock();
    spin_for(TASK_NS);
}

static void prepare(struct worker *w)
{
    const struct idle_calls *const set = w->runtime->contestant->idle;
    if (set) {
        set->prepare(w->parker);
        return;
    }
    /* Sequentially consistent, against push(): either we see the task, or it sees us idle. */
    atomic_store(&w->is_idle, true);
    atomic_thread_fence(memory_order_seq_cst);
}

static void cancel(struct worker *w)
{
    const struct contestant *const c = w->runtime->contestant;
    if (c->idle)
        (void)c->idle->cancel(w->parker); /* it looks for more, before it is idle again */
    else if (!atomic_exchange(&w->is_idle, false))
        c->park(w->parker);
}

static void commit(struct worker *w)
{
    const struct contestant *const c = w->runtime->contestant;
    (c->idle ? c->idle->commit : c->park)(w->parker);
}

static void wait_for_task(struct worker *w)
{
    struct runtime *const r = w->runtime;
    prepare(w);
    struct task *const task = pop(r);
    if (task || atomic_load(&r->is_over))
        cancel(w);
    else
        commit(w);
    if (task)
        run_task(task);
}

static void *work(void *argument)
{
    struct worker *const w = argument;
    struct runtime *const r = w->runtime;
    if (r->contestant->bind)
        r->contestant->bind(w->parker);
    pthread_barrier_wait(&r->start);
    const uint64_t cpu = thread_cpu_ns();
    for (;;) {
        struct task *const task = pop(r);
        if (task)
            run_task(task);
        else if (atomic_load(&r->is_over))
            break;
        else
            wait_for_task(w);
    }
    w->cpu_ns = thread_cpu_ns() - cpu;
    return NULL;
}

static void wake_idle(struct runtime *r, unsigned count)
{
    if (r->contestant->idle) {
        r->contestant->idle->wake(count);
        return;
    }
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < r->worker_count && count; i++) {
        struct worker *const w = &r->workers[i];
        if (atomic_load(&w->is_idle) && atomic_exchange(&w->is_idle, false)) {
            r->contestant->unpark(w->parker);
            count--;
        }
    }
}

static void push(struct runtime *r, struct task *task)
{
    while (!ck_ring_enqueue_mpmc(&r->ring, r->buffer, task))
        relax();
    wake_idle(r, 1);
}

/* Of an exponential distribution, so that tasks come as they do from many sources. */
static double random_gap(struct producer *p)
{
    p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
    const double uniform = ((double)(p->seed >> 11) + 1) / 9007199254740993.0;
    return -p->runtime->gap_ns * log(uniform);
}

static void *produce(void *argument)
{
    struct producer *const p = argument;
    struct runtime *const r = p->runtime;
    pthread_barrier_wait(&r->start);
    double due = (double)bench_clock();
    for (uint64_t i = 0; i < r->n; i++) {
        due += random_gap(p);
        while (bench_clock() < (uint64_t)due)
            ;
        p->tasks[i].due = (uint64_t)due;
        const uint64_t start = bench_clock();
        push(r, &p->tasks[i]);
        p->push_ns += bench_clock() - start;
    }
    return NULL;
}

static void start(struct runtime *r)
{
    pthread_barrier_init(&r->start, NULL, r->worker_count + r->producer_count);
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct worker *const w = &r->workers[i];
        w->runtime = r;
        w->parker = new_parker(r->contestant);
        start_thread(&w->thread, (int)(r->producer_count + i), work, w);
    }
    for (unsigned i = 0; i < r->producer_count; i++) {
        struct producer *const p = &r->producers[i];
        p->runtime = r;
        p->seed = i + 1;
        p->tasks = calloc(r->n, sizeof *p->tasks);
        start_thread(&p->thread, (int)i, produce, p);
    }
}

static void finish(struct runtime *r)
{
    for (unsigned i = 0; i < r->producer_count; i++)
        pthread_join(r->producers[i].thread, NULL);
    atomic_store(&r->is_over, true);
    wake_idle(r, r->worker_count);
    for (unsigned i = 0; i < r->worker_count; i++) {
        pthread_join(r->workers[i].thread, NULL);
        delete_parker(r->contestant, r->workers[i].parker);
    }
    pthread_barrier_destroy(&r->start);
}

static void report(const struct runtime *r, struct recorder *recorder)
{
    const double tasks = (double)(r->n * r->producer_count);
    uint64_t first = UINT64_MAX, last = 0, cpu = 0, push = 0;
    for (unsigned i = 0; i < r->producer_count; i++) {
        const struct producer *const p = &r->producers[i];
        for (uint64_t t = 0; t < r->n; t++) {
            record(recorder, 0, (double)(p->tasks[t].ran - p->tasks[t].due));
            last = p->tasks[t].ran > last ? p->tasks[t].ran : last;
        }
        first = p->tasks[0].due < first ? p->tasks[0].due : first;
        push += p->push_ns;
    }
    for (unsigned i = 0; i < r->worker_count; i++)
        cpu += r->workers[i].cpu_ns;
    record(recorder, 1, (double)push / tasks);
    record(recorder, 2, (double)cpu / tasks);
    record(recorder, 3, tasks / ((double)(last - first) / 1e9) / 1000);
}

static bool fits(const struct contestant *contestant, const struct section *section)
{
    return contestant->idle || fits_waiting(contestant, section);
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct runtime *const r = aligned_alloc(128, (sizeof *r + 127) / 128 * 128);
    if (!r)
        fail("out of memory", 0);
    *r = (struct runtime){.contestant = contestant};
    /* As many CPUs as threads: a producer that waits for its time takes a whole one. */
    r->producer_count = cpu_count() >= 4 ? 2 : 1;
    r->worker_count = cpu_count() - r->producer_count;
    r->worker_count = r->worker_count > MAX_THREADS ? MAX_THREADS : r->worker_count;
    r->n = (n + r->producer_count - 1) / r->producer_count;
    r->gap_ns =
        (double)TASK_NS / ((double)section->parameter / 100) * r->producer_count / r->worker_count;
    r->buffer = calloc(RING_SIZE, sizeof *r->buffer);
    if (!r->buffer)
        fail("out of memory", 0);
    ck_ring_init(&r->ring, RING_SIZE);

    start(r);
    finish(r);
    report(r, recorder);

    for (unsigned i = 0; i < r->producer_count; i++)
        free(r->producers[i].tasks);
    free(r->buffer);
    free(r);
}

static const struct column columns[] = {
    {"latency", "from push to run", "ns", SHOW_TAIL},
    {"push", "a push", "ns", SHOW_MEDIAN},
    {"cpu", "worker's CPU", "ns/task", SHOW_MEDIAN},
    {"throughput", "tasks run", "1000/s", SHOW_MEDIAN},
    {0},
};

#define SECTION(load, is_long)                                                                     \
    {                                                                                              \
        .key = #load "%", .title = "load of " #load " %", .columns = columns,                      \
        .limit = "raw-futex", .parameter = load, .cpus = 2, .ms = 40, .only_full = is_long,        \
        .fits = fits, .run = run                                                                   \
    }

static const struct section sections[] = {SECTION(1, true), SECTION(10, false), SECTION(50, true),
                                          SECTION(90, false)};

extern const struct measurement measure_runtime;
const struct measurement measure_runtime = {
    .letter = 'K',
    .title = "a small runtime",
    .method = "producers push tasks of 5 us into one lock-free queue (ck_ring), at random times "
              "that load the workers by so much; workers park when it is empty; a push includes "
              "the unpark, and time counts from when a task was due",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

/* SPDX-License-Identifier: MIT */
/*
 * A bounded queue between two processes, each of which may die at any moment.
 *
 * A ring of numbers lies in a memory file that both map, each at an address of its own, with a
 * process-shared parker for each side: the producer sleeps on its own while the ring is full, the
 * consumer on its own while it is empty. Each unparks the other after every step, which costs a
 * system call only when the other sleeps.
 *
 * A third process watches. Again and again it kills one of the two, wherever that happens to be,
 * and starts another in its place. What makes that work:
 *
 *   - The newcomer calls tpark_adopt() on the parker of the dead, so that nobody counts as asleep
 *     there, and a token that is there is kept.
 *   - If the dead one gave a token and did not come to its wake, the next unpark wakes the sleeper.
 *     If it published a message and did not come to its unpark, nobody would: so the newcomer
 *     unparks the other side before it does anything else.
 *   - A message is published, or consumed, by one store. The one that the dead was about to store
 *     is made again by the newcomer.
 *
 * Both must mean the same by a parker: see TPARK_LAYOUT. A 32-bit and a 64-bit program do, with the
 * futex backend. Memory that others can write is not trusted by tpark: whatever stands there, a
 * park ends too early, at its deadline or never, and that is all.
 *
 * Run:    ./shared_memory [PROGRAM]
 * PROGRAM is the producer's: this one, built for another word size say; else it is this one itself.
 * Exits with 0 if every number came, in order.
 */
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tpark.h>
#include <unistd.h>

enum { SLOTS = 16, MESSAGES = 200000, BATCH = 5000, HANG_LIMIT_S = 60 };

struct queue {
    uint32_t layout;
    struct tpark producer;
    struct tpark consumer;
    struct tpark watcher;
    _Atomic uint32_t head; /* messages taken so far; the consumer writes it */
    _Atomic uint32_t tail; /* messages put so far; the producer writes it */
    uint32_t slots[SLOTS];
};

static struct queue *map(int fd)
{
    struct queue *queue = mmap(NULL, sizeof *queue, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(queue != MAP_FAILED);
    return queue;
}

static void take_over(struct tpark *own, struct tpark *other)
{
    (void)tpark_adopt(own);
    tpark_unpark(other);
}

static void produce(struct queue *queue)
{
    take_over(&queue->producer, &queue->consumer);
    for (uint32_t tail; (tail = atomic_load(&queue->tail)) < MESSAGES;) {
        while (tail - atomic_load(&queue->head) == SLOTS)
            tpark_park(&queue->producer);
        queue->slots[tail % SLOTS] = tail;
        atomic_store(&queue->tail, tail + 1);
        tpark_unpark(&queue->consumer);
    }
}

static void consume(struct queue *queue)
{
    take_over(&queue->consumer, &queue->producer);
    for (uint32_t head; (head = atomic_load(&queue->head)) < MESSAGES;) {
        while (atomic_load(&queue->tail) == head)
            tpark_park(&queue->consumer);
        assert(queue->slots[head % SLOTS] == head);
        atomic_store(&queue->head, head + 1);
        tpark_unpark(&queue->producer);
        if ((head + 1) % BATCH == 0)
            tpark_unpark(&queue->watcher);
    }
}

static pid_t start(const char *program, const char *role, int fd)
{
    const pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        execl(program, program, role, number, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void end(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void watch(const char *own_program, const char *producers_program)
{
    const int fd = memfd_create("queue", 0);
    assert(fd >= 0);
    const int resized = ftruncate(fd, sizeof(struct queue));
    assert(resized == 0);
    struct queue *queue = map(fd);
    queue->layout = TPARK_LAYOUT;
    const int errors = tpark_init(&queue->producer, TPARK_SHARED) != 0 ||
                       tpark_init(&queue->consumer, TPARK_SHARED) != 0 ||
                       tpark_init(&queue->watcher, TPARK_SHARED) != 0;
    assert(!errors);

    const double began = now_s();
    pid_t producer = start(producers_program, "produce", fd);
    pid_t consumer = start(own_program, "consume", fd);
    int deaths = 0;
    for (; atomic_load(&queue->head) < MESSAGES; deaths++) {
        const int error = tpark_park_timeout(&queue->watcher, HANG_LIMIT_S * UINT64_C(1000000000));
        assert(error == 0);
        pid_t *victim = deaths % 2 ? &producer : &consumer;
        kill(*victim, SIGKILL);
        waitpid(*victim, NULL, 0);
        *victim = deaths % 2 ? start(producers_program, "produce", fd)
                             : start(own_program, "consume", fd);
    }
    end(producer);
    end(consumer);
    const double s = now_s() - began;
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("%d messages in order, %.0f ns and %.3f sleeps for each, in spite of %d deaths\n",
           MESSAGES, s * 1e9 / MESSAGES, (double)usage.ru_nvcsw / MESSAGES, deaths);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        watch("/proc/self/exe", argc == 2 ? argv[1] : "/proc/self/exe");
        return 0;
    }
    struct queue *queue = map(atoi(argv[2]));
    if (queue->layout != TPARK_LAYOUT) {
        fprintf(stderr, "shared_memory: the queue is of another layout of tpark\n");
        return 1;
    }
    alarm(HANG_LIMIT_S);
    if (strcmp(argv[1], "produce") == 0)
        produce(queue);
    else
        consume(queue);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Two processes that hand messages to each other through shared memory, and park.
 *
 * A ring of numbers lies in a memory file that both processes map, each at an address of its own,
 * with two process-shared parkers beside it: the producer sleeps on one while the ring is full, the
 * consumer on the other while it is empty. Each unparks the other after every step, which costs a
 * system call only when the other sleeps.
 *
 * The second process is a program of its own, started by exec: it gets nothing but the file. The
 * parkers were initialised, with TPARK_SHARED, before it was started, and are destroyed by the one
 * that is left.
 *
 * What must be looked after across processes: both must be built for the same backend (the layout
 * is part of the agreement, as is the size of the ring), and memory that another process can write
 * is trusted: a corrupt state word aborts.
 *
 * Run:    ./shared_memory
 * Exits with 0 if every number came, in order.
 */
#undef NDEBUG
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tpark.h>
#include <unistd.h>

enum { SLOTS = 16, MESSAGES = 100000 };

struct ring {
    struct tpark not_full;  /* the producer's */
    struct tpark not_empty; /* the consumer's */
    atomic_uint head;       /* messages taken so far; the consumer writes it */
    atomic_uint tail;       /* messages put so far; the producer writes it */
    unsigned slots[SLOTS];
};

static struct ring *map(int fd)
{
    struct ring *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(ring != MAP_FAILED);
    return ring;
}

static void put(struct ring *ring, unsigned message)
{
    const unsigned tail = atomic_load(&ring->tail);
    while (tail - atomic_load(&ring->head) == SLOTS)
        tpark_park(&ring->not_full);
    ring->slots[tail % SLOTS] = message;
    atomic_store(&ring->tail, tail + 1);
    tpark_unpark(&ring->not_empty);
}

static unsigned take(struct ring *ring)
{
    const unsigned head = atomic_load(&ring->head);
    while (atomic_load(&ring->tail) == head)
        tpark_park(&ring->not_empty);
    const unsigned message = ring->slots[head % SLOTS];
    atomic_store(&ring->head, head + 1);
    tpark_unpark(&ring->not_full);
    return message;
}

/* The program of the second process. */
static int produce(int fd)
{
    struct ring *ring = map(fd);
    for (unsigned i = 0; i < MESSAGES; i++)
        put(ring, i);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return produce(atoi(argv[1]));

    const int fd = memfd_create("ring", 0);
    assert(fd >= 0);
    const int resized = ftruncate(fd, sizeof(struct ring));
    assert(resized == 0);
    struct ring *ring = map(fd);
    const int errors = tpark_init(&ring->not_full, TPARK_SHARED) != 0 ||
                       tpark_init(&ring->not_empty, TPARK_SHARED) != 0;
    assert(!errors);

    const pid_t producer = fork();
    assert(producer >= 0);
    if (producer == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        execl("/proc/self/exe", argv[0], number, (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        const unsigned message = take(ring);
        assert(message == i);
    }
    int status = -1;
    waitpid(producer, &status, 0);
    assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tpark_destroy(&ring->not_full);
    tpark_destroy(&ring->not_empty);
    printf("%d messages from process %d\n", MESSAGES, (int)producer);
    return 0;
}

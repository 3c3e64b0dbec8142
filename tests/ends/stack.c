/* SPDX-License-Identifier: MIT */
/*
 * How much of the stack each call takes at most, the C library's part included: on a stack that was
 * painted, what is no longer paint. No call takes more than the manual says.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../support.h"

enum {
    STACK = 256 * 1024,
    PAINT = 0xa5,
    /* The limits of tpark(7), in bytes. */
    LIMIT = 1024,
    LIMIT_OF_ANY = 1024,
    LIMIT_OF_ANY_EACH = 32,
};

static struct tpark p = TPARK_INIT, sleeper = TPARK_INIT, precise = TPARK_INIT_FLAGS(TPARK_PRECISE);
static struct tpark many[TPARK_ANY_MAX];
static struct tpark_any set[TPARK_ANY_MAX];

static void nothing(void)
{
}

static void unpark_and_park(void)
{
    tpark_unpark(&p);
    tpark_park(&p);
}

static void park_until_it_is_late(void)
{
    CHECK(tpark_park_timeout(&p, MS / 10) == ETIMEDOUT);
}

static void park_precisely(void)
{
    CHECK(tpark_park_timeout(&precise, MS / 10) == ETIMEDOUT);
}

static void unpark_a_sleeper(void)
{
    while (tpark_unpark(&sleeper) != TPARK_PARKED)
        ;
}

static void make_and_free(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    tpark_waker_wake(tpark_unparker_into_waker(tpark_thread_unparker(t)));
    tpark_thread_park(t);
    tpark_thread_free(t);
}

static void use_the_current(void)
{
    CHECK(tpark_current_park_timeout(MS / 10) == ETIMEDOUT);
}

static bool is_ready(void *polls, const struct tpark_waker *waker)
{
    tpark_waker_wake_by_ref(waker);
    return ++*(int *)polls == 2;
}

static void block_on(void)
{
    CHECK(tpark_block_on(is_ready, &(int){0}) == 0);
}

static void park_on_any(size_t count)
{
    const struct timespec deadline = deadline_in_ns(MS / 10);
    CHECK(tpark_park_any(set, count, &deadline) == ETIMEDOUT);
}

static void park_on_one(void)
{
    park_on_any(1);
}

static void park_on_all(void)
{
    park_on_any(TPARK_ANY_MAX);
}

struct measured {
    void (*call)(void);
    const unsigned char *stack;
    size_t used;
};

/* The stack grows down. */
static void *measure(void *argument)
{
    struct measured *m = argument;
    const unsigned char here = 0;
    m->call();
    const unsigned char *lowest = m->stack;
    while (*lowest == PAINT)
        lowest++;
    m->used = (size_t)(&here - lowest);
    return NULL;
}

static size_t stack_of(void (*call)(void))
{
    call(); /* what is done once, and by the dynamic linker, is done here */
    unsigned char *stack =
        mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    memset(stack, PAINT, STACK);
    struct measured m = {.call = call, .stack = stack};
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, STACK) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, &attributes, measure, &m) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
    CHECK(munmap(stack, STACK) == 0);
    return m.used;
}

static void sleep_again(void *unused)
{
    (void)unused;
    for (;;)
        tpark_park(&sleeper);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*call)(void);
        size_t limit;
    } calls[] = {
        {"tpark_unpark, tpark_park of a token", unpark_and_park, LIMIT},
        {"tpark_unpark of a sleeper", unpark_a_sleeper, LIMIT},
        {"tpark_park_timeout, sleeping", park_until_it_is_late, LIMIT},
        {"the same, precise", park_precisely, LIMIT},
        {"tpark_thread_new to tpark_thread_free", make_and_free, LIMIT},
        {"tpark_current_park_timeout", use_the_current, LIMIT},
        {"tpark_block_on", block_on, LIMIT},
        {"tpark_park_any of 1", park_on_one, LIMIT_OF_ANY + LIMIT_OF_ANY_EACH},
        {"tpark_park_any of 128", park_on_all, LIMIT_OF_ANY + TPARK_ANY_MAX * LIMIT_OF_ANY_EACH},
    };
    const int count = sizeof calls / sizeof *calls;
    for (int i = 0; i < TPARK_ANY_MAX; i++) {
        CHECK(tpark_init(&many[i], 0) == 0);
        set[i].parker = &many[i];
    }
    struct task task;
    start(&task, sleep_again, NULL);
    const size_t own = stack_of(nothing);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const size_t used = stack_of(calls[i].call) - own;
        const bool is_good = used <= calls[i].limit;
        printf("%s%-40s %5zu bytes of stack, at most %5zu\n",
               is_good ? "" : "failed: ", calls[i].name, used, calls[i].limit);
        failed += !is_good;
    }
    printf("%d passed, %d failed, 0 skipped\n", count - failed, failed);
    return failed != 0;
}

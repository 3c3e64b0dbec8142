/* SPDX-License-Identifier: MIT */
/*
 * The operating system: futexes, CLOCK_MONOTONIC, and what the library uses of pthreads. Nothing
 * here orders memory but mutexes and pthread_once().
 *
 * Time stands still until a deadline is due: a sleep may expire at any moment, which takes the
 * clock to its deadline, and a look at the clock may find that the deadline of the thread's last
 * sleep has come. So a park that gives up does so exactly at its deadline.
 *
 * An owner that spins until a time would then spin for ever. So in the scenarios of that kind each
 * look finds the clock a tick later than the same thread's last look, and looks of different
 * threads still commute: each thread's time goes on by itself, but none is behind a deadline that
 * has come. Threads whose times differ are a machine whose notes mislead, which must do no harm.
 * The tick is that large so that the longest spin, of TPARK_PRECISE, has few looks.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "model.h"

/*
 * So late in a second that the sum of the nanoseconds has a carry; and where the clock ticks, so
 * that the nanoseconds of a deadline less the margin of TPARK_PRECISE have a borrow, too.
 */
#define START_NS (INT64_C(1001000000000) - (scenario_time_stands_still ? 1000 : 250000))
#define TICK_NS INT64_C(25000)

enum {
    OBJECTS = 16,
    SYS_FUTEX_WAIT = SYS_pidfd_open + 21,
    SYS_FUTEX_WAITV = SYS_pidfd_open + 15,
    FUTEX2_U32 = 2,
};

#define CALLER __builtin_return_address(0)

static int64_t now_ns;

static struct mutex {
    const void *address;
    struct clock clock;
    bool is_locked;
    bool is_destroyed;
    int owner;
} mutexes[OBJECTS];

static struct cond {
    const void *address;
    clockid_t clock_id;
    bool is_destroyed;
} conds[OBJECTS];

static struct {
    const void *address;
    struct clock clock;
} onces[OBJECTS];

static unsigned mutex_count, cond_count, once_count, key_count;
static void (*destructors[KEYS])(void *);

void system_start(void)
{
    now_ns = START_NS;
    mutex_count = cond_count = once_count = key_count = 0;
}

/* ---------------------------------------------------------------------------------- sleeping -- */

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec > INT64_MAX / NS_PER_S - 1 ? INT64_MAX
                                                : (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

enum waking { WOKEN, EXPIRED, SPURIOUS, INTERRUPTED, NO_WAKING };

/* As in Linux, the last deadline of all never comes. */
static bool expires(const struct sleep *s)
{
    return s->deadline && s->expires_ns != INT64_MAX;
}

/* The ways in which t's sleep can end now. */
static enum waking nth_waking(const struct thread *t, unsigned way)
{
    const struct sleep *s = &t->sleep;
    if (s->is_woken)
        return way == 0 ? WOKEN : NO_WAKING;
    if (expires(s) && way-- == 0)
        return EXPIRED;
    if (spurious_left && way-- == 0)
        return SPURIOUS;
    if (spurious_left && s->is_interruptible && way-- == 0)
        return INTERRUPTED;
    return NO_WAKING;
}

static unsigned ways_to_wake(const struct thread *t)
{
    unsigned n = 0;
    while (nth_waking(t, n) != NO_WAKING)
        n++;
    return n;
}

static bool is_certain_to_wake(const struct thread *t)
{
    return t->sleep.is_woken || expires(&t->sleep);
}

static uintptr_t queue_object(const void *queue)
{
    return (uintptr_t)queue | 1; /* the word itself is another object */
}

static void leave_queues(void)
{
    memset(running->sleep.queue, 0, sizeof running->sleep.queue);
    running->sleep.is_asleep = false;
    running->sleep.is_woken = false;
}

/* The rest of a wait whose queues the thread has joined. */
static enum waking sleep_in_queue(const struct sleep *s, const void *pc)
{
    static const char *const names[] = {"woken", "expires", "spurious wakeup", "interrupted"};
    struct operation o = {.ways = ways_to_wake, .certain = is_certain_to_wake};
    int n = 0;
    for (int i = 0; i < WORDS; i++)
        if (s->queue[i])
            o.object[n++] = queue_object(s->queue[i]);
    if (s->deadline)
        o.object[n++] = (uintptr_t)&now_ns;
    memset(o.writes, true, sizeof o.writes);
    running->sleep = *s;
    running->sleep.is_asleep = true;
    if (s->deadline)
        running->sleep.expires_ns = ns_of(s->deadline);
    const unsigned way = step(&o);
    const enum waking waking = nth_waking(running, way);
    if (waking == EXPIRED && now_ns < running->sleep.expires_ns)
        now_ns = running->sleep.expires_ns;
    if (waking == SPURIOUS || waking == INTERRUPTED)
        spurious_left--;
    leave_queues();
    done(pc, "sleep ends: %s", names[waking]);
    return waking;
}

static bool wake_one(const void *queue, bool is_private)
{
    for (int i = 0; i < THREADS; i++) {
        struct sleep *s = &threads[i].sleep;
        for (int w = 0; w < WORDS; w++) {
            if (threads[i].started && s->queue[w] == queue && s->is_private[w] == is_private &&
                !s->is_woken) {
                s->is_woken = true;
                return true;
            }
        }
    }
    return false;
}

/* ----------------------------------------------------------------------------------- futexes -- */

static long failed(int error)
{
    errno = error;
    return -1;
}

/* As the kernel reads it. */
struct waiter {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

static bool is_valid(const struct timespec *deadline)
{
    return !deadline ||
           (deadline->tv_sec >= 0 && deadline->tv_nsec >= 0 && deadline->tv_nsec < NS_PER_S);
}

static long sleep_on_futex(const struct sleep *s, const void *pc)
{
    switch (sleep_in_queue(s, pc)) {
    case EXPIRED:
        return failed(ETIMEDOUT);
    case INTERRUPTED:
        return failed(EINTR);
    default:
        return 0;
    }
}

static long futex_wait(const uint32_t *word, bool is_private, uint32_t value,
                       const struct timespec *deadline, const void *pc)
{
    if (!is_valid(deadline))
        return failed(EINVAL);
    step(&(struct operation){.object = {(uintptr_t)word, queue_object(word)},
                             .writes = {false, true}});
    touch(word, sizeof *word, pc);
    const bool is_asleep = *word == value;
    done(pc, "futex wait while %u, %s: %s", value, is_private ? "private" : "shared",
         is_asleep ? "sleeps" : "EAGAIN");
    if (!is_asleep)
        return failed(EAGAIN);
    return sleep_on_futex(&(struct sleep){.queue = {word},
                                          .state = {word},
                                          .is_private = {is_private},
                                          .deadline = deadline,
                                          .is_interruptible = true},
                          pc);
}

/* futex_waitv(2): joins one queue after the other, each if its word has the value. */
static long futex_waitv(const struct waiter *waiters, unsigned count,
                        const struct timespec *deadline, const void *pc)
{
    if (count == 0 || !is_valid(deadline))
        return failed(EINVAL);
    if (count > WORDS)
        fail("thread %d: sleeps on too many words", running->id);
    struct sleep *s = &running->sleep;
    *s = (struct sleep){.deadline = deadline, .is_interruptible = true};
    for (unsigned i = 0; i < count; i++) {
        const struct waiter *w = &waiters[i];
        if ((w->flags & ~(uint32_t)FUTEX_PRIVATE_FLAG) != FUTEX2_U32 || w->reserved)
            return failed(EINVAL);
        const uint32_t *word = (const uint32_t *)(uintptr_t)w->address;
        struct operation o = {.object = {(uintptr_t)word, queue_object(word)},
                              .writes = {false, true, true, true, true}};
        for (unsigned j = 0; j < i; j++) /* it may have been woken from there, or leaves it now */
            o.object[2 + j] = queue_object(s->queue[j]);
        step(&o);
        touch(word, sizeof *word, pc);
        const bool is_equal = *word == w->value;
        done(pc, "futex waitv while %u, %s: %s", (unsigned)w->value,
             w->flags & FUTEX_PRIVATE_FLAG ? "private" : "shared", is_equal ? "joins" : "EAGAIN");
        if (!is_equal) {
            const bool is_woken = s->is_woken;
            leave_queues();
            return is_woken ? 0 : failed(EAGAIN);
        }
        s->queue[i] = word;
        s->state[i] = word;
        s->is_private[i] = w->flags & FUTEX_PRIVATE_FLAG;
    }
    const struct sleep joined = *s;
    return sleep_on_futex(&joined, pc);
}

/*
 * A wake hands over an address. It is an access to the parker where the library promises no more
 * than for one: in a handle, and if the parker is shared between processes. What it meets in freed
 * memory is the worst that the kernel knows: a lock with priority inheritance (EINVAL), or nothing
 * at all (EFAULT, of a shared wake only).
 */
static long futex_wake(const uint32_t *word, bool is_private, const void *pc)
{
    const struct tpark *p =
        (const struct tpark *)(const void *)((const char *)word - offsetof(struct tpark, state));
    step(&(struct operation){.object = {queue_object(word), lifetime_object(word)},
                             .writes = {true, false}});
    if (is_handle(word) || p->flags & TPARK_SHARED)
        touch(word, sizeof *word, pc);
    if (is_freed(word)) {
        done(pc, "futex wake, %s: of freed memory", is_private ? "private" : "shared");
        return failed(is_private ? EINVAL : EFAULT);
    }
    const bool is_woken = wake_one(word, is_private);
    done(pc, "futex wake, %s: %s", is_private ? "private" : "shared",
         is_woken ? "wakes a thread" : "nobody");
    return is_woken;
}

long __wrap_syscall(long, ...);
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    const uint32_t *word = (const uint32_t *)a[0];
    if (number == SYS_FUTEX_WAIT) {
        if (kernel == FILTERING)
            fail("thread %d: makes a call that a filter may kill", running->id);
        if (kernel == OLD) {
            if (running->was_refused)
                fail("thread %d: asks again for what the kernel refused", running->id);
            running->was_refused = true;
            return failed(ENOSYS);
        }
        if ((uint32_t)a[2] == 0 || ((int)a[3] & ~FUTEX_PRIVATE_FLAG) != FUTEX2_U32 ||
            (a[4] && (int)a[5] != CLOCK_MONOTONIC))
            return failed(EINVAL);
        return futex_wait(word, (int)a[3] & FUTEX_PRIVATE_FLAG, (uint32_t)a[1],
                          (const struct timespec *)a[4], CALLER);
    }
    if (number == SYS_FUTEX_WAITV) {
        if (kernel == FILTERING)
            fail("thread %d: makes a call that a filter may kill", running->id);
        if (kernel == OLD)
            return failed(ENOSYS);
        if ((unsigned)a[2] || (a[3] && (int)a[4] != CLOCK_MONOTONIC))
            return failed(EINVAL);
        return futex_waitv((const struct waiter *)a[0], (unsigned)a[1],
                           (const struct timespec *)a[3], CALLER);
    }
    if (number != SYS_futex)
        fail("thread %d: system call %ld", running->id, number);
    const bool is_private = (int)a[1] & FUTEX_PRIVATE_FLAG;
    const struct timespec *time = (const struct timespec *)a[3];
    struct timespec deadline;
    switch ((int)a[1] & ~FUTEX_PRIVATE_FLAG) {
    case FUTEX_WAIT: /* its time is relative */
        if (time) {
            const int64_t ns = now_ns + ns_of(time);
            deadline = (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
            time = &deadline;
        }
        return futex_wait(word, is_private, (uint32_t)a[2], time, CALLER);
    case FUTEX_WAIT_BITSET:
        return (uint32_t)a[5] ? futex_wait(word, is_private, (uint32_t)a[2], time, CALLER)
                              : failed(EINVAL);
    case FUTEX_WAKE:
        return (int)a[2] > 0 ? futex_wake(word, is_private, CALLER) : 0;
    default:
        return failed(ENOSYS);
    }
}

int __wrap_prctl(int, ...);
int __wrap_prctl(int option, ...)
{
    if (option != PR_GET_SECCOMP)
        fail("thread %d: prctl(%d)", running->id, option);
    return kernel == FILTERING ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
}

/* -------------------------------------------------------------------------------------- time -- */

static unsigned ways_to_look(const struct thread *t)
{
    return expires(&t->sleep) && t->sleep.expires_ns > now_ns ? 2 : 1;
}

int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    if (id == CLOCK_THREAD_CPUTIME_ID) {
        *t = (struct timespec){.tv_nsec = TICK_NS}; /* nothing but a spin takes time */
        return 0;
    }
    if (id != CLOCK_MONOTONIC)
        fail("thread %d: looks at another clock", running->id);
    if (step(&(struct operation){.object = {(uintptr_t)&now_ns},
                                 .writes = {ways_to_look(running) > 1},
                                 .ways = ways_to_look}))
        now_ns = running->sleep.expires_ns;
    int64_t time_ns = now_ns;
    if (!scenario_time_stands_still)
        time_ns = (running->time_ns > now_ns ? running->time_ns : now_ns) + TICK_NS;
    running->time_ns = time_ns;
    *t = (struct timespec){.tv_sec = time_ns / NS_PER_S, .tv_nsec = time_ns % NS_PER_S};
    done(CALLER, "looks at the clock: %lld ns", (long long)(time_ns - START_NS));
    return 0;
}

/* Each thread has a CPU of its own, whether or not the machine has as many; or all have one. */
int __wrap_sched_getcpu(void);
int __wrap_sched_getcpu(void)
{
    return scenario_has_one_cpu ? 0 : running->id;
}

int __wrap_sched_getaffinity(pid_t, size_t, cpu_set_t *);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    (void)pid;
    CPU_ZERO_S(size, cpus);
    for (size_t i = 0; i < (scenario_has_one_cpu ? 1 : THREADS); i++)
        CPU_SET_S(i, size, cpus);
    return 0;
}

/* ---------------------------------------------------------------------------------- pthreads -- */

static struct mutex *find_mutex(const void *address)
{
    for (unsigned i = 0; i < mutex_count; i++)
        if (mutexes[i].address == address)
            return &mutexes[i];
    if (mutex_count == OBJECTS)
        fail("too many mutexes");
    mutexes[mutex_count] = (struct mutex){.address = address};
    return &mutexes[mutex_count++];
}

static struct cond *find_cond(const void *address)
{
    for (unsigned i = 0; i < cond_count; i++)
        if (conds[i].address == address)
            return &conds[i];
    if (cond_count == OBJECTS)
        fail("too many condition variables");
    conds[cond_count] = (struct cond){.address = address, .clock_id = CLOCK_REALTIME};
    return &conds[cond_count++];
}

static unsigned ways_to_lock(const struct thread *t)
{
    const struct mutex *m = t->operation.argument;
    return !m->is_locked;
}

static void lock(const void *address, const void *pc)
{
    struct mutex *m = find_mutex(address);
    step(&(struct operation){
        .object = {(uintptr_t)address}, .writes = {true}, .ways = ways_to_lock, .argument = m});
    if (m->is_destroyed)
        fail("thread %d: lock of a destroyed mutex", running->id);
    touch(address, sizeof(pthread_mutex_t), pc);
    m->is_locked = true;
    m->owner = running->id;
    clock_join(&running->clock, &m->clock);
    done(pc, "mutex: lock");
}

static void release_mutex(const void *address, const void *pc)
{
    struct mutex *m = find_mutex(address);
    if (!m->is_locked || m->owner != running->id)
        fail("thread %d: unlock of a mutex that it does not hold", running->id);
    touch(address, sizeof(pthread_mutex_t), pc);
    m->is_locked = false;
    m->clock = running->clock;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *, const pthread_mutexattr_t *);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    struct mutex *m = find_mutex(mutex);
    *m = (struct mutex){.address = mutex};
    touch_last(mutex, sizeof *mutex, CALLER);
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    struct mutex *m = find_mutex(mutex);
    if (m->is_locked || m->is_destroyed)
        fail("thread %d: destroys a mutex that is locked or destroyed", running->id);
    touch_last(mutex, sizeof *mutex, CALLER);
    m->is_destroyed = true;
    return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    lock(mutex, CALLER);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    step(&(struct operation){.object = {(uintptr_t)mutex}, .writes = {true}});
    release_mutex(mutex, CALLER);
    done(CALLER, "mutex: unlock");
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *, const pthread_condattr_t *);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    struct cond *c = find_cond(cond);
    *c = (struct cond){.address = cond, .clock_id = CLOCK_REALTIME};
    if (attributes)
        pthread_condattr_getclock(attributes, &c->clock_id);
    touch_last(cond, sizeof *cond, CALLER);
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *);
int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    struct cond *c = find_cond(cond);
    if (c->is_destroyed)
        fail("thread %d: destroys a condition variable twice", running->id);
    for (int i = 0; i < THREADS; i++)
        if (threads[i].started && threads[i].sleep.queue[0] == cond)
            fail("thread %d: destroys a condition variable that has a waiter", running->id);
    touch_last(cond, sizeof *cond, CALLER);
    c->is_destroyed = true;
    return 0;
}

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *deadline,
                     const void *pc)
{
    if (running->cancel_state != PTHREAD_CANCEL_DISABLE)
        fail("thread %d: a cancellation point", running->id);
    if (deadline && (deadline->tv_nsec < 0 || deadline->tv_nsec >= NS_PER_S))
        return EINVAL;
    step(&(struct operation){.object = {(uintptr_t)mutex, queue_object(cond)},
                             .writes = {true, true}});
    const struct cond *c = find_cond(cond);
    if (c->is_destroyed || (deadline && c->clock_id != CLOCK_MONOTONIC))
        fail("thread %d: waits on a destroyed condition variable, or by another clock",
             running->id);
    touch(cond, sizeof *cond, pc);
    release_mutex(mutex, pc);
    done(pc, "condition variable: unlocks, sleeps");
    const uint32_t *state = NULL;
#if TPARK_BACKEND_PTHREAD
    state = (const uint32_t *)(const void *)((const char *)cond - offsetof(struct tpark, cond) +
                                             offsetof(struct tpark, state));
#endif
    const enum waking waking = sleep_in_queue(
        &(struct sleep){.queue = {cond}, .state = {state}, .deadline = deadline}, pc);
    lock(mutex, pc);
    return waking == EXPIRED ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return cond_wait(cond, mutex, NULL, CALLER);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *deadline)
{
    return cond_wait(cond, mutex, deadline, CALLER);
}

int __wrap_pthread_cond_signal(pthread_cond_t *);
int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    step(&(struct operation){.object = {queue_object(cond)}, .writes = {true}});
    if (find_cond(cond)->is_destroyed)
        fail("thread %d: signals a destroyed condition variable", running->id);
    touch(cond, sizeof *cond, CALLER);
    const bool is_woken = wake_one(cond, false);
    done(CALLER, "condition variable: signal: %s", is_woken ? "wakes a thread" : "nobody");
    return 0;
}

int __wrap_pthread_setcancelstate(int, int *);
int __wrap_pthread_setcancelstate(int state, int *old)
{
    if (old)
        *old = running->cancel_state;
    running->cancel_state = state;
    return 0;
}

/* The function runs in one step: it holds nothing that another thread could come between. */
int __wrap_pthread_once(pthread_once_t *, void (*)(void));
int __wrap_pthread_once(pthread_once_t *once, void (*function)(void))
{
    step(&(struct operation){.object = {(uintptr_t)once}, .writes = {true}});
    unsigned i = 0;
    while (i < once_count && onces[i].address != once)
        i++;
    if (i == once_count) {
        if (once_count == OBJECTS)
            fail("too many pthread_once_t");
        function();
        onces[once_count].address = once;
        onces[once_count++].clock = running->clock;
    }
    clock_join(&running->clock, &onces[i].clock);
    done(CALLER, "pthread_once");
    return 0;
}

int __wrap_pthread_key_create(pthread_key_t *, void (*)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    if (key_count == KEYS)
        fail("too many keys");
    destructors[key_count] = destructor;
    *key = key_count++;
    return 0;
}

int __wrap_pthread_setspecific(pthread_key_t, const void *);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    running->specific[key] = (void *)value;
    return 0;
}

void system_finish_thread(void)
{
    for (int round = 0; round < 4; round++) { /* PTHREAD_DESTRUCTOR_ITERATIONS of Linux */
        for (unsigned key = 0; key < key_count; key++) {
            void *value = running->specific[key];
            running->specific[key] = NULL;
            if (value && destructors[key])
                destructors[key](value);
        }
    }
    if (running->cancel_state != PTHREAD_CANCEL_ENABLE)
        fail("thread %d: ends with another cancel state", running->id);
}

/* ------------------------------------------------------------------------------------ misuse -- */

static char misuse[160];

ssize_t __wrap_writev(int, const struct iovec *, int);
ssize_t __wrap_writev(int file, const struct iovec *pieces, int count)
{
    (void)file;
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        const size_t rest = sizeof misuse - 1 - n;
        const size_t size = pieces[i].iov_len < rest ? pieces[i].iov_len : rest;
        memcpy(misuse + n, pieces[i].iov_base, size);
        n += size;
    }
    misuse[n ? n - 1 : 0] = '\0'; /* instead of the newline */
    return (ssize_t)n;
}

_Noreturn void __wrap_abort(void);
void __wrap_abort(void)
{
    fail("thread %d: abort: %s", running->id, misuse);
}

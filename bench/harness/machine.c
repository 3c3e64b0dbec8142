/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void fail(const char *what, int error)
{
    if (error)
        fprintf(stderr, "tpark-bench: %s: %s\n", what, strerror(error));
    else
        fprintf(stderr, "tpark-bench: %s\n", what);
    exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

long thread_sleeps(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

void spin_for(uint64_t ns)
{
    if (ns == 0)
        return;
    const uint64_t end = monotonic_ns() + ns;
    while (monotonic_ns() < end)
        ;
}

/* -------------------------------------------------------------------------------------- CPUs -- */

static int cpus[CPU_SETSIZE];
static unsigned cpus_found;
static bool has_realtime;

/* The lowest-numbered CPU that shares a core with this one. */
static int core_of(int cpu)
{
    char path[100];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *const file = fopen(path, "r");
    int first = cpu;
    if (file) {
        if (fscanf(file, "%d", &first) != 1)
            first = cpu;
        fclose(file);
    }
    return first;
}

unsigned find_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        fail("sched_getaffinity", errno);
    cpus_found = 0;
    for (int second_threads = 0; second_threads < 2; second_threads++)
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET((size_t)cpu, &set) && (core_of(cpu) != cpu) == second_threads)
                cpus[cpus_found++] = cpu;
    return cpus_found;
}

unsigned cpu_count(void)
{
    return cpus_found;
}

int cpu_number(unsigned index)
{
    return cpus[index % cpus_found];
}

int use_realtime(void)
{
    const struct sched_param priority = {.sched_priority = 1};
    const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
    has_realtime = !error;
    return error;
}

/* ----------------------------------------------------------------------------------- threads -- */

static cpu_set_t only_cpu(int cpu_index)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu_number((unsigned)cpu_index), &set);
    return set;
}

static void pin(pthread_attr_t *attributes, int cpu_index)
{
    const cpu_set_t set = only_cpu(cpu_index);
    pthread_attr_setaffinity_np(attributes, sizeof set, &set);
}

void move_thread(pthread_t thread, int cpu_index)
{
    const cpu_set_t set = only_cpu(cpu_index);
    pthread_setaffinity_np(thread, sizeof set, &set);
}

int try_start_thread(pthread_t *thread, int cpu_index, void *(*function)(void *), void *argument)
{
    static bool cannot_pin;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    const bool pins = cpu_index != ANY_CPU && !cannot_pin;
    if (pins)
        pin(&attributes, cpu_index);
    int error = pthread_create(thread, &attributes, function, argument);
    pthread_attr_destroy(&attributes);
    if (pins && (error == EINVAL || error == EPERM)) {
        cannot_pin = true;
        fprintf(stderr, "tpark-bench: cannot pin threads to CPUs (%s): the scheduler places them\n",
                strerror(error));
        return try_start_thread(thread, ANY_CPU, function, argument);
    }
    return error;
}

void start_thread(pthread_t *thread, int cpu_index, void *(*function)(void *), void *argument)
{
    const int error = try_start_thread(thread, cpu_index, function, argument);
    if (error)
        fail("pthread_create", error);
}

void *new_shared(size_t size)
{
    void *const memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap", errno);
    return memory;
}

void delete_shared(void *memory, size_t size)
{
    munmap(memory, size);
}

void start_runner(struct runner *runner, bool own_process, int cpu_index, void *(*function)(void *),
                  void *argument)
{
    runner->process = 0;
    if (own_process) {
        const pid_t parent = getpid();
        fflush(NULL);
        runner->process = fork();
        if (runner->process < 0)
            fail("fork", errno);
        if (runner->process > 0)
            return;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever interrupts the parent ends it too */
        if (getppid() != parent)
            _exit(1);
    }
    start_thread(&runner->thread, cpu_index, function, argument);
    if (own_process) {
        pthread_join(runner->thread, NULL);
        _exit(0);
    }
}

void join_runner(const struct runner *runner)
{
    if (runner->process)
        waitpid(runner->process, NULL, 0);
    else
        pthread_join(runner->thread, NULL);
}

void init_barrier(pthread_barrier_t *barrier, unsigned count)
{
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(barrier, &attributes, count);
    pthread_barrierattr_destroy(&attributes);
}

void wait_until_asleep(pid_t tid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path, errno);
    for (;;) {
        char text[512];
        const ssize_t length = pread(fd, text, sizeof text - 1, 0);
        if (length < 0)
            fail(path, errno);
        text[length] = '\0';
        /* The state follows the name, which is in parentheses and may contain some. */
        const char *const end = strrchr(text, ')');
        if (end && end[1] && end[2] == 'S')
            break;
        sched_yield();
    }
    close(fd);
}

/* -------------------------------------------------------------------------------- other load -- */

static uint64_t to_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

/* With the processes that have ended. */
static uint64_t own_cpu_ns(void)
{
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID) + to_ns(children.ru_utime) + to_ns(children.ru_stime);
}

/*
 * Everything but idle time, interrupts (most of them are wakes and timers of ours), and ourselves.
 * Monotonic, although the two clocks differ in resolution.
 */
uint64_t other_cpu_ns(void)
{
    static uint64_t last;
    FILE *const file = fopen("/proc/stat", "r");
    unsigned long long user = 0, nice = 0, system = 0, idle, iowait, irq, softirq, steal = 0;
    if (!file)
        return last;
    const int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
                             &system, &idle, &iowait, &irq, &softirq, &steal);
    fclose(file);
    if (found != 8)
        return last;
    const uint64_t tick = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    const uint64_t all = (user + nice + system + steal) * tick;
    const uint64_t own = own_cpu_ns();
    if (all > own && all - own > last)
        last = all - own;
    return last;
}

/* SPDX-License-Identifier: MIT */
/* P: an owner that does not have its core to itself, so that its spin is at somebody's expense. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"
#include "measure.h"

enum { WARM_TRIPS = 100, UNIT = 500 };

enum company { BYSTANDER, HELPER, QUOTA };

/* Everybody but the owner waits in the same way, whoever the contestant is. */
struct trip {
    const struct contestant *contestant;
    void *parker;
    enum company company;
    sem_t errand;  /* to the helper, who passes it on */
    sem_t request; /* to the server */
    pthread_barrier_t start;
    uint64_t n;
    uint64_t work_ns;
    uint64_t unpark_ns; /* in all, but for the warm ones */
    atomic_bool is_over;
    struct recorder *recorder;
    alignas(128) _Atomic uint64_t units; /* of the bystander's work */
};

/* ----------------------------------------------------------------------------- cgroup quotas -- */

/* A tenth of a CPU, in pieces that are long for a wait, and short for a round. */
#define PERIOD_US "10000"
#define QUOTA_US "1000"

/* The directory of the group: one of our own below the one that we are in. */
static bool find_group(char *path, size_t size, bool *is_v1)
{
    FILE *const file = fopen("/proc/self/cgroup", "r");
    char line[PATH_MAX];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *const controllers = strchr(line, ':');
        char *const group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group = '\0';
        group[1 + strcspn(group + 1, "\n")] = '\0';
        *is_v1 = strcmp(controllers, ":cpu") == 0 || strcmp(controllers, ":cpu,cpuacct") == 0;
        found = *is_v1 || !controllers[1]; /* the line of version 2 is the last one */
        snprintf(path, size, "/sys/fs/cgroup%s%s/tpark-bench", *is_v1 ? "/cpu" : "", group + 1);
    }
    if (file)
        fclose(file);
    return found;
}

/* 0, or an error number. */
static int write_file(const char *directory, const char *name, const char *text)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const int error = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int make_group(void)
{
    char path[PATH_MAX];
    bool is_v1;
    if (!find_group(path, sizeof path, &is_v1))
        return ENOENT;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return errno;
    if (is_v1) {
        const int error = write_file(path, "cpu.cfs_period_us", PERIOD_US);
        return error ? error : write_file(path, "cpu.cfs_quota_us", QUOTA_US);
    }
    int error = write_file(path, "cgroup.type", "threaded");
    if (!error)
        error = write_file(path, "../cgroup.subtree_control", "+cpu");
    return error ? error : write_file(path, "cpu.max", QUOTA_US " " PERIOD_US);
}

static int join_group(void)
{
    char path[PATH_MAX], tid[16];
    bool is_v1;
    snprintf(tid, sizeof tid, "%d", (int)gettid());
    return find_group(path, sizeof path, &is_v1)
               ? write_file(path, is_v1 ? "tasks" : "cgroup.threads", tid)
               : ENOENT;
}

static void remove_group(void)
{
    char path[PATH_MAX];
    bool is_v1;
    if (find_group(path, sizeof path, &is_v1))
        rmdir(path);
}

static const char *why_no_quota(void)
{
    static char text[100];
    const int error = make_group();
    remove_group();
    if (error)
        snprintf(text, sizeof text, "no cgroup can be made (%s)", strerror(error));
    return error ? text : NULL;
}

/* --------------------------------------------------------------------------------- real time -- */

static int become_realtime(void)
{
    return pthread_setschedparam(pthread_self(), SCHED_FIFO,
                                 &(struct sched_param){.sched_priority = 2});
}

static const char *why_no_realtime(void)
{
    struct sched_param parameter;
    int policy;
    pthread_getschedparam(pthread_self(), &policy, &parameter);
    if (become_realtime())
        return "real-time priority is not allowed";
    pthread_setschedparam(pthread_self(), policy, &parameter);
    return NULL;
}

/* --------------------------------------------------------------------------------- the trips -- */

static void must_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore))
        ;
}

static void *stand_by(void *argument)
{
    struct trip *const t = argument;
    volatile uint64_t sink;
    uint64_t x = 1;
    while (!atomic_load_explicit(&t->is_over, memory_order_relaxed)) {
        for (int i = 0; i < UNIT; i++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        sink = x;
        atomic_fetch_add_explicit(&t->units, 1, memory_order_relaxed);
    }
    (void)sink;
    return NULL;
}

static void *help(void *argument)
{
    struct trip *const t = argument;
    for (uint64_t i = 0; i < t->n + WARM_TRIPS; i++) {
        must_wait(&t->errand);
        sem_post(&t->request);
    }
    return NULL;
}

static void *serve(void *argument)
{
    struct trip *const t = argument;
    for (uint64_t i = 0; i < t->n + WARM_TRIPS; i++) {
        must_wait(&t->request);
        spin_for(t->work_ns);
        const uint64_t start = bench_clock();
        t->contestant->unpark(t->parker);
        if (i >= WARM_TRIPS)
            t->unpark_ns += bench_clock() - start;
    }
    pthread_barrier_wait(&t->start);
    return NULL;
}

static void prepare(const struct trip *t)
{
    const int error = t->company == QUOTA    ? join_group()
                      : t->company == HELPER ? become_realtime()
                                             : 0;
    if (error)
        fail(t->company == QUOTA ? "cgroup" : "real-time priority", error);
}

static void *own(void *argument)
{
    struct trip *const t = argument;
    prepare(t);
    if (t->contestant->bind)
        t->contestant->bind(t->parker);
    uint64_t cpu = 0, start = 0, units = 0;
    for (uint64_t i = 0; i < t->n + WARM_TRIPS; i++) {
        if (i == WARM_TRIPS) {
            cpu = thread_cpu_ns();
            units = atomic_load(&t->units);
            start = bench_clock();
        }
        sem_post(t->company == HELPER ? &t->errand : &t->request);
        t->contestant->park(t->parker);
    }
    const double elapsed = (double)(bench_clock() - start), n = (double)t->n;
    units = atomic_load(&t->units) - units;
    cpu = thread_cpu_ns() - cpu;
    atomic_store(&t->is_over, true);
    /* Whoever does not sleep may be through before the unpark is. */
    pthread_barrier_wait(&t->start);
    record(t->recorder, 0, elapsed / n - (double)t->work_ns);
    record(t->recorder, 1, (double)(cpu + t->unpark_ns) / n);
    record(t->recorder, 2, elapsed / (double)(units ? units : 1));
    return NULL;
}

static void run(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder)
{
    struct trip t = {.contestant = contestant,
                     .parker = new_parker(contestant),
                     .company = (enum company)section->variant,
                     .n = n,
                     .work_ns = (uint64_t)section->parameter * 1000,
                     .recorder = recorder};
    sem_init(&t.errand, 0, 0);
    sem_init(&t.request, 0, 0);
    pthread_barrier_init(&t.start, NULL, 2);
    if (t.company == QUOTA)
        make_group();
    pthread_t owner, server, third;
    start_thread(&server, 1, serve, &t);
    if (t.company != QUOTA)
        start_thread(&third, 0, t.company == HELPER ? help : stand_by, &t);
    start_thread(&owner, 0, own, &t);
    pthread_join(owner, NULL);
    pthread_join(server, NULL);
    if (t.company == QUOTA)
        remove_group();
    else
        pthread_join(third, NULL);
    pthread_barrier_destroy(&t.start);
    sem_destroy(&t.errand);
    sem_destroy(&t.request);
    delete_parker(contestant, t.parker);
}

static const struct column columns[] = {
    {"time", "round trip less work", "ns", SHOW_SPREAD},
    {"cpu", "CPU of both", "ns per trip", SHOW_MEDIAN},
    {0},
};
static const struct column columns_of_bystander[] = {
    {"time", "round trip less work", "ns", SHOW_SPREAD},
    {"cpu", "CPU of both", "ns per trip", SHOW_MEDIAN},
    {"bystander", "a bystander's unit of work", "ns", SHOW_MEDIAN},
    {0},
};

#define SECTION(key_, title_, who, us, columns_, ms_, rounds, lacks_)                              \
    {                                                                                              \
        .key = key_, .title = title_, .columns = columns_, .limit = "raw-futex", .parameter = us,  \
        .variant = who, .cpus = 2, .ms = ms_, .max_rounds = rounds, .only_full = true,             \
        .lacks = lacks_, .fits = fits_spinning, .run = run                                         \
    }

static const struct section sections[] = {
    SECTION("bystander-5us", "a thread with work on the owner's core, replies after 5 us",
            BYSTANDER, 5, columns_of_bystander, 30, 8, NULL),
    SECTION("bystander-60us", "a thread with work on the owner's core, replies after 60 us",
            BYSTANDER, 60, columns_of_bystander, 30, 8, NULL),
    SECTION("helper", "a real-time owner, and on its core a helper that is none", HELPER, 0,
            columns, 10, 8, why_no_realtime),
    SECTION("quota-5us", "an owner with a tenth of a CPU by its cgroup, replies after 5 us", QUOTA,
            5, columns, 50, 6, why_no_quota),
    SECTION("quota-20us", "an owner with a tenth of a CPU by its cgroup, replies after 20 us",
            QUOTA, 20, columns, 50, 6, why_no_quota),
};

extern const struct measurement measure_company;
const struct measurement measure_company = {
    .letter = 'P',
    .title = "not alone on the core",
    .method = "an owner asks a thread on another core, which waits by a semaphore, and parks until "
              "the reply: beside a thread that wants its core; by way of one that needs it; and "
              "where its own CPU time is limited. CPU time is that of the owner and of the unpark",
    .sections = sections,
    .section_count = COUNT_OF(sections),
};

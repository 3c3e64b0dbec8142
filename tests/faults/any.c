/* SPDX-License-Identifier: MIT */
/* The sleep on several parkers at once: what futex_waitv(2) returns, and where it is refused. */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support.h"
#include "inject.h"

enum { PARKERS = 3, PARKS = 3, FAULTS = 1000 };

static struct tpark p[PARKERS] = {TPARK_INIT, TPARK_INIT, TPARK_INIT};
static struct tpark_any set[PARKERS] = {{.parker = &p[0]}, {.parker = &p[1]}, {.parker = &p[2]}};

static void notify_last(void *unused)
{
    (void)unused;
    CHECK(tpark_notify(&p[PARKERS - 1]).replaced == TPARK_PARKED);
}

static void check_takes_the_last(void)
{
    errno = 4321;
    CHECK(tpark_park_any(set, PARKERS, NULL) == 0);
    CHECK(errno == 4321);
    for (int i = 0; i < PARKERS; i++) {
        CHECK(set[i].has_token == (i == PARKERS - 1));
        CHECK(state_of(&p[i]) == TPARK_EMPTY);
    }
}

static void count_down(void *left)
{
    if (--*(int *)left == 0)
        notify_last(NULL);
}

TEST(park_any, does_not_end_by_sleeps_that_end_without_an_unpark)
{
    static const int errors[] = {0, EINTR, EAGAIN, ETIMEDOUT};
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS});
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int left = FAULTS;
        const int before = count_of(FUTEX_WAITV);
        inject((struct fault){.call = FUTEX_WAITV,
                              .times = ALWAYS,
                              .error = errors[i],
                              .meanwhile = count_down,
                              .object = &left});
        check_takes_the_last();
        CHECK(count_of(FUTEX_WAITV) == before + FAULTS);
    }
}

static void unpark_last(void *unused)
{
    (void)unused;
    CHECK(tpark_unpark(&p[PARKERS - 1]) == TPARK_PARKED);
}

/* Where the sleep on several words is refused, the sleep is on one other. */
static void check_refused(void *refusal)
{
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS});
    inject((struct fault){.call = FUTEX_WAITV, .times = ALWAYS, .error = *(const int *)refusal});
    for (int i = 0; i < PARKS; i++) {
        inject((struct fault){.call = FUTEX_WAIT_2, .times = 1, .meanwhile = unpark_last});
        check_takes_the_last();
    }
    CHECK(count_of(FUTEX_WAIT_2) == PARKS);
    CHECK(count_of(FUTEX_WAITV) == (*(const int *)refusal == ENOSYS ? 1 : PARKS));
}

TEST(futex_waitv, that_is_refused_leaves_that_one_park_to_futex)
{
    static const int refusals[] = {ENOSYS, EPERM, EACCES, EINVAL, EFAULT, ENOMEM};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_in_child(check_refused, (void *)&refusals[i]);
}

static void check_filtered(void *unused)
{
    (void)unused;
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = 2});
    for (int i = 0; i < PARKS; i++) {
        inject((struct fault){.call = FUTEX_SLEEP, .times = 1, .meanwhile = unpark_last});
        check_takes_the_last();
    }
    CHECK(count_of(FUTEX_WAIT_2) + count_of(FUTEX_WAITV) == 0);
}

TEST(park_any, under_a_filter_makes_no_newer_call)
{
    check_in_child(check_filtered, NULL);
}

TEST(park_any, of_one_parker_is_a_plain_park)
{
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS});
    inject((struct fault){.call = FUTEX_SLEEP, .times = ALWAYS, .meanwhile = notify_last});
    struct tpark_any one = {.parker = &p[PARKERS - 1]};
    CHECK(tpark_park_any(&one, 1, NULL) == 0);
    CHECK(count_of(FUTEX_SLEEP) == 1 && count_of(FUTEX_WAITV) == 0);
}

static void park_on_shared_and_private(void (*child_does)(struct tpark *))
{
    struct tpark *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && tpark_init(shared, TPARK_SHARED | TPARK_SPIN_NEVER) == 0);
    struct tpark private = TPARK_INIT_FLAGS(TPARK_SPIN_NEVER);
    struct tpark_any both[] = {{.parker = &private}, {.parker = shared}};
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = 2});
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        while (state_of(shared) != TPARK_PARKED)
            sched_yield();
        child_does(shared);
        leave(0);
    }
    CHECK(tpark_park_any(both, 2, NULL) == 0);
    CHECK(!both[0].has_token && both[1].has_token);
    CHECK(waitpid(child, NULL, 0) == child);
}

static const struct timespec some_time = {.tv_nsec = 300 * MS};

static void unpark_at_once(struct tpark *shared)
{
    tpark_unpark(shared);
}

static void unpark_after_some_time(struct tpark *shared)
{
    nanosleep(&some_time, NULL);
    tpark_unpark(shared);
}

/* Nobody tells of a token by another process, so it is looked for, at growing intervals. */
TEST(park_any, under_a_filter_finds_a_token_by_another_process_soon)
{
    const uint64_t before = monotonic_ns();
    park_on_shared_and_private(unpark_at_once);
    CHECK(monotonic_ns() - before < 500 * (uint64_t)MS);
    park_on_shared_and_private(unpark_after_some_time);
    CHECK(monotonic_ns() - before < 2 * 500 * (uint64_t)MS);
}

/* In a clock that goes only while the owner sleeps. */
static struct timespec time_now = {.tv_sec = 1000};
static int64_t expected_ns = 50000;
static int looks;

static void check_interval(void *unused)
{
    (void)unused;
    CHECK((sleep_deadline.tv_sec - time_now.tv_sec) * 1000 * (int64_t)MS + sleep_deadline.tv_nsec -
              time_now.tv_nsec ==
          expected_ns);
    time_now = sleep_deadline;
    stop_clock(time_now);
    expected_ns = expected_ns < 5 * MS ? 2 * expected_ns : 10 * MS;
    if (++looks == 120)
        notify_last(NULL);
}

TEST(park_any, under_a_filter_looks_for_it_at_intervals_that_double_up_to_10_ms)
{
    for (int i = 0; i < PARKERS; i++)
        CHECK(tpark_init(&p[i], TPARK_SPIN_NEVER | (i == 1 ? TPARK_SHARED : 0)) == 0);
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = 2});
    inject((struct fault){.call = FUTEX_SLEEP, .times = ALWAYS, .meanwhile = check_interval});
    stop_clock(time_now);
    check_takes_the_last();
    CHECK(looks == 120);
}

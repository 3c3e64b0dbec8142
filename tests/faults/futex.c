/* SPDX-License-Identifier: MIT */
/* Kernels and sandboxes that refuse a system call of the futex backend. */
#include <errno.h>

#include "../support.h"
#include "inject.h"

static const uint64_t hour_ns = 3600 * 1000 * (uint64_t)MS;

static struct tpark p = TPARK_INIT;
static int error;

enum { PARKS = 3 };

/* What prctl(2) answers under a filter. */
enum { NO_FILTER = 0, FILTER = 2 };

static void set_mode(int mode)
{
    inject((struct fault){.call = SECCOMP_MODE, .times = ALWAYS, .error = mode});
}

static void refuse(enum call call, int error_number)
{
    inject((struct fault){.call = call, .times = ALWAYS, .error = error_number});
}

static void unpark(void *unused)
{
    (void)unused;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
}

/* The next sleep of this kind ends by an unpark. */
static void end_by_unpark(enum call call)
{
    inject((struct fault){.call = call, .times = ALWAYS, .meanwhile = unpark});
}

static void park_often(void)
{
    for (int i = 0; i < PARKS; i++)
        CHECK(tpark_park_timeout(&p, hour_ns) == 0);
}

/* ----------------------------------------------------------------------------------- kernels -- */

static void check_futex_wait(void *unused)
{
    (void)unused;
    set_mode(NO_FILTER);
    end_by_unpark(FUTEX_WAIT_2);
    park_often();
    CHECK(count_of(SECCOMP_MODE) == PARKS); /* each time: a filter may come */
    CHECK(count_of(FUTEX_WAIT_2) == PARKS && count_of(FUTEX_SLEEP) == 0);
    end_by_unpark(FUTEX_SLEEP);
    tpark_park(&p);
    CHECK(count_of(SECCOMP_MODE) == PARKS);
    CHECK(count_of(FUTEX_WAIT_2) == PARKS && count_of(FUTEX_SLEEP) == 1);
}

TEST(futex_wait, is_the_choice_for_sleeps_with_a_deadline_and_for_no_other)
{
    check_in_child(check_futex_wait, NULL);
}

static void check_futex_waitv(void *unused)
{
    (void)unused;
    set_mode(NO_FILTER);
    refuse(FUTEX_WAIT_2, ENOSYS);
    end_by_unpark(FUTEX_WAITV);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == 1);
    CHECK(count_of(FUTEX_WAITV) == PARKS && count_of(FUTEX_SLEEP) == 0);
}

TEST(futex_waitv, takes_the_place_of_futex_wait_before_linux_6_7)
{
    check_in_child(check_futex_waitv, NULL);
}

static void check_futex(void *unused)
{
    (void)unused;
    set_mode(NO_FILTER);
    refuse(FUTEX_WAIT_2, ENOSYS);
    refuse(FUTEX_WAITV, ENOSYS);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == 1 && count_of(FUTEX_WAITV) == 1);
    CHECK(count_of(FUTEX_SLEEP) == PARKS);
}

TEST(futex, takes_the_place_of_both_before_linux_5_16)
{
    check_in_child(check_futex, NULL);
}

TEST(slack, that_a_parker_wants_comes_with_futex)
{
    CHECK(tpark_init(&p, TPARK_SLACK) == 0);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_SLEEP) == PARKS);
    CHECK(count_of(SECCOMP_MODE) + count_of(FUTEX_WAIT_2) + count_of(FUTEX_WAITV) == 0);
}

/* --------------------------------------------------------------------------------- sandboxes -- */

static void check_filtered(void *mode)
{
    set_mode(*(const int *)mode);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) + count_of(FUTEX_WAITV) == 0);
    CHECK(count_of(FUTEX_SLEEP) == PARKS);
    CHECK(count_of(SECCOMP_MODE) == 1); /* it stays, so nobody need ask again */
}

TEST(thread, that_may_be_under_a_filter_makes_no_newer_call)
{
    static const int modes[] = {1, FILTER, -1};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        check_in_child(check_filtered, (void *)&modes[i]);
}

static void check_filtered_later(void *unused)
{
    check_futex_wait(unused);
    set_mode(FILTER);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == PARKS);
    CHECK(count_of(FUTEX_WAITV) == 0);
}

TEST(filter, that_comes_between_two_parks_is_noticed)
{
    check_in_child(check_filtered_later, NULL);
}

static void park_under_filter(void *unused)
{
    (void)unused;
    set_mode(FILTER);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
}

static void check_count_of_unfiltered(void)
{
    const int waits = count_of(FUTEX_WAIT_2);
    set_mode(NO_FILTER);
    end_by_unpark(FUTEX_WAIT_2);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == waits + PARKS);
}

TEST(filter, of_one_thread_binds_that_thread)
{
    struct task filtered;
    start(&filtered, park_under_filter, NULL);
    join(&filtered);
    check_count_of_unfiltered();
}

static void load_filter(void *unused)
{
    (void)unused;
    set_mode(FILTER);
}

/* Its ENOSYS is no word about the kernel. */
static void park_as_filter_comes(void *unused)
{
    (void)unused;
    set_mode(NO_FILTER);
    inject((struct fault){
        .call = FUTEX_WAIT_2, .times = ALWAYS, .error = ENOSYS, .meanwhile = load_filter});
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == 1 && count_of(FUTEX_WAITV) == 0);
}

TEST(filter, that_comes_between_the_question_and_the_call_binds_that_thread)
{
    struct task filtered;
    start(&filtered, park_as_filter_comes, NULL);
    join(&filtered);
    check_count_of_unfiltered();
}

static void check_refused(void *refusal)
{
    set_mode(NO_FILTER);
    refuse(FUTEX_WAIT_2, *(const int *)refusal);
    refuse(FUTEX_WAITV, *(const int *)refusal);
    end_by_unpark(FUTEX_SLEEP);
    park_often();
    CHECK(count_of(FUTEX_WAIT_2) == PARKS && count_of(FUTEX_WAITV) == PARKS);
    CHECK(count_of(FUTEX_SLEEP) == PARKS);
}

TEST(newer_calls, that_are_refused_leave_that_one_sleep_to_futex)
{
    static const int refusals[] = {EPERM, EACCES, EINVAL, EFAULT, ENOMEM, E2BIG, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_in_child(check_refused, (void *)&refusals[i]);
}

/* --------------------------------------------------------------------------- no way to sleep -- */

static void refuse_all_waits(void)
{
    refuse(FUTEX_WAIT_2, error);
    refuse(FUTEX_WAITV, error);
    refuse(FUTEX_SLEEP, error);
    refuse(FUTEX_TIME64, error);
}

static void park_untimed(void)
{
    refuse_all_waits();
    tpark_park(&p);
}

static void park_timed(void)
{
    refuse_all_waits();
    tpark_park_timeout(&p, hour_ns);
}

static const char no_wait[] = "tpark: tpark_futex_wait: the kernel refuses futex waits\n";
static const char no_wake[] = "tpark: tpark_futex_wake: the kernel refuses futex wakes\n";

static void check_each_aborts(const int *errors, size_t n, void (*f)(void), const char *line)
{
    for (size_t i = 0; i < n; i++) {
        error = errors[i];
        check_aborts(f, line);
    }
}

TEST(wait, that_can_never_succeed_aborts)
{
    static const int errors[] = {ENOSYS, EPERM, EINVAL, EFAULT, EACCES};
    const size_t n = sizeof errors / sizeof *errors;
    check_each_aborts(errors, n, park_untimed, no_wait);
    check_each_aborts(errors, n, park_timed, no_wait);
}

/* An unpark that finds the parker armed. */
static void unpark_armed(void)
{
    CHECK(tpark_arm(&p));
    errno = 4321;
    CHECK(tpark_unpark(&p) == TPARK_PARKED);
    CHECK(errno == 4321);
    CHECK(tpark_disarm(&p));
}

static void unpark_with_error(void)
{
    refuse(FUTEX_ROUSE, error);
    refuse(FUTEX_TIME64, error);
    unpark_armed();
}

TEST(wake, of_memory_that_is_gone_or_in_other_use_is_no_error)
{
    static const int errors[] = {EFAULT, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        error = errors[i];
        const int before = count_of(FUTEX_ROUSE);
        unpark_with_error();
        CHECK(count_of(FUTEX_ROUSE) == before + 1);
    }
}

TEST(wake, that_can_never_succeed_aborts)
{
    static const int errors[] = {ENOSYS, EPERM, EACCES};
    check_each_aborts(errors, sizeof errors / sizeof *errors, unpark_with_error, no_wake);
}

/* --------------------------------------------------------------------------------- no memory -- */

enum { FAULTS = 20 };

static void notify_at_last(void *left)
{
    if (--*(int *)left == 0)
        CHECK(tpark_notify(&p).replaced == TPARK_PARKED);
}

/* What the kernel's want of memory costs is time, at a millisecond each, and no processor time. */
static void check_waits_for_memory(uint64_t timeout_ns)
{
    int left = FAULTS;
    inject((struct fault){.call = FUTEX_SLEEP,
                          .times = ALWAYS,
                          .error = ENOMEM,
                          .meanwhile = notify_at_last,
                          .object = &left});
    set_mode(FILTER);
    const uint64_t before = monotonic_ns(), processor_before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    errno = 4321;
    CHECK(tpark_park_timeout(&p, timeout_ns) == 0);
    CHECK(errno == 4321);
    CHECK(monotonic_ns() - before >= FAULTS * (uint64_t)MS);
    CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) - processor_before < FAULTS * (uint64_t)MS / 2);
    CHECK(left == 0);
}

TEST(wait, without_memory_in_the_kernel_is_tried_again_after_a_pause)
{
    check_waits_for_memory(hour_ns);
    check_waits_for_memory(UINT64_MAX);
    CHECK(count_of(FUTEX_PAUSE) == 2 * FAULTS);
}

TEST(wait, without_memory_even_for_a_pause_is_no_busy_loop)
{
    refuse(FUTEX_PAUSE, ENOMEM);
    check_waits_for_memory(hour_ns);
}

TEST(wait, without_memory_ends_at_its_deadline)
{
    refuse(FUTEX_SLEEP, ENOMEM);
    set_mode(FILTER);
    CHECK(tpark_park_timeout(&p, 10 * MS) == ETIMEDOUT);
    CHECK(tpark_park_timeout(&p, 1) == ETIMEDOUT);
}

TEST(wake, without_memory_in_the_kernel_is_tried_again_after_a_pause)
{
    inject((struct fault){.call = FUTEX_ROUSE, .times = FAULTS, .error = ENOMEM});
    const uint64_t before = monotonic_ns();
    unpark_armed();
    CHECK(count_of(FUTEX_ROUSE) == FAULTS + 1);
    CHECK(monotonic_ns() - before >= FAULTS * (uint64_t)MS);
}

TEST(wake, that_never_gets_memory_gives_up_in_the_end)
{
    error = ENOMEM;
    const uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    unpark_with_error();
    CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) - before < 500 * (uint64_t)MS);
}

/* ------------------------------------------------------------------------------------- wakes -- */

/* The other tests wake a thread; this one asks what is tried when there is none. */
TEST(wake, is_issued_once_and_for_an_unpark_that_merges_only_while_the_owner_is_armed)
{
    unpark_armed();
    CHECK(count_of(FUTEX_ROUSE) == 1);
    CHECK(tpark_init(&p, TPARK_SHARED) == 0);
    unpark_armed();
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_unpark(&p) == TPARK_EMPTY);
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
    CHECK(count_of(FUTEX_ROUSE) == 2);
    CHECK(tpark_try_park(&p));
    CHECK(tpark_arm(&p));
    CHECK(tpark_notify(&p).wake); /* of a process that dies before its wake */
    CHECK(tpark_unpark(&p) == TPARK_NOTIFIED);
    CHECK(count_of(FUTEX_ROUSE) == 3);
    CHECK(tpark_disarm(&p));
}

#if defined(SYS_futex_time64) && defined(SYS_futex)
TEST(futex_time64, is_used_where_the_kernel_has_no_other)
{
    set_mode(FILTER);
    refuse(FUTEX_SLEEP, ENOSYS);
    refuse(FUTEX_ROUSE, ENOSYS);
    for (int i = 0; i < PARKS; i++) {
        const uint64_t before = monotonic_ns();
        CHECK(tpark_park_timeout(&p, MS) == ETIMEDOUT);
        CHECK(monotonic_ns() - before >= MS);
    }
    const int before = count_of(FUTEX_TIME64);
    CHECK(before >= PARKS);
    unpark_armed();
    CHECK(count_of(FUTEX_TIME64) == before + 1);
}
#endif

/* -------------------------------------------------------------------------------- the slots -- */

static void check_grow(int before, unsigned wanted, int after)
{
    futex_hash = (struct futex_hash){.is_modelled = true, .slots = before};
    errno = 4321;
    CHECK(tpark_grow_futex_hash(wanted) == 0);
    CHECK(errno == 4321);
    CHECK(futex_hash.slots == after && futex_hash.sets == (before != after));
}

static void check_grows(void *unused)
{
    (void)unused;
    check_grow(0, 1, 2);
    check_grow(0, 2, 2);
    check_grow(0, 3, 4);
    check_grow(16, 17, 32);
    check_grow(16, 1000, 1024);
    check_grow(16, 1024, 1024);
    check_grow(16, 1025, 2048);
    check_grow(16, 1u << 30, 1 << 30);
}

TEST(grow_futex_hash, sets_the_next_power_of_two_that_is_at_least_2)
{
    check_in_child(check_grows, NULL);
}

static void check_never_shrinks(void *unused)
{
    (void)unused;
    check_grow(16, 1, 16);
    check_grow(16, 9, 16);
    check_grow(16, 16, 16);
}

TEST(grow_futex_hash, sets_nothing_where_there_are_as_many_already)
{
    check_in_child(check_never_shrinks, NULL);
}

static void check_refusals(void *unused)
{
    (void)unused;
    errno = 4321;
    futex_hash = (struct futex_hash){.is_modelled = true, .slots = 16, .set_error = ENOMEM};
    CHECK(tpark_grow_futex_hash(17) == ENOMEM && errno == 4321);
    futex_hash = (struct futex_hash){.is_modelled = true, .get_error = EINVAL};
    CHECK(tpark_grow_futex_hash(17) == ENOSYS && errno == 4321);
    CHECK(futex_hash.sets == 0);
}

TEST(grow_futex_hash, returns_the_kernels_refusal_and_leaves_errno)
{
    check_in_child(check_refusals, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Owner's handles, unparkers and wakers: who keeps what alive, and what is counted. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "support.h"
#include "wrap.h"

/* The reference count follows the parker: a test may look where a program may not. */
static _Atomic uint32_t *references(struct tpark_thread *t)
{
    return (_Atomic uint32_t *)(tpark_thread_parker(t) + 1);
}

static void park_thread(void *t)
{
    tpark_thread_park(t);
}

TEST(thread, and_all_its_unparkers_take_one_allocation)
{
    const int before = allocations;
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(allocations == before + 1);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    struct tpark_unparker *v = tpark_unparker_clone(u);
    struct tpark_waker w = tpark_unparker_into_waker(v);
    struct tpark_waker x = tpark_waker_clone(&w);
    CHECK(allocations == before + 1);
    tpark_waker_drop(x);
    tpark_waker_drop(w);
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

TEST(thread, has_cache_lines_of_its_own)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK((uintptr_t)tpark_thread_parker(t) % 64 == 0);
    CHECK(last_allocation % 64 == 0);
#if TPARK_BACKEND_FUTEX
    CHECK(last_allocation == 64);
#endif
    tpark_thread_free(t);
}

TEST(thread, without_memory_is_null_and_enomem)
{
    refuse_allocations = true;
    errno = 0;
    CHECK(tpark_thread_new(0) == NULL);
    CHECK(errno == ENOMEM);
    refuse_allocations = false;
}

TEST(thread, refuses_flags_that_it_does_not_know_and_shared)
{
    static const unsigned refused[] = {TPARK_SHARED, TPARK_SHARED | TPARK_SPIN_NEVER,
                                       TPARK_SPIN_NEVER | TPARK_SPIN_ADAPTIVE, TPARK_SLACK << 1,
                                       1u << 31};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        errno = 0;
        CHECK(tpark_thread_new(refused[i]) == NULL);
        CHECK(errno == EINVAL);
    }
}

TEST(thread, that_could_not_be_made_leaves_no_memory_behind)
{
    const int allocated = allocations, freed = frees;
    CHECK(tpark_thread_new(TPARK_SPIN_NEVER | TPARK_SPIN_ADAPTIVE) == NULL);
    CHECK(allocations - allocated == frees - freed);
}

TEST(thread, leaves_errno_as_it_was_where_it_succeeds)
{
    errno = 0;
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(errno == 0);
    tpark_thread_free(t);
    CHECK(errno == 0);
}

TEST(thread, parks_and_is_unparked)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    struct task owner;
    start(&owner, park_thread, t);
    wait_until_parked(&owner, tpark_thread_parker(t));
    CHECK(tpark_unparker_unpark(u) == TPARK_PARKED);
    join(&owner);
    CHECK(tpark_unparker_unpark(u) == TPARK_EMPTY);
    CHECK(tpark_unparker_unpark(u) == TPARK_NOTIFIED);
    CHECK(tpark_thread_park_timeout(t, 0) == 0);
    CHECK(tpark_thread_park_timeout(t, 0) == ETIMEDOUT);
    CHECK(tpark_thread_park_until(t, &(struct timespec){.tv_nsec = -1}) == EINVAL);
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

TEST(unparker, halves_give_the_token_and_wake)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    struct task owner;
    start(&owner, park_thread, t);
    wait_until_parked(&owner, tpark_thread_parker(t));
    const struct tpark_owed owed = tpark_unparker_notify(u);
    CHECK(owed.replaced == TPARK_PARKED);
    tpark_unparker_wake_owner(u, owed);
    join(&owner);
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

TEST(unparker, may_outlive_its_owner_and_then_unparks_nobody)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    const int before = frees;
    tpark_thread_free(t);
    CHECK(frees == before);
    tpark_unparker_unpark(u);
    tpark_unparker_unpark(u);
    tpark_unparker_free(u);
    CHECK(frees == before + 1);
}

TEST(thread, may_outlive_its_unparkers)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    tpark_unparker_unpark(u);
    const int before = frees;
    tpark_unparker_free(u);
    CHECK(frees == before);
    tpark_thread_park(t);
    tpark_thread_free(t);
    CHECK(frees == before + 1);
}

TEST(free_, of_null_is_a_no_op)
{
    tpark_thread_free(NULL);
    tpark_unparker_free(NULL);
}

static atomic_int ready;

static void unpark_and_free(void *u)
{
    ready++;
    while (ready < 2)
        ;
    tpark_unparker_unpark(u);
    tpark_unparker_free(u);
}

TEST(handles, may_be_freed_in_any_order_from_any_thread)
{
    const int before = frees;
    for (int i = 0; i < 1000; i++) {
        ready = 0;
        struct tpark_thread *t = tpark_thread_new(0);
        struct task task;
        start(&task, unpark_and_free, tpark_thread_unparker(t));
        ready++;
        while (ready < 2)
            sched_yield();
        if (i % 2)
            tpark_thread_park(t);
        tpark_thread_free(t);
        join(&task);
        CHECK(frees == before + i + 1);
    }
}

TEST(unparker, knows_whom_it_unparks)
{
    struct tpark_thread *t = tpark_thread_new(0), *other = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t), *v = tpark_unparker_clone(u);
    struct tpark_unparker *w = tpark_thread_unparker(other);
    CHECK(tpark_unparker_same_parker(u, v));
    CHECK(!tpark_unparker_same_parker(u, w));
    CHECK(tpark_unparker_will_unpark(u, t));
    CHECK(!tpark_unparker_will_unpark(u, other));
    tpark_unparker_free(u);
    tpark_unparker_free(v);
    tpark_unparker_free(w);
    tpark_thread_free(t);
    tpark_thread_free(other);
}

TEST(waker, slots_count_references_as_rust_does)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(*references(t) == 1);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    CHECK(*references(t) == 2);
    struct tpark_waker clone = w.vtable->clone(w.data);
    CHECK(*references(t) == 3);
    w.vtable->wake_by_ref(w.data);
    CHECK(*references(t) == 3);
    CHECK(tpark_try_park(tpark_thread_parker(t)));
    clone.vtable->wake(clone.data);
    CHECK(*references(t) == 2);
    CHECK(tpark_try_park(tpark_thread_parker(t)));
    w.vtable->drop(w.data);
    CHECK(*references(t) == 1);
    CHECK(!tpark_try_park(tpark_thread_parker(t)));
    tpark_thread_free(t);
}

TEST(waker, helpers_call_the_slots)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    struct tpark_waker clone = tpark_waker_clone(&w);
    CHECK(*references(t) == 3);
    tpark_waker_wake_by_ref(&w);
    CHECK(*references(t) == 3);
    CHECK(tpark_try_park(tpark_thread_parker(t)));
    tpark_waker_wake(clone);
    CHECK(*references(t) == 2);
    CHECK(tpark_try_park(tpark_thread_parker(t)));
    tpark_waker_drop(w);
    CHECK(*references(t) == 1);
    tpark_thread_free(t);
}

TEST(waker, clones_keep_the_data_pointer_and_the_one_vtable)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    struct tpark_waker w = tpark_unparker_into_waker(u);
    CHECK(w.data == u);
    CHECK(w.vtable == &tpark_unparker_waker_vtable);
    struct tpark_waker clone = tpark_waker_clone(&w);
    CHECK(clone.data == w.data && clone.vtable == w.vtable);
    CHECK(tpark_waker_will_wake(&w, &clone));
    tpark_waker_drop(clone);
    tpark_waker_drop(w);
    tpark_thread_free(t);
}

TEST(waker, of_another_task_or_kind_will_not_wake_the_same)
{
    struct tpark_thread *t = tpark_thread_new(0), *other = tpark_thread_new(0);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    struct tpark_waker v = tpark_unparker_into_waker(tpark_thread_unparker(other));
    static const struct tpark_waker_vtable another_kind;
    const struct tpark_waker same_data = {.data = w.data, .vtable = &another_kind};
    CHECK(tpark_waker_will_wake(&w, &w));
    CHECK(!tpark_waker_will_wake(&w, &v));
    CHECK(!tpark_waker_will_wake(&w, &same_data));
    tpark_waker_drop(w);
    tpark_waker_drop(v);
    tpark_thread_free(t);
    tpark_thread_free(other);
}

TEST(waker, wakes_the_parked_owner)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    struct task owner;
    for (int i = 0; i < 2; i++) {
        start(&owner, park_thread, t);
        wait_until_parked(&owner, tpark_thread_parker(t));
        if (i == 0)
            tpark_waker_wake_by_ref(&w);
        else
            tpark_waker_wake(w);
        join(&owner);
    }
    tpark_thread_free(t);
}

TEST(waker, may_be_the_last_to_go)
{
    struct tpark_thread *t = tpark_thread_new(0);
    struct tpark_waker w = tpark_unparker_into_waker(tpark_thread_unparker(t));
    tpark_thread_free(t);
    const int before = frees;
    tpark_waker_wake_by_ref(&w);
    CHECK(frees == before);
    tpark_waker_wake(w);
    CHECK(frees == before + 1);
}

/* An owner that blocks in a place of its own, and what the hook saw. */
struct place {
    struct tpark_thread *thread;
    int where; /* plain: written before the owner arms, read by the hook */
    int seen;
    int wakes;
    int releases;
    bool declines;
};

static bool wake_place(void *context)
{
    struct place *place = context;
    place->seen = place->where;
    place->wakes++;
    errno = EIO;
    return !place->declines;
}

static void release_place(void *context)
{
    struct place *place = context;
    place->releases++;
    errno = EIO;
}

static atomic_int system_calls;

static void count_system_call(long number)
{
    (void)number;
    system_calls++;
}

TEST(hook, is_called_in_place_of_the_wake_when_the_owner_is_armed)
{
    before_syscall = count_system_call;
    const int before = system_calls + locks;
    struct place place = {.where = 0};
    place.thread =
        tpark_thread_new_hooked(0, &(struct tpark_hook){.wake = wake_place, .context = &place});
    struct tpark *p = tpark_thread_parker(place.thread);
    struct tpark_unparker *u = tpark_thread_unparker(place.thread);

    CHECK(tpark_unparker_unpark(u) == TPARK_EMPTY);
    CHECK(tpark_unparker_unpark(u) == TPARK_NOTIFIED);
    CHECK(place.wakes == 0);
    CHECK(tpark_try_park(p));

    place.where = 7;
    CHECK(tpark_arm(p));
    CHECK(tpark_unparker_unpark(u) == TPARK_PARKED);
    CHECK(place.wakes == 1 && place.seen == 7);
    CHECK(tpark_disarm(p));

    CHECK(tpark_arm(p));
    const struct tpark_owed owed = tpark_unparker_notify(u);
    CHECK(owed.replaced == TPARK_PARKED);
    CHECK(place.wakes == 1);
    tpark_unparker_wake_owner(u, owed);
    CHECK(place.wakes == 2);
    tpark_unparker_wake_owner(u, tpark_unparker_notify(u)); /* merges: no wake is owed */
    CHECK(place.wakes == 2);
    CHECK(tpark_disarm(p));

    struct tpark_waker w = tpark_unparker_into_waker(u);
    CHECK(tpark_arm(p));
    tpark_waker_wake_by_ref(&w);
    CHECK(place.wakes == 3);
    CHECK(tpark_disarm(p));
    CHECK(tpark_arm(p));
    tpark_waker_wake(w);
    CHECK(place.wakes == 4);
    CHECK(tpark_disarm(p));
    CHECK(system_calls + locks == before); /* with which the library would wake */
    before_syscall = NO_HOOK;
    tpark_thread_free(place.thread);
}

TEST(hook, releases_its_context_once_with_the_last_handle)
{
    struct place place = {.where = 0};
    place.thread = tpark_thread_new_hooked(
        0, &(struct tpark_hook){.wake = wake_place, .release = release_place, .context = &place});
    struct tpark_unparker *u = tpark_thread_unparker(place.thread);
    tpark_thread_free(place.thread);
    CHECK(place.releases == 0);
    tpark_unparker_unpark(u);
    CHECK(place.wakes == 0);
    tpark_unparker_free(u);
    CHECK(place.releases == 1);
}

TEST(hook, is_not_called_by_a_handle_that_could_not_be_made)
{
    struct place place = {.where = 0};
    const struct tpark_hook hook = {
        .wake = wake_place, .release = release_place, .context = &place};
    refuse_allocations = true;
    CHECK(tpark_thread_new_hooked(0, &hook) == NULL);
    CHECK(errno == ENOMEM);
    refuse_allocations = false;
    CHECK(place.wakes == 0 && place.releases == 0);
}

TEST(hook, without_a_wake_function_is_refused)
{
    errno = 0;
    CHECK(tpark_thread_new_hooked(0, &(struct tpark_hook){0}) == NULL);
    CHECK(errno == EINVAL);
}

TEST(hook, with_a_reserved_field_set_is_refused)
{
    for (int i = 0; i < 2; i++) {
        struct tpark_hook hook = {.wake = wake_place};
        hook.reserved[i] = &hook;
        errno = 0;
        CHECK(tpark_thread_new_hooked(0, &hook) == NULL);
        CHECK(errno == EINVAL);
    }
}

TEST(hook, that_declines_leaves_the_wake_of_an_owner_that_sleeps_in_park_to_the_library)
{
    struct place place = {.declines = true};
    place.thread =
        tpark_thread_new_hooked(0, &(struct tpark_hook){.wake = wake_place, .context = &place});
    struct tpark_unparker *u = tpark_thread_unparker(place.thread);
    struct task owner;
    start(&owner, park_thread, place.thread);
    wait_until_parked(&owner, tpark_thread_parker(place.thread));
    CHECK(tpark_unparker_unpark(u) == TPARK_PARKED);
    join(&owner);
    CHECK(place.wakes == 1);
    tpark_unparker_free(u);
    tpark_thread_free(place.thread);
}

TEST(hook, leaves_errno_as_it_was)
{
    struct place place = {.where = 0};
    place.thread = tpark_thread_new_hooked(
        0, &(struct tpark_hook){.wake = wake_place, .release = release_place, .context = &place});
    struct tpark_unparker *u = tpark_thread_unparker(place.thread);
    CHECK(tpark_arm(tpark_thread_parker(place.thread)));
    errno = 0;
    tpark_unparker_unpark(u);
    CHECK(errno == 0 && place.wakes == 1);
    CHECK(tpark_disarm(tpark_thread_parker(place.thread)));
    tpark_unparker_free(u);
    tpark_thread_free(place.thread);
    CHECK(errno == 0 && place.releases == 1);
}

/* A handle in an armed state, whose hooks are these. */
static struct tpark_unparker *armed_with(struct tpark_thread **t, const struct tpark_hook *hook)
{
    *t = tpark_thread_new_hooked(0, hook);
    CHECK(*t && tpark_arm(tpark_thread_parker(*t)));
    return tpark_thread_unparker(*t);
}

static bool wake_at_a_cancellation_point(void *wakes)
{
    pthread_testcancel();
    ++*(int *)wakes;
    return true;
}

static void release_at_a_cancellation_point(void *releases)
{
    pthread_testcancel();
    ++*(int *)releases;
}

static void be_cancelled_after_the_hooks(void *calls)
{
    struct tpark_thread *t;
    struct tpark_unparker *u = armed_with(&t, &(struct tpark_hook){
                                                  .wake = wake_at_a_cancellation_point,
                                                  .release = release_at_a_cancellation_point,
                                                  .context = calls,
                                              });
    CHECK(pthread_cancel(pthread_self()) == 0);
    CHECK(tpark_unparker_unpark_and_free(u) == TPARK_PARKED);
    CHECK(tpark_disarm(tpark_thread_parker(t)));
    tpark_thread_free(t);
    CHECK(*(int *)calls == 2);
    pthread_testcancel();
    *(int *)calls = 0;
}

TEST(hook, that_reaches_a_cancellation_point_is_not_cancelled)
{
    int calls = 0;
    struct task task;
    start(&task, be_cancelled_after_the_hooks, &calls);
    join(&task);
    CHECK(calls == 2);
}

/* Where the end of a thread unwinds its stack. */
#if defined(__GLIBC__) && defined(__EXCEPTIONS)
static bool wake_and_end(void *unused)
{
    pthread_exit(unused);
}

static void end_in_wake(void *data)
{
    struct tpark_thread **t = data;
    tpark_unparker_unpark_and_free(armed_with(t, &(struct tpark_hook){.wake = wake_and_end}));
    CHECK(false);
}

TEST(hook, that_ends_its_thread_leaves_no_reference)
{
    struct tpark_thread *t = NULL;
    struct task task;
    start(&task, end_in_wake, &t);
    join(&task);
    CHECK(*references(t) == 1);
    CHECK(tpark_disarm(tpark_thread_parker(t)));
    tpark_thread_free(t);
}
#endif

static void release_and_end(void *unused)
{
    pthread_exit(unused);
}

static void end_in_release(void *unused)
{
    const struct tpark_hook hook = {.wake = wake_place, .release = release_and_end};
    (void)unused;
    tpark_thread_free(tpark_thread_new_hooked(0, &hook));
    CHECK(false);
}

TEST(hook, that_ends_its_thread_when_it_releases_leaves_no_memory)
{
    struct task task;
    start(&task, end_in_release, NULL); /* so that what the C library needs for it is there */
    join(&task);
    const int allocated = allocations, freed = frees;
    start(&task, end_in_release, NULL);
    join(&task);
    CHECK(allocations == allocated + 1);
    CHECK(frees >= freed + 1);
}

TEST(unpark_and_free, unparks_and_drops_the_reference)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    CHECK(tpark_unparker_unpark_and_free(tpark_thread_unparker(t)) == TPARK_EMPTY);
    CHECK(*references(t) == 1);
    CHECK(tpark_unparker_unpark_and_free(tpark_thread_unparker(t)) == TPARK_NOTIFIED);
    CHECK(tpark_thread_park_timeout(t, 0) == 0);
    struct tpark_unparker *last = tpark_thread_unparker(t);
    const int before = frees;
    tpark_thread_free(t);
    CHECK(frees == before);
    tpark_unparker_unpark_and_free(last);
    CHECK(frees == before + 1);
}

TEST(handle, an_unparker_reaches_its_parker)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    CHECK(tpark_unparker_parker(u) == tpark_thread_parker(t));
    tpark_thread_free(t);
    CHECK(tpark_unpark(tpark_unparker_parker(u)) == TPARK_EMPTY);
    tpark_unparker_free(u);
}

TEST(try_free, leaves_a_handle_alone_whose_parker_is_armed)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    const int before = frees;
    CHECK(tpark_arm(tpark_thread_parker(t)));
    CHECK(!tpark_thread_try_free(t));
    CHECK(frees == before);
    CHECK(!tpark_disarm(tpark_thread_parker(t)));
    CHECK(tpark_thread_try_free(t));
    CHECK(frees == before + 1);
    CHECK(tpark_thread_try_free(NULL));
}

static void overflow_by_unparker(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    atomic_store(references(t), INT32_MAX);
    (void)!tpark_thread_unparker(t);
}

static void overflow_by_clone(void)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    atomic_store(references(t), INT32_MAX);
    (void)!tpark_unparker_clone(u);
}

TEST(references, that_would_overflow_abort)
{
    check_aborts(overflow_by_unparker,
                 "tpark: tpark_thread_unparker: the reference count overflows\n");
    check_aborts(overflow_by_clone, "tpark: tpark_unparker_clone: the reference count overflows\n");
}

TEST(references, may_reach_half_the_range)
{
    struct tpark_thread *t = tpark_thread_new(0);
    CHECK(t != NULL);
    atomic_store(references(t), INT32_MAX - 1);
    struct tpark_unparker *u = tpark_thread_unparker(t);
    atomic_store(references(t), 2);
    tpark_unparker_free(u);
    tpark_thread_free(t);
}

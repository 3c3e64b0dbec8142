/* SPDX-License-Identifier: MIT */
/* The calling thread's own parker, and block_on. */
#include <errno.h>

#include "support.h"
#include "wrap.h"

TEST(current, parker_is_the_same_in_every_call_of_a_thread)
{
    struct tpark_unparker *u = tpark_current_unparker();
    struct tpark_unparker *v = tpark_current_unparker();
    struct tpark_waker w = tpark_current_waker();
    CHECK(tpark_unparker_same_parker(u, v));
    CHECK(w.data == u);
    tpark_unparker_unpark(u);
    tpark_current_park();
    CHECK(tpark_current_park_timeout(0) == ETIMEDOUT);
    tpark_waker_wake(w);
    CHECK(tpark_current_park_timeout(MS) == 0);
    CHECK(tpark_current_park_until(&(struct timespec){.tv_nsec = -1}) == EINVAL);
    CHECK(tpark_current_park_until(&(struct timespec){.tv_nsec = 0}) == ETIMEDOUT);
    tpark_unparker_free(u);
    tpark_unparker_free(v);
}

static _Atomic(struct tpark_unparker *) of_other;

static void hand_out_and_park(void *done)
{
    of_other = tpark_current_unparker();
    tpark_current_park();
    *(atomic_bool *)done = true;
}

TEST(current, parker_is_another_one_in_each_thread)
{
    struct tpark_unparker *mine = tpark_current_unparker();
    atomic_bool done = false;
    struct task other;
    of_other = NULL;
    start(&other, hand_out_and_park, &done);
    while (!of_other)
        ;
    wait_until_asleep(&other);
    CHECK(!tpark_unparker_same_parker(mine, of_other));
    tpark_unparker_unpark(mine);
    CHECK(!done);
    tpark_unparker_unpark(of_other);
    join(&other);
    CHECK(done);
    tpark_current_park(); /* mine, still there */
    /* The unparker outlives the thread. */
    tpark_unparker_unpark(of_other);
    tpark_unparker_free(of_other);
    tpark_unparker_free(mine);
}

static void use_once(void *unused)
{
    (void)unused;
    (void)tpark_current_park_timeout(0);
}

TEST(current, parker_goes_with_its_thread)
{
    const int allocated = allocations, freed = frees;
    struct task task;
    start(&task, use_once, NULL);
    join(&task);
    CHECK(allocations == allocated + 1);
    CHECK(frees >= freed + 1);
}

/* Destructors that use the parker: made before and after tpark's own, so that both orders occur. */
static pthread_key_t before_ours, after_ours;
static int destructor_runs;

static void park_in_destructor(void *value)
{
    struct tpark_unparker *u = tpark_current_unparker();
    tpark_unparker_unpark(u);
    tpark_current_park();
    CHECK(tpark_current_park_timeout(1000) == ETIMEDOUT);
    tpark_unparker_free(u);
    /* Come round again, but once: ThreadSanitizer forgets the thread in the last round. */
    if (++destructor_runs <= 2)
        CHECK(pthread_setspecific(value == &before_ours ? before_ours : after_ours, value) == 0);
}

static void set_keys(void *use_first)
{
    CHECK(pthread_setspecific(before_ours, &before_ours) == 0);
    CHECK(pthread_setspecific(after_ours, &after_ours) == 0);
    if (use_first)
        use_once(NULL);
}

TEST(current, parker_may_be_used_in_destructors_of_thread_specific_data)
{
    CHECK(pthread_key_create(&before_ours, park_in_destructor) == 0);
    use_once(NULL);
    CHECK(pthread_key_create(&after_ours, park_in_destructor) == 0);
    struct task task;
    for (int i = 0; i < 2; i++) {
        const int allocated = allocations;
        destructor_runs = 0;
        start(&task, set_keys, i ? &i : NULL);
        join(&task);
        CHECK(destructor_runs == 4);
        CHECK(allocations == allocated + 1); /* the same in all of them */
    }
}

static void use_without_memory(void *unused)
{
    (void)unused;
    refuse_allocations = true;
    errno = 0;
    CHECK(tpark_current_unparker() == NULL);
    CHECK(errno == ENOMEM);
    errno = 0;
    CHECK(tpark_current_waker().vtable == NULL);
    CHECK(errno == 0);
    refuse_allocations = false;
    /* And it is made when there is memory again. */
    struct tpark_unparker *u = tpark_current_unparker();
    CHECK(u != NULL);
    tpark_unparker_free(u);
}

TEST(current, unparker_and_waker_without_memory_are_null)
{
    struct task task;
    start(&task, use_without_memory, NULL);
    join(&task);
}

static void park_without_memory(void)
{
    refuse_allocations = true;
    tpark_current_park();
}

static void park_timeout_without_memory(void)
{
    refuse_allocations = true;
    tpark_current_park_timeout(0);
}

static void park_until_without_memory(void)
{
    refuse_allocations = true;
    tpark_current_park_until(NULL);
}

TEST(current, park_without_memory_aborts)
{
    check_aborts(park_without_memory,
                 "tpark: tpark_current_park: no memory for the thread's parker\n");
    check_aborts(park_timeout_without_memory,
                 "tpark: tpark_current_park_timeout: no memory for the thread's parker\n");
    check_aborts(park_until_without_memory,
                 "tpark: tpark_current_park_until: no memory for the thread's parker\n");
}

/* A future that is ready after so many polls, and wakes itself in all others. */
struct countdown {
    int polls_left;
    int polls;
};

static bool poll_countdown(void *future, const struct tpark_waker *waker)
{
    struct countdown *countdown = future;
    countdown->polls++;
    if (--countdown->polls_left == 0)
        return true;
    tpark_waker_wake_by_ref(waker);
    return false;
}

TEST(block_on, polls_until_the_future_is_ready)
{
    struct countdown countdown = {.polls_left = 5};
    CHECK(tpark_block_on(poll_countdown, &countdown) == 0);
    CHECK(countdown.polls == 5);
}

TEST(block_on, a_ready_future_is_polled_once)
{
    struct countdown countdown = {.polls_left = 1};
    CHECK(tpark_block_on(poll_countdown, &countdown) == 0);
    CHECK(countdown.polls == 1);
}

/* A future that another thread completes. */
struct promise {
    atomic_bool is_ready;
    struct tpark_waker waker;
    struct task task;
    int polls;
};

static void complete(void *argument)
{
    struct promise *promise = argument;
    while (state_of(tpark_thread_parker((struct tpark_thread *)promise->waker.data)) !=
           TPARK_PARKED)
        ;
    promise->is_ready = true;
    tpark_waker_wake(promise->waker);
}

static bool poll_promise(void *future, const struct tpark_waker *waker)
{
    struct promise *promise = future;
    if (promise->polls++ == 0) {
        promise->waker = tpark_waker_clone(waker);
        start(&promise->task, complete, promise);
    }
    return promise->is_ready;
}

TEST(block_on, sleeps_until_a_clone_of_the_waker_is_woken)
{
    struct promise promise = {.polls = 0};
    CHECK(tpark_block_on(poll_promise, &promise) == 0);
    CHECK(promise.polls == 2);
    join(&promise.task);
}

/* Wakes itself, and then uses every other parker of the thread: the token must still be there. */
static bool poll_nested(void *future, const struct tpark_waker *waker)
{
    int *polls = future;
    if (++*polls == 2)
        return true;
    tpark_waker_wake_by_ref(waker);

    struct countdown inner = {.polls_left = 3};
    CHECK(tpark_block_on(poll_countdown, &inner) == 0);
    CHECK(inner.polls == 3);

    CHECK(tpark_current_park_timeout(1000) == ETIMEDOUT);
    struct tpark_waker current = tpark_current_waker();
    CHECK(!tpark_waker_will_wake(&current, waker));
    tpark_waker_wake(current);
    tpark_current_park();
    return false;
}

TEST(block_on, a_nested_call_or_park_does_not_take_the_token_of_the_outer_one)
{
    int polls = 0;
    CHECK(tpark_block_on(poll_nested, &polls) == 0);
    CHECK(polls == 2);
}

static bool must_not_be_polled(void *future, const struct tpark_waker *waker)
{
    CHECK(future == NULL && waker == NULL); /* never true */
    return true;
}

TEST(block_on, without_memory_returns_enomem_before_the_first_poll)
{
    refuse_allocations = true;
    CHECK(tpark_block_on(must_not_be_polled, NULL) == ENOMEM);
    refuse_allocations = false;
}

static struct tpark_waker kept;

static bool keep_waker(void *future, const struct tpark_waker *waker)
{
    (void)future;
    kept = tpark_waker_clone(waker);
    return true;
}

TEST(block_on, its_wakers_may_outlive_it)
{
    CHECK(tpark_block_on(keep_waker, NULL) == 0);
    tpark_waker_wake_by_ref(&kept);
    tpark_waker_wake(kept);
}

/* What the poll before this one gave as its token must be gone, and what it made kept. */
static bool wake_and_compare(void *data, const struct tpark_waker *waker)
{
    CHECK(tpark_try_park(tpark_unparker_parker(waker->data)) == false);
    tpark_waker_wake_by_ref(waker);
    void **seen = data;
    CHECK(*seen == NULL || *seen == waker->data);
    *seen = waker->data;
    return true;
}

TEST(block_on, the_next_call_has_the_same_parker_and_no_token)
{
    void *seen = NULL;
    for (int i = 0; i < 3; i++)
        CHECK(tpark_block_on(wake_and_compare, &seen) == 0);
}

TEST(block_on, allocates_only_what_no_earlier_call_left)
{
    const int before = allocations, freed = frees;
    for (int i = 0; i < 3; i++) {
        struct countdown countdown = {.polls_left = 2};
        CHECK(tpark_block_on(poll_countdown, &countdown) == 0);
    }
    CHECK(allocations == before + 1);
    for (int i = 0; i < 3; i++) {
        int polls = 0;
        CHECK(tpark_block_on(poll_nested, &polls) == 0);
    }
    CHECK(allocations == before + 3); /* the nested call's, and that of tpark_current_park() */
    CHECK(frees == freed);
}

TEST(block_on, leaves_errno)
{
    struct countdown countdown = {.polls_left = 2};
    errno = 4321;
    refuse_allocations = true;
    CHECK(tpark_block_on(poll_countdown, &countdown) == ENOMEM);
    CHECK(errno == 4321);
    refuse_allocations = false;
    CHECK(tpark_block_on(poll_countdown, &countdown) == 0);
    CHECK(errno == 4321);
}

/* A poll that ends its thread, some calls deep. */
struct end {
    int depth;
    bool is_cancelled;
};

static bool poll_end(void *future, const struct tpark_waker *waker)
{
    const struct end *end = future;
    (void)waker;
    use_once(NULL);
    if (end->depth > 0)
        return tpark_block_on(poll_end, &(struct end){end->depth - 1, end->is_cancelled}) == 0;
    if (!end->is_cancelled)
        pthread_exit(NULL);
    CHECK(pthread_cancel(pthread_self()) == 0);
    pthread_testcancel();
    CHECK(false);
}

static void run_to_its_end(void *end)
{
    (void)!tpark_block_on(poll_end, end);
    CHECK(false);
}

static void check_ends(struct end end)
{
    struct task task;
    /* So that what the C library keeps for such an end is there, in both. */
    start(&task, run_to_its_end, &end);
    join(&task);
    const int allocated = allocations, freed = frees;
    start(&task, run_to_its_end, &end);
    join(&task);
    CHECK(allocations == allocated + 2 + end.depth);
    CHECK(frees >= freed + 2 + end.depth);
}

TEST(block_on, a_poll_may_end_the_thread_and_nothing_leaks)
{
    check_ends((struct end){.depth = 0});
    check_ends((struct end){.depth = 2});
}

TEST(block_on, a_poll_may_be_cancelled_and_nothing_leaks)
{
    check_ends((struct end){.is_cancelled = true});
    check_ends((struct end){.depth = 2, .is_cancelled = true});
}

TEST(borrow, gives_a_parker_that_nothing_else_in_the_thread_uses)
{
    struct tpark_thread *first = tpark_current_borrow();
    struct tpark_thread *second = tpark_current_borrow();
    struct tpark_unparker *mine = tpark_current_unparker();
    CHECK(first && second && first != second);
    CHECK(!tpark_unparker_will_unpark(mine, first));
    CHECK(!tpark_unparker_will_unpark(mine, second));
    /* In any order. */
    tpark_current_give_back(first);
    CHECK(tpark_current_borrow() == first);
    tpark_current_give_back(second);
    tpark_current_give_back(first);
    tpark_unparker_free(mine);
}

TEST(borrow, gives_back_what_was_kept_without_its_token)
{
    struct tpark_thread *t = tpark_current_borrow();
    struct tpark_unparker *u = tpark_thread_unparker(t);
    tpark_unparker_unpark(u);
    tpark_current_give_back(t);
    tpark_unparker_unpark(u);
    CHECK(tpark_current_borrow() == t);
    CHECK(tpark_thread_park_timeout(t, 0) == ETIMEDOUT);
    tpark_unparker_unpark(u);
    tpark_thread_park(t);
    tpark_current_give_back(t);
    tpark_unparker_free(u);
}

TEST(borrow, without_memory_is_null_with_errno_set)
{
    refuse_allocations = true;
    errno = 0;
    CHECK(tpark_current_borrow() == NULL);
    CHECK(errno == ENOMEM);
}

static void borrow_and_keep(void *unused)
{
    (void)unused;
    CHECK(tpark_current_borrow() && tpark_current_borrow());
}

TEST(borrow, what_is_not_given_back_goes_with_its_thread)
{
    const int allocated = allocations, freed = frees;
    struct task task;
    start(&task, borrow_and_keep, NULL);
    join(&task);
    CHECK(allocations == allocated + 2);
    CHECK(frees >= freed + 2);
}

static void give_back_armed(void)
{
    struct tpark_thread *t = tpark_current_borrow();
    (void)!tpark_arm(tpark_thread_parker(t));
    tpark_current_give_back(t);
}

TEST(borrow, giving_back_an_armed_parker_aborts)
{
    check_aborts(give_back_armed,
                 "tpark: tpark_current_give_back: the parker is armed: a thread sleeps on it\n");
}

/* SPDX-License-Identifier: MIT */
/* No thread-specific data to be had for the calling thread's own parker. */
#include <errno.h>

#include "../support.h"
#include "inject.h"

static void check_refuses(void *call)
{
    inject((struct fault){.call = *(const enum call *)call, .times = ALWAYS, .error = EAGAIN});
    errno = 4321;
    CHECK(tpark_current_waker().vtable == NULL);
    CHECK(errno == 4321);
    CHECK(tpark_current_unparker() == NULL);
    CHECK(errno == ENOMEM);
    check_aborts(tpark_current_park,
                 "tpark: tpark_current_park: no memory for the thread's parker\n");
}

TEST(current, is_refused_where_there_is_no_room_for_thread_specific_data)
{
    static const enum call calls[] = {KEY_CREATE, SETSPECIFIC};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        check_in_child(check_refuses, (void *)&calls[i]);
}

TEST(current, works_again_once_there_is_room)
{
    inject((struct fault){.call = SETSPECIFIC, .times = 1, .error = ENOMEM});
    CHECK(tpark_current_unparker() == NULL);
    struct tpark_unparker *u = tpark_current_unparker();
    CHECK(u != NULL);
    tpark_unparker_unpark(u);
    tpark_current_park();
    tpark_unparker_free(u);
}

static void end_without_room(void *u)
{
    *(struct tpark_unparker **)u = tpark_current_unparker();
    inject((struct fault){.call = SETSPECIFIC, .times = ALWAYS, .error = ENOMEM});
}

TEST(current, goes_at_once_when_its_thread_ends_and_there_is_no_room)
{
    struct tpark_unparker *u = NULL;
    struct task task;
    start(&task, end_without_room, &u);
    join(&task);
    CHECK(count_of(SETSPECIFIC) == 2); /* when it was made, and one attempt to step back */
    CHECK(tpark_unparker_unpark(u) == TPARK_EMPTY);
    tpark_unparker_free(u); /* the last reference, or leak checkers will tell */
}

/* SPDX-License-Identifier: MIT */
/* call_rcu(): wakes liburcu's worker, which waits for more callbacks and a grace period first. */
#include <errno.h>
#include <stdlib.h>
#include <urcu.h>

#include "contestant.h"

struct parker {
    struct call_rcu_data *worker;
};

struct job {
    struct rcu_head head;
    void (*function)(void *argument);
    void *argument;
};

static int init(void *parker)
{
    struct parker *const p = parker;
    p->worker = create_call_rcu_data(0, -1);
    return p->worker ? 0 : ENOMEM;
}

static void destroy(void *p)
{
    call_rcu_data_free(((struct parker *)p)->worker);
}

static void run_job(struct rcu_head *head)
{
    struct job *const job = caa_container_of(head, struct job, head);
    job->function(job->argument);
    free(job);
}

static void post(void *parker, void (*function)(void *argument), void *argument)
{
    struct job *const job = malloc(sizeof *job);
    if (!job)
        abort();
    job->function = function;
    job->argument = argument;
    set_thread_call_rcu_data(((struct parker *)parker)->worker);
    call_rcu(&job->head, run_job);
    set_thread_call_rcu_data(NULL);
}

extern const struct contestant contestant_urcu_call_rcu;
const struct contestant contestant_urcu_call_rcu = {
    .name = "urcu-call-rcu",
    .what = "call_rcu() of liburcu, whose worker gathers callbacks for 10 ms, and then waits for a "
            "grace period",
    .traits = WORKER,
    .size = sizeof(struct parker),
    .init = init,
    .destroy = destroy,
    .post = post,
};

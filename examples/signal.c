/* SPDX-License-Identifier: MIT */
/*
 * Unpark from a signal handler.
 *
 * A handler may do little: set flags, and unpark. With the futex backend tpark_unpark() is
 * async-signal-safe, also when the handler interrupts the very thread that parks, in whatever
 * tpark function. There is no race between looking at the flag and going to sleep, the trap that
 * pause(2) sets and sigsuspend(2), self-pipes and signalfd(2) avoid: a signal that comes between
 * the two leaves a token, and the park returns at once.
 *
 * A signal that does not unpark does not end the park: there is no EINTR to handle.
 *
 * (With the pthread backend only tpark_notify() may be called in a handler; the owner must then be
 * woken by somebody else.)
 *
 * Run:    ./signal
 * Exits with 0 after it has met 20 ticks of a timer and then SIGTERM.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <tpark.h>
#include <unistd.h>

enum { TICKS = 20 };

static struct tpark main_parker = TPARK_INIT;
static atomic_int ticks;
static atomic_int ignored;
static atomic_bool is_asked_to_end;

static void handle(int signal_number)
{
    if (signal_number == SIGUSR1) {
        atomic_fetch_add(&ignored, 1);
        return;
    }
    if (signal_number == SIGTERM)
        atomic_store(&is_asked_to_end, true);
    else
        atomic_fetch_add(&ticks, 1);
    tpark_unpark(&main_parker); /* leaves errno as it was */
}

static void set_timer(suseconds_t us)
{
    const struct timeval interval = {.tv_usec = us};
    const int result = setitimer(
        ITIMER_REAL, &(struct itimerval){.it_interval = interval, .it_value = interval}, NULL);
    assert(result == 0);
}

int main(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);

    /* Work comes in ticks. Several that come during the work are one token: look at the flags. */
    set_timer(1000);
    int seen = 0, parks = 0;
    while (seen < TICKS) {
        tpark_park(&main_parker);
        parks++;
        seen = atomic_load(&ticks);
    }
    set_timer(0);
    assert(parks <= atomic_load(&ticks));
    (void)!tpark_try_park(&main_parker); /* of a tick that came in between */

    /* A signal whose handler does not unpark leaves the deadline to end the park. */
    raise(SIGUSR1);
    assert(atomic_load(&ignored) == 1);
    const int result = tpark_park_timeout(&main_parker, 1000000);
    assert(result == ETIMEDOUT);

    /* The signal comes before the park, and is not lost. */
    raise(SIGTERM);
    while (!atomic_load(&is_asked_to_end))
        tpark_park(&main_parker);
    const bool is_token_left = tpark_try_park(&main_parker);
    assert(is_token_left); /* the loop had no need of it */

    printf("%d ticks in %d parks, then SIGTERM\n", seen, parks);
    return 0;
}

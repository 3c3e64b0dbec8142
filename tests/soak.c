/* SPDX-License-Identifier: MIT */
/*
 * Every way to park against every way to unpark, for as long as one likes, while threads are moved
 * between processors, get and lose priority, and are interrupted by signals.
 *
 * A parker lives for some thousand parks, in a thread of its own, and has a ledger: an unpark that
 * did not merge gave a token, a park that took one consumed it, and in the end nothing may be left
 * over. A waker does not say whether it merged, so lives that wakers take part in have bounds in
 * place of a balance. An owner that makes no progress though it is unparked all the time has lost
 * a wakeup.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tpark.h"

enum { SLOTS = 4, UNPARKERS = 4, HANG_S = 60 };
static const uint64_t S = 1000000000;

enum kind { PRIVATE, SHARED, HANDLE, HOOKED, CURRENT, BLOCK_ON, KINDS };
static const char *const kind_names[] = {"private", "shared",  "handle",
                                         "hooked",  "current", "block_on"};

/* A parker, and its ledger. Counted by its owner and by each unparker at work on it. */
struct life {
    enum kind kind;
    bool is_exact;     /* no wakers take part */
    bool is_disturbed; /* by signals and stray wakes, which would make good for a missing one */
    bool keeps_handle; /* until the ledger is settled; else unparkers may hold the last one */
    atomic_int references;
    struct tpark embedded;
    struct tpark_thread *thread; /* the owner's */
    struct tpark_unparker *unparker;
    _Atomic uint64_t given, merged, woken, wakes;
    uint64_t consumed, parks, timeouts, sleeps;
    struct place *place;
    uint64_t random;
};

/* Where the owner of a hooked parker blocks. Lives as long as the last handle. */
struct place {
    atomic_bool is_fd;
    int fd;
    struct tpark *parker;
};

/* Where unparkers find the life of the day. */
static struct slot {
    pthread_rwlock_t lock; /* guards life and tid */
    struct life *life;
    pid_t tid;
    pthread_t manager;
    uint64_t random;
    _Atomic uint64_t progress;
    uint64_t seen_progress;
    uint64_t seen_at;
} slots[SLOTS];

static atomic_bool stops_owners, stops_unparkers;

static struct {
    _Atomic uint64_t lives[KINDS], parks, unparks, sleeps, timeouts, coalesced, woken, lost;
} total;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "soak: %s\n", what);
    abort();
}

static void must(bool condition, const char *what)
{
    if (!condition)
        fail(what);
}

/* splitmix64 */
static uint64_t random_of(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned pick(uint64_t *state, unsigned n)
{
    return (unsigned)(random_of(state) % n);
}

/* From nothing to 2 ms, each magnitude as likely as the other. */
static uint64_t pick_time_ns(uint64_t *state)
{
    const uint64_t mask = ((uint64_t)1 << pick(state, 22)) - 1;
    return random_of(state) & mask;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* --------------------------------------------------------------------------------- the ledger --
 */

static void count(struct life *life, enum tpark_state replaced)
{
    if (replaced == TPARK_NOTIFIED)
        life->merged++;
    else
        life->given++;
    if (replaced == TPARK_PARKED)
        life->woken++;
}

static void settle(struct life *life)
{
    /* What is still there, if a handle is left to look: a token that is there merges with ours. */
    uint64_t left = 0;
    bool is_known = true;
    if (life->kind == PRIVATE || life->kind == SHARED)
        left = tpark_try_park(&life->embedded);
    else if (life->keeps_handle)
        left = tpark_unparker_notify(life->unparker).replaced == TPARK_NOTIFIED;
    else
        is_known = false;
    const uint64_t least = life->given;
    const uint64_t most = life->given + life->wakes;
    const uint64_t found = life->consumed + left;
    const uint64_t missing = least > found + !is_known ? least - found - !is_known : 0;
    const uint64_t invented = found > most ? found - most : 0;
    if (missing || invented) {
        fprintf(stderr, "soak: %s: %llu tokens lost, %llu invented\n", kind_names[life->kind],
                (unsigned long long)missing, (unsigned long long)invented);
        total.lost += missing + invented;
    }
    total.lives[life->kind]++;
    total.parks += life->parks;
    total.unparks += life->given + life->merged + life->wakes;
    total.sleeps += life->sleeps;
    total.timeouts += life->timeouts;
    total.coalesced += life->merged;
    total.woken += life->woken;
    if (life->keeps_handle)
        tpark_unparker_free(life->unparker);
    if (life->kind == PRIVATE || life->kind == SHARED)
        tpark_destroy(&life->embedded);
    free(life);
}

static void release(struct life *life)
{
    if (atomic_fetch_sub(&life->references, 1) == 1)
        settle(life);
}

/* ------------------------------------------------------------------------------- the unparkers --
 */

/* A reference to the slot's life, and a handle of it if it has any. */
static struct life *acquire(struct slot *slot, struct tpark_unparker **u)
{
    pthread_rwlock_rdlock(&slot->lock);
    struct life *life = slot->life;
    *u = NULL;
    if (life) {
        life->references++;
        if (life->unparker)
            *u = tpark_unparker_clone(life->unparker);
    }
    pthread_rwlock_unlock(&slot->lock);
    return life;
}

static void unpark_embedded(struct life *life, uint64_t *random)
{
    struct tpark *p = &life->embedded;
    if (pick(random, 2)) {
        count(life, tpark_unpark(p));
        return;
    }
    const struct tpark_owed owed = tpark_notify(p);
    count(life, owed.replaced);
    if (pick(random, 4) == 0)
        sched_yield(); /* the owner may be somewhere else by now */
    tpark_wake_owner(owed);
    if (life->is_disturbed && pick(random, 8) == 0)
        tpark_wake_owner(owed);
}

static void unpark_by_waker(struct life *life, struct tpark_unparker *u, unsigned way)
{
    const struct tpark_waker w = tpark_unparker_into_waker(tpark_unparker_clone(u));
    life->wakes++;
    if (way == 0) {
        tpark_waker_wake(w);
        return;
    }
    if (way == 1)
        tpark_waker_wake_by_ref(&w);
    else
        tpark_waker_wake(tpark_waker_clone(&w));
    tpark_waker_drop(w);
}

static void unpark_by_handle(struct life *life, struct tpark_unparker *u, uint64_t *random)
{
    const unsigned way = pick(random, life->is_exact ? 3 : 6);
    if (way >= 3) {
        unpark_by_waker(life, u, way - 3);
    } else if (way == 2) {
        struct tpark_unparker *clone = tpark_unparker_clone(u);
        count(life, tpark_unparker_unpark(clone));
        tpark_unparker_free(clone);
    } else if (way == 1) {
        count(life, tpark_unparker_unpark(u));
    } else {
        const struct tpark_owed owed = tpark_unparker_notify(u);
        count(life, owed.replaced);
        tpark_unparker_wake_owner(u, owed);
        if (life->is_disturbed && pick(random, 8) == 0)
            tpark_unparker_wake_owner(u, owed);
    }
}

static void unpark_some(struct slot *slot, uint64_t *random, unsigned times)
{
    struct tpark_unparker *u;
    struct life *life = acquire(slot, &u);
    if (!life)
        return;
    while (times-- > 0) {
        if (u)
            unpark_by_handle(life, u, random);
        else
            unpark_embedded(life, random);
    }
    tpark_unparker_free(u);
    release(life);
}

static void *run_unparker(void *seed)
{
    uint64_t random = *(const uint64_t *)seed;
    while (!stops_unparkers) {
        unpark_some(&slots[pick(&random, SLOTS)], &random, 1 + pick(&random, 8));
        const unsigned pause = pick(&random, 8);
        if (pause == 0)
            nanosleep(&(struct timespec){.tv_nsec = (long)pick_time_ns(&random)}, NULL);
        else if (pause == 1)
            sched_yield();
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------- the owners --
 */

static bool wake_place(void *context)
{
    struct place *place = context;
    static const uint64_t one = 1;
    if (place->is_fd)
        must(write(place->fd, &one, sizeof one) == sizeof one, "write to an eventfd");
    return place->is_fd;
}

static void release_place(void *context)
{
    struct place *place = context;
    close(place->fd);
    free(place);
}

/* Blocks in a place of its own between the halves of a park. */
static bool park_elsewhere(struct life *life, struct tpark *p)
{
    struct place *place = life->place;
    if (place)
        place->is_fd = true;
    bool token = true;
    if (tpark_arm(p)) {
        if (place) {
            uint64_t n;
            poll(&(struct pollfd){.fd = place->fd, .events = POLLIN}, 1, 1);
            token = tpark_disarm(p);
            (void)!read(place->fd, &n, sizeof n);
        } else {
#if TPARK_HAS_FUTEX_WORD
            const int private_flag = life->kind == SHARED ? 0 : FUTEX_PRIVATE_FLAG;
            syscall(SYS_futex, tpark_futex_word(p), FUTEX_WAIT | private_flag, TPARK_PARKED, NULL);
#else
            sched_yield();
#endif
            token = tpark_disarm(p);
        }
    }
    if (place)
        place->is_fd = false;
    return token;
}

static void check_time(int result, uint64_t deadline_ns)
{
    must(result == 0 || result == ETIMEDOUT, "neither a token nor a timeout");
    must(result == 0 || now_ns() >= deadline_ns, "a park gave up before its deadline");
}

/* Whether it took a token. */
static bool park_once(struct life *life, struct tpark *p)
{
    const uint64_t timeout_ns = pick_time_ns(&life->random);
    const uint64_t at = now_ns() + timeout_ns;
    const struct timespec deadline = {.tv_sec = (time_t)(at / S), .tv_nsec = (long)(at % S)};
    int result = 0;
    switch (pick(&life->random, 8)) {
    case 0:
    case 1:
        tpark_park(p);
        break;
    case 2:
    case 3:
        result = tpark_park_timeout(p, timeout_ns);
        check_time(result, at);
        break;
    case 4:
        result = tpark_park_until(p, &deadline);
        check_time(result, at);
        break;
    case 5:
        result = tpark_park_until(p, pick(&life->random, 2) ? NULL : &(struct timespec){0});
        check_time(result, 0);
        break;
    case 6:
        return tpark_try_park(p);
    default:
        return park_elsewhere(life, p);
    }
    life->timeouts += result == ETIMEDOUT;
    return result == 0;
}

static bool park_handle_once(struct life *life)
{
    const uint64_t timeout_ns = pick_time_ns(&life->random);
    int result = 0;
    if (life->kind == CURRENT) {
        switch (pick(&life->random, 3)) {
        case 0:
            tpark_current_park();
            break;
        case 1:
            result = tpark_current_park_timeout(timeout_ns);
            break;
        default:
            result = tpark_current_park_until(&(struct timespec){0});
            break;
        }
    } else {
        switch (pick(&life->random, 4)) {
        case 0:
            tpark_thread_park(life->thread);
            break;
        case 1:
            result = tpark_thread_park_timeout(life->thread, timeout_ns);
            break;
        case 2:
            result = tpark_thread_park_until(life->thread, &(struct timespec){0});
            break;
        default:
            return park_once(life, tpark_thread_parker(life->thread));
        }
    }
    check_time(result, 0);
    life->timeouts += result == ETIMEDOUT;
    return result == 0;
}

struct run {
    struct slot *slot;
    struct life *life;
    uint64_t rounds;
};

static void publish(struct run *run, struct life *life)
{
    pthread_rwlock_wrlock(&run->slot->lock);
    run->slot->life = life;
    run->slot->tid = (pid_t)syscall(SYS_gettid);
    pthread_rwlock_unlock(&run->slot->lock);
}

/* Each poll but the first follows a token. */
static bool poll_once(void *future, const struct tpark_waker *waker)
{
    struct run *run = future;
    struct life *life = run->life;
    if (!life->unparker) {
        life->unparker = tpark_waker_clone(waker).data;
        publish(run, life);
    } else {
        life->consumed++;
    }
    run->slot->progress++;
    life->parks++;
    return stops_owners || --run->rounds == 0;
}

static void make(struct life *life)
{
    const struct tpark_hook hook = {
        .wake = wake_place, .release = release_place, .context = life->place};
    switch (life->kind) {
    case HOOKED:
        life->thread = tpark_thread_new_hooked(0, &hook);
        must(life->thread != NULL, "no memory");
        life->place->parker = tpark_thread_parker(life->thread);
        break;
    case HANDLE:
        life->thread = tpark_thread_new(0);
        must(life->thread != NULL, "no memory");
        break;
    case CURRENT:
        life->unparker = tpark_current_unparker();
        must(life->unparker != NULL, "no memory");
        return;
    default:
        must(tpark_init(&life->embedded, life->kind == SHARED ? TPARK_SHARED : 0) == 0, "init");
        return;
    }
    life->unparker = tpark_thread_unparker(life->thread);
}

static void *run_life(void *argument)
{
    struct run *run = argument;
    struct life *life = run->life;
    if (life->kind == BLOCK_ON) {
        must(tpark_block_on(poll_once, run) == 0, "no memory");
    } else {
        make(life);
        publish(run, life);
        while (run->rounds-- > 0 && !stops_owners) {
            life->consumed +=
                life->unparker ? park_handle_once(life) : park_once(life, &life->embedded);
            life->parks++;
            run->slot->progress++;
        }
    }
    publish(run, NULL);
    struct rusage usage; /* of the thread, which does little else than to park */
    getrusage(RUSAGE_THREAD, &usage);
    life->sleeps = (uint64_t)usage.ru_nvcsw;
    if (!life->keeps_handle)
        tpark_unparker_free(life->unparker);
    tpark_thread_free(life->thread);
    release(life);
    return NULL;
}

static void *run_slot(void *argument)
{
    struct slot *slot = argument;
    while (!stops_owners) {
        struct life *life = calloc(1, sizeof *life);
        must(life != NULL, "no memory");
        life->kind = (enum kind)pick(&slot->random, KINDS);
        life->is_exact = pick(&slot->random, 2);
        life->is_disturbed = pick(&slot->random, 2);
        life->keeps_handle = life->kind > SHARED && pick(&slot->random, 2);
        life->references = 1;
        life->random = random_of(&slot->random);
        if (life->kind == HOOKED) {
            life->place = calloc(1, sizeof *life->place);
            must(life->place != NULL, "no memory");
            life->place->fd = eventfd(0, EFD_NONBLOCK);
            must(life->place->fd >= 0, "no eventfd");
        }
        struct run run = {slot, life, 1 + pick(&slot->random, 2000)};
        pthread_t thread;
        must(pthread_create(&thread, NULL, run_life, &run) == 0, "no thread");
        pthread_join(thread, NULL);
    }
    return NULL;
}

/* -------------------------------------------------------------------------------- the trouble --
 */

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

static unsigned pick_processor(uint64_t *random, const cpu_set_t *allowed)
{
    for (;;) {
        const unsigned cpu = pick(random, CPU_SETSIZE);
        if (CPU_ISSET(cpu, allowed))
            return cpu;
    }
}

static void end_hang(int signal_number)
{
    static const char line[] = "soak: an owner sleeps on at the end: a lost wakeup\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    abort();
}

/* Moves, slows down or interrupts an owner. */
static void trouble(struct slot *slot, uint64_t *random, const cpu_set_t *allowed)
{
    pthread_rwlock_rdlock(&slot->lock);
    if (slot->life) {
        cpu_set_t one;
        switch (pick(random, 4)) {
        case 0:
            CPU_ZERO(&one);
            CPU_SET(pick_processor(random, allowed), &one);
            sched_setaffinity(slot->tid, sizeof one, pick(random, 4) ? &one : allowed);
            break;
        case 1:
            setpriority(PRIO_PROCESS, (id_t)slot->tid, (int)pick(random, 20));
            break;
        default:
            if (slot->life->is_disturbed)
                syscall(SYS_tgkill, getpid(), slot->tid, SIGUSR1);
        }
    }
    pthread_rwlock_unlock(&slot->lock);
}

static void check_progress(struct slot *slot)
{
    const uint64_t progress = slot->progress;
    if (progress != slot->seen_progress) {
        slot->seen_progress = progress;
        slot->seen_at = now_ns();
    } else if (now_ns() - slot->seen_at > HANG_S * S) {
        fail("an owner that is unparked all the time sleeps on: a lost wakeup");
    }
}

static void print_totals(uint64_t seed)
{
    printf("soak, %s backend, seed %llu:", TPARK_HAS_FUTEX_WORD ? "futex" : "pthread",
           (unsigned long long)seed);
    for (int i = 0; i < KINDS; i++)
        printf(" %llu %s%s", (unsigned long long)total.lives[i], kind_names[i],
               i < KINDS - 1 ? "," : " parkers\n");
    printf("parks %llu, unparks %llu, sleeps %llu, timeouts %llu, coalesced %llu, woken %llu, "
           "lost %llu\n",
           (unsigned long long)total.parks, (unsigned long long)total.unparks,
           (unsigned long long)total.sleeps, (unsigned long long)total.timeouts,
           (unsigned long long)total.coalesced, (unsigned long long)total.woken,
           (unsigned long long)total.lost);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    const uint64_t n = strtoull(text, &end, 10);
    if (errno || end == text || *end) {
        fprintf(stderr, "soak: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'r'}, {0}};
    uint64_t seconds = 60, seed = now_ns();
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's') {
            seconds = number(optarg);
        } else if (option == 'r') {
            seed = number(optarg);
        } else {
            fprintf(stderr, "usage: soak [--seconds N] [--seed N]\n");
            return 2;
        }
    }

    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = do_nothing;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = end_hang;
    sigaction(SIGALRM, &action, NULL);

    uint64_t random = seed;
    pthread_t unparkers[UNPARKERS];
    uint64_t seeds[UNPARKERS];
    for (int i = 0; i < SLOTS; i++) {
        pthread_rwlock_init(&slots[i].lock, NULL);
        slots[i].random = random_of(&random);
        slots[i].seen_at = now_ns();
        must(pthread_create(&slots[i].manager, NULL, run_slot, &slots[i]) == 0, "no thread");
    }
    for (int i = 0; i < UNPARKERS; i++) {
        seeds[i] = random_of(&random);
        must(pthread_create(&unparkers[i], NULL, run_unparker, &seeds[i]) == 0, "no thread");
    }

    const uint64_t end = now_ns() + seconds * S;
    while (now_ns() < end) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        trouble(&slots[pick(&random, SLOTS)], &random, &allowed);
        for (int i = 0; i < SLOTS; i++)
            check_progress(&slots[i]);
    }

    /* An owner looks whether to stop after each park: nobody gets stuck while there are unparks. */
    alarm(HANG_S);
    stops_owners = true;
    for (int i = 0; i < SLOTS; i++)
        pthread_join(slots[i].manager, NULL);
    stops_unparkers = true;
    for (int i = 0; i < UNPARKERS; i++)
        pthread_join(unparkers[i], NULL);
    print_totals(seed);
    return total.lost != 0 || total.parks == 0;
}

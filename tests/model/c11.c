/* SPDX-License-Identifier: MIT */
/*
 * The protocol for other model checkers of C: src/park.c as it is, with a blocking layer that
 * waits until the state is not PARKED, and without spins. One scenario is one program:
 *
 *   genmc -imm -unroll=3 -- -std=c11 -D_GNU_SOURCE -DTPARK_BACKEND_FUTEX -DSCENARIO=1 -Iinclude \
 *       -Isrc tests/model/c11.c
 *   cbmc --mm pso --unwind 3 -D_GNU_SOURCE -DTPARK_BACKEND_FUTEX -DSCENARIO=1 -Iinclude -Isrc \
 *       tests/model/c11.c
 *
 * (GenMC with -imm also explores reads of writes that are executed later, which ours does not.)
 * Neither is in Debian, so tests/run only compiles and runs it with threads of the system.
 *
 * Why the source's orders are enough on ARMv8 and RISC-V. Every operation of the table in park.c
 * is one C11 read-modify-write, and none is sequentially consistent, so the compilers' mapping is:
 *
 *                                ARMv8 without, and with LSE  RISC-V
 *   give     exchange, acq_rel   ldaxr stlxr, swpal           amoswap.aqrl
 *   take     exchange, acquire   ldaxr stxr, swpa             amoswap.aq
 *   consume  CAS, acquire        ldaxr stxr, casa             lr.aq sc
 *   adopt    CAS, acquire        ldaxr stxr, casa             lr.aq sc
 *   arm      CAS, release        ldxr stlxr, casl             lr sc.rl
 *
 * These mappings are proven correct for all of C11 without seq_cst (Podkopaev, Lahav, Vafeiadis,
 * "Bridging the gap between programming languages and hardware weak memory models", POPL 2019), so
 * what holds in C11 holds there. A store-conditional may fail without cause; a strong CAS tries
 * again, and no weak one is used. And C11 is all that the argument in park.c rests on: one word,
 * only read-modify-writes of it, hence one modification order, in which each reads from the one
 * before. Our explorer orders writes as they are executed, which loses nothing for such a word.
 */
#include <assert.h>
#include <pthread.h>

#ifndef SCENARIO
#define SCENARIO 1
#endif

#include <stdlib.h>

#include "park.c"

#include "policy.h"
#include "precise.h"

/* ------------------------------------------------------------------- what park.c is built on -- */

_Noreturn void tpark_misuse(const char *function, const char *reason)
{
    (void)function, (void)reason;
    assert(false);
    abort();
}

bool tpark_is_shared_memory(const void *address)
{
    (void)address;
    return false;
}

/* The kernel, as backend.h has it: nobody need wake who looks all the time. */
void tpark_backend_wait(struct tpark *p, const struct timespec *deadline)
{
    (void)deadline;
    while (atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) == TPARK_PARKED)
        ;
}

void tpark_backend_wake(struct tpark *p, bool is_shared)
{
    (void)p, (void)is_shared;
}

int tpark_backend_init(struct tpark *p)
{
    (void)p;
    return 0;
}

void tpark_backend_destroy(struct tpark *p)
{
    (void)p;
}

/* Nobody parks on several. */
atomic_ulong tpark_desks_taken;

void tpark_desk_ring_listed(const struct tpark *p)
{
    (void)p;
}

/* No policy, and no time. */
bool tpark_policy_accepts(unsigned flags)
{
    return flags == 0;
}

void tpark_policy_leave_note(struct tpark *p, uint32_t traits)
{
    (void)p, (void)traits;
}

struct tpark_spin tpark_policy_spin(const struct tpark *p, const struct timespec *deadline)
{
    (void)p, (void)deadline;
    return (struct tpark_spin){.time_ns = 0};
}

struct tpark_spin tpark_policy_spin_until(const struct timespec *deadline)
{
    (void)deadline;
    return (struct tpark_spin){.time_ns = 0};
}

bool tpark_spin_goes_on(struct tpark_spin *spin)
{
    (void)spin;
    return false;
}

void tpark_policy_has_won(const struct tpark *p, const struct tpark_spin *spin)
{
    (void)p, (void)spin;
}

void tpark_policy_goes_to_sleep(struct tpark *p, struct tpark_spin *spin)
{
    (void)p, (void)spin;
}

void tpark_policy_is_back(struct tpark *p, bool token)
{
    (void)p, (void)token;
}

struct timespec tpark_precise_alarm(const struct timespec *deadline)
{
    return *deadline;
}

void tpark_precise_learn(const struct timespec *alarm)
{
    (void)alarm;
}

/* ---------------------------------------------------------------------------- the scenarios -- */

static struct tpark p;
static int message;         /* plain: a park that did not synchronise is a data race */
static _Atomic int sent[2]; /* relaxed, where it is not known which unpark came first */

static void *unpark_with_message(void *unused)
{
    message = 1;
    tpark_unpark(&p);
    return unused;
}

static void *send(void *place)
{
    _Atomic int *const mine = place;
    atomic_store_explicit(mine, 1, memory_order_relaxed);
    tpark_unpark(&p);
    return NULL;
}

static void *look_at_message(void *unused)
{
    if (tpark_unpark(&p) == TPARK_PARKED)
        assert(message == 1);
    return unused;
}

int main(void)
{
    pthread_t thread[2];
#if SCENARIO == 1 /* what came before the unpark is visible after the park */
    pthread_create(&thread[0], NULL, unpark_with_message, NULL);
    tpark_park(&p);
    assert(message == 1);
    pthread_join(thread[0], NULL);
    assert(!tpark_try_park(&p));
#elif SCENARIO == 2 /* also of the unpark that merged, or its token is still there */
    pthread_create(&thread[0], NULL, send, &sent[0]);
    pthread_create(&thread[1], NULL, send, &sent[1]);
    tpark_park(&p);
    const int first = atomic_load_explicit(&sent[0], memory_order_relaxed);
    const int second = atomic_load_explicit(&sent[1], memory_order_relaxed);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    const bool is_left = tpark_try_park(&p);
    assert(is_left || (first && second));
#else               /* who must wake the owner sees what it wrote before it armed */
    pthread_create(&thread[0], NULL, look_at_message, NULL);
    message = 1;
    const bool token = !tpark_arm(&p) || tpark_disarm(&p);
    pthread_join(thread[0], NULL);
    assert(token != tpark_try_park(&p));
#endif
    (void)thread, (void)message, (void)sent;
    (void)unpark_with_message, (void)send, (void)look_at_message;
    return 0;
}

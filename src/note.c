/* SPDX-License-Identifier: MIT */
/*
 * An owner that comes back from a sleep sees one span of time, and needs to know two: for how long
 * it had to wait for the token, and how long it then took to wake up. So the waker leaves a note.
 * An unpark that replaced PARKED, and is about to pay for a system call in any case, notes the time
 * and its CPU, unless the owner has said that it would not read that (policy.c):
 *
 *     park begins           the note           park returns
 *          |------- wait ------|---- latency ------|     and whether the waker's CPU was its own
 *
 * Two places. An unpark may touch a private parker no more after its exchange, so those notes lie
 * in a small table of the process, under a hash of the parker's address. Two parkers that share a
 * slot overwrite each other's notes. An unpark of a process-shared parker may touch it, and the
 * owner may be in another process: those notes lie in the parker itself, in 16 bits.
 *
 * A note that is missing, stale, of another parker, of another time namespace, or nonsense that a
 * peer wrote, only ever makes an owner spin for nothing, or sleep, a few times: the state alone
 * says whether there is a token. So a note is one relaxed store and one relaxed load, of a single
 * word so that it cannot tear; that an owner sees it at all is usual, since the wake follows it,
 * but nothing depends on it.
 */
#include "config.h"

#include "note.h"

#include <sched.h>
#include <stdalign.h>

#include "backend.h"
#include "deadline.h"

/* In the table: the time in ns; the CPU; and a tag of the parker, which tells most others apart. */
enum {
    TAG_BITS = 12,
    CPU_BITS = 12,
    TIME_SHIFT = TAG_BITS + CPU_BITS,
    TIME_BITS = 64 - TIME_SHIFT
};

/* In the parker: the time in units of 128 ns, and the CPU. A CPU is cut off, which matters little.
 */
enum { SHORT_CPU_BITS = 6, SHORT_TIME_BITS = 16 - SHORT_CPU_BITS, SHORT_UNIT_BITS = 7 };

static uint64_t low_bits(uint64_t value, int bits)
{
    return value & (((uint64_t)1 << bits) - 1);
}

static uint64_t this_cpu(void)
{
    return (uint64_t)sched_getcpu();
}

/*
 * Slots on cache lines of their own, so that two wakers do not meet on one. How many there are
 * hardly matters: with 16 parkers at once, 2 and 4096 measured alike.
 */
enum { SLOT_BITS = 8 };

static struct {
    alignas(TPARK_CACHE_LINE) _Atomic uint64_t note;
} table[1 << SLOT_BITS];

/* Where it takes a lock to write a note, a signal handler may not: there the table stays empty. */
static bool has_table(void)
{
    /* ATOMIC_LLONG_LOCK_FREE is about long long, which i386 aligns to 4 bytes only. */
    return __atomic_always_lock_free(sizeof(uint64_t), NULL);
}

/* Fibonacci hashing: the upper bits depend on all bits of the address. */
TPARK_WRAPS static uint64_t hash(const struct tpark *p)
{
    return (uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15u;
}

static _Atomic uint64_t *slot_at(uint64_t hash)
{
    return &table[hash >> (64 - SLOT_BITS)].note;
}

static uint64_t tag_of(uint64_t hash)
{
    return low_bits(hash >> (64 - SLOT_BITS - TAG_BITS), TAG_BITS);
}

TPARK_WRAPS void tpark_note_leave(struct tpark *p, bool is_shared)
{
    const uint64_t now = tpark_now_ns();
    const uint64_t cpu = this_cpu();
    /* Relaxed, and pairs with nothing: see the top of this file. */
    if (is_shared) {
        const uint64_t time = low_bits(now >> SHORT_UNIT_BITS, SHORT_TIME_BITS);
        atomic_store_explicit(tpark_note_word(p),
                              (uint16_t)(time << SHORT_CPU_BITS | low_bits(cpu, SHORT_CPU_BITS)),
                              memory_order_relaxed);
    } else if (has_table()) {
        const uint64_t h = hash(p);
        atomic_store_explicit(slot_at(h),
                              now << TIME_SHIFT | low_bits(cpu, CPU_BITS) << TAG_BITS | tag_of(h),
                              memory_order_relaxed);
    }
}

struct tpark_note tpark_note_read(struct tpark *p)
{
    /* Relaxed, and pairs with nothing: see the top of this file. */
    if (p->flags & TPARK_SHARED) {
        const uint16_t note = atomic_load_explicit(tpark_note_word(p), memory_order_relaxed);
        return (struct tpark_note){
            .is_there = true,
            .same_cpu = low_bits(note, SHORT_CPU_BITS) == low_bits(this_cpu(), SHORT_CPU_BITS),
            .time_ns = (uint64_t)(note >> SHORT_CPU_BITS) << SHORT_UNIT_BITS,
            .unit_ns = 1 << SHORT_UNIT_BITS,
            .range_ns = (uint64_t)1 << (SHORT_TIME_BITS + SHORT_UNIT_BITS),
        };
    }
    const uint64_t h = hash(p);
    const uint64_t note = atomic_load_explicit(slot_at(h), memory_order_relaxed);
    return (struct tpark_note){
        .is_there = note && low_bits(note, TAG_BITS) == tag_of(h),
        .same_cpu = low_bits(note >> TAG_BITS, CPU_BITS) == low_bits(this_cpu(), CPU_BITS),
        .time_ns = note >> TIME_SHIFT,
        .unit_ns = 1,
        .range_ns = (uint64_t)1 << TIME_BITS,
    };
}

TPARK_WRAPS uint64_t tpark_note_wait(const struct tpark_note *note, uint64_t start_ns,
                                     uint64_t now_ns)
{
    const uint64_t whole = now_ns - start_ns;
    /* Modulo the range: nearly all of it if the note is older than the start. */
    const uint64_t wait =
        (note->time_ns - start_ns / note->unit_ns * note->unit_ns) & (note->range_ns - 1);
    return wait <= whole && whole < note->range_ns ? wait : UINT64_MAX;
}

/* SPDX-License-Identifier: MIT */
/*
 * Spinning that tunes itself.
 *
 * To spin pays if the token comes sooner than a sleep and a wake would have cost, and if whoever
 * brings it is not waiting for this very CPU. An owner cannot know either beforehand, and learns
 * nothing from its own side: of a sleep it sees the sum of both times. So the waker leaves
 * evidence. An unpark that replaced PARKED, and is about to pay for a system call in any case,
 * notes the time and its CPU. When the owner comes back from the sleep, it knows all three:
 *
 *     park begins           the note           park returns
 *          |------- wait ------|------ cost -------|           and whether the waker's CPU was its
 * own
 *
 * Next time it spins if, and only if, the waker was elsewhere and wait < 2 * cost; then for
 * 2 * cost at most. While the spinning succeeds nobody is woken, nothing is learnt, and nothing
 * need be; once it fails the owner sleeps, and the next note decides. So a change of the workload
 * costs one park at the old price, in either direction. Twice the cost is the break-even of both
 * threads together: the waker pays for the wake too.
 *
 * The notes lie in a small table of the process, under a hash of the parker's address, since an
 * unpark may not touch a private parker after its exchange. Two parkers that share a slot overwrite
 * each other's notes. A note that is missing, stale, of another parker, or in another process'
 * memory only ever makes an owner spin for nothing once, or sleep once: the state alone says
 * whether there is a token. So a note is one relaxed store and one relaxed load, of a single word
 * so that it cannot tear; that an owner sees it at all is usual, since the wake follows it, but
 * nothing depends on it.
 */
#include "config.h"

#include "spin.h"

#include <sched.h>
#include <stdalign.h>
#include <unistd.h>

#include "backend.h"

enum { NS_PER_US = 1000, NS_PER_S = 1000000000 };

static uint64_t to_ns(const struct timespec *t)
{
    const uint64_t s = (uint64_t)t->tv_sec;
    return s < UINT64_MAX / NS_PER_S ? s * NS_PER_S + (uint64_t)t->tv_nsec : UINT64_MAX;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return to_ns(&t);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most of them */
#endif
}

/* Relaxed: who sees a token takes it by T, whose acquire pairs with the exchange of U. */
static inline bool has_changed(struct tpark *p)
{
    return atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) != TPARK_EMPTY;
}

static bool look(struct tpark *p, int times)
{
    for (; times; times--) {
        if (has_changed(p))
            return true;
        relax();
    }
    return false;
}

/* looks: how many to one reading of the clock. */
static bool spin_until(struct tpark *p, uint64_t end_ns, int looks)
{
    do {
        if (look(p, looks))
            return true;
    } while (now_ns() < end_ns);
    return has_changed(p); /* a token wins over a deadline */
}

/* ------------------------------------------------------------------------------- the policy -- */

static const unsigned policies = TPARK_SPIN_NEVER | TPARK_SPIN_ADAPTIVE | TPARK_SPIN_FIXED;

bool tpark_spin_accepts(unsigned flags)
{
    const unsigned policy = flags & policies;
    const unsigned fixed_time = policy == TPARK_SPIN_FIXED ? (unsigned)UINT16_MAX << 16 : 0;
    const unsigned known = TPARK_SHARED | TPARK_PRECISE | TPARK_SLACK | policies | fixed_time;
    const unsigned contrary = TPARK_PRECISE | TPARK_SLACK;
    return !(flags & ~known) && !(policy & (policy - 1)) && (flags & contrary) != contrary;
}

/* A static initialiser may have named several: the first of these holds. */
static unsigned policy_of(unsigned flags)
{
    if (!(flags & policies))
        flags = TPARK_SPIN_DEFAULT;
    if (flags & TPARK_SPIN_NEVER)
        return TPARK_SPIN_NEVER;
    return flags & TPARK_SPIN_ADAPTIVE ? TPARK_SPIN_ADAPTIVE : TPARK_SPIN_FIXED;
}

bool tpark_spin_wants_note(unsigned flags)
{
    return policy_of(flags) == TPARK_SPIN_ADAPTIVE;
}

/* Nobody can bring a token while the owner spins on the only CPU. Adaptive owners find out. */
static bool has_one_cpu(void)
{
    static atomic_long cpus; /* 0: not counted yet. Relaxed: whoever sees 0 counts again. */
    long count = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (count == 0) {
        count = sysconf(_SC_NPROCESSORS_ONLN);
        atomic_store_explicit(&cpus, count, memory_order_relaxed);
    }
    return count == 1;
}

/*
 * To read the clock takes as long as a pause, and the owner is blind meanwhile: half of what a
 * hand-over between two cores takes. So it looks that often in between, and before the first time.
 */
enum { LOOKS = 8 };

bool tpark_spin_first(struct tpark_spin *spin, struct tpark *p, const struct timespec *deadline)
{
    const unsigned policy = policy_of(p->flags);
    spin->learns = policy == TPARK_SPIN_ADAPTIVE;
    if (policy == TPARK_SPIN_NEVER || (policy == TPARK_SPIN_FIXED && has_one_cpu()))
        return false;
    if (p->spin && look(p, LOOKS))
        return true;
    spin->start_ns = now_ns();
    spin->cpu = spin->learns ? sched_getcpu() : 0;
    if (p->spin == 0)
        return false;
    const uint64_t budget_end = spin->start_ns + (uint64_t)p->spin * NS_PER_US;
    const uint64_t deadline_ns = deadline ? to_ns(deadline) : UINT64_MAX;
    return spin_until(p, budget_end < deadline_ns ? budget_end : deadline_ns, LOOKS);
}

/* ----------------------------------------------------------------------------- the evidence -- */

/*
 * A note: the time in ns, modulo 18 minutes; the CPU; and a tag of the parker, which tells most
 * other parkers of the slot. A CPU number is cut off, which matters little.
 */
enum { TAG_BITS = 12, CPU_BITS = 12, TIME_SHIFT = TAG_BITS + CPU_BITS };

static const uint64_t tag_mask = (1 << TAG_BITS) - 1;
static const uint64_t cpu_mask = (1 << CPU_BITS) - 1;

/*
 * Slots on cache lines of their own, so that two wakers do not meet on one. How many there are
 * hardly matters: with 16 parkers at once, 2 and 4096 measured alike.
 */
enum { SLOT_BITS = 8, CACHE_LINE = 64 };

static struct {
    alignas(CACHE_LINE) _Atomic uint64_t note;
} table[1 << SLOT_BITS];

/* Where it takes a lock to write a note, a signal handler may not: there the table stays empty. */
static bool has_notes(void)
{
    /* ATOMIC_LLONG_LOCK_FREE is about long long, which i386 aligns to 4 bytes only. */
    return __atomic_always_lock_free(sizeof(uint64_t), NULL);
}

/* Fibonacci hashing: the upper bits depend on all bits of the address. */
static uint64_t hash(const struct tpark *p)
{
    return (uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15u;
}

static _Atomic uint64_t *slot_of(uint64_t hash)
{
    return &table[hash >> (64 - SLOT_BITS)].note;
}

static uint64_t tag_of(uint64_t hash)
{
    return hash >> (64 - SLOT_BITS - TAG_BITS) & tag_mask;
}

void tpark_spin_leave_note(const struct tpark *p)
{
    const uint64_t h = hash(p);
    const uint64_t cpu = (uint64_t)sched_getcpu() & cpu_mask;
    const uint64_t note = now_ns() << TIME_SHIFT | cpu << TAG_BITS | tag_of(h);
    /* Pairs with nothing: see the top of this file. */
    if (has_notes())
        atomic_store_explicit(slot_of(h), note, memory_order_relaxed);
}

/*
 * What is believed of the cost of a sleep. Less, and there was none: the token came after the owner
 * had armed, and before it slept. More, and it was not the wake that took so long: other threads
 * had the CPU.
 */
enum { MIN_COST_NS = 1 * NS_PER_US, MAX_COST_NS = 50 * NS_PER_US };

/* For how many microseconds to spin next time, after a sleep that brought a token. */
static unsigned judge(const struct tpark_spin *spin, const struct tpark *p)
{
    const uint64_t h = hash(p);
    /* Pairs with nothing: see the top of this file. */
    const uint64_t note = atomic_load_explicit(slot_of(h), memory_order_relaxed);
    const bool is_ours = (note & tag_mask) == tag_of(h);
    const bool same_cpu = (note >> TAG_BITS & cpu_mask) == ((uint64_t)spin->cpu & cpu_mask);
    if (!is_ours || same_cpu)
        return 0;
    const uint64_t now = now_ns();
    uint64_t cost = ((now << TIME_SHIFT) - note) >> TIME_SHIFT;
    /* Wraps around, and is a long wait, if the note is older than this park. */
    const uint64_t wait = now - cost - spin->start_ns;
    if (cost < MIN_COST_NS)
        cost = MIN_COST_NS;
    if (cost > MAX_COST_NS)
        cost = MAX_COST_NS;
    return wait < 2 * cost ? (unsigned)(2 * cost / NS_PER_US) : 0;
}

void tpark_spin_learn(const struct tpark_spin *spin, struct tpark *p, bool token)
{
    if (spin->learns)
        p->spin = (uint16_t)(token ? judge(spin, p) : 0);
}

/* ----------------------------------------------------------------------------- the deadline -- */

/*
 * How much earlier than the deadline a precise owner has itself woken: a little more than what
 * sleeps have lately been late, and never more than the limit, which the contract names. It is the
 * machine's and its timer slack's, not the parker's. Relaxed: an update that gets lost is one sleep
 * that taught nothing.
 */
enum { MAX_MARGIN_NS = 100 * NS_PER_US };

static _Atomic uint32_t margin_ns = MAX_MARGIN_NS;

struct timespec tpark_spin_alarm(const struct timespec *deadline)
{
    struct timespec alarm = *deadline;
    alarm.tv_nsec -= (long)atomic_load_explicit(&margin_ns, memory_order_relaxed);
    if (alarm.tv_nsec < 0) {
        alarm.tv_nsec += NS_PER_S;
        alarm.tv_sec--;
    }
    return alarm;
}

/* Up to the latest at once, and down by a fraction: exceeded by one sleep in a hundred or so. */
void tpark_spin_learn_lateness(const struct timespec *alarm)
{
    const uint64_t late = now_ns() - to_ns(alarm);
    const uint32_t margin = atomic_load_explicit(&margin_ns, memory_order_relaxed);
    const uint32_t target = late < MAX_MARGIN_NS ? (uint32_t)late : MAX_MARGIN_NS;
    atomic_store_explicit(&margin_ns, target > margin ? target : margin - (margin - target) / 256,
                          memory_order_relaxed);
}

bool tpark_spin_last(struct tpark *p, const struct timespec *deadline)
{
    return spin_until(p, to_ns(deadline), 1);
}

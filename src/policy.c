/* SPDX-License-Identifier: MIT */
/*
 * Whether to spin, and for how long.
 *
 * To spin for a token that comes costs the wait. To sleep costs the CPU time of a sleep and a wake,
 * of both threads, and the latency of the wake. To spin in vain costs both. So the owner asks what
 * its waits are like, and what a sleep costs, and takes what is cheapest on average.
 *
 * What its waits are like. An owner learns each of them: from a spin by its outcome, from a sleep
 * by the note of its waker (note.c), also what it would have won by spinning. Waits follow
 * patterns: a lock, then the next request. So the owner keeps its experience apart by what the last
 * three waits were, short or long, as a branch predictor does. For each of those eight histories,
 * and each of a few times that it might spin for, the odds: how often it wins, and how long it
 * spins on average. Every wait moves the odds of all times at once, since it is known how each of
 * them would have fared.
 *
 *     history     the odds of spinning for at most
 *                  2 us      5 us      ...   100 us
 *     long  long  long      0 %, 2.0   0 %, 5.0        9 %, 98     sleep
 *     long  long  short   100 %, 0.9 100 %, 0.9      100 %, 0.9    spin for 2 us
 *     ...
 *
 * Then, of a time with the odds (wins, spent):
 *
 *     CPU that it saves over a sleep      wins * cost - spent
 *     latency that it saves               wins * latency
 *
 * Without a price, the policy takes the time that saves most of both together, of those that save
 * CPU: a free lunch. With a price it takes the one that saves most if a microsecond of latency is
 * worth so many of CPU time.
 *
 * What a sleep costs. The latency is what passes from a note until the owner runs. The CPU time is
 * measured, in few sleeps, since reading it is a system call: of the owner's part, to which
 * the waker's comes. Both are averages of the thread, and a sample counts as twice the average at
 * most, and half of it at least: one slow wake changes little.
 *
 * Where spinning cannot work. A waker on the owner's CPU cannot run while the owner spins: such a
 * wait is long, whatever the clock says, and while it is so an owner looks at no clock at all. And
 * where the token comes soon after a spin in vain has ended, several times in a row, the spin is
 * what held it up (the waker waits for somebody who needs the CPU): the owner then sleeps for some
 * parks, and for twice as many each time that it happens again.
 *
 * All of this is the owner's, and belongs to the thread: what is known of the parkers that it
 * used last, by their addresses. A thread that takes a parker over learns anew.
 */
#include "config.h"

#include "policy.h"

#include <sched.h>

#include "backend.h"
#include "deadline.h"
#include "note.h"

static const unsigned policies = TPARK_SPIN_NEVER | TPARK_SPIN_ADAPTIVE | TPARK_SPIN_FIXED;

enum { PRICE_SHIFT = 6, PRICE_MASK = 3 };

TPARK_WRAPS bool tpark_policy_accepts(unsigned flags)
{
    const unsigned policy = flags & policies;
    const unsigned contrary = TPARK_PRECISE | TPARK_SLACK;
    unsigned known = TPARK_SHARED | contrary | policies;
    if (policy == TPARK_SPIN_FIXED)
        known |= (unsigned)UINT16_MAX << 16;
    if (policy == TPARK_SPIN_ADAPTIVE)
        known |= PRICE_MASK << PRICE_SHIFT;
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

/* --------------------------------------------------------------------------- what is known -- */

enum { HISTORY = 3, HISTORIES = 1 << HISTORY, TIMES = 6, RATE = 5, PREDICTORS = 4 };

static const uint32_t times_ns[TIMES] = {2000, 5000, 10000, 20000, 50000, 100000};

/* Of one time to spin for, after one history. */
struct odds {
    uint16_t wins;  /* of 65535 */
    uint16_t spent; /* in units of 2 ns */
};

enum { SPENT_UNIT = 2, CERTAIN = UINT16_MAX };

static const uint32_t long_wait = UINT32_MAX;

/* Of one parker. */
struct predictor {
    uintptr_t parker;
    struct odds odds[HISTORIES][TIMES];
    uint8_t seen[HISTORIES];
    uint8_t history;

    bool is_quick;    /* the last waits were over with the first looks */
    bool is_due;      /* the last wait is still to be learnt */
    uint32_t wait_ns; /* and was so long */

    bool sleeps;       /* the owner does, and shall learn from that */
    uint32_t spun_ns;  /* after a spin in vain, which took so long */
    uint64_t start_ns; /* and began then; 0: nobody looked */
    uint64_t cpu_ns;   /* the thread's CPU time before the sleep; 0: not measured */

    bool is_alone;     /* the last waker ran on the owner's CPU */
    bool is_elsewhere; /* it ran on another one */
    uint8_t held_up;   /* how often in a row a token came soon after a spin in vain */
    uint16_t rests;    /* for so many parks it does not spin, therefore */

    uint8_t unlearnt; /* from so many sleeps more it does not learn */

    uint8_t tries;     /* for so many parks more it finds out whether its spins wake the waker */
    bool is_try;       /* it does so in this one */
    int32_t allowance; /* CPU time for that, in ns */
};

static _Thread_local struct {
    uint32_t cost_ns;    /* CPU time of a sleep and a wake, of both threads */
    uint32_t latency_ns; /* of a wake */
    uint32_t interval;   /* one sleep in so many is measured, */
    uint32_t left;       /* and the next one after so many */
    uint32_t unchecked;  /* for how many fixed spins the CPUs need not be counted again */
    bool has_one_cpu;
    struct predictor predictors[PREDICTORS];
} self = {.cost_ns = 5 * TPARK_NS_PER_US, .latency_ns = 10 * TPARK_NS_PER_US};

static struct predictor *slot_of(const struct tpark *p)
{
    const uintptr_t address = (uintptr_t)p;
    return &self.predictors[(address >> 3 ^ address >> 6) % PREDICTORS];
}

static struct predictor *predictor_of(const struct tpark *p)
{
    struct predictor *const known = slot_of(p);
    if (known->parker != (uintptr_t)p)
        *known = (struct predictor){.parker = (uintptr_t)p, .wait_ns = long_wait};
    return known;
}

/* -------------------------------------------------------------------------------- the odds -- */

/* What a microsecond of latency is worth in CPU time, by the price. */
static const uint32_t worth[PRICE_MASK + 1] = {0, 1, 4, 16};

static uint32_t price_of(unsigned flags)
{
    return flags >> PRICE_SHIFT & PRICE_MASK;
}

static void move(uint16_t *average, uint32_t sample, int shift)
{
    *average = (uint16_t)(*average + ((int32_t)sample - *average) / (1 << shift));
}

/* Moves the odds by a wait: by all of it at first, and later by less. */
static void move_all(struct predictor *known, uint32_t wait_ns)
{
    uint8_t *const seen = &known->seen[known->history];
    int shift = 0;
    while (shift < RATE && 1 << shift <= *seen)
        shift++;
    if (shift < RATE)
        ++*seen;
    for (int i = 0; i < TIMES; i++) {
        struct odds *const odds = &known->odds[known->history][i];
        const bool wins = wait_ns <= times_ns[i];
        move(&odds->wins, wins ? CERTAIN : 0, shift);
        move(&odds->spent, (wins ? wait_ns : times_ns[i]) / SPENT_UNIT, shift);
    }
}

static void learn(struct predictor *known, unsigned flags)
{
    move_all(known, known->wait_ns);
    known->is_due = false;
    const bool is_short =
        known->wait_ns <= self.cost_ns + worth[price_of(flags)] * (uint64_t)self.latency_ns;
    known->history = (uint8_t)((known->history << 1 | is_short) % HISTORIES);
}

/* What is known of the history now; where that is nothing, the next wait will be as the last. */
static const struct odds *odds_of(struct predictor *known)
{
    if (known->seen[known->history] == 0)
        move_all(known, known->wait_ns);
    return known->odds[known->history];
}

/* For how long to spin; 0: sleep at once. */
static uint32_t choose_time(struct predictor *known, unsigned flags)
{
    const struct odds *const all_odds = odds_of(known);
    const uint32_t price = price_of(flags);
    const int64_t latency = (int64_t)self.latency_ns * (price ? worth[price] : 1);
    int64_t most = 0;
    uint32_t best = 0;
    for (int i = 0; i < TIMES; i++) {
        const struct odds *const odds = &all_odds[i];
        const int64_t saved =
            (int64_t)odds->wins * self.cost_ns - (int64_t)odds->spent * SPENT_UNIT * CERTAIN;
        const int64_t all = saved + odds->wins * latency;
        if (all > most && (price || saved >= 0)) {
            most = all;
            best = times_ns[i];
        }
    }
    return best;
}

/* ---------------------------------------------------------------------- what a sleep costs -- */

enum { LEAST_COST_NS = 500, MOST_COST_NS = 100 * TPARK_NS_PER_US, LONGEST_INTERVAL = 64 };

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return tpark_to_ns(&t);
}

static uint64_t between(uint64_t least, uint64_t value, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Moves an average by a sample. Returns whether the sample was near to it. */
static bool average(uint32_t *value, uint64_t sample)
{
    const uint64_t old = *value;
    const uint64_t moved = (3 * old + between(old / 2, sample, 2 * old)) / 4;
    *value = (uint32_t)between(LEAST_COST_NS, moved, MOST_COST_NS);
    return sample == between(old * 3 / 4, sample, old * 5 / 4);
}

/* Few sleeps are measured, and more of them after a surprise. */
static bool is_to_be_measured(void)
{
    if (self.left == 0)
        return true;
    self.left--;
    return false;
}

static void measure_again(bool soon)
{
    self.interval = soon ? 0 : (uint32_t)between(1, 2 * (uint64_t)self.interval, LONGEST_INTERVAL);
    self.left = self.interval;
}

/* --------------------------------------------------------------------------- how it begins -- */

/*
 * To read the clock takes as long as a pause, and the owner is blind meanwhile: half of what a
 * hand-over between two cores takes. So it looks that often in between, and before the first time.
 */
enum { LOOKS = 8 };

/*
 * Nobody can bring a token while the owner spins on the only CPU that there is for all. An owner
 * that may use but one cannot tell that from a CPU of its own, until it hears of its wakers.
 */
static bool has_one_cpu(void)
{
    enum { INTERVAL = 16 };
    if (self.unchecked == 0) {
        self.unchecked = INTERVAL;
        cpu_set_t cpus; /* too small for the machine: then there are many */
        self.has_one_cpu = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1;
    }
    return self.has_one_cpu;
}

static uint32_t fixed_ns(const struct tpark *p)
{
    const bool may_be_alone = !(p->flags & TPARK_SHARED) && !predictor_of(p)->is_elsewhere;
    return may_be_alone && has_one_cpu() ? 0 : p->spin * (uint32_t)TPARK_NS_PER_US;
}

/*
 * A wait that is about as long as a wake takes may be just that: the waker sleeps as well, until
 * the owner wakes it.
 */
static uint32_t longest_try_ns(void)
{
    return (uint32_t)between(0, 2 * (uint64_t)self.latency_ns, times_ns[TIMES - 1]);
}

static uint32_t try_ns(struct predictor *known)
{
    enum { TRIES = 4 };
    const uint32_t time = longest_try_ns();
    if (known->wait_ns > time)
        known->tries = 0;
    else if (known->tries == 0 && known->allowance >= 0)
        known->tries = TRIES;
    if (known->tries == 0)
        return 0;
    known->tries--;
    known->is_try = true;
    return time;
}

static uint32_t adaptive_ns(const struct tpark *p)
{
    struct predictor *const known = predictor_of(p);
    if (known->is_due)
        learn(known, p->flags);
    known->sleeps = known->is_try = false;
    if (known->is_alone)
        return 0;
    if (known->rests) {
        known->rests--;
        return 0;
    }
    const uint32_t time = choose_time(known, p->flags);
    return time ? time : try_ns(known);
}

TPARK_OUT_OF_LINE struct tpark_spin tpark_policy_spin(const struct tpark *p,
                                                      const struct timespec *deadline)
{
    struct tpark_spin spin = {.looks = LOOKS,
                              .deadline_ns = deadline ? tpark_to_ns(deadline) : UINT64_MAX};
    switch (policy_of(p->flags)) {
    case TPARK_SPIN_ADAPTIVE:
        /* Where the waker is as quick as this, there is no time to think about it. */
        if (predictor_of(p)->is_quick)
            spin.undecided = p;
        spin.time_ns = spin.undecided ? 1 : adaptive_ns(p);
        break;
    case TPARK_SPIN_FIXED:
        spin.time_ns = fixed_ns(p);
        break;
    }
    return spin;
}

struct tpark_spin tpark_policy_spin_until(const struct timespec *deadline)
{
    return (struct tpark_spin){
        .time_ns = UINT32_MAX,
        .looks = 1,
        .deadline_ns = tpark_to_ns(deadline),
    };
}

TPARK_OUT_OF_LINE bool tpark_spin_goes_on(struct tpark_spin *spin)
{
    spin->now_ns = tpark_now_ns();
    if (spin->start_ns == 0)
        spin->start_ns = spin->now_ns;
    if (spin->undecided)
        spin->time_ns = adaptive_ns(spin->undecided);
    spin->undecided = NULL;
    return spin->now_ns - spin->start_ns < spin->time_ns && spin->now_ns < spin->deadline_ns;
}

/* ----------------------------------------------------------------------------- how it ends -- */

/* A sleep pays a little of its cost into the allowance, and a try that was dearer is paid from it.
 */
static void settle(struct predictor *known, uint64_t spun_ns, bool token)
{
    enum { SHARE = 64, MOST = 100 * TPARK_NS_PER_US };
    int64_t sum = known->allowance;
    if (!token)
        sum += self.cost_ns / SHARE;
    if (known->is_try)
        sum -= (int64_t)spun_ns - (token ? (int64_t)self.cost_ns : 0);
    known->allowance = (int32_t)(sum < MOST ? sum : MOST);
}

static void keep(struct predictor *known, uint64_t wait_ns)
{
    known->is_due = true;
    known->wait_ns = wait_ns < long_wait ? (uint32_t)wait_ns : long_wait;
}

TPARK_OUT_OF_LINE void tpark_policy_has_won(const struct tpark *p, const struct tpark_spin *spin)
{
    if (policy_of(p->flags) != TPARK_SPIN_ADAPTIVE)
        return;
    struct predictor *const known = predictor_of(p);
    if (known->is_quick && spin->undecided)
        return; /* one of many that are alike */
    known->is_quick = spin->start_ns == 0 && known->history == HISTORIES - 1;
    keep(known, spin->now_ns - spin->start_ns);
    known->held_up = 0;
    settle(known, known->wait_ns, true);
}

/*
 * Where waits have all been long, or the waker was on the owner's CPU, most will be so again: the
 * owner then learns from one sleep in four. It saves it the readings of the clock, and its waker
 * the note.
 */
static bool is_to_be_learnt(struct predictor *known, uint32_t time_ns)
{
    enum { ONE_IN = 4 };
    const bool is_settled = time_ns == 0 && known->history == 0 &&
                            (known->is_alone || known->wait_ns > longest_try_ns());
    if (!is_settled || known->unlearnt == 0)
        known->unlearnt = ONE_IN;
    known->unlearnt--;
    return known->unlearnt == ONE_IN - 1;
}

/*
 * What the owner of a private, adaptive parker asks of its wakers. Relaxed, and pairs with nothing:
 * a waker that reads an old one leaves a note that nobody reads, or none.
 */
enum { NO_NOTE = 1 };

static void ask_for_note(struct tpark *p, bool is_wanted)
{
    const uint16_t word = is_wanted ? 0 : NO_NOTE;
    _Atomic uint16_t *const asked = tpark_note_word(p);
    if (!(p->flags & TPARK_SHARED) && atomic_load_explicit(asked, memory_order_relaxed) != word)
        atomic_store_explicit(asked, word, memory_order_relaxed);
}

TPARK_OUT_OF_LINE void tpark_policy_goes_to_sleep(struct tpark *p, struct tpark_spin *spin)
{
    const unsigned policy = policy_of(p->flags);
    if (policy == TPARK_SPIN_NEVER)
        return;
    struct predictor *const known = predictor_of(p);
    known->sleeps = policy == TPARK_SPIN_FIXED || is_to_be_learnt(known, spin->time_ns);
    if (policy == TPARK_SPIN_ADAPTIVE)
        ask_for_note(p, known->sleeps);
    if (!known->sleeps)
        return;
    if (policy == TPARK_SPIN_FIXED || known->is_alone) {
        known->start_ns = 0;
        return;
    }
    known->spun_ns = (uint32_t)(spin->now_ns - spin->start_ns);
    settle(known, known->spun_ns, false);
    known->cpu_ns = spin->time_ns == 0 && is_to_be_measured() ? thread_cpu_ns() : 0;
    if (spin->start_ns == 0)
        spin->start_ns = tpark_now_ns();
    known->start_ns = spin->start_ns;
}

/* A spin was in vain, and the token came so long after it had ended. */
static void suspect(struct predictor *known, uint64_t after_ns)
{
    enum { PATIENCE = 3, MOST = 10 };
    if (after_ns > self.cost_ns)
        return;
    if (known->held_up < MOST)
        known->held_up++;
    if (known->held_up >= PATIENCE)
        known->rests = (uint16_t)(1 << known->held_up);
}

/* The sleep competes with spins, so one that was longer than they are tells little of its cost. */
static void learn_sleep(struct predictor *known, uint64_t wait_ns, uint64_t now_ns)
{
    const uint64_t latency = now_ns - known->start_ns - wait_ns;
    const bool is_comparable = wait_ns <= times_ns[TIMES - 1];
    if (is_comparable)
        average(&self.latency_ns, latency);
    if (known->cpu_ns == 0)
        return;
    /* Where the clock of CPU time is a coarse one, it cannot have been more than what passed. */
    const uint64_t owners = between(0, thread_cpu_ns() - known->cpu_ns, latency);
    /* The waker's part was measured to be about three quarters of the owner's. */
    measure_again(is_comparable && !average(&self.cost_ns, owners + owners / 4 * 3));
}

TPARK_OUT_OF_LINE void tpark_policy_is_back(struct tpark *p, bool token)
{
    const unsigned policy = policy_of(p->flags);
    struct predictor *const known = slot_of(p);
    if (policy == TPARK_SPIN_NEVER || known->parker != (uintptr_t)p || !known->sleeps)
        return;
    known->sleeps = false;
    const struct tpark_note note = tpark_note_read(p);
    known->is_alone = token && note.is_there && note.same_cpu;
    known->is_elsewhere = token && note.is_there && !note.same_cpu;
    if (policy == TPARK_SPIN_FIXED) {
        self.unchecked -= self.unchecked > 0;
    } else if (known->start_ns && !known->is_elsewhere) {
        keep(known, long_wait);
    } else if (known->start_ns) {
        const uint64_t now = tpark_now_ns();
        const uint64_t wait = tpark_note_wait(&note, known->start_ns, now);
        keep(known, wait);
        learn_sleep(known, wait, now);
        if (known->spun_ns)
            suspect(known, wait - known->spun_ns);
    }
}

TPARK_OUT_OF_LINE void tpark_policy_leave_note(struct tpark *p, uint32_t traits)
{
    const bool is_shared = traits & TPARK_SHARED;
    bool is_read = false;
    switch (policy_of(traits)) {
    case TPARK_SPIN_ADAPTIVE:
        is_read = is_shared || traits >> 16 != NO_NOTE;
        break;
    case TPARK_SPIN_FIXED:
        is_read = !is_shared;
        break;
    }
    if (is_read)
        tpark_note_leave(p, is_shared);
}

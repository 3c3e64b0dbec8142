/* SPDX-License-Identifier: MIT */
/*
 * Memory as C11 sees it. The compiler turns every access in the library and in the scenarios into
 * a call of a __tsan_ function; here they are.
 *
 * An atomic object is the list of the values that were written to it, each with the clock that it
 * releases. A read-modify-write reads the last. A load, or a compare-exchange that fails, may read
 * any that coherence allows: nothing older than what its thread has seen, itself or through
 * whatever it synchronised with. Each such stale read is taken out of a budget.
 *
 * Plain accesses are not interleaved: without a data race their order does not matter, and a race
 * is found from the clocks in any execution that orders the visible operations alike.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum {
    WRITES = 128,      /* to one atomic object in one execution */
    ORDER_RELAXED = 0, /* memory orders, as the compilers pass them */
    ORDER_CONSUME,
    ORDER_ACQUIRE,
    ORDER_RELEASE,
    ORDER_ACQ_REL,
    ORDER_SEQ_CST,
};

#define CALLER __builtin_return_address(0)

void clock_see(struct clock *c, const struct clock *other)
{
    for (int i = 0; i < LOCATIONS; i++)
        if (c->seen[i] < other->seen[i])
            c->seen[i] = other->seen[i];
}

void clock_join(struct clock *c, const struct clock *other)
{
    for (int i = 0; i < THREADS; i++)
        if (c->thread[i] < other->thread[i])
            c->thread[i] = other->thread[i];
    clock_see(c, other);
}

/* ---------------------------------------------------------------------- globals and the heap -- */

/* What the writes of this execution replaced outside of the heap, so that the next one starts as
 * this one did. */
static struct replaced {
    void *address;
    size_t size;
    uint64_t value;
} replaced[4096];
static unsigned replaced_count;

enum { HEAP_SIZE = 64 * 1024, BLOCKS = 64, GAP = 64 };

static _Alignas(64) unsigned char heap[HEAP_SIZE];
static size_t heap_used;

static struct block {
    unsigned char *start;
    size_t size;
    bool is_handle;
    bool is_free;
} blocks[BLOCKS];
static unsigned block_count;

static bool is_in_heap(const void *address)
{
    return (uintptr_t)address - (uintptr_t)heap < HEAP_SIZE;
}

static struct block *find_block(const void *address)
{
    for (unsigned i = 0; i < block_count; i++)
        if ((uintptr_t)address - (uintptr_t)blocks[i].start < blocks[i].size)
            return &blocks[i];
    return NULL;
}

bool is_handle(const void *address)
{
    const struct block *b = is_in_heap(address) ? find_block(address) : NULL;
    return b && b->is_handle;
}

bool is_freed(const void *address)
{
    const struct block *b = is_in_heap(address) ? find_block(address) : NULL;
    return b && b->is_free;
}

uintptr_t lifetime_object(const void *address)
{
    const struct block *b = is_in_heap(address) ? find_block(address) : NULL;
    return b ? (uintptr_t)b->start | 2 : 0; /* unlike its words, and their queues */
}

static void will_write(void *address, size_t size)
{
    if (is_in_heap(address))
        return;
    for (size_t done_bytes = 0; done_bytes < size; done_bytes += 8) {
        if (replaced_count == sizeof replaced / sizeof *replaced)
            fail("too many writes to globals");
        struct replaced *r = &replaced[replaced_count++];
        r->address = (char *)address + done_bytes;
        r->size = size - done_bytes < 8 ? size - done_bytes : 8;
        memcpy(&r->value, r->address, r->size);
    }
}

static void restore_globals(void)
{
    while (replaced_count) {
        const struct replaced *r = &replaced[--replaced_count];
        memcpy(r->address, &r->value, r->size);
    }
}

/* Memory is never used twice in an execution, so that a use after free finds what it should not. */
static void *allocate(size_t alignment, size_t size, bool of_handle)
{
    const size_t start = (heap_used + GAP + alignment - 1) / alignment * alignment;
    if (block_count == BLOCKS || start + size > HEAP_SIZE)
        fail("the heap of the model is too small");
    heap_used = start + size;
    blocks[block_count++] = (struct block){heap + start, size, of_handle, false};
    memset(heap + start, 0xa5, size);
    return heap + start;
}

/* -------------------------------------------------------------------------------- data races -- */

/*
 * The last accesses to a byte, the size of the smallest objects that stand side by side and belong
 * to different threads.
 */
struct cell {
    uintptr_t address;
    uint32_t execution;
    uint16_t written; /* the last plain write: the writer's clock */
    uint8_t writer;
    uint16_t read[THREADS];
    uint16_t atomically_read[THREADS];
    uint16_t atomically_written[THREADS];
};

enum { CELLS = 16384 };
static struct cell cells[CELLS];
static unsigned cells_used;
static uint32_t execution;

enum access { READ, WRITE, ATOMIC_READ, ATOMIC_WRITE, LAST };

static struct cell *find_cell(uintptr_t address)
{
    for (uintptr_t i = address;; i++) {
        struct cell *p = &cells[i % CELLS];
        if (p->execution != execution) {
            if (++cells_used > CELLS / 2)
                fail("too much memory");
            *p = (struct cell){.address = address, .execution = execution};
            return p;
        }
        if (p->address == address)
            return p;
    }
}

static const void *access_pc; /* where the last plain access stands */

static bool is_ordered(const uint16_t *accesses)
{
    for (int i = 0; i < THREADS; i++)
        if (i != running->id && accesses[i] > running->clock.thread[i])
            return false;
    return true;
}

static void access_cell(uintptr_t address, enum access kind)
{
    static const char *const names[] = {"read", "write", "atomic read", "atomic write",
                                        "end of life"};
    struct cell *p = find_cell(address);
    const char *against = NULL;
    const bool is_plain = kind != ATOMIC_READ && kind != ATOMIC_WRITE;
    const bool is_write = kind != READ && kind != ATOMIC_READ;
    if (p->writer != running->id && p->written > running->clock.thread[p->writer])
        against = "a write";
    else if (is_write && !is_ordered(p->read))
        against = "a read";
    else if (is_write && is_plain && !is_ordered(p->atomically_read))
        against = "an atomic read";
    else if (is_plain && !is_ordered(p->atomically_written))
        against = "an atomic write";
    if (against)
        fail_at(
            access_pc,
            "data race: %s by thread %d, not ordered after %s of the same memory by another thread",
            names[kind], running->id, against);

    const uint16_t now = running->clock.thread[running->id];
    switch (kind) {
    case READ:
        p->read[running->id] = now;
        break;
    case ATOMIC_READ:
        p->atomically_read[running->id] = now;
        break;
    case ATOMIC_WRITE:
        p->atomically_written[running->id] = now;
        break;
    default:
        p->written = now;
        p->writer = (uint8_t)running->id;
    }
}

static void access_range(const volatile void *address, size_t size, enum access kind)
{
    if (!running || !size)
        return;
    const uintptr_t first = (uintptr_t)address;
    if (is_in_heap((const void *)address)) {
        const struct block *b = find_block((const void *)address);
        if (!b || first + size > (uintptr_t)b->start + b->size)
            fail_at(access_pc, "thread %d: access outside of any allocated memory", running->id);
        if (b->is_free)
            fail_at(access_pc, "thread %d: access after free", running->id);
    }
    for (uintptr_t a = first; a < first + size; a++)
        access_cell(a, kind);
}

void touch(const void *address, size_t size, const void *pc)
{
    access_pc = pc;
    access_range(address, size, ATOMIC_READ);
}

void touch_last(const void *address, size_t size, const void *pc)
{
    access_pc = pc;
    access_range(address, size, LAST);
}

/* ---------------------------------------------------------------------------- atomic objects -- */

struct location {
    volatile void *address;
    unsigned size;
    uint16_t count;
    uint16_t floor;      /* the oldest write that anybody may still read */
    bool is_initialised; /* else by a plain write, whose value is in memory */
    struct write {
        uint64_t value;
        struct clock clock;
    } writes[WRITES];
};

static struct location locations[LOCATIONS];
static unsigned location_count;
static struct clock sc_fences;

static uint64_t value_at(const volatile void *address, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)address;
    case 2:
        return *(const volatile uint16_t *)address;
    case 4:
        return *(const volatile uint32_t *)address;
    default:
        return *(const volatile uint64_t *)address;
    }
}

static void set_value_at(volatile void *address, unsigned size, uint64_t value)
{
    will_write((void *)address, size);
    switch (size) {
    case 1:
        *(volatile uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)address = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)address = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)address = value;
    }
}

static struct write *append(struct location *l, uint64_t value)
{
    if (l->count == WRITES)
        fail("too many writes to one atomic object");
    struct write *w = &l->writes[l->count++];
    w->value = value;
    w->clock = (struct clock){0};
    return w;
}

static struct location *find_location(const volatile void *address, unsigned size)
{
    struct location *l = locations;
    while (l < locations + location_count && l->address != address)
        l++;
    if (l == locations + location_count) {
        if (location_count == LOCATIONS)
            fail("too many atomic objects");
        location_count++;
        l->address = (volatile void *)address;
        l->size = size;
        l->count = 0;
        l->is_initialised = false;
    }
    if (!l->is_initialised) {
        append(l, value_at(address, size));
        l->floor = (uint16_t)(l->count - 1);
        l->is_initialised = true;
    }
    return l;
}

static void forget_location(const volatile void *address, size_t size)
{
    for (unsigned i = 0; i < location_count; i++)
        if ((uintptr_t)locations[i].address - (uintptr_t)address < size)
            locations[i].is_initialised = false;
}

static unsigned index_of(const struct location *l)
{
    return (unsigned)(l - locations);
}

static unsigned oldest_for(const struct location *l, const struct thread *t)
{
    const unsigned seen = t->clock.seen[index_of(l)];
    return seen > l->floor ? seen : l->floor;
}

/* Which write the way stands for: the last, the one before, and so on; UINT_MAX: no such way. */
static unsigned nth_readable(const struct location *l, const struct thread *t, unsigned way)
{
    const unsigned last = l->count - 1u;
    if (way == 0)
        return last;
    if (stale_left == 0)
        return UINT32_MAX;
    for (unsigned i = last; i-- > oldest_for(l, t);)
        if (--way == 0)
            return i;
    return UINT32_MAX;
}

static unsigned ways_to_load(const struct thread *t)
{
    const struct location *l = t->operation.argument;
    unsigned n = 0;
    while (nth_readable(l, t, n) != UINT32_MAX)
        n++;
    return n;
}

/*
 * The last write, or an older one that lets the compare-exchange fail. A weak one may also fail
 * without cause: the last way, FAILS.
 */
enum { FAILS = UINT16_MAX };

static unsigned nth_comparable(const struct location *l, const struct thread *t, unsigned way)
{
    const unsigned last = l->count - 1u;
    unsigned i;
    if (way == 0)
        return last;
    for (unsigned nth = 1; (i = nth_readable(l, t, nth)) != UINT32_MAX; nth++)
        if (l->writes[i].value != t->operation.expected && --way == 0)
            return i;
    const bool may_fail =
        t->operation.is_weak && spurious_left && l->writes[last].value == t->operation.expected;
    return may_fail && way == 1 ? FAILS : UINT32_MAX;
}

static unsigned ways_to_compare(const struct thread *t)
{
    const struct location *l = t->operation.argument;
    unsigned n = 0;
    while (nth_comparable(l, t, n) != UINT32_MAX)
        n++;
    return n;
}

static bool acquires(int order)
{
    return order == ORDER_CONSUME || order == ORDER_ACQUIRE || order == ORDER_ACQ_REL ||
           order == ORDER_SEQ_CST;
}

static bool releases(int order)
{
    return order == ORDER_RELEASE || order == ORDER_ACQ_REL || order == ORDER_SEQ_CST;
}

static const char *order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire",
                                        "release", "acq_rel", "seq_cst"};
    return names[order];
}

static void read_write(struct location *l, unsigned i, int order)
{
    const struct write *w = &l->writes[i];
    uint16_t *seen = &running->clock.seen[index_of(l)];
    if (*seen < i)
        *seen = (uint16_t)i;
    if (i != l->count - 1u)
        stale_left--;
    clock_join(acquires(order) ? &running->clock : &running->acquired, &w->clock);
}

static void write_next(struct location *l, uint64_t value, int order, const struct write *replaces)
{
    struct write *w = append(l, value);
    running->clock.seen[index_of(l)] = (uint16_t)(l->count - 1);
    w->clock = releases(order) ? running->clock : running->released;
    if (replaces)
        clock_join(&w->clock, &replaces->clock);
    set_value_at(l->address, l->size, value);
}

/* Bases the order of sequentially consistent accesses on fences, which is stronger than C11. */
static void refuse_seq_cst(int order)
{
    if (order == ORDER_SEQ_CST)
        fail("the model knows sequentially consistent fences, but no such accesses");
}

static const char *name_of(const struct location *l)
{
    static char name[16] = "atomic";
    if (!is_anonymous)
        snprintf(name, sizeof name, "atomic %u", index_of(l));
    return name;
}

static uint64_t load(const volatile void *address, unsigned size, int order, const void *pc)
{
    refuse_seq_cst(order);
    struct location *l = find_location(address, size);
    const unsigned way = step(
        &(struct operation){.object = {(uintptr_t)address}, .ways = ways_to_load, .argument = l});
    access_pc = pc;
    access_range(address, size, ATOMIC_READ);
    l = find_location(address, size);
    const unsigned i = nth_readable(l, running, way) % WRITES;
    read_write(l, i, order);
    const uint64_t value = l->writes[i].value;
    done(pc, "%s: load %llu %s%s", name_of(l), (unsigned long long)value, order_name(order),
         way ? ", stale" : "");
    return value;
}

static void store(volatile void *address, unsigned size, uint64_t value, int order, const void *pc)
{
    refuse_seq_cst(order);
    step(&(struct operation){.object = {(uintptr_t)address}, .writes = {true}});
    access_pc = pc;
    access_range(address, size, ATOMIC_WRITE);
    struct location *l = find_location(address, size);
    write_next(l, value, order, NULL);
    done(pc, "%s: store %llu %s", name_of(l), (unsigned long long)value, order_name(order));
}

enum change { EXCHANGE, ADD, SUB, AND, OR, XOR };

static uint64_t modify(volatile void *address, unsigned size, enum change change, uint64_t operand,
                       int order, const void *pc)
{
    refuse_seq_cst(order);
    step(&(struct operation){.object = {(uintptr_t)address}, .writes = {true}});
    access_pc = pc;
    access_range(address, size, ATOMIC_WRITE);
    struct location *l = find_location(address, size);
    const unsigned i = l->count - 1u;
    read_write(l, i, order);
    const uint64_t old = l->writes[i].value;
    uint64_t new = operand;
    switch (change) {
    case EXCHANGE:
        break;
    case ADD:
        new = old + operand;
        break;
    case SUB:
        new = old - operand;
        break;
    case AND:
        new = old &operand;
        break;
    case OR:
        new = old | operand;
        break;
    case XOR:
        new = old ^ operand;
        break;
    }
    if (size < 8)
        new &= ((uint64_t)1 << 8 * size) - 1;
    write_next(l, new, order, &l->writes[i]);
    done(pc, "%s: %llu becomes %llu %s", name_of(l), (unsigned long long)old,
         (unsigned long long)new, order_name(order));
    return old;
}

/* Returns whether it exchanged; expected is what it read. */
static bool compare_exchange(volatile void *address, unsigned size, uint64_t *expected,
                             uint64_t desired, int order, int failure_order, bool is_weak,
                             const void *pc)
{
    refuse_seq_cst(order);
    refuse_seq_cst(failure_order);
    struct location *l = find_location(address, size);
    const unsigned way = step(&(struct operation){.object = {(uintptr_t)address},
                                                  .writes = {true},
                                                  .ways = ways_to_compare,
                                                  .argument = l,
                                                  .expected = *expected,
                                                  .is_weak = is_weak});
    access_pc = pc;
    access_range(address, size, ATOMIC_WRITE);
    l = find_location(address, size);
    unsigned i = nth_comparable(l, running, way);
    const bool fails = i == FAILS;
    if (fails) {
        i = l->count - 1u;
        spurious_left--;
    }
    const uint64_t old = l->writes[i].value;
    const bool is_success = old == *expected && !fails;
    read_write(l, i, is_success ? order : failure_order);
    if (is_success)
        write_next(l, desired, order, &l->writes[i]);
    done(pc, "%s: compare %llu with %llu: %s%s", name_of(l), (unsigned long long)*expected,
         (unsigned long long)old, is_success ? "exchanged" : "no",
         fails ? ", without cause"
         : way ? ", stale"
               : "");
    *expected = old;
    return is_success;
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    const bool is_sc = order == ORDER_SEQ_CST;
    step(&(struct operation){.object = {is_sc ? (uintptr_t)&sc_fences : 0}, .writes = {is_sc}});
    if (acquires(order))
        clock_join(&running->clock, &running->acquired);
    if (is_sc) {
        /* It orders what may be read, but on its own makes nothing happen before anything. */
        memcpy(sc_fences.thread, (uint16_t[THREADS]){0}, sizeof sc_fences.thread);
        clock_join(&running->clock, &sc_fences);
        clock_join(&sc_fences, &running->clock);
    }
    if (releases(order))
        running->released = running->clock;
    done(CALLER, "fence %s", order_name(order));
}

/* ---------------------------------------------------------------------------- the __tsan_ API --
 */

#define ATOMIC(bits, bytes)                                                                        \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *, int);               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order)         \
    {                                                                                              \
        return (uint##bits##_t)load(a, bytes, order, CALLER);                                      \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *, uint##bits##_t, int);              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t v, int order)      \
    {                                                                                              \
        store(a, bytes, v, order, CALLER);                                                         \
    }                                                                                              \
    MODIFY(bits, bytes, exchange, EXCHANGE)                                                        \
    MODIFY(bits, bytes, fetch_add, ADD)                                                            \
    MODIFY(bits, bytes, fetch_sub, SUB)                                                            \
    MODIFY(bits, bytes, fetch_and, AND)                                                            \
    MODIFY(bits, bytes, fetch_or, OR)                                                              \
    MODIFY(bits, bytes, fetch_xor, XOR)                                                            \
    COMPARE(bits, bytes, strong)                                                                   \
    COMPARE(bits, bytes, weak)                                                                     \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *, uint##bits##_t, uint##bits##_t, int, int);                      \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *a, uint##bits##_t expected, uint##bits##_t desired, int order,    \
        int failure_order)                                                                         \
    {                                                                                              \
        uint64_t old = expected;                                                                   \
        compare_exchange(a, bytes, &old, desired, order, failure_order, false, CALLER);            \
        return (uint##bits##_t)old;                                                                \
    }

#define MODIFY(bits, bytes, name, change)                                                          \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *, uint##bits##_t, int);   \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *a, uint##bits##_t v,      \
                                                int order)                                         \
    {                                                                                              \
        return (uint##bits##_t)modify(a, bytes, change, v, order, CALLER);                         \
    }

#define COMPARE(bits, bytes, strength)                                                             \
    int __tsan_atomic##bits##_compare_exchange_##strength(                                         \
        volatile uint##bits##_t *, uint##bits##_t *, uint##bits##_t, int, int);                    \
    int __tsan_atomic##bits##_compare_exchange_##strength(                                         \
        volatile uint##bits##_t *a, uint##bits##_t *expected, uint##bits##_t desired, int order,   \
        int failure_order)                                                                         \
    {                                                                                              \
        uint64_t old = *expected;                                                                  \
        const int is_success = compare_exchange(a, bytes, &old, desired, order, failure_order,     \
                                                #strength[0] == 'w', CALLER);                      \
        *expected = (uint##bits##_t)old;                                                           \
        return is_success;                                                                         \
    }

ATOMIC(8, 1)
ATOMIC(16, 2)
ATOMIC(32, 4)
ATOMIC(64, 8)

#define PLAIN(bytes)                                                                               \
    void __tsan_read##bytes(void *);                                                               \
    void __tsan_read##bytes(void *a)                                                               \
    {                                                                                              \
        plain_read(a, bytes, CALLER);                                                              \
    }                                                                                              \
    void __tsan_unaligned_read##bytes(void *);                                                     \
    void __tsan_unaligned_read##bytes(void *a)                                                     \
    {                                                                                              \
        plain_read(a, bytes, CALLER);                                                              \
    }                                                                                              \
    void __tsan_write##bytes(void *);                                                              \
    void __tsan_write##bytes(void *a)                                                              \
    {                                                                                              \
        plain_write(a, bytes, CALLER);                                                             \
    }                                                                                              \
    void __tsan_unaligned_write##bytes(void *);                                                    \
    void __tsan_unaligned_write##bytes(void *a)                                                    \
    {                                                                                              \
        plain_write(a, bytes, CALLER);                                                             \
    }

static void plain_read(const void *address, size_t size, const void *pc)
{
    if (is_thread_local(address))
        return;
    access_pc = pc;
    access_range(address, size, READ);
}

static void plain_write(void *address, size_t size, const void *pc)
{
    if (is_thread_local(address))
        return;
    access_pc = pc;
    access_range(address, size, WRITE);
    forget_location(address, size);
    will_write(address, size);
}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *, unsigned long);
void __tsan_read_range(void *a, unsigned long size)
{
    plain_read(a, size, CALLER);
}
void __tsan_write_range(void *, unsigned long);
void __tsan_write_range(void *a, unsigned long size)
{
    plain_write(a, size, CALLER);
}

void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *);
void __tsan_func_entry(void *pc)
{
    (void)pc;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/*
 * Clang leaves copies of structs to these, of its own name since version 15. Only what is in the
 * heap is shared that way.
 */
void *__real_memcpy(void *, const void *, size_t);
void *__wrap_memcpy(void *, const void *, size_t);
void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    if (is_in_heap(from))
        plain_read(from, size, CALLER);
    if (is_in_heap(to))
        plain_write(to, size, CALLER);
    return __real_memcpy(to, from, size);
}

void *__real_memset(void *, int, size_t);
void *__wrap_memset(void *, int, size_t);
void *__wrap_memset(void *to, int value, size_t size)
{
    if (is_in_heap(to))
        plain_write(to, size, CALLER);
    return __real_memset(to, value, size);
}

void *__tsan_memcpy(void *, const void *, size_t);
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    return __wrap_memcpy(to, from, size);
}

void *__tsan_memset(void *, int, size_t);
void *__tsan_memset(void *to, int value, size_t size)
{
    return __wrap_memset(to, value, size);
}

/* ---------------------------------------------------------------------------------- the heap -- */

void *__wrap_malloc(size_t);
void *__wrap_malloc(size_t size)
{
    return allocate(16, size, false);
}

void *__wrap_aligned_alloc(size_t, size_t);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return allocate(alignment, size, true);
}

void __wrap_free(void *);
void __wrap_free(void *memory)
{
    if (!memory)
        return;
    struct block *b = find_block(memory);
    if (!b || b->start != memory || b->is_free)
        fail("thread %d: free of what is not allocated", running->id);
    step(&(struct operation){.object = {lifetime_object(memory)}, .writes = {true}});
    if (b->is_free)
        fail("thread %d: free of what another thread has freed", running->id);
    touch_last(b->start, b->size, CALLER);
    b->is_free = true;
    done(CALLER, "free");
}

void memory_start(void)
{
    restore_globals();
    heap_used = 0;
    block_count = 0;
    location_count = 0;
    sc_fences = (struct clock){0};
    execution++;
    cells_used = 0;
}

void memory_finish(void)
{
    for (unsigned i = 0; i < block_count; i++)
        if (!blocks[i].is_free)
            fail("leak: block %u of %zu bytes was not freed", i, blocks[i].size);
}

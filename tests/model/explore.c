/* SPDX-License-Identifier: MIT */
/*
 * Runs each scenario in every way in which its threads can interleave.
 *
 * Threads are coroutines. Before each visible operation (an atomic access, a system call, a free, a
 * call of the C library that synchronises) a thread calls step(), which chooses who goes on, and in
 * which of the ways that the operation has. Executions follow one another depth first: the next one
 * repeats all choices but the last one that has an alternative left.
 *
 * Sleep sets (Godefroid) skip an execution that differs from an earlier one only in the order of
 * operations that commute; --check-reduction compares with an exploration that skips none. Budgets
 * (of stale reads, of sleeps that end without cause) do not spoil that: an execution is within its
 * budget in whatever order its operations come.
 *
 * What an exploration does not show:
 *   - more threads, unparks or parks than the scenario has; more stale reads or spurious wakeups
 *     than the budget;
 *   - a read of a write that is executed later (load buffering), and writes that enter the
 *     modification order of their object in another order than they are executed in;
 *   - sequentially consistent accesses, which it refuses (fences it knows);
 *   - spins of more, or fewer, looks at the state than the tick of the clock makes (system.c);
 *   - failures of allocations and of pthread functions; more signals or deaths than the scenario's
 *     roles have, and memory that another process writes to at will;
 *   - a mistake of the compiler, or of the optimiser above -O1.
 */
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "model.h"

enum {
    MAX_STEPS = 400, /* a longer execution counts as a busy loop */
    MAX_LINES = MAX_STEPS + 1,
    STACK_SIZE = 64 * 1024,
    MAX_TLS = 2048,
    ERRNO_BASE = 1000, /* each thread's errno: no call may change it */
};

/* One choice. */
struct node {
    uint8_t thread;
    uint8_t way;
    uint8_t ways;
    uint8_t enabled; /* sets of threads */
    uint8_t asleep;
    uint8_t explored;
};

/* What only the explorer knows of a thread. */
struct coroutine {
    jmp_buf root;
    jmp_buf context;
    ucontext_t first;
    int saved_errno;
    unsigned char tls[MAX_TLS];
    _Alignas(64) unsigned char stack[STACK_SIZE];
};

enum outcome { RUNNING, COMPLETE, PRUNED, FAILED };

struct thread threads[THREADS];
struct thread *running;
unsigned stale_left;
unsigned spurious_left;
int kernel;
bool scenario_time_stands_still;
bool scenario_has_one_cpu;

static struct coroutine coroutines[THREADS];
static const struct scenario *scenario;
static unsigned budget;
static struct node nodes[MAX_STEPS];
static unsigned depth;       /* choices made in this execution */
static unsigned known_depth; /* choices that this execution repeats */
static uint8_t asleep;
static bool is_unreduced;
static bool is_starting;
static jmp_buf explorer;
static ucontext_t creator;
static char reason[256];

/* ------------------------------------------------------------------------------- the trace -- */

static struct line {
    const void *pc;
    char text[160];
} lines[MAX_LINES];
static unsigned line_count;
static bool is_tracing;

static uintptr_t load_base;
static unsigned char *tls;
static size_t tls_size;
static unsigned char tls_image[MAX_TLS];

/* The first object that is listed is the program itself. */
static int find_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    load_base = info->dlpi_addr;
    tls = info->dlpi_tls_data;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            tls_size = info->dlpi_phdr[i].p_memsz;
    return 1;
}

bool is_thread_local(const void *address)
{
    return address == &errno || (uintptr_t)address - (uintptr_t)tls < tls_size;
}

static void print_trace(void)
{
    static char command[MAX_LINES * 20 + 100];
    int n = sprintf(command, "addr2line -s -e /proc/%d/exe 2>/dev/null", (int)getpid());
    for (unsigned i = 0; i < line_count; i++)
        n += sprintf(command + n, " %#lx", (unsigned long)((uintptr_t)lines[i].pc - load_base - 1));
    FILE *places = line_count ? popen(command, "r") : NULL;
    for (unsigned i = 0; i < line_count; i++) {
        /* What never ends does so in a circle: its beginning says enough. */
        if (i == 60 && line_count == MAX_LINES - 1) {
            printf("  and so on\n");
            break;
        }
        char place[80] = "?\n";
        if (places && !fgets(place, sizeof place, places))
            strcpy(place, "?\n");
        if (!lines[i].pc)
            place[0] = '\0';
        place[strcspn(place, " \n")] = '\0'; /* addr2line may add a discriminator */
        printf("  %3u  %-60s  %s\n", i, lines[i].text, place);
    }
    if (places)
        pclose(places);
}

/* What each thread saw in this execution, to compare executions by. */
static uint64_t seen_by[THREADS];
bool is_anonymous;

static void hash(const char *format, va_list arguments)
{
    char text[sizeof lines->text];
    vsnprintf(text, sizeof text, format, arguments);
    uint64_t *h = &seen_by[running->id];
    for (const char *c = text; *c; c++)
        *h = (*h ^ (unsigned char)*c) * 0x100000001b3; /* FNV-1a */
}

static void trace(const void *pc, const char *format, va_list arguments)
{
    if (!is_tracing || line_count == MAX_LINES)
        return;
    struct line *l = &lines[line_count++];
    l->pc = pc;
    const int n = sprintf(l->text, "%*sthread %d  ", 2 * running->id, "", running->id);
    vsnprintf(l->text + n, sizeof l->text - (size_t)n, format, arguments);
}

void done(const void *pc, const char *format, ...)
{
    running->clock.thread[running->id]++;
    va_list arguments;
    va_start(arguments, format);
    if (is_anonymous)
        hash(format, arguments);
    else
        trace(pc, format, arguments);
    va_end(arguments);
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    longjmp(explorer, FAILED);
}

void fail_at(const void *pc, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    trace(pc, format, again);
    va_end(again);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    longjmp(explorer, FAILED);
}

void scenario_failed(const char *condition, const char *file, int line)
{
    const char *name = strrchr(file, '/');
    fail("thread %d: %s:%d: %s does not hold", running->id, name ? name + 1 : file, line,
         condition);
}

/* ----------------------------------------------------------------------------- the threads -- */

static void resume(struct thread *next)
{
    running = next;
    errno = coroutines[next->id].saved_errno;
    if (tls_size)
        memcpy(tls, coroutines[next->id].tls, tls_size);
}

static void save(void)
{
    coroutines[running->id].saved_errno = errno;
    if (tls_size)
        memcpy(coroutines[running->id].tls, tls, tls_size);
}

static void switch_to(struct thread *next)
{
    struct coroutine *from = &coroutines[running->id];
    if (next == running)
        return;
    save();
    if (_setjmp(from->context) == 0) {
        resume(next);
        _longjmp(coroutines[next->id].context, 1);
    }
}

static int role_of(int id)
{
    return id ? scenario->roles[id - 1] : 0;
}

static void start(struct thread *t)
{
    *t = (struct thread){.id = t->id, .started = true, .is_mortal = role_of(t->id) == DIES};
    if (running)
        t->clock = running->clock;
    t->clock.thread[t->id]++;
    struct coroutine *c = &coroutines[t->id];
    memcpy(c->tls, tls_image, sizeof tls_image);
    c->saved_errno = ERRNO_BASE + t->id;
    resume(t);
    _longjmp(c->root, 1);
}

/* Runs t until its first step, so that what it is about to do is known. */
static void start_from_main(struct thread *t)
{
    save();
    if (_setjmp(coroutines[0].context) == 0) {
        is_starting = true;
        start(t);
    }
}

static void return_to_main(void)
{
    is_starting = false;
    resume(&threads[0]);
    _longjmp(coroutines[0].context, 1);
}

static unsigned ways_to_join(const struct thread *main_thread)
{
    (void)main_thread;
    for (int i = 1; i < THREADS; i++)
        if (threads[i].started && !threads[i].finished)
            return 0;
    return 1;
}

static unsigned ways_to_see_end(const struct thread *t)
{
    return ((const struct thread *)t->operation.argument)->finished;
}

void scenario_wait_for_end(int thread)
{
    struct thread *t = &threads[thread + 1];
    step(&(struct operation){
        .object = {(uintptr_t)t}, .writes = {true}, .ways = ways_to_see_end, .argument = t});
    clock_see(&running->clock, &t->clock);
    done(NULL, "sees the end of thread %d", t->id);
}

static void run_main(void)
{
    if (scenario->setup)
        scenario->setup();
    for (int i = 1; i < THREADS; i++)
        if (scenario->threads[i - 1])
            start_from_main(&threads[i]);
    running->clock.thread[0]++; /* what follows does not happen before the threads */
    step(&(struct operation){.ways = ways_to_join});
    for (int i = 1; i < THREADS; i++)
        if (threads[i].started)
            clock_join(&running->clock, &threads[i].clock);
    done(NULL, "joins the threads");
    if (scenario->finish)
        scenario->finish();
}

static void schedule(void);

static void run_coroutine(void)
{
    if (_setjmp(coroutines[running->id].root) == 0)
        swapcontext(&coroutines[running->id].first, &creator);
    if (running->id == 0)
        run_main();
    else
        scenario->threads[running->id - 1]();
    system_finish_thread();
    if (errno != ERRNO_BASE + running->id)
        fail("thread %d: errno was changed to %d", running->id, errno);
    running->finished = true;
    if (running->interrupted) {
        clock_join(&running->interrupted->clock, &running->clock);
        running->interrupted->handler = NULL;
    }
    if (running->id == 0) {
        memory_finish();
        longjmp(explorer, COMPLETE);
    }
    if (is_starting)
        return_to_main();
    schedule();
}

static void make_coroutine(int id)
{
    struct coroutine *c = &coroutines[id];
    threads[id].id = id;
    running = &threads[id];
    getcontext(&c->first);
    c->first.uc_stack.ss_sp = c->stack;
    c->first.uc_stack.ss_size = sizeof c->stack;
    makecontext(&c->first, run_coroutine, 0);
    swapcontext(&creator, &c->first);
}

/* ----------------------------------------------------------------------------- the choices -- */

static bool commute(const struct operation *a, const struct operation *b)
{
    for (int i = 0; i < TOUCHED && a->object[i]; i++)
        for (int j = 0; j < TOUCHED && b->object[j]; j++)
            if (a->object[i] == b->object[j] && (a->writes[i] || b->writes[j]))
                return false;
    return true;
}

/* A handler that is about to begin stops the thread that it interrupts. */
static bool is_beginning_of(const struct thread *handler, const struct thread *t)
{
    return role_of(handler->id) == INTERRUPTS + t->id - 1 && !handler->interrupted;
}

static bool are_independent(const struct thread *a, const struct thread *b)
{
    return commute(&a->operation, &b->operation) && !is_beginning_of(a, b) &&
           !is_beginning_of(b, a);
}

/* If the thread has ended, the handler is one that some other thread runs. */
static void begin_handler(struct thread *handler)
{
    struct thread *t = &threads[role_of(handler->id) - INTERRUPTS + 1];
    if (t->finished)
        return;
    handler->interrupted = t;
    clock_join(&handler->clock, &t->clock);
    t->handler = handler;
}

static void die(struct thread *t)
{
    t->sleep = (struct sleep){.is_asleep = false};
    t->finished = true;
    if (is_tracing && line_count < MAX_LINES) {
        lines[line_count].pc = NULL;
        sprintf(lines[line_count++].text, "%*sthread %d  dies", 2 * t->id, "", t->id);
    }
}

/* With nobody left to run, a sleep that only its deadline will end has lost its wake. */
static void look_for_late_sleep(uint8_t certain)
{
    const struct thread *late = NULL;
    for (int i = 0; i < THREADS; i++) {
        if (!(certain >> i & 1))
            continue;
        const struct sleep *s = &threads[i].sleep;
        if (!s->is_asleep || s->is_woken)
            return;
        for (int w = 0; w < WORDS; w++)
            if (s->queue[w] && *s->state[w] != TPARK_PARKED)
                late = &threads[i];
    }
    if (late)
        fail("thread %d sleeps until its deadline although there is a token", late->id);
}

/* Who runs on first: whoever runs, so that a trace has few switches, but no luck before need. */
static int pick(uint8_t candidates, uint8_t certain)
{
    const uint8_t set = candidates & certain ? candidates & certain : candidates;
    if (set >> running->id & 1)
        return running->id;
    return __builtin_ctz(set);
}

static void schedule(void)
{
    uint8_t enabled = 0, certain = 0, ways[THREADS];
    for (int i = 0; i < THREADS; i++) {
        const struct thread *t = &threads[i];
        if (!t->started || t->finished || t->handler)
            continue;
        ways[i] = t->operation.ways ? (uint8_t)t->operation.ways(t) : 1;
        if (ways[i] && (!t->operation.certain || t->operation.certain(t)))
            certain |= (uint8_t)(1 << i);
        ways[i] += t->is_mortal; /* the last way: it dies */
        if (ways[i])
            enabled |= (uint8_t)(1 << i);
    }
    if (!certain)
        fail("deadlock: the threads that have not ended sleep, and nobody will wake them");
    look_for_late_sleep(certain);
    if (depth == MAX_STEPS)
        fail("no end after %d steps", MAX_STEPS);

    struct node *n = &nodes[depth];
    if (depth >= known_depth) {
        const uint8_t candidates = enabled & (uint8_t)~asleep;
        if (!candidates)
            longjmp(explorer, PRUNED);
        *n = (struct node){
            .thread = (uint8_t)pick(candidates, certain), .enabled = enabled, .asleep = asleep};
    }
    if (!(enabled >> n->thread & 1) || n->way >= ways[n->thread])
        fail("the scenario does not repeat itself, or the replay string is not its own");
    n->ways = ways[n->thread];
    depth++;

    struct thread *next = &threads[n->thread];
    asleep = 0;
    for (int i = 0; i < THREADS; i++)
        if (!is_unreduced && ((n->asleep | n->explored) >> i & 1) && i != n->thread &&
            are_independent(&threads[i], next))
            asleep |= (uint8_t)(1 << i);
    if (next->is_mortal && n->way == n->ways - 1) {
        die(next);
        schedule();
        return;
    }
    if (role_of(next->id) >= INTERRUPTS && !next->interrupted)
        begin_handler(next);
    next->way = n->way;
    switch_to(next);
}

unsigned step(const struct operation *o)
{
    const int saved_errno = errno;
    running->operation = *o;
    if (is_starting) {
        save();
        if (_setjmp(coroutines[running->id].context) == 0)
            return_to_main();
    } else {
        schedule();
    }
    errno = saved_errno;
    return running->way;
}

/* Moves on to the next execution; false if there is none. */
static bool backtrack(void)
{
    for (known_depth = depth; known_depth; known_depth--) {
        struct node *n = &nodes[known_depth - 1];
        if (++n->way < n->ways)
            return true;
        n->explored |= (uint8_t)(1 << n->thread);
        const uint8_t rest = n->enabled & (uint8_t) ~(n->asleep | n->explored);
        if (rest) {
            n->thread = (uint8_t)__builtin_ctz(rest);
            n->way = 0;
            return true;
        }
    }
    return false;
}

static enum outcome execute(void)
{
    depth = 0;
    asleep = 0;
    is_starting = false;
    line_count = 0;
    running = NULL;
    stale_left = budget;
    spurious_left = budget;
    scenario_time_stands_still = scenario->kind != TICKING;
    scenario_has_one_cpu = false;
    for (int i = 0; i < THREADS; i++) {
        threads[i].started = false;
        seen_by[i] = 0xcbf29ce484222325;
    }
    memory_start();
    system_start();
    const int jumped = setjmp(explorer);
    if (jumped == RUNNING)
        start(&threads[0]);
    return (enum outcome)jumped;
}

/* ------------------------------------------------------------------------------ the report -- */

/* A digit for the kernel; then a digit for each thread, and a letter for its way but the first. */
static void print_replay(void)
{
    printf("%d", kernel);
    for (unsigned i = 0; i < depth; i++) {
        printf("%d", nodes[i].thread);
        if (nodes[i].way)
            printf("%c", 'a' + nodes[i].way);
    }
}

static void read_replay(const char *text)
{
    kernel = *text++ - '0';
    for (known_depth = 0; *text && known_depth < MAX_STEPS; known_depth++) {
        nodes[known_depth] = (struct node){.thread = (uint8_t)(*text++ - '0')};
        if (*text >= 'a' && *text <= 'z')
            nodes[known_depth].way = (uint8_t)(*text++ - 'a');
    }
}

static void report(void)
{
    known_depth = depth;
    is_tracing = true;
    static char first_reason[sizeof reason];
    strcpy(first_reason, reason);
    execute();
    printf("\n%s: FAILED: %s\n", scenario->name, first_reason);
    print_trace();
    printf("  replay: --replay %s ", scenario->name);
    print_replay();
    printf("\n");
}

static int replay(const char *text)
{
    budget = MAX_STEPS;
    read_replay(text);
    is_tracing = true;
    const enum outcome outcome = execute();
    printf("%s: %s\n", scenario->name, outcome == FAILED ? reason : "as it should be");
    print_trace();
    return outcome == FAILED;
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_utime.tv_usec / 1e6;
}

/* Returns whether every execution was as it should be. */
static bool explore(unsigned long *total)
{
    unsigned long complete = 0, pruned = 0;
    const double start_time = cpu_seconds();
    for (kernel = 0; kernel < (scenario->kind == TIMED && TPARK_HAS_FUTEX_WORD ? KERNELS : 1);
         kernel++) {
        known_depth = 0;
        do {
            switch (execute()) {
            case FAILED:
                report();
                return false;
            case PRUNED:
                pruned++;
                break;
            default:
                complete++;
            }
        } while (backtrack());
    }
    *total += complete;
    printf("%-20s %10lu executions %10lu cut, budget %u, %6.2f s\n", scenario->name, complete,
           pruned, budget, cpu_seconds() - start_time);
    fflush(stdout);
    return true;
}

/* ------------------------------------------------------------- the explorer explored itself -- */

enum { MAX_SEEN = 1 << 20 };

struct seen {
    uint64_t executions[MAX_SEEN]; /* an open hash table; 0 is free */
    unsigned count;
};

static void add(struct seen *s, uint64_t execution)
{
    for (unsigned i = (unsigned)execution;; i++) {
        uint64_t *e = &s->executions[i % MAX_SEEN];
        if (*e == execution)
            return;
        if (*e == 0) {
            *e = execution;
            if (++s->count > MAX_SEEN / 2)
                abort();
            return;
        }
    }
}

static unsigned long collect(struct seen *s)
{
    unsigned long executions = 0;
    *s = (struct seen){0};
    kernel = 0;
    known_depth = 0;
    do {
        if (execute() == PRUNED)
            continue;
        uint64_t execution = 1;
        for (int i = 0; i < THREADS; i++)
            execution = (execution ^ seen_by[i]) * 0x9e3779b97f4a7c15;
        add(s, execution);
        executions++;
    } while (backtrack());
    return executions;
}

/* The sleep sets must leave out nothing: all that threads can see, some execution shows them. */
static bool check_reduction(void)
{
    static struct seen reduced, all;
    is_anonymous = true;
    is_unreduced = false;
    const unsigned long few = collect(&reduced);
    is_unreduced = true;
    const unsigned long many = collect(&all);
    unsigned missing = 0;
    for (unsigned i = 0; i < MAX_SEEN; i++) {
        if (all.executions[i]) {
            const unsigned before = reduced.count;
            add(&reduced, all.executions[i]);
            missing += reduced.count - before;
        }
    }
    printf("%-20s %10lu executions stand for %10lu, budget %u: %u outcomes, %u missed\n",
           scenario->name, few, many, budget, all.count, missing);
    return missing == 0;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--light | --budget N] [--check-reduction] [SCENARIO...]\n"
            "       %s --replay SCENARIO STRING\n",
            program, program);
    return 2;
}

static const struct scenario *find(const char *name)
{
    for (const struct scenario *s = scenarios; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    fprintf(stderr, "no such scenario: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    dl_iterate_phdr(find_program, NULL);
    if (tls_size > MAX_TLS)
        return 2;
    if (tls_size)
        memcpy(tls_image, tls, tls_size);
    for (int i = 0; i < THREADS; i++)
        make_coroutine(i);

    bool is_light = false;
    unsigned fixed_budget = 0;
    int i = 1;
    if (i < argc && strcmp(argv[i], "--replay") == 0) {
        if (argc != 4)
            return usage(argv[0]);
        scenario = find(argv[2]);
        return replay(argv[3]);
    }
    if (i < argc && strcmp(argv[i], "--light") == 0) {
        is_light = true;
        i++;
    } else if (i + 1 < argc && strcmp(argv[i], "--budget") == 0) {
        fixed_budget = (unsigned)strtoul(argv[i + 1], NULL, 10);
        i += 2;
    }
    bool is_checking = false;
    if (i < argc && strcmp(argv[i], "--check-reduction") == 0) {
        is_checking = true;
        i++;
    }
    if (i < argc && argv[i][0] == '-')
        return usage(argv[0]);

    printf(
        "Bounds: the threads and calls of the scenario; %d steps; in an execution as many stale\n"
        "reads, and as many spurious wakeups or interruptions, as the budget says. Writes of one\n"
        "object are ordered as they are executed; a read sees no write that is executed later.\n"
        "Timed scenarios of the futex backend run on kernels with futex_wait(2), without it, and\n"
        "under a filter. Where owners spin, each look at the clock takes a tick of it.\n"
        "Nothing fails for lack of memory. In the scenarios that say so one signal comes at any\n"
        "moment, on one thread, or each of the named processes dies at any moment.\n",
        MAX_STEPS);
    const bool is_all = i == argc;
    unsigned long total = 0;
    const struct scenario *next = scenarios;
    while (is_all ? next->name != NULL : i < argc) {
        scenario = is_all ? next++ : find(argv[i++]);
        budget = fixed_budget ? fixed_budget
                 : is_light   ? scenario->light_budget
                              : scenario->full_budget;
        if (!(is_checking ? check_reduction() : explore(&total)))
            return 1;
    }
    if (is_checking) {
        fflush(stdout);
        _exit(0);
    }
    printf("%lu executions, all as they should be, in %.1f s\n", total, cpu_seconds());
    fflush(stdout);
    _exit(0); /* the library's destructor is instrumented, and there is nobody to explore it */
}

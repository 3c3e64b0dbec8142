/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

uint64_t (*bench_clock)(void) = monotonic_ns;

struct recorder {
    struct series *series;
    size_t columns;
};

static void *must_grow(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory)
        fail("out of memory", ENOMEM);
    return memory;
}

void record(struct recorder *recorder, size_t column, double value)
{
    if (column >= recorder->columns)
        return;
    struct series *const s = &recorder->series[column];
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->values = must_grow(s->values, s->capacity * sizeof *s->values);
    }
    s->values[s->count++] = value;
}

double entry_median(const struct entry *entry, size_t column)
{
    return quantile(entry->series[column].values, entry->series[column].count, 0.5);
}

size_t column_count(const struct section *section)
{
    size_t count = 0;
    while (section->columns[count].key)
        count++;
    return count;
}

const char *entry_name(const struct entry *entry)
{
    return entry->is_null ? "(null pair)" : entry->contestant->name;
}

const struct entry *find_limit(const struct result *result)
{
    for (size_t i = 0; i < result->entry_count; i++)
        if (strcmp(result->entries[i].contestant->name, result->section->limit) == 0)
            return &result->entries[i];
    return NULL;
}

/* xorshift64: good enough to shuffle a handful of contestants. */
static uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % bound;
}

static void shuffle(uint64_t *seed, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)random_below(seed, i);
        const size_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

/* The shortest of a few runs, but no more runs than it takes to see that n is too small. */
static double time_n(const struct section *section, const struct entry *entry, double enough)
{
    enum { TRIES = 4 };
    struct recorder nowhere = {NULL, 0};
    double shortest = INFINITY;
    for (int i = 0; i < TRIES && shortest >= enough; i++) {
        const uint64_t start = bench_clock();
        section->run(entry->contestant, section, entry->n, &nowhere);
        shortest = fmin(shortest, (double)(bench_clock() - start));
    }
    return shortest;
}

/* Finds the n that takes the section's time, and so warms up caches, pages and clocks. */
static void calibrate(const struct section *section, struct entry *entry, double target_ns)
{
    entry->n = section->fixed_n;
    if (entry->n)
        return;
    double elapsed;
    const uint64_t min_n = section->min_n ? section->min_n : 1;
    entry->n = min_n;
    while ((elapsed = time_n(section, entry, target_ns / 4)) < target_ns / 4)
        entry->n *= 4;
    entry->n = (uint64_t)fmax((double)min_n, (double)entry->n * target_ns / elapsed);
}

static void run_entry(const struct section *section, struct entry *entry, size_t columns,
                      size_t round)
{
    size_t before[MAX_COLUMNS];
    for (size_t c = 0; c < columns; c++)
        before[c] = entry->series[c].count;
    struct recorder recorder = {entry->series, columns};
    section->run(entry->contestant, section, entry->n, &recorder);
    for (size_t c = 0; c < columns; c++) {
        struct series *const s = &entry->series[c];
        sort_values(s->values + before[c], s->count - before[c]);
        s->rounds[round] = quantile(s->values + before[c], s->count - before[c], 0.5);
    }
}

static bool is_interrupted(const struct harness *harness)
{
    return harness->is_interrupted && harness->is_interrupted();
}

static uint64_t others_so_far(const struct harness *harness)
{
    return harness->other_cpu_ns ? harness->other_cpu_ns() : 0;
}

/* Runs all rounds once. */
static void run_rounds(struct harness *harness, struct result *r, size_t columns)
{
    size_t *const order = must_grow(NULL, r->entry_count * sizeof *order);
    for (size_t i = 0; i < r->entry_count; i++)
        for (size_t c = 0; c < columns; c++)
            r->entries[i].series[c].count = 0;
    const uint64_t others = others_so_far(harness);
    const uint64_t start = bench_clock();
    for (size_t round = 0; round < r->rounds; round++) {
        if (harness->progress)
            harness->progress(r->measurement, r->section, (double)round / (double)r->rounds,
                              r->repeats > 0);
        shuffle(&harness->seed, order, r->entry_count);
        for (size_t i = 0; i < r->entry_count && !is_interrupted(harness); i++)
            run_entry(r->section, &r->entries[order[i]], columns, round);
    }
    const uint64_t elapsed = bench_clock() - start;
    r->other_load = elapsed ? (double)(others_so_far(harness) - others) / (double)elapsed : 0;
    r->is_disturbed = r->other_load > harness->max_load;
    free(order);
}

static void enter(struct result *r, const struct contestant *contestant, bool is_null,
                  size_t columns)
{
    struct entry *const entry = &r->entries[r->entry_count++];
    *entry = (struct entry){.contestant = contestant, .is_null = is_null};
    for (size_t c = 0; c < columns; c++)
        entry->series[c].rounds = must_grow(NULL, r->rounds * sizeof(double));
}

int run_section(struct harness *harness, const struct measurement *measurement,
                const struct section *section, const struct contestant *const *contestants,
                size_t count, struct result *r)
{
    const size_t columns = column_count(section);
    *r = (struct result){
        .measurement = measurement,
        .section = section,
        .entries = must_grow(NULL, (count + 1) * sizeof *r->entries),
        .rounds = harness->rounds,
    };
    if (section->max_rounds && section->max_rounds < r->rounds)
        r->rounds = section->max_rounds;
    for (size_t i = 0; i < count; i++)
        if (!section->fits || section->fits(contestants[i], section))
            enter(r, contestants[i], false, columns);
    const struct entry *const limit = find_limit(r);
    if (!limit) {
        free_result(r);
        return ENOENT;
    }
    enter(r, limit->contestant, true, columns);

    for (size_t i = 0; i < r->entry_count && !is_interrupted(harness); i++) {
        if (harness->progress)
            harness->progress(measurement, section, 0, false);
        calibrate(section, &r->entries[i], section->ms * harness->scale * 1e6);
    }
    while (true) {
        const uint64_t start = bench_clock();
        run_rounds(harness, r, columns);
        const uint64_t elapsed = bench_clock() - start;
        if (is_interrupted(harness)) {
            free_result(r);
            return EINTR;
        }
        if (!r->is_disturbed || elapsed > harness->spare_ns)
            break;
        harness->spare_ns -= elapsed;
        r->repeats++;
    }
    for (size_t i = 0; i < r->entry_count; i++)
        for (size_t c = 0; c < columns; c++)
            sort_values(r->entries[i].series[c].values, r->entries[i].series[c].count);
    return 0;
}

void free_result(struct result *r)
{
    for (size_t i = 0; i < r->entry_count; i++) {
        for (size_t c = 0; c < MAX_COLUMNS; c++) {
            free(r->entries[i].series[c].values);
            free(r->entries[i].series[c].rounds);
        }
    }
    free(r->entries);
    *r = (struct result){0};
}

void *new_parker(const struct contestant *contestant)
{
    const size_t line = 128; /* two cache lines: some processors fetch them in pairs */
    void *const parker = contestant->traits & BETWEEN_PROCESSES
                             ? new_shared(contestant->size)
                             : aligned_alloc(line, (contestant->size + line - 1) / line * line);
    if (!parker)
        fail("out of memory", ENOMEM);
    memset(parker, 0, contestant->size);
    const int error = contestant->init(parker);
    if (error)
        fail(contestant->name, error);
    return parker;
}

void delete_parker(const struct contestant *contestant, void *parker)
{
    contestant->destroy(parker);
    if (contestant->traits & BETWEEN_PROCESSES)
        delete_shared(parker, contestant->size);
    else
        free(parker);
}

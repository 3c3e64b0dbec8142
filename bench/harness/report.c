/* SPDX-License-Identifier: MIT */
/* The table for the terminal. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_WIDTH = 19, NUMBER_WIDTH = 9, RATIO_WIDTH = 22 };

void print_header(FILE *out, const struct fact *facts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%-10s %s\n", facts[i].key, facts[i].text);
}

void print_measurement(FILE *out, const struct measurement *measurement)
{
    fprintf(out, "\n%c. %s: %s.\n", measurement->letter, measurement->title, measurement->method);
    fflush(out);
}

/* Four digits that mean something. */
static void print_number(FILE *out, double value)
{
    const double size = fabs(value);
    const int digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
    if (isnan(value))
        fprintf(out, " %*s", NUMBER_WIDTH, "-");
    else
        fprintf(out, " %*.*f", NUMBER_WIDTH, digits, value);
}

static const struct {
    const char *names[5]; /* %s: the column's */
    double quantiles[5];
    int count;
} shown[] = {
    [SHOW_SPREAD] = {{"", "p10", "p90"}, {0.5, 0.1, 0.9}, 3},
    [SHOW_MEDIAN] = {{""}, {0.5}, 1},
    [SHOW_MEDIAN_P99] = {{"", "p99"}, {0.5, 0.99}, 2},
    [SHOW_TAIL] = {{"p50", "p90", "p99", "p99.9", "max"}, {0.5, 0.9, 0.99, 0.999, 1}, 5},
};

/* A column is as wide as its numbers, or as its title. */
static int column_width(const struct column *c)
{
    const int numbers = shown[c->show].count * (NUMBER_WIDTH + 1);
    const int title = (int)strlen(c->title) + 4;
    return numbers > title ? numbers : title;
}

static void print_titles(FILE *out, const struct section *section)
{
    fprintf(out, "  %-*s", NAME_WIDTH, "");
    for (const struct column *c = section->columns; c->key; c++) {
        fprintf(out, "%*s", column_width(c), c->title);
        if (c == section->columns)
            fprintf(out, "  x %-*s", RATIO_WIDTH - 2, section->limit);
    }
    fprintf(out, "\n  %-*s", NAME_WIDTH, "");
    for (const struct column *c = section->columns; c->key; c++) {
        const int count = shown[c->show].count;
        fprintf(out, "%*s", column_width(c) - count * (NUMBER_WIDTH + 1), "");
        for (int i = 0; i < count; i++)
            fprintf(out, " %*s", NUMBER_WIDTH,
                    *shown[c->show].names[i] ? shown[c->show].names[i] : c->unit);
        if (c == section->columns)
            fprintf(out, "  %-*s", RATIO_WIDTH, "[95 %]");
    }
    fprintf(out, "\n");
}

static void print_ratio(FILE *out, const struct result *result, const struct entry *entry)
{
    const struct entry *const limit = find_limit(result);
    if (entry == limit) {
        fprintf(out, "  %-*s", RATIO_WIDTH, "1");
        return;
    }
    const struct ratio r =
        paired_ratio(entry->series[0].rounds, limit->series[0].rounds, result->rounds);
    char text[64];
    snprintf(text, sizeof text, "%.3g [%.3g, %.3g]", r.median, r.low, r.high);
    fprintf(out, "  %-*s", RATIO_WIDTH, text);
}

static void print_entry(FILE *out, const struct result *result, const struct entry *entry)
{
    const struct section *const section = result->section;
    fprintf(out, "  %-*s", NAME_WIDTH, entry_name(entry));
    for (size_t c = 0; section->columns[c].key; c++) {
        const struct series *const s = &entry->series[c];
        const enum show show = section->columns[c].show;
        const int count = shown[show].count;
        fprintf(out, "%*s", column_width(&section->columns[c]) - count * (NUMBER_WIDTH + 1), "");
        for (int i = 0; i < count; i++)
            print_number(out, quantile(s->values, s->count, shown[show].quantiles[i]));
        if (c == 0)
            print_ratio(out, result, entry);
    }
    fprintf(out, "\n");
}

static int by_median(const void *a, const void *b)
{
    const double x = entry_median(*(const struct entry *const *)a, 0);
    const double y = entry_median(*(const struct entry *const *)b, 0);
    return (x > y) - (x < y);
}

void print_result(FILE *out, const struct result *result)
{
    const struct entry **const sorted = malloc(result->entry_count * sizeof *sorted);
    if (!sorted)
        return;
    for (size_t i = 0; i < result->entry_count; i++)
        sorted[i] = &result->entries[i];
    qsort(sorted, result->entry_count, sizeof *sorted, by_median);

    fprintf(out, "\n  %s\n", result->section->title);
    if (result->is_disturbed)
        fprintf(out, "  *** DISTURBED: other processes used %.0f %% of a core meanwhile ***\n",
                100 * result->other_load);
    print_titles(out, result->section);
    for (size_t i = 0; i < result->entry_count; i++)
        print_entry(out, result, sorted[i]);
    fflush(out);
    free(sorted);
}

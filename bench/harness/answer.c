/* SPDX-License-Identifier: MIT */
/* The answer on one screen: a few figures, and in words how tpark compares with the best other. */
#include <math.h>
#include <string.h>

#include "measure.h"
#include "report.h"

static const struct figure {
    const char *what;
    char letter;
    const char *section;
    const char *column;
    const char *limit; /* of this figure: what no library can beat */
    double divisor;
    const char *unit;
} figures[] = {
    {"unpark and park, token there", 'A', "", "time", "raw-locked", 1, "ns"},
    {"hand-over, both awake", 'D', "two-cores", "time", "spin", 2000, "us"},
    {"hand-over to a sleeper", 'E', "light", "wake", "raw-futex", 1000, "us"},
    {"hand-over on one core", 'D', "one-core", "time", "raw-futex", 2000, "us"},
    {"a timeout of 100 us: late by", 'H', "100us", "overshoot", "raw-futex-wait", 1, "us"},
    {"CPU for a random wait", 'W', "exp48", "cpu", "raw-futex", 1000, "us"},
};

static const struct result *find_result(const struct results *results, const struct figure *figure)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct result *const r = &results->list[i];
        if (r->measurement->letter == figure->letter &&
            strcmp(r->section->key, figure->section) == 0)
            return r;
    }
    return NULL;
}

static size_t find_column(const struct result *result, const char *key)
{
    size_t c = 0;
    while (result->section->columns[c].key && strcmp(result->section->columns[c].key, key) != 0)
        c++;
    return c;
}

static const struct entry *find_entry(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->entry_count; i++)
        if (!result->entries[i].is_null && strcmp(result->entries[i].contestant->name, name) == 0)
            return &result->entries[i];
    return NULL;
}

/* Neither tpark nor a limit, and good for every program. */
static bool is_other(const struct entry *entry)
{
    const struct contestant *const c = entry->contestant;
    return !entry->is_null && strncmp(c->name, "tpark", 5) != 0 &&
           strncmp(c->name, "raw-", 4) != 0 &&
           !(c->traits & (NEVER_SLEEPS | CANNOT_WAIT | TIMES_OUT | ONE_PRODUCER));
}

static const struct entry *find_best_other(const struct result *result, size_t column)
{
    const struct entry *best = NULL;
    for (size_t i = 0; i < result->entry_count; i++) {
        const struct entry *const e = &result->entries[i];
        if (is_other(e) && (!best || entry_median(e, column) < entry_median(best, column)))
            best = e;
    }
    return best;
}

/* A difference of a few per cent that the interval does not show is none. */
static const char *in_words(struct ratio r, char *text, size_t size)
{
    if (r.high < 0.97)
        snprintf(text, size, "better: %.2g times", r.median);
    else if (r.low > 1.03)
        snprintf(text, size, "worse: %.2g times", r.median);
    else
        snprintf(text, size, "%s", r.low > 0.9 && r.high < 1.1 ? "as good" : "too noisy to say");
    return text;
}

static void print_value(FILE *out, const struct entry *entry, size_t column, double divisor)
{
    const double value = entry ? entry_median(entry, column) / divisor : NAN;
    if (isnan(value))
        fprintf(out, " %8s", "-");
    else
        fprintf(out, " %8.*f", value < 10 ? 2 : value < 100 ? 1 : 0, value);
}

static void print_figure(FILE *out, const struct result *result, const struct figure *figure)
{
    const size_t column = find_column(result, figure->column);
    const struct entry *const own = find_entry(result, "tpark-futex");
    const struct entry *const best = find_best_other(result, column);
    if (!result->section->columns[column].key)
        return;
    fprintf(out, "  %-29s", figure->what);
    print_value(out, own, column, figure->divisor);
    print_value(out, find_entry(result, "tpark-pthread"), column, figure->divisor);
    print_value(out, find_entry(result, figure->limit), column, figure->divisor);
    print_value(out, best, column, figure->divisor);
    fprintf(out, " %s", figure->unit);
    if (best) {
        char text[64];
        const struct ratio r =
            paired_ratio(own->series[column].rounds, best->series[column].rounds, result->rounds);
        fprintf(out, "  %-15s %s", best->contestant->name, in_words(r, text, sizeof text));
    }
    fprintf(out, "%s\n", result->is_disturbed ? " (disturbed)" : "");
}

/* Two runs of the same differ by so much here. */
static double noise_of(const struct result *result)
{
    const struct entry *const limit = find_limit(result);
    for (size_t i = 0; i < result->entry_count; i++)
        if (result->entries[i].is_null) {
            const struct ratio r = paired_ratio(result->entries[i].series[0].rounds,
                                                limit->series[0].rounds, result->rounds);
            return fmax(r.high - 1, 1 - r.low);
        }
    return 0;
}

static void print_noise(FILE *out, const struct results *results)
{
    const struct result *noisiest = NULL;
    size_t disturbed = 0;
    for (size_t i = 0; i < results->count; i++) {
        disturbed += results->list[i].is_disturbed;
        if (!noisiest || noise_of(&results->list[i]) > noise_of(noisiest))
            noisiest = &results->list[i];
    }
    if (disturbed)
        fprintf(out, "  Other processes disturbed %zu of %zu sections.\n", disturbed,
                results->count);
    if (noisiest)
        fprintf(out,
                "  Noisiest here: %s, where the same program differs from itself by %.0f %%.\n",
                noisiest->section->title, 100 * noise_of(noisiest));
}

void print_answer(FILE *out, const struct results *results)
{
    bool has_title = false;
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        const struct result *const result = find_result(results, &figures[i]);
        if (!result || !find_entry(result, "tpark-futex"))
            continue;
        if (!has_title)
            fprintf(out, "\n  %-29s %8s %8s %8s %8s     %-15s %s\n", "medians; less is better",
                    "tpark", "pthread", "limit", "best", "which other", "tpark is");
        has_title = true;
        print_figure(out, result, &figures[i]);
    }
    fprintf(out, "\n");
    print_noise(out, results);
}

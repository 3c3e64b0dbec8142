/* SPDX-License-Identifier: MIT */
/* JSON and CSV. */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "report.h"

static const struct {
    const char *key;
    double q;
} quantiles[] = {
    {"min", 0},    {"p1", 0.01}, {"p5", 0.05},  {"p10", 0.1},  {"p25", 0.25},    {"p50", 0.5},
    {"p75", 0.75}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1},
};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

/* ------------------------------------------------------------------------------------- JSON -- */

static json_t *numbers(const double *values, size_t count)
{
    json_t *const array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_real(values[i]));
    return array;
}

static json_t *describe_column(const struct result *result, const struct entry *entry, size_t c)
{
    const struct series *const s = &entry->series[c];
    const struct series *const limit = &find_limit(result)->series[c];
    const struct ratio ratio = paired_ratio(s->rounds, limit->rounds, result->rounds);
    json_t *const object = json_pack("{s:s, s:I}", "unit", result->section->columns[c].unit,
                                     "samples", (json_int_t)s->count);
    for (size_t q = 0; q < QUANTILES; q++)
        json_object_set_new(object, quantiles[q].key,
                            json_real(quantile(s->values, s->count, quantiles[q].q)));
    /* Nothing over nothing is no ratio, and no JSON. */
    if (isfinite(ratio.low) && isfinite(ratio.high))
        json_object_set_new(object, "ratio",
                            json_pack("[f, f, f]", ratio.median, ratio.low, ratio.high));
    json_object_set_new(object, "rounds", numbers(s->rounds, result->rounds));
    return object;
}

static json_t *describe_entry(const struct result *result, const struct entry *entry)
{
    json_t *const columns = json_object();
    for (size_t c = 0; result->section->columns[c].key; c++)
        json_object_set_new(columns, result->section->columns[c].key,
                            describe_column(result, entry, c));
    return json_pack("{s:s, s:b, s:o}", "contestant", entry->contestant->name, "null_pair",
                     entry->is_null, "columns", columns);
}

static json_t *describe_result(const struct result *result)
{
    json_t *const entries = json_array();
    for (size_t i = 0; i < result->entry_count; i++)
        json_array_append_new(entries, describe_entry(result, &result->entries[i]));
    const char letter[] = {result->measurement->letter, '\0'};
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:b, s:o}", "measurement", letter,
                     "section", result->section->key, "title", result->section->title, "limit",
                     result->section->limit, "rounds", (json_int_t)result->rounds, "repeats",
                     (json_int_t)result->repeats, "other_load", result->other_load, "disturbed",
                     result->is_disturbed, "entries", entries);
}

int write_json(FILE *out, const struct fact *facts, size_t fact_count,
               const struct results *results)
{
    json_t *const about = json_object();
    for (size_t i = 0; i < fact_count; i++)
        json_object_set_new(about, facts[i].key, json_string(facts[i].text));
    json_t *const sections = json_array();
    for (size_t i = 0; i < results->count; i++)
        json_array_append_new(sections, describe_result(&results->list[i]));
    json_t *const root = json_pack("{s:o, s:o}", "about", about, "sections", sections);
    const int failed =
        !root || json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) || fflush(out);
    json_decref(root);
    return failed ? (errno ? errno : EIO) : 0;
}

/* -------------------------------------------------------------------------------------- CSV -- */

static void write_row(FILE *out, const struct result *result, const struct entry *entry, size_t c)
{
    const struct series *const s = &entry->series[c];
    const struct series *const limit = &find_limit(result)->series[c];
    const struct ratio ratio = paired_ratio(s->rounds, limit->rounds, result->rounds);
    fprintf(out, "%c,%s,%s,%d,%s,%s,%zu,%d", result->measurement->letter, result->section->key,
            entry->contestant->name, entry->is_null, result->section->columns[c].key,
            result->section->columns[c].unit, s->count, result->is_disturbed);
    for (size_t q = 0; q < QUANTILES; q++)
        fprintf(out, ",%.6g", quantile(s->values, s->count, quantiles[q].q));
    fprintf(out, ",%.6g,%.6g,%.6g\n", ratio.median, ratio.low, ratio.high);
}

void write_csv(FILE *out, const struct results *results)
{
    fprintf(out, "measurement,section,contestant,null_pair,column,unit,samples,disturbed");
    for (size_t q = 0; q < QUANTILES; q++)
        fprintf(out, ",%s", quantiles[q].key);
    fprintf(out, ",ratio,ratio_low,ratio_high\n");
    for (size_t i = 0; i < results->count; i++) {
        const struct result *const result = &results->list[i];
        for (size_t e = 0; e < result->entry_count; e++)
            for (size_t c = 0; result->section->columns[c].key; c++)
                write_row(out, result, &result->entries[e], c);
    }
}

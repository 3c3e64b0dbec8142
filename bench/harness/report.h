/* SPDX-License-Identifier: MIT */
/* What becomes of a result: a table, JSON, CSV. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "harness.h"
#include "machine.h"

void print_header(FILE *out, const struct fact *facts, size_t count);
void print_measurement(FILE *out, const struct measurement *measurement);
void print_result(FILE *out, const struct result *result);

/* All results of a run. */
struct results {
    struct result *list;
    size_t count;
};

/* The few figures that matter, and what is noisy here. */
void print_answer(FILE *out, const struct results *results);

/* One row per contestant and column. */
void write_csv(FILE *out, const struct results *results);

/* With the medians of the rounds too, for bench/compare. 0, or an error number. */
int write_json(FILE *out, const struct fact *facts, size_t fact_count,
               const struct results *results);

#endif

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

#endif

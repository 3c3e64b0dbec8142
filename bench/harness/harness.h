/* SPDX-License-Identifier: MIT */
/*
 * Runs contestants against each other so that the differences are theirs.
 *
 * A measurement (A to K) has sections, one per parameter. A section runs in rounds; each round runs
 * every contestant once, in a random order, so that what drifts in the machine drifts for all.
 * Ratios are taken within a round. In every section the limit runs a second time under another
 * name, the null pair: whatever ratio that one shows is noise.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contestant.h"
#include "stats.h"

enum { MAX_COLUMNS = 5 };

/* The clock of all measurements, in ns. The tests inject their own. */
extern uint64_t (*bench_clock)(void);

/* How the table shows a quantity; the files have all its quantiles. */
enum show {
    SHOW_SPREAD,     /* the median with 10th and 90th percentile */
    SHOW_MEDIAN,     /* the median alone */
    SHOW_MEDIAN_P99, /* for single events, in short */
    SHOW_TAIL,       /* for single events: all that a latency has */
};

/* One quantity that a section measures. The first one is the one to compare; less is better. */
struct column {
    const char *key; /* in JSON and CSV */
    const char *title;
    const char *unit;
    enum show show;
};

struct recorder;
void record(struct recorder *recorder, size_t column, double value);

struct section {
    const char *key; /* unique within the measurement; "" if it has but one section */
    const char *title;
    const struct column *columns; /* ends with a column without key */
    const char *limit;            /* the contestant that ratios refer to */
    long parameter;
    long variant;
    unsigned cpus;       /* how many it needs */
    unsigned ms;         /* time of one contestant in one round of a full run */
    uint64_t min_n;      /* so many at least, however long the first tries took; 0: 1 */
    uint64_t fixed_n;    /* in place of what takes that time; 0: none */
    unsigned max_rounds; /* 0: no limit of its own */
    bool only_full;      /* too long for --quick */
    bool between_processes;
    const char *(*lacks)(void); /* what this machine lacks for it, or NULL; NULL: nothing can */
    bool (*fits)(const struct contestant *contestant, const struct section *section);
    /* Measures `n` of whatever it measures, and records at least one value for each column. */
    void (*run)(const struct contestant *contestant, const struct section *section, uint64_t n,
                struct recorder *recorder);
};

struct measurement {
    char letter;
    const char *title;
    const char *method; /* how it is measured, for who reads the table */
    const struct section *sections;
    size_t section_count;
};

struct series {
    double *values; /* all samples, ascending once the section is done */
    size_t count;
    size_t capacity;
    double *rounds; /* the median of each round */
};

struct entry {
    const struct contestant *contestant;
    bool is_null;
    uint64_t n;
    struct series series[MAX_COLUMNS];
};

struct result {
    const struct measurement *measurement;
    const struct section *section;
    struct entry *entries;
    size_t entry_count;
    size_t rounds;
    unsigned repeats;  /* how often it was thrown away since other load disturbed it */
    double other_load; /* of other processes meanwhile, in cores */
    bool is_disturbed; /* other_load is too much, and there was no time to repeat it */
};

struct harness {
    unsigned rounds;
    double scale;      /* of each section's ms */
    uint64_t seed;     /* of the order within a round; not 0 */
    uint64_t spare_ns; /* time that may be spent on repeating disturbed sections */
    double max_load;   /* of other processes, in cores */
    /* CPU time that other processes have used so far, in ns; NULL if nobody knows. */
    uint64_t (*other_cpu_ns)(void);
    void (*progress)(const struct measurement *measurement, const struct section *section,
                     double done, bool repeats);
    bool (*is_interrupted)(void); /* NULL: never */
};

/*
 * Runs a section with those contestants that it fits. 0, or an error number: ENOENT if none of
 * them fits, or the limit is not there; EINTR if it was interrupted, and is not complete.
 */
int run_section(struct harness *harness, const struct measurement *measurement,
                const struct section *section, const struct contestant *const *contestants,
                size_t count, struct result *result);
void free_result(struct result *result);

const char *entry_name(const struct entry *entry);
size_t column_count(const struct section *section);
double entry_median(const struct entry *entry, size_t column);
const struct entry *find_limit(const struct result *result);

/* A parker on cache lines of its own. Abort, with a message, if that fails. */
void *new_parker(const struct contestant *contestant);
void delete_parker(const struct contestant *contestant, void *parker);

#endif

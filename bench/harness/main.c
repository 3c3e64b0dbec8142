/* SPDX-License-Identifier: MIT */
/* tpark-bench: the command line. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "machine.h"
#include "measure.h"
#include "registry.h"
#include "report.h"

enum { MAX_CHOSEN = 64, MAX_MEASUREMENTS = 26 };

struct options {
    bool lists;
    bool is_quick;
    bool wants_realtime;
    uint64_t seed;
    const char *only[MAX_CHOSEN]; /* contestants; none: all */
    size_t only_count;
    bool is_chosen[MAX_MEASUREMENTS];
    bool chooses;
    const char *json;
    const char *csv;
    const char *tables;
    const char *trace; /* a file of waits */
    bool is_verbose;
    FILE *json_file;
    FILE *csv_file;
    FILE *tables_file;
    FILE *outs[3];  /* where the tables go; ends with NULL */
    bool had_error; /* something was left out: the exit status says so */
};

/* ------------------------------------------------------------------------------ the options -- */

static void complain(struct options *options, const char *what, const char *why)
{
    fprintf(stderr, "tpark-bench: %s: %s\n", what, why);
    options->had_error = true;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; all_contestants[i]; i++)
        if (strcmp(all_contestants[i]->name, name) == 0)
            return true;
    return false;
}

static void choose_contestants(struct options *options, char *names)
{
    char *rest;
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (!is_known(name))
            complain(options, name, "no such contestant in this build (--list names them)");
        else if (options->only_count < MAX_CHOSEN)
            options->only[options->only_count++] = name;
    }
}

/* Returns whether any is left. */
static bool choose_measurements(struct options *options, const char *letters)
{
    options->chooses = true;
    bool is_any = false;
    for (; *letters; letters++) {
        bool found = false;
        for (size_t i = 0; all_measurements[i]; i++) {
            if ((all_measurements[i]->letter | ' ') == (*letters | ' ')) {
                options->is_chosen[i] = true;
                is_any = found = true;
            }
        }
        if (!found && *letters != ',')
            complain(options, (char[]){*letters, '\0'}, "no such measurement (--list names them)");
    }
    return is_any;
}

enum {
    KEY_QUICK = 'q',
    KEY_LIST = 'l',
    KEY_ONLY = 'o',
    KEY_MEASURE = 'm',
    KEY_VERBOSE = 'v',
    KEY_SEED = 256,
    KEY_REALTIME,
    KEY_JSON,
    KEY_CSV,
    KEY_TABLES,
    KEY_TRACE
};

static const struct argp_option argp_options[] = {
    {"quick", KEY_QUICK, NULL, 0, "Rougher, in less than 30 s (the full run: 7 minutes)", 0},
    {"list", KEY_LIST, NULL, 0, "Name contestants and measurements, and exit", 0},
    {"only", KEY_ONLY, "NAME,...", 0, "Only these contestants, and the limits", 0},
    {"measure", KEY_MEASURE, "LETTERS", 0, "Only these measurements", 0},
    {"json", KEY_JSON, "FILE", 0, "Write the results to FILE, for bench/compare and bench/pictures",
     0},
    {"csv", KEY_CSV, "FILE", 0, "Write the results to FILE, for a spreadsheet", 0},
    {"tables", KEY_TABLES, "FILE", 0, "Write all tables to FILE", 0},
    {"verbose", KEY_VERBOSE, NULL, 0, "Print all tables, and then the answer", 0},
    {"trace", KEY_TRACE, "FILE", 0, "Only W, with the waits in FILE: one a line, in us", 0},
    {"seed", KEY_SEED, "N", 0,
     "Of the order of contestants within a round; else of the clock, and printed", 0},
    {"realtime", KEY_REALTIME, NULL, 0, "Run with real-time priority (SCHED_FIFO)", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct options *const options = state->input;
    switch (key) {
    case KEY_QUICK:
        options->is_quick = true;
        return 0;
    case KEY_LIST:
        options->lists = true;
        return 0;
    case KEY_ONLY:
        choose_contestants(options, argument);
        if (!options->only_count)
            argp_error(state, "--only leaves no contestant");
        return 0;
    case KEY_MEASURE:
        if (!choose_measurements(options, argument))
            argp_error(state, "--measure leaves no measurement");
        return 0;
    case KEY_JSON:
        options->json = argument;
        return 0;
    case KEY_CSV:
        options->csv = argument;
        return 0;
    case KEY_TABLES:
        options->tables = argument;
        return 0;
    case KEY_VERBOSE:
        options->is_verbose = true;
        return 0;
    case KEY_TRACE:
        options->trace = argument;
        choose_measurements(options, "W");
        return 0;
    case KEY_SEED: {
        char *end;
        options->seed = strtoull(argument, &end, 0);
        if (*end || options->seed == 0)
            argp_error(state, "--seed takes a number above 0");
        return 0;
    }
    case KEY_REALTIME:
        options->wants_realtime = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "what is '%s'?", argument);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse,
    .doc = "Measures the latency of parking and unparking a thread, with tpark and with what a "
           "program would use instead.",
};

/* ------------------------------------------------------------------------------------- list -- */

static void list(void)
{
    char traits[200];
    printf("Contestants:\n");
    for (size_t i = 0; all_contestants[i]; i++) {
        const struct contestant *const c = all_contestants[i];
        const char *const notes = describe_traits(c, traits, sizeof traits);
        printf("  %-22s %s%s%s%s\n", c->name, c->what, *notes ? " (" : "", notes,
               *notes ? ")" : "");
    }
    for (const struct missing *m = missing_contestants; m->name; m++)
        printf("  %-22s missing: needs %s\n", m->name, m->needs);
    printf("Measurements:\n");
    for (size_t i = 0; all_measurements[i]; i++)
        printf("  %c  %-33s %s\n", all_measurements[i]->letter, all_measurements[i]->title,
               all_measurements[i]->method);
}

/* -------------------------------------------------------------------------------------- run -- */

/* How far the run is, as a part of the time that its sections are to take. */
static struct {
    double planned_ms;
    double done_ms;
    double section_ms;
    uint64_t start_ns;
} progress;

/* What a section takes beside its rounds: to find its n, and to start what it needs. */
static double planned_ms(const struct section *section)
{
    return section->ms ? section->ms : 100;
}

static void show_progress(const struct measurement *measurement, const struct section *section,
                          double done, bool repeats)
{
    if (!isatty(STDERR_FILENO))
        return;
    const double part = (progress.done_ms + done * progress.section_ms) / progress.planned_ms;
    const double elapsed_s = (double)(monotonic_ns() - progress.start_ns) / 1e9;
    fprintf(stderr, "\r\033[K%3.0f %%", 100 * part);
    if (part > 0.02)
        fprintf(stderr, ", %.0f s left", elapsed_s / part - elapsed_s);
    fprintf(stderr, "   %c. %s%s", measurement->letter, section->title,
            repeats ? " (again: other load disturbed it)" : "");
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

static volatile sig_atomic_t was_interrupted;

/* Once: what was measured is kept. Twice: the default action ends the program. */
static void note_interrupt(int signal_number)
{
    (void)signal_number;
    was_interrupted = 1;
}

static bool is_interrupted(void)
{
    return was_interrupted;
}

static bool is_wanted(const struct options *options, const struct contestant *contestant)
{
    if (!options->only_count || strncmp(contestant->name, "raw-", 4) == 0)
        return true;
    for (size_t i = 0; i < options->only_count; i++)
        if (strcmp(options->only[i], contestant->name) == 0)
            return true;
    return false;
}

/* Parks, too, as far as one thread alone can. 0, or an error number. */
static int try_out(const struct contestant *contestant)
{
    void *const parker = calloc(1, contestant->size);
    const int error = parker ? contestant->init(parker) : ENOMEM;
    if (error)
        return error;
    if (contestant->bind)
        contestant->bind(parker);
    if (contestant->park_timeout)
        contestant->park_timeout(parker, 1000);
    contestant->destroy(parker);
    free(parker);
    return 0;
}

/*
 * Why a contestant does not work here, in a kernel or a sandbox without its system calls; NULL if
 * it does. Tried out in a process of its own, since many a library gives up by abort().
 */
static const char *what_ails(const struct contestant *contestant)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child < 0)
        return strerror(errno);
    if (child == 0) {
        alarm(10);
        close(STDERR_FILENO); /* the parent says it, in one line */
        _exit(try_out(contestant));
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return strsignal(WTERMSIG(status));
    return status ? strerror(WEXITSTATUS(status)) : NULL;
}

static size_t choose(struct options *options, const struct contestant **chosen)
{
    size_t count = 0;
    for (size_t i = 0; all_contestants[i] && count < MAX_CHOSEN; i++) {
        const struct contestant *const c = all_contestants[i];
        if (!is_wanted(options, c))
            continue;
        const char *const why = what_ails(c);
        if (why)
            complain(options, c->name, why);
        else
            chosen[count++] = c;
    }
    return count;
}

static void keep(struct results *results, const struct result *result)
{
    struct result *const list =
        realloc(results->list, (results->count + 1) * sizeof *results->list);
    if (!list)
        fail("out of memory", ENOMEM);
    list[results->count++] = *result;
    results->list = list;
}

static bool is_section_wanted(const struct options *options, const struct section *section)
{
    const bool is_of_trace = strcmp(section->key, "trace") == 0;
    if (options->trace || is_of_trace)
        return options->trace && is_of_trace;
    return !(section->only_full && options->is_quick);
}

/* Returns whether there is anything to do. */
static bool plan(const struct options *options)
{
    for (size_t i = 0; all_measurements[i]; i++)
        for (size_t j = 0; j < all_measurements[i]->section_count; j++)
            if ((!options->chooses || options->is_chosen[i]) &&
                is_section_wanted(options, &all_measurements[i]->sections[j]))
                progress.planned_ms += planned_ms(&all_measurements[i]->sections[j]);
    return progress.planned_ms > 0;
}

static void print_left_out(const struct options *options, const struct section *section,
                           const char *format, ...)
{
    for (FILE *const *out = options->outs; *out; out++) {
        va_list arguments;
        va_start(arguments, format);
        fprintf(*out, "\n  %s: left out, since ", section->title);
        vfprintf(*out, format, arguments);
        fprintf(*out, "\n");
        va_end(arguments);
    }
}

static void run_measurement(const struct options *options, struct harness *harness,
                            const struct measurement *measurement, const struct contestant **chosen,
                            size_t count, struct results *results)
{
    bool has_heading = false;
    for (size_t i = 0; i < measurement->section_count && !was_interrupted; i++) {
        const struct section *const section = &measurement->sections[i];
        if (!is_section_wanted(options, section))
            continue;
        for (FILE *const *out = options->outs; *out && !has_heading; out++)
            print_measurement(*out, measurement);
        has_heading = true;
        if (section->cpus > cpu_count()) {
            print_left_out(options, section, "it needs %u CPUs", section->cpus);
            continue;
        }
        const char *const lack = section->lacks ? section->lacks() : NULL;
        if (lack) {
            print_left_out(options, section, "%s", lack);
            continue;
        }
        struct result result;
        progress.section_ms = planned_ms(section);
        const int error = run_section(harness, measurement, section, chosen, count, &result);
        progress.done_ms += progress.section_ms;
        clear_progress();
        if (error == ENOENT)
            print_left_out(options, section, "%s does not work here", section->limit);
        if (error)
            continue;
        for (FILE *const *out = options->outs; *out; out++)
            print_result(*out, &result);
        keep(results, &result);
    }
}

/* ------------------------------------------------------------------------------------ files -- */

/* Before the run: who waits for minutes wants to know first that the result has no place. */
static FILE *open_output(struct options *options, const char *path)
{
    FILE *const file = path ? fopen(path, "w") : NULL;
    if (path && !file)
        complain(options, path, strerror(errno));
    return file;
}

static void open_outputs(struct options *options)
{
    options->json_file = open_output(options, options->json);
    options->csv_file = open_output(options, options->csv);
    options->tables_file = open_output(options, options->tables);
    FILE **out = options->outs;
    if (options->is_verbose)
        *out++ = stdout;
    if (options->tables_file)
        *out++ = options->tables_file;
}

static void close_output(struct options *options, FILE *file, const char *path, int error)
{
    if (fclose(file) && !error)
        error = errno;
    if (error)
        complain(options, path, strerror(error));
}

/* Interrupted before there was a result: no file is better than an empty one. */
static void remove_outputs(const struct options *options)
{
    const char *const paths[] = {options->json, options->csv, options->tables};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (paths[i])
            unlink(paths[i]);
}

static void write_outputs(struct options *options, const struct fact *facts, size_t fact_count,
                          const struct results *results)
{
    if (options->json_file)
        close_output(options, options->json_file, options->json,
                     write_json(options->json_file, facts, fact_count, results));
    if (options->csv_file) {
        write_csv(options->csv_file, results);
        close_output(options, options->csv_file, options->csv, 0);
    }
    if (options->tables_file)
        close_output(options, options->tables_file, options->tables, 0);
}

int main(int argc, char **argv)
{
    struct options options = {.seed = monotonic_ns() | 1};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.lists) {
        list();
        return options.had_error;
    }
    if (options.trace && !read_trace(options.trace))
        fail(options.trace, errno);
    if (!plan(&options))
        fail("--quick leaves no section of these measurements", 0);
    open_outputs(&options);
    find_cpus();
    const int error = options.wants_realtime ? use_realtime() : 0;
    if (error)
        complain(&options, "no real-time priority", strerror(error));
    sigaction(SIGINT,
              &(struct sigaction){.sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND},
              NULL);

    struct fact facts[16];
    const size_t fact_count = describe_machine(facts, COUNT_OF(facts) - 1);
    facts[fact_count] = (struct fact){.key = "seed"};
    snprintf(facts[fact_count].text, sizeof facts[fact_count].text, "%" PRIu64, options.seed);
    print_header(stdout, facts, fact_count + 1);
    for (const struct missing *m = missing_contestants; m->name; m++)
        printf("%-10s %s: needs %s\n", "missing", m->name, m->needs);
    fflush(stdout);

    struct harness harness = {
        .rounds = options.is_quick ? 7 : 15,
        .scale = options.is_quick ? 0.2 : 0.68,
        .seed = options.seed,
        .spare_ns = (uint64_t)(options.is_quick ? 4e9 : 30e9),
        .max_load = 0.15,
        .other_cpu_ns = other_cpu_ns,
        .progress = show_progress,
        .is_interrupted = is_interrupted,
    };
    const struct contestant *chosen[MAX_CHOSEN];
    const size_t count = choose(&options, chosen);
    struct results results = {0};
    progress.start_ns = monotonic_ns();
    for (size_t i = 0; all_measurements[i] && !was_interrupted; i++)
        if (!options.chooses || options.is_chosen[i])
            run_measurement(&options, &harness, all_measurements[i], chosen, count, &results);
    write_outputs(&options, facts, fact_count + 1, &results);
    print_answer(stdout, &results);
    if (options.tables && results.count)
        printf("  All tables are in %s.\n", options.tables);
    if (was_interrupted) {
        fprintf(stderr, "tpark-bench: interrupted: %zu sections were measured\n", results.count);
        if (results.count == 0)
            remove_outputs(&options);
    }

    for (size_t i = 0; i < results.count; i++)
        free_result(&results.list[i]);
    free(results.list);
    return was_interrupted ? 130 : options.had_error;
}

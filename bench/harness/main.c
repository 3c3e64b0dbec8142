/* SPDX-License-Identifier: MIT */
/* tpark-bench: the command line. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    const char *plots; /* a directory */
    FILE *json_file;
    FILE *csv_file;
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

static void choose_measurements(struct options *options, const char *letters)
{
    options->chooses = true;
    for (; *letters; letters++) {
        bool found = false;
        for (size_t i = 0; all_measurements[i]; i++) {
            if ((all_measurements[i]->letter | ' ') == (*letters | ' ')) {
                options->is_chosen[i] = true;
                found = true;
            }
        }
        if (!found && *letters != ',')
            complain(options, (char[]){*letters, '\0'}, "no such measurement (--list names them)");
    }
}

enum {
    KEY_QUICK = 'q',
    KEY_LIST = 'l',
    KEY_ONLY = 'o',
    KEY_MEASURE = 'm',
    KEY_SEED = 256,
    KEY_REALTIME,
    KEY_JSON,
    KEY_CSV,
    KEY_PLOT
};

static const struct argp_option argp_options[] = {
    {"quick", KEY_QUICK, NULL, 0, "Rougher, in less than 30 s (the full run: 6 minutes)", 0},
    {"list", KEY_LIST, NULL, 0, "Name contestants and measurements, and exit", 0},
    {"only", KEY_ONLY, "NAME,...", 0, "Only these contestants, and the limits", 0},
    {"measure", KEY_MEASURE, "LETTERS", 0, "Only these measurements", 0},
    {"json", KEY_JSON, "FILE", 0, "Write the results to FILE, for bench/compare", 0},
    {"csv", KEY_CSV, "FILE", 0, "Write the results to FILE, for a spreadsheet", 0},
    {"plot", KEY_PLOT, "DIR", 0, "Draw SVG pictures into DIR, with gnuplot", 0},
    {"seed", KEY_SEED, "N", 0, "Of the order of contestants within a round", 0},
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
        choose_measurements(options, argument);
        return 0;
    case KEY_JSON:
        options->json = argument;
        return 0;
    case KEY_CSV:
        options->csv = argument;
        return 0;
    case KEY_PLOT:
        options->plots = argument;
        return 0;
    case KEY_SEED:
        options->seed = strtoull(argument, NULL, 0);
        return 0;
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

static void show_progress(const struct measurement *measurement, const struct section *section,
                          double done, bool repeats)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%c. %s%s %.0f %%", measurement->letter, section->title,
                repeats ? " (again: other load disturbed it)" : "", 100 * done);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
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

static void run_measurement(const struct options *options, struct harness *harness,
                            const struct measurement *measurement, const struct contestant **chosen,
                            size_t count, struct results *results)
{
    print_measurement(stdout, measurement);
    for (size_t i = 0; i < measurement->section_count; i++) {
        const struct section *const section = &measurement->sections[i];
        if (section->only_full && options->is_quick)
            continue;
        if (section->cpus > cpu_count()) {
            printf("\n  %s: left out, since it needs %u CPUs\n", section->title, section->cpus);
            continue;
        }
        struct result result;
        const int error = run_section(harness, measurement, section, chosen, count, &result);
        clear_progress();
        if (error) {
            printf("\n  %s: left out, since %s does not work here\n", section->title,
                   section->limit);
            continue;
        }
        print_result(stdout, &result);
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
    if (!options->plots)
        return;
    const char *why = NULL;
    if (system("command -v gnuplot >/dev/null"))
        why = "no pictures without gnuplot (gnuplot-nox)";
    else if ((mkdir(options->plots, 0777) && errno != EEXIST) || access(options->plots, W_OK))
        why = strerror(errno);
    if (why) {
        complain(options, options->plots, why);
        options->plots = NULL;
    }
}

static void close_output(struct options *options, FILE *file, const char *path, int error)
{
    if (fclose(file) && !error)
        error = errno;
    if (error)
        complain(options, path, strerror(error));
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
    if (options->plots && !write_plots(options->plots, results))
        complain(options, options->plots, "gnuplot failed");
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.lists) {
        list();
        return options.had_error;
    }
    open_outputs(&options);
    find_cpus();
    const int error = options.wants_realtime ? use_realtime() : 0;
    if (error)
        complain(&options, "no real-time priority", strerror(error));

    struct fact facts[16];
    const size_t fact_count = describe_machine(facts, COUNT_OF(facts));
    print_header(stdout, facts, fact_count);
    for (const struct missing *m = missing_contestants; m->name; m++)
        printf("%-10s %s: needs %s\n", "missing", m->name, m->needs);

    struct harness harness = {
        .rounds = options.is_quick ? 7 : 15,
        .scale = options.is_quick ? 0.2 : 0.68,
        .seed = options.seed ? options.seed : 1,
        .spare_ns = (uint64_t)(options.is_quick ? 4e9 : 30e9),
        .max_load = 0.15,
        .other_cpu_ns = other_cpu_ns,
        .progress = show_progress,
    };
    const struct contestant *chosen[MAX_CHOSEN];
    const size_t count = choose(&options, chosen);
    struct results results = {0};
    for (size_t i = 0; all_measurements[i]; i++)
        if (!options.chooses || options.is_chosen[i])
            run_measurement(&options, &harness, all_measurements[i], chosen, count, &results);
    write_outputs(&options, facts, fact_count, &results);

    for (size_t i = 0; i < results.count; i++)
        free_result(&results.list[i]);
    free(results.list);
    return options.had_error;
}

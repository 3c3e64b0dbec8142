/* SPDX-License-Identifier: MIT */
/* Pictures, drawn by gnuplot. */
#include <string.h>

#include "measure.h"
#include "report.h"

/* One half of a picture: a column of each section of a measurement, over the section's parameter.
 */
struct panel {
    const char *title;
    char letter;
    long variant;
    size_t column;
    const char *x_label;
    const char *y_label;
};

struct picture {
    const char *file;
    struct panel panels[2];
};

static const struct picture pictures[] = {
    {"work.svg",
     {{"Round trip, less the work", 'F', 0, 0, "work before the reply, µs", "µs"},
      {"CPU time that both threads burn", 'F', 0, 1, "work before the reply, µs",
       "µs per round trip"}}},
    {"overshoot.svg",
     {{"Overshoot, timer slack as by default", 'H', 0, 0, "timeout", "µs too late (median)"},
      {"Overshoot, timer slack 1 ns", 'H', 1, 0, "timeout", "µs too late (median)"}}},
    {"scale.svg",
     {{"Waking one thread of many", 'J', 0, 0, "parked threads", "µs"},
      {"Waking all threads", 'J', 0, 2, "parked threads", "µs per thread"}}},
};

/* ------------------------------------------------------------------------------------ style -- */

/* tpark strong, limits black and dashed, all others thin, each in a colour of its own. */
static void style(FILE *gnuplot, const char *name)
{
    static const struct {
        const char *name;
        const char *style;
    } styles[] = {
        {"tpark-futex", "lw 4 lc rgb '#d62728'"},
        {"tpark-pthread", "lw 4 lc rgb '#ff9d3b'"},
        {"tpark-futex-shared", "lw 2 lc rgb '#d62728' dt 2"},
        {"raw-futex", "lw 2 lc rgb 'black' dt 2"},
        {"spin", "lw 2 lc rgb 'black' dt 3"},
        {"sem", "lw 1.5 lc rgb '#1f77b4'"},
        {"mutex-cond", "lw 1.5 lc rgb '#2ca02c'"},
        {"eventfd", "lw 1.5 lc rgb '#9467bd'"},
        {"urcu-futex", "lw 1.5 lc rgb '#8c564b'"},
        {"urcu-wait", "lw 1.5 lc rgb '#8c564b' dt 2"},
        {"nsync", "lw 1.5 lc rgb '#17becf'"},
        {"ck-ec", "lw 1.5 lc rgb '#7f7f7f'"},
        {"ck-ec-sp", "lw 1.5 lc rgb '#7f7f7f' dt 2"},
        {"cxx-semaphore", "lw 1.5 lc rgb '#e377c2'"},
        {"cxx-atomic-wait", "lw 1.5 lc rgb '#e377c2' dt 2"},
        {"rust-park", "lw 1.5 lc rgb '#bcbd22'"},
    };
    for (size_t i = 0; i < COUNT_OF(styles); i++)
        if (strcmp(styles[i].name, name) == 0)
            fprintf(gnuplot, " %s", styles[i].style);
}

static void begin(FILE *gnuplot, const char *directory, const char *file, int width)
{
    fprintf(gnuplot,
            "reset\n"
            "set terminal svg size %d,480 font 'sans-serif,14' background rgb 'white'\n"
            "set encoding utf8\n"
            "set output '%s/%s'\n"
            "set border 3\n"
            "set tics nomirror\n"
            "set grid lc rgb '#dddddd' lt 1\n"
            "set logscale y\n",
            width, directory, file);
}

/* tpark is drawn last, on top of the others. */
static bool is_ours(const char *name)
{
    return strncmp(name, "tpark", 5) == 0;
}

/* ------------------------------------------------------------- a parameter against its cost -- */

static bool belongs(const struct result *result, const struct panel *panel)
{
    return result->measurement->letter == panel->letter &&
           result->section->variant == panel->variant;
}

static const struct entry *find_entry(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->entry_count; i++)
        if (!result->entries[i].is_null && strcmp(result->entries[i].contestant->name, name) == 0)
            return &result->entries[i];
    return NULL;
}

static void write_points(FILE *gnuplot, const struct results *results, const struct panel *panel,
                         const char *name)
{
    int position = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct result *const result = &results->list[i];
        if (!belongs(result, panel))
            continue;
        const struct entry *const entry = find_entry(result, name);
        const struct column *const column = &result->section->columns[panel->column];
        const int label = (int)strcspn(result->section->key, "-");
        if (entry) {
            const struct series *const s = &entry->series[panel->column];
            const double scale = strcmp(column->unit, "ns") == 0 ? 1000 : 1;
            fprintf(gnuplot, "%d %.*s %g\n", position, label, result->section->key,
                    quantile(s->values, s->count, 0.5) / scale);
        }
        position++;
    }
}

/* The names of all contestants of a panel, each once. */
static size_t list_names(const struct results *results, const struct panel *panel,
                         const char **names, size_t capacity)
{
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct result *const result = &results->list[i];
        for (size_t e = 0; belongs(result, panel) && e < result->entry_count; e++) {
            const char *const name = result->entries[e].contestant->name;
            size_t known = 0;
            while (known < count && strcmp(names[known], name) != 0)
                known++;
            if (known == count && count < capacity)
                names[count++] = name;
        }
    }
    return count;
}

static void draw_panel(FILE *gnuplot, const struct results *results, const struct panel *panel,
                       bool has_key)
{
    const char *names[64];
    const size_t count = list_names(results, panel, names, COUNT_OF(names));
    for (size_t i = 0; i < count; i++) {
        fprintf(gnuplot, "$D%zu << EOD\n", i);
        write_points(gnuplot, results, panel, names[i]);
        fprintf(gnuplot, "EOD\n");
    }
    fprintf(gnuplot, "set title \"%s\"\nset xlabel '%s'\nset ylabel '%s'\nset xrange [-0.3:]\n",
            panel->title, panel->x_label, panel->y_label);
    fprintf(gnuplot,
            has_key ? "set key outside right center noenhanced samplen 2\n" : "unset key\n");
    fprintf(gnuplot, "plot ");
    const char *separator = "";
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            if (is_ours(names[i]) != (pass == 1))
                continue;
            fprintf(gnuplot, "%s$D%zu using 1:3:xtic(2) with linespoints", separator, i);
            style(gnuplot, names[i]);
            fprintf(gnuplot, " pt 7 ps 0.5 title '%s'", names[i]);
            separator = ", ";
        }
    }
    fprintf(gnuplot, "\n");
}

static bool has_data(const struct results *results, const struct panel *panel)
{
    for (size_t i = 0; i < results->count; i++)
        if (belongs(&results->list[i], panel))
            return true;
    return false;
}

static void draw_picture(FILE *gnuplot, const char *directory, const struct results *results,
                         const struct picture *picture)
{
    if (!has_data(results, &picture->panels[0]) || !has_data(results, &picture->panels[1]))
        return;
    begin(gnuplot, directory, picture->file, 1150);
    /* The right one also holds the key. */
    fprintf(gnuplot, "set multiplot\nset origin 0,0\nset size 0.43,1\n");
    draw_panel(gnuplot, results, &picture->panels[0], false);
    fprintf(gnuplot, "set origin 0.43,0\nset size 0.57,1\n");
    draw_panel(gnuplot, results, &picture->panels[1], true);
    fprintf(gnuplot, "unset multiplot\n");
}

/* --------------------------------------------------------------- distributions of latencies -- */

static void draw_distribution(FILE *gnuplot, const char *directory, const struct result *result)
{
    enum { STEPS = 400 };
    char file[64];
    snprintf(file, sizeof file, "wake-%s.svg", result->section->key);
    begin(gnuplot, directory, file, 900);
    const struct series *const limit = &find_limit(result)->series[0];
    const double longest = 4 * quantile(limit->values, limit->count, 0.99);
    for (size_t e = 0; e < result->entry_count; e++) {
        const struct series *const s = &result->entries[e].series[0];
        fprintf(gnuplot, "$D%zu << EOD\n", e);
        for (int i = 0; i <= STEPS; i++) {
            const double q = 0.999 * i / STEPS;
            fprintf(gnuplot, "%g %g\n", quantile(s->values, s->count, q) / 1000, q * 100);
        }
        fprintf(gnuplot, "EOD\n");
    }
    fprintf(gnuplot,
            "set title \"%c%s\"\nset xlabel 'µs from unpark to running'\n"
            "set ylabel '%% of wakes that took at most so long'\n"
            "unset logscale y\nset logscale x\nset yrange [0:100]\nset xrange [%g:%g]\n"
            "set key outside right center noenhanced samplen 2\nplot ",
            result->section->title[0] - 'a' + 'A', result->section->title + 1,
            0.5 * quantile(limit->values, limit->count, 0.01) / 1000, longest / 1000);
    const char *separator = "";
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t e = 0; e < result->entry_count; e++) {
            const struct entry *const entry = &result->entries[e];
            const struct series *const s = &entry->series[0];
            const char *const name = entry->contestant->name;
            if (entry->is_null || is_ours(name) != (pass == 1))
                continue;
            fprintf(gnuplot, "%s$D%zu with lines title '%s%s'", separator, e, name,
                    quantile(s->values, s->count, 0) > longest ? " (off scale)" : "");
            style(gnuplot, name);
            separator = ", ";
        }
    }
    fprintf(gnuplot, "\n");
}

bool write_plots(const char *directory, const struct results *results)
{
    FILE *const gnuplot = popen("gnuplot", "w");
    if (!gnuplot)
        return false;
    for (size_t i = 0; i < results->count; i++)
        if (results->list[i].measurement->letter == 'E')
            draw_distribution(gnuplot, directory, &results->list[i]);
    for (size_t i = 0; i < COUNT_OF(pictures); i++)
        draw_picture(gnuplot, directory, results, &pictures[i]);
    return pclose(gnuplot) == 0;
}

/* SPDX-License-Identifier: MIT */
/* What a reader must know of the machine to make sense of its figures. */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "machine.h"

static void read_line(const char *path, char *text, size_t size)
{
    FILE *const file = fopen(path, "r");
    if (!file || !fgets(text, (int)size, file))
        snprintf(text, size, "unknown");
    if (file)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

static void describe_cpu(char *text, size_t size)
{
    char model[128] = "unknown processor";
    char line[256];
    FILE *const file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    if (file)
        fclose(file);
    snprintf(text, size, "%.127s, %u CPUs usable", model, cpu_count());
}

static void describe_kernel(char *text, size_t size)
{
    struct utsname u;
    uname(&u);
    snprintf(text, size, "%.20s %.60s %.20s, glibc %.20s", u.sysname, u.release, u.machine,
             gnu_get_libc_version());
}

static void describe_clock(char *text, size_t size)
{
    enum { READS = 10000 };
    char source[40];
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
              sizeof source);
    const uint64_t start = monotonic_ns();
    for (int i = 0; i < READS; i++)
        monotonic_ns();
    snprintf(text, size, "CLOCK_MONOTONIC of %s, %.1f ns to read", source,
             (double)(monotonic_ns() - start) / READS);
}

static void describe_idle(char *text, size_t size)
{
    char driver[40], governor[40];
    read_line("/sys/devices/system/cpu/cpuidle/current_driver", driver, sizeof driver);
    read_line("/sys/devices/system/cpu/cpuidle/current_governor", governor, sizeof governor);
    snprintf(text, size, "driver %s, governor %s", driver, governor);
}

static void describe_date(char *text, size_t size)
{
    const time_t now = time(NULL);
    struct tm utc;
    strftime(text, size, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
}

size_t describe_machine(struct fact *facts, size_t capacity)
{
    static const struct {
        const char *key;
        void (*describe)(char *text, size_t size);
    } list[] = {
        {"machine", describe_cpu}, {"kernel", describe_kernel}, {"clock", describe_clock},
        {"idle", describe_idle},   {"date", describe_date},
    };
    size_t count = 0;
    for (; count < sizeof list / sizeof *list && count < capacity; count++) {
        facts[count].key = list[count].key;
        list[count].describe(facts[count].text, sizeof facts[count].text);
    }
    if (count < capacity) {
        facts[count].key = "compiler";
        snprintf(facts[count].text, sizeof facts[count].text, "%s", BENCH_COMPILER);
        count++;
    }
    return count;
}

/* SPDX-License-Identifier: MIT */
/* usage: plugins PLUGIN
 * A plugin with a tpark of its own is loaded and unloaded, over and over. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

enum {
    RELOADS = 10000,
    WARM_UP = 100,
    LEAK_LIMIT = 64 * 1024, /* bytes: less than one of ours per reload */
};

static const char *path;

/* CHECK() is for test programs with support.c, which this is not: it links no tpark of its own. */
void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

static void *load(void (**use)(void))
{
    void *plugin = dlopen(path, RTLD_NOW);
    CHECK(plugin != NULL);
    void *symbol = dlsym(plugin, "use");
    memcpy(use, &symbol, sizeof symbol); /* ISO C has no such cast */
    return plugin;
}

static void *run(void *use)
{
    (*(void (**)(void))use)();
    return NULL;
}

static size_t bytes_in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

/* It is used by the thread that unloads it, and by one that ends before. */
static void a_plugin_may_be_reloaded_without_end(void)
{
    size_t before = 0;
    for (int i = 0; i < RELOADS; i++) {
        if (i == WARM_UP)
            before = bytes_in_use();
        void (*use)(void);
        void *plugin = load(&use);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, run, &use) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        use();
        CHECK(dlclose(plugin) == 0);
    }
    CHECK(bytes_in_use() < before + LEAK_LIMIT);
}

static pthread_barrier_t barrier;

static void *use_and_outlive(void *use)
{
    run(use);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL; /* no code of the plugin runs: it is not there */
}

static void a_thread_that_used_a_plugin_may_outlive_it(void)
{
    void (*use)(void);
    void *plugin = load(&use);
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_and_outlive, &use) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(dlclose(plugin) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    path = argv[1];
    a_plugin_may_be_reloaded_without_end();
    a_thread_that_used_a_plugin_may_outlive_it();
    puts("2 passed, 0 failed, 0 skipped");
}

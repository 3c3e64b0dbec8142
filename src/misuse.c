/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "misuse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static struct iovec piece(const char *text)
{
    /* Without const, since an iovec serves reads too. */
    const union {
        const char *text;
        void *base;
    } read_only = {text};
    return (struct iovec){.iov_base = read_only.base, .iov_len = strlen(text)};
}

void tpark_misuse(const char *function, const char *reason)
{
    /* One system call, so that lines of several threads do not mix. */
    struct iovec line[] = {piece("tpark: "), piece(function), piece(": "), piece(reason),
                           piece("\n")};
    ssize_t written = writev(STDERR_FILENO, line, sizeof line / sizeof *line);
    (void)written; /* there is nobody left to tell */
    abort();
}

/*
 * mremap(2) with an old size of 0 maps shared memory a second time, and refuses private memory
 * (since Linux 4.14).
 */
bool tpark_is_shared_memory(const void *address)
{
#ifdef MREMAP_MAYMOVE
    const uintptr_t size = (uintptr_t)getpagesize();
    void *page = (void *)((uintptr_t)address & ~(size - 1)); /* NOLINT(performance-no-int-to-ptr) */
    void *twin = mremap(page, 0, size, MREMAP_MAYMOVE);
    if (twin == MAP_FAILED)
        return false;
    munmap(twin, size);
    return true;
#else
    (void)address;
    return false;
#endif
}

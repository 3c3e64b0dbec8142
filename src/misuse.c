/* SPDX-License-Identifier: MIT */
#include "misuse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static struct iovec piece(const char *text)
{
    return (struct iovec){.iov_base = (void *)text, .iov_len = strlen(text)};
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

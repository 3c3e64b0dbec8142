/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>

#include "tpark.h"

#ifdef __linux__

#include <sys/prctl.h>

/* Since Linux 6.16, and in <linux/prctl.h> since then too. */
enum { FUTEX_HASH = 78, SET_SLOTS = 1, GET_SLOTS = 2, MAX_SLOTS = 1 << 30 };

int tpark_grow_futex_hash(unsigned slots)
{
    if (slots == 0 || slots > MAX_SLOTS)
        return EINVAL;
    const int saved_errno = errno;
    const int before = prctl(FUTEX_HASH, GET_SLOTS, 0ul, 0ul, 0ul);
    unsigned long power = 2; /* the kernel wants one, and more than 1 */
    while (power < slots)
        power *= 2;
    int error = 0;
    if (before < 0)
        error = ENOSYS;
    else if ((unsigned long)before < power && prctl(FUTEX_HASH, SET_SLOTS, power, 0ul, 0ul) != 0)
        error = errno;
    errno = saved_errno;
    return error;
}

#else

int tpark_grow_futex_hash(unsigned slots)
{
    return slots == 0 ? EINVAL : ENOSYS;
}

#endif

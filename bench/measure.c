/* SPDX-License-Identifier: MIT */
#include "measure.h"

bool fits_any(const struct contestant *contestant, const struct section *section)
{
    (void)section;
    return !(contestant->traits & WORKER);
}

bool fits_waiting(const struct contestant *contestant, const struct section *section)
{
    (void)section;
    return !(contestant->traits & (CANNOT_WAIT | WORKER));
}

bool fits_sleeping(const struct contestant *contestant, const struct section *section)
{
    return fits_waiting(contestant, section) && !(contestant->traits & NEVER_SLEEPS);
}

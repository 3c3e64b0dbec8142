/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include <string.h>

bool fits_any(const struct contestant *contestant, const struct section *section)
{
    return !(contestant->traits &
             (WORKER | TIMES_OUT | BLOCKS_ON | WAITS_ONLY | IDLE_SET | CROWD_ONLY)) &&
           !(contestant->traits & BETWEEN_PROCESSES) == !section->between_processes;
}

bool fits_waiting(const struct contestant *contestant, const struct section *section)
{
    return fits_any(contestant, section) &&
           !(contestant->traits & (CANNOT_WAIT | CALLED_OTHERWISE));
}

bool fits_sleeping(const struct contestant *contestant, const struct section *section)
{
    return fits_waiting(contestant, section) && !(contestant->traits & NEVER_SLEEPS);
}

bool fits_spinning(const struct contestant *contestant, const struct section *section)
{
    const bool may_spin = contestant->traits & (SPINS_FIRST | HAS_POLICY);
    return fits_sleeping(contestant, section) && !(contestant->traits & NAPS) &&
           (may_spin || strcmp(contestant->name, section->limit) == 0);
}

bool fits_block_on(const struct contestant *contestant, const struct section *section)
{
    return contestant->traits & BLOCKS_ON || strcmp(contestant->name, section->limit) == 0;
}

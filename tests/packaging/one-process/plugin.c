/* SPDX-License-Identifier: MIT */
#include "user.h"

int plugin(void);

__attribute__((visibility("default"))) int plugin(void)
{
    return try_tpark();
}

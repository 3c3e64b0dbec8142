/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tpark.h"

const char *tpark_version(void)
{
    return TPARK_VERSION;
}

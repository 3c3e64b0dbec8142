/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "support.h"

TEST(version, of_the_library_is_that_of_its_header)
{
    char numbers[32];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", TPARK_VERSION_MAJOR, TPARK_VERSION_MINOR,
             TPARK_VERSION_PATCH);
    CHECK(strcmp(TPARK_VERSION, numbers) == 0);
    CHECK(strcmp(tpark_version(), numbers) == 0);
}

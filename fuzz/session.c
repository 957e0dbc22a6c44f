/* Whatever comes over the link of an actor, its session ends well: nothing hangs, nothing is left.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fed fed = {.data = data, .size = size};
    if (size > 100000)
        return -1;
    fuzz_run(victim_is_fed, &fed);
    CHECK(fed.in_time);
    return 0;
}

/* MessagePack from anybody: it is refused, or it is what the format says.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/pack.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bough_bytes bytes = {data, size}, raw = BOUGH_NO_BYTES;
    struct bough_unpacked u;
    int id = 0;
    size_t count = 0;
    const char *text = "";
    const double *at = NULL;
    double sum = 0;
    int rc = bough_unpack(bytes, &u, "{s?i s?s s?[*f] s?[x]}", "a", &id, "t", &text, "f", &count,
                          &at, "x", &raw);
    CHECK(rc == 0 || rc == -EPROTO);
    if (rc == 0) {
        CHECK(strlen(text) <= size && count <= size && raw.size <= size);
        for (size_t i = 0; i < count; i++)
            sum += at[i];
        CHECK(sum == sum || sum != sum);
        bough_unpacked_free(&u);
    }
    if (bough_unpack(bytes, &u, "_") == 0)
        bough_unpacked_free(&u);
    bough_error_clear();
    return 0;
}

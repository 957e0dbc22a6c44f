/* A failure that crosses: what is unpacked is a failure, and the same one when it crosses again.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "actor/failure.h"

static int unpack(void *arg)
{
    const struct input *in = arg;
    struct bough_frame_data *data = frame_data_new(in->size), *again;
    CHECK(data);
    if (in->size)
        memcpy(data->bytes, in->data, in->size);
    int rc = failure_unpack(data, -EIO, in);
    CHECK(rc < 0);
    frame_data_free(data);
    again = failure_pack(rc, "actor");
    CHECK(again);
    CHECK(failure_unpack(again, rc, NULL) == rc);
    frame_data_free(again);
    bough_error_clear();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    if (size > 100000)
        return -1;
    fuzz_run(unpack, &in);
    return 0;
}

/* How processes ended, and names of errors, as text: any number, any room.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/process.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int number = 0;
    if (size <= sizeof(number))
        return 0;
    memcpy(&number, data, sizeof(number));
    size_t room = 1 + data[sizeof(number)] % 64;
    char *text = malloc(room);
    CHECK(text);
    CHECK(bough_status_text(number, text, room) == text);
    CHECK(strnlen(text, room) < room);
    int code = bough_status_exit_code(number), signal = bough_status_signal(number);
    CHECK((code >= 0) == (signal == 0) && code <= 255 && signal <= 127);
    CHECK(*bough_error_name(number));
    free(text);
    return 0;
}

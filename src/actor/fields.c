/* SPDX-License-Identifier: MIT */
#include "actor/fields.h"

struct bough_frame_data *fields_new(const struct bough_bytes *fields, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].size > FRAME_LIMIT || size > FRAME_LIMIT)
            return NULL;
        size += sizeof(uint32_t) + fields[i].size;
    }
    struct bough_frame_data *data = size <= FRAME_LIMIT ? frame_data_new(size) : NULL;
    if (!data)
        return NULL;
    char *at = data->bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)fields[i].size;
        memcpy(at, &length, sizeof(length));
        at += sizeof(length);
        if (length)
            memcpy(at, fields[i].data, length);
        at += length;
    }
    return data;
}

bool fields_take(struct bough_bytes *rest, struct bough_bytes *ret_field)
{
    uint32_t length;
    if (rest->size < sizeof(length))
        return false;
    memcpy(&length, rest->data, sizeof(length));
    const char *at = (const char *)rest->data + sizeof(length);
    size_t left = rest->size - sizeof(length);
    if (left < length)
        return false;
    *ret_field = (struct bough_bytes){at, length};
    *rest = (struct bough_bytes){at + length, left - length};
    return true;
}

bool fields_take_text(struct bough_bytes *rest, const char **ret_text)
{
    struct bough_bytes field;
    if (!fields_take(rest, &field) || field.size == 0 ||
        memchr(field.data, '\0', field.size) != (const char *)field.data + field.size - 1)
        return false;
    *ret_text = field.data;
    return true;
}

bool fields_take_number(struct bough_bytes *rest, int64_t *ret_number)
{
    struct bough_bytes field;
    if (!fields_take(rest, &field) || field.size != sizeof(*ret_number))
        return false;
    memcpy(ret_number, field.data, sizeof(*ret_number));
    return true;
}

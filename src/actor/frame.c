/* SPDX-License-Identifier: MIT */
#include "actor/frame.h"

#include <errno.h>
#include <unistd.h>

#include "base/spare.h"
#include "bough/error.h"

struct bough_frame_data *frame_data_new(size_t size)
{
    size_t capacity;
    struct bough_frame_data *data = spare_get(sizeof(*data) + size + 1, &capacity);
    if (!data)
        return NULL;
    data->capacity = capacity;
    data->size = size;
    data->bytes[size] = '\0';
    return data;
}

void frame_data_free(struct bough_frame_data *data)
{
    if (data)
        spare_put(data, data->capacity);
}

void frame_release(struct frame *f)
{
    frame_data_free(f->data);
    f->data = NULL;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

const char *frame_text(const struct frame *f)
{
    return f->data ? f->data->bytes : "";
}

int frame_check(const struct frame_head *head)
{
    if (head->version != FRAME_VERSION)
        return bough_fail(-EPROTO, "it speaks version %u of the actors' protocol, we speak %d",
                          head->version, FRAME_VERSION);
    if (head->type == 0 || head->type >= FRAME_TYPES)
        return bough_fail(-EPROTO, "a frame of a kind that does not exist: %u", head->type);
    if (head->size > FRAME_LIMIT)
        return bough_fail(-EPROTO, "a frame of %u bytes; at most %d are allowed", head->size,
                          FRAME_LIMIT);
    return 0;
}

/* --- messages --- */

struct bough_message message_of(struct bough_frame_data *data)
{
    if (!data)
        return (struct bough_message){0};
    return (struct bough_message){.data = data->bytes, .size = data->size, .owner = data};
}

int bough_message_new(size_t size, struct bough_message *ret_message)
{
    struct bough_frame_data *data = frame_data_new(size);
    if (!data)
        return bough_fail_text(-ENOMEM, "no memory for a message");
    *ret_message = message_of(data);
    return 0;
}

void bough_message_free(struct bough_message *m)
{
    frame_data_free(m->owner);
    *m = (struct bough_message){0};
}

int bough_bytes_copy(struct bough_bytes bytes, void *ret_value, size_t size)
{
    if (bytes.size != size)
        return bough_fail(-EPROTO, "a value of %zu bytes was expected, and %zu came", size,
                          bytes.size);
    if (size)
        memcpy(ret_value, bytes.data, size);
    return 0;
}

/* Values to MessagePack.
 * SPDX-License-Identifier: MIT */
#include "bough/pack.h"

#include <errno.h>
#include <msgpack.h>
#include <stdarg.h>

#include "bough/error.h"
#include "pack/format.h"

struct packing {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    const char *format, *at;
    va_list *values; /* one list, whoever reads it */
    int rc;          /* < 0: out of memory */
};

static void pack_text(struct packing *p, const char *text)
{
    size_t length = strlen(text);
    p->rc |= msgpack_pack_str(&p->packer, length);
    p->rc |= msgpack_pack_str_body(&p->packer, text, length);
}

static void pack_bytes(struct packing *p, struct bough_bytes bytes)
{
    p->rc |= msgpack_pack_bin(&p->packer, bytes.size);
    if (bytes.size)
        p->rc |= msgpack_pack_bin_body(&p->packer, bytes.data, bytes.size);
}

/* "[*i]": 'at' is at the letter. */
static void pack_array_of(struct packing *p)
{
    size_t count = va_arg(*p->values, size_t);
    const void *all = va_arg(*p->values, const void *);
    p->rc |= msgpack_pack_array(&p->packer, count);
    for (size_t i = 0; i < count; i++)
        switch (*p->at) {
        case 'i':
            p->rc |= msgpack_pack_int(&p->packer, ((const int *)all)[i]);
            break;
        case 'I':
            p->rc |= msgpack_pack_int64(&p->packer, ((const int64_t *)all)[i]);
            break;
        case 'u':
            p->rc |= msgpack_pack_unsigned_int(&p->packer, ((const unsigned *)all)[i]);
            break;
        case 'U':
            p->rc |= msgpack_pack_uint64(&p->packer, ((const uint64_t *)all)[i]);
            break;
        case 'f':
            p->rc |= msgpack_pack_double(&p->packer, ((const double *)all)[i]);
            break;
        default:
            format_is_bad(p->format, p->at);
        }
    if (!strchr("iIuUf", *p->at) || *(p->at = format_skip(p->at + 1)) != ']')
        format_is_bad(p->format, p->at);
    p->at++;
}

static void pack_value(struct packing *p);

static void pack_array(struct packing *p)
{
    p->at = format_skip(p->at + 1);
    if (*p->at == '*') {
        p->at = format_skip(p->at + 1);
        pack_array_of(p);
        return;
    }
    size_t count = *p->at == ']' ? 0 : format_count(p->format, p->at);
    p->rc |= msgpack_pack_array(&p->packer, count);
    while (*(p->at = format_skip(p->at)) != ']')
        pack_value(p);
    p->at++;
}

static void pack_map(struct packing *p)
{
    size_t count = format_count(p->format, ++p->at);
    p->rc |= msgpack_pack_map(&p->packer, count);
    while (*(p->at = format_skip(p->at)) != '}') {
        if (*p->at++ != 's')
            format_is_bad(p->format, p->at - 1);
        pack_text(p, va_arg(*p->values, const char *));
        p->at = format_skip(p->at);
        pack_value(p);
    }
    p->at++;
}

/* The value whose letter 'at' is at; leaves it behind that. */
static void pack_value(struct packing *p)
{
    switch (*p->at) {
    case '[':
        pack_array(p);
        return;
    case '{':
        pack_map(p);
        return;
    case 'i':
        p->rc |= msgpack_pack_int(&p->packer, va_arg(*p->values, int));
        break;
    case 'I':
        p->rc |= msgpack_pack_int64(&p->packer, va_arg(*p->values, int64_t));
        break;
    case 'u':
        p->rc |= msgpack_pack_unsigned_int(&p->packer, va_arg(*p->values, unsigned));
        break;
    case 'U':
        p->rc |= msgpack_pack_uint64(&p->packer, va_arg(*p->values, uint64_t));
        break;
    case 'f':
        p->rc |= msgpack_pack_double(&p->packer, va_arg(*p->values, double));
        break;
    case 'b':
        p->rc |= va_arg(*p->values, int) ? msgpack_pack_true(&p->packer)
                                         : msgpack_pack_false(&p->packer);
        break;
    case 's':
        pack_text(p, va_arg(*p->values, const char *));
        break;
    case 'x':
        pack_bytes(p, va_arg(*p->values, struct bough_bytes));
        break;
    case 'n':
    case '_':
        p->rc |= msgpack_pack_nil(&p->packer);
        break;
    default:
        format_is_bad(p->format, p->at);
    }
    p->at++;
}

static int to_message(const msgpack_sbuffer *buffer, struct bough_message *ret_message)
{
    struct bough_message m;
    int rc = bough_message_new(buffer->size, &m);
    if (rc < 0)
        return rc;
    memcpy(m.data, buffer->data, buffer->size);
    *ret_message = m;
    return 0;
}

int bough_pack(struct bough_message *ret_message, const char *format, ...)
{
    va_list values;
    struct packing p = {.format = format, .at = format_skip(format), .values = &values};
    msgpack_sbuffer_init(&p.buffer);
    msgpack_packer_init(&p.packer, &p.buffer, msgpack_sbuffer_write);
    va_start(values, format);
    pack_value(&p);
    va_end(values);
    if (*format_skip(p.at))
        format_is_bad(format, format_skip(p.at));
    int rc = p.rc ? bough_fail_text(-ENOMEM, "no memory for a message")
                  : to_message(&p.buffer, ret_message);
    msgpack_sbuffer_destroy(&p.buffer);
    return rc;
}

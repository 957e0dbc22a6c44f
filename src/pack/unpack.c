/* MessagePack to values, checked against a format.
 *
 * The format is walked twice: the first time everything is checked and arrays and texts are made,
 * the second time the variables are set. So they stay as they are if it fails.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>

#include "bough/error.h"
#include "bough/pack.h"
#include "pack/format.h"

struct unpacking {
    msgpack_zone *zone;
    const char *format, *at;
    va_list *values;
    bool sets;       /* the second walk */
    bool absent;     /* an optional value that is not there: only walk over its letters */
    char where[128]; /* what the value is called that is looked at */
};

static const char *kind_of(const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        return "nil";
    case MSGPACK_OBJECT_BOOLEAN:
        return "a truth value";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return "an integer";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return "a number with a fraction";
    case MSGPACK_OBJECT_STR:
        return "a text";
    case MSGPACK_OBJECT_BIN:
        return "bytes";
    case MSGPACK_OBJECT_ARRAY:
        return "an array";
    case MSGPACK_OBJECT_MAP:
        return "a map";
    default:
        return "something else";
    }
}

static int unexpected(const struct unpacking *u, const msgpack_object *o, const char *expected)
{
    return bough_fail(-EPROTO, "%s: %s was expected, and %s came",
                      *u->where ? u->where : "a message", expected, kind_of(o));
}

/* --- scalars --- */

static bool is_integer(const msgpack_object *o)
{
    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER || o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
}

/* Does it fit the letter's type? */
static bool fits(char letter, const msgpack_object *o)
{
    bool negative = o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    switch (letter) {
    case 'i':
        return negative ? o->via.i64 >= INT_MIN : o->via.u64 <= INT_MAX;
    case 'I':
        return negative || o->via.u64 <= INT64_MAX;
    case 'u':
        return !negative && o->via.u64 <= UINT_MAX;
    default:
        return !negative;
    }
}

/* Put the number 'o' where 'to' points, as the letter says. */
static void put_number(char letter, const msgpack_object *o, void *to)
{
    double real = is_integer(o) ? o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? (double)o->via.i64
                                                                             : (double)o->via.u64
                                : o->via.f64;
    if (letter == 'i')
        *(int *)to = (int)o->via.i64;
    else if (letter == 'I')
        *(int64_t *)to = o->via.i64;
    else if (letter == 'u')
        *(unsigned *)to = (unsigned)o->via.u64;
    else if (letter == 'U')
        *(uint64_t *)to = o->via.u64;
    else
        *(double *)to = real;
}

static size_t size_of(char letter)
{
    return letter == 'i' || letter == 'u' ? sizeof(int) : sizeof(int64_t);
}

static int check_number(const struct unpacking *u, char letter, const msgpack_object *o)
{
    bool real = o->type == MSGPACK_OBJECT_FLOAT32 || o->type == MSGPACK_OBJECT_FLOAT64;
    if (letter == 'f')
        return real || is_integer(o) ? 0 : unexpected(u, o, "a number");
    if (!is_integer(o))
        return unexpected(u, o, "an integer");
    return fits(letter, o) ? 0
                           : bough_fail(-EPROTO, "%s: the integer does not fit",
                                        *u->where ? u->where : "a message");
}

static int take_number(struct unpacking *u, char letter, const msgpack_object *o)
{
    void *to = va_arg(*u->values, void *);
    if (u->absent)
        return 0;
    if (u->sets)
        put_number(letter, o, to);
    return u->sets ? 0 : check_number(u, letter, o);
}

static int take_bool(struct unpacking *u, const msgpack_object *o)
{
    bool *to = va_arg(*u->values, bool *);
    if (u->absent)
        return 0;
    if (u->sets)
        *to = o->via.boolean;
    return o->type == MSGPACK_OBJECT_BOOLEAN ? 0 : unexpected(u, o, "a truth value");
}

static int take_text(struct unpacking *u, const msgpack_object *o)
{
    const char **to = va_arg(*u->values, const char **);
    if (u->absent)
        return 0;
    if (o->type != MSGPACK_OBJECT_STR)
        return unexpected(u, o, "a text");
    if (!u->sets)
        return memchr(o->via.str.ptr, '\0', o->via.str.size)
                   ? bough_fail(-EPROTO, "%s: a text with a zero in it", u->where)
                   : 0;
    char *copy = msgpack_zone_malloc(u->zone, o->via.str.size + 1);
    if (!copy)
        return bough_fail_text(-ENOMEM, "no memory for a message");
    memcpy(copy, o->via.str.ptr, o->via.str.size);
    copy[o->via.str.size] = '\0';
    *to = copy;
    return 0;
}

static int take_bytes(struct unpacking *u, const msgpack_object *o)
{
    struct bough_bytes *to = va_arg(*u->values, struct bough_bytes *);
    if (u->absent)
        return 0;
    if (o->type != MSGPACK_OBJECT_BIN)
        return unexpected(u, o, "bytes");
    if (u->sets)
        *to = (struct bough_bytes){o->via.bin.ptr, o->via.bin.size};
    return 0;
}

/* --- arrays and maps --- */

static int take(struct unpacking *u, const msgpack_object *o);

/* "[*i]": 'at' is at the letter. */
static int take_array_of(struct unpacking *u, const msgpack_object *o)
{
    size_t *to_count = va_arg(*u->values, size_t *);
    const void **to = va_arg(*u->values, const void **);
    char letter = *u->at;
    if (!letter || !strchr("iIuUf", letter) || *(u->at = format_skip(u->at + 1)) != ']')
        format_is_bad(u->format, u->at);
    u->at++;
    if (u->absent)
        return 0;
    if (o->type != MSGPACK_OBJECT_ARRAY)
        return unexpected(u, o, "an array");
    size_t count = o->via.array.size, each = size_of(letter);
    for (size_t i = 0; !u->sets && i < count; i++) {
        int rc = check_number(u, letter, &o->via.array.ptr[i]);
        if (rc < 0)
            return rc;
    }
    if (!u->sets)
        return 0;
    char *all = msgpack_zone_malloc(u->zone, count ? count * each : 1);
    if (!all)
        return bough_fail_text(-ENOMEM, "no memory for a message");
    for (size_t i = 0; i < count; i++)
        put_number(letter, &o->via.array.ptr[i], all + i * each);
    *to_count = count;
    *to = all;
    return 0;
}

/* The name of what is inside: "at"[1]. Returns how long it was, to be cut off again. */
static size_t go_into(struct unpacking *u, const char *key, size_t index)
{
    size_t length = strlen(u->where), left = sizeof(u->where) - length;
    if (key)
        snprintf(u->where + length, left, "%s%s", length ? "." : "", key);
    else
        snprintf(u->where + length, left, "[%zu]", index);
    return length;
}

static int take_array(struct unpacking *u, const msgpack_object *o)
{
    int rc = 0;
    u->at = format_skip(u->at + 1);
    if (*u->at == '*') {
        u->at = format_skip(u->at + 1);
        return take_array_of(u, o);
    }
    size_t count = *u->at == ']' ? 0 : format_count(u->format, u->at);
    if (!u->absent && o->type != MSGPACK_OBJECT_ARRAY)
        return unexpected(u, o, "an array");
    if (!u->absent && o->via.array.size != count)
        return bough_fail(-EPROTO, "%s: an array of %zu was expected, and one of %u came",
                          *u->where ? u->where : "a message", count, o->via.array.size);
    for (size_t i = 0; *(u->at = format_skip(u->at)) != ']' && rc == 0; i++) {
        size_t length = go_into(u, NULL, i);
        rc = take(u, u->absent ? NULL : &o->via.array.ptr[i]);
        u->where[length] = '\0';
    }
    u->at++;
    return rc;
}

static const msgpack_object *look_up(const msgpack_object *map, const char *key)
{
    size_t length = strlen(key);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == length &&
            memcmp(k->via.str.ptr, key, length) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static int take_pair(struct unpacking *u, const msgpack_object *map)
{
    bool was_absent = u->absent;
    if (*u->at++ != 's')
        format_is_bad(u->format, u->at - 1);
    const char *key = va_arg(*u->values, const char *);
    bool optional = *u->at == '?';
    u->at = format_skip(u->at + optional);
    const msgpack_object *value = u->absent ? NULL : look_up(map, key);
    size_t length = go_into(u, key, 0);
    if (!value && !optional && !u->absent)
        return bough_fail(-EPROTO, "%s: it is missing", u->where);
    u->absent = u->absent || !value;
    int rc = take(u, value);
    u->absent = was_absent;
    u->where[length] = '\0';
    return rc;
}

static int take_map(struct unpacking *u, const msgpack_object *o)
{
    int rc = 0;
    u->at++;
    if (!u->absent && o->type != MSGPACK_OBJECT_MAP)
        return unexpected(u, o, "a map");
    (void)format_count(u->format, u->at);
    while (rc == 0 && *(u->at = format_skip(u->at)) != '}')
        rc = take_pair(u, o);
    u->at++;
    return rc;
}

/* The value whose letter 'at' is at; leaves it behind that, unless it fails. */
static int take(struct unpacking *u, const msgpack_object *o)
{
    char letter = *u->at;
    if (letter == '[')
        return take_array(u, o);
    if (letter == '{')
        return take_map(u, o);
    if (!letter || !strchr("iIuUfbsxn_", letter))
        format_is_bad(u->format, u->at);
    u->at++;
    switch (letter) {
    case 'b':
        return take_bool(u, o);
    case 's':
        return take_text(u, o);
    case 'x':
        return take_bytes(u, o);
    case 'n':
        return u->absent || o->type == MSGPACK_OBJECT_NIL ? 0 : unexpected(u, o, "nil");
    case '_':
        return 0;
    default:
        return take_number(u, letter, o);
    }
}

/* --- all of it --- */

static int walk(struct unpacking *u, const msgpack_object *o, bool sets)
{
    u->at = format_skip(u->format);
    u->sets = sets;
    int rc = take(u, o);
    if (rc == 0 && *format_skip(u->at))
        format_is_bad(u->format, format_skip(u->at));
    return rc;
}

/* How many bytes follow the first one of a value: its length or number, if it has a fixed width
 * ('*ret_body' is what comes after them), and how many values are in it. False: there is no such
 * first byte. */
static bool shape_of(unsigned char first, const unsigned char *rest, size_t left, size_t *ret_width,
                     uint64_t *ret_body, uint64_t *ret_values)
{
    static const unsigned char widths[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                             1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4};
    *ret_width = 0;
    *ret_body = *ret_values = 0;
    if (first < 0x80 || first >= 0xe0)
        return true;
    if (first < 0xc0) {
        uint64_t count = first & (first < 0xa0 ? 0x0f : 0x1f);
        *ret_values = first < 0x90 ? 2 * count : first < 0xa0 ? count : 0;
        *ret_body = first >= 0xa0 ? count : 0;
        return true;
    }
    uint64_t number = 0;
    *ret_width = widths[first - 0xc0];
    for (size_t i = 0; i < *ret_width && i < left; i++)
        number = number << 8 | rest[i];
    if (first >= 0xdc) /* arrays, maps */
        *ret_values = first >= 0xde ? 2 * number : number;
    else if (first >= 0xd4 && first <= 0xd8) /* fixext: a type, and so many bytes */
        *ret_body = UINT64_C(1) << (first - 0xd4);
    else if (first >= 0xd9 || (first >= 0xc4 && first <= 0xc6)) /* texts, bytes */
        *ret_body = number;
    else if (first >= 0xc7 && first <= 0xc9) /* ext: a type as well */
        *ret_body = number + 1;
    return first != 0xc1;
}

enum { DEPTH_MOST = 30 /* of msgpack-c it is 32 */ };

/* Is there as much as is announced, and not too deep? NULL, or what is wrong. msgpack-c takes
 * memory for arrays before it sees what is in them, so that five bytes could ask for gigabytes. */
static const char *flaw_of(struct bough_bytes bytes)
{
    const unsigned char *at = bytes.data;
    size_t left = bytes.size, width, depth = 0;
    uint64_t wanted[DEPTH_MOST + 1] = {1}, body, values;
    do {
        if (wanted[depth] > left || !shape_of(at[0], at + 1, left - 1, &width, &body, &values) ||
            width + body > left - 1)
            return "it is malformed, or cut short";
        at += 1 + width + body;
        left -= 1 + width + (size_t)body;
        wanted[depth]--;
        if (values && depth == DEPTH_MOST)
            return "it is nested too deep";
        if (values)
            wanted[++depth] = values;
        while (depth && wanted[depth] == 0)
            depth--;
    } while (wanted[depth] > 0);
    return left ? "more follows" : NULL;
}

static int decode(struct bough_bytes bytes, msgpack_unpacked *ret_value)
{
    size_t used = 0;
    const char *flaw = flaw_of(bytes);
    if (flaw)
        return bough_fail(-EPROTO, "%zu bytes are no MessagePack: %s", bytes.size, flaw);
    msgpack_unpacked_init(ret_value);
    msgpack_unpack_return how = msgpack_unpack_next(ret_value, bytes.data, bytes.size, &used);
    if (how == MSGPACK_UNPACK_SUCCESS && used == bytes.size)
        return 0;
    msgpack_unpacked_destroy(ret_value);
    return bough_fail_text(-ENOMEM, "no memory for a message"); /* nothing else is left */
}

int bough_unpack(struct bough_bytes bytes, struct bough_unpacked *ret_unpacked, const char *format,
                 ...)
{
    msgpack_unpacked value;
    va_list first, second;
    int rc = decode(bytes, &value);
    if (rc < 0)
        return rc;
    struct unpacking u = {.zone = value.zone, .format = format, .values = &first};
    /* A scalar needs no zone; our texts do. */
    if (!u.zone && !(u.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE)))
        return bough_fail_text(-ENOMEM, "no memory for a message");
    va_start(first, format);
    va_copy(second, first);
    rc = walk(&u, &value.data, false);
    u.values = &second;
    if (rc == 0)
        rc = walk(&u, &value.data, true);
    va_end(second);
    va_end(first);
    if (rc == 0)
        ret_unpacked->zone = u.zone;
    else
        msgpack_zone_free(u.zone);
    return rc;
}

void bough_unpacked_free(struct bough_unpacked *u)
{
    msgpack_zone_free(u->zone);
    u->zone = NULL;
}

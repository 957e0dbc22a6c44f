/* MessagePack: what is packed comes out again, and what comes from others is checked.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <limits.h>

#include <bough/pack.h>

/* Pack, compare with the bytes that the specification gives. */
#define CHECK_BYTES(expected, ...)                                                                 \
    do {                                                                                           \
        struct bough_message m_;                                                                   \
        CHECK_EQ(bough_pack(&m_, __VA_ARGS__), 0);                                                 \
        CHECK_EQ(m_.size, sizeof(expected) - 1);                                                   \
        CHECK_EQ(memcmp(m_.data, expected, m_.size), 0);                                           \
        bough_message_free(&m_);                                                                   \
    } while (0)

static struct bough_bytes raw(const char *bytes, size_t size)
{
    return (struct bough_bytes){bytes, size};
}
#define RAW(bytes) raw(bytes, sizeof(bytes) - 1)

TEST(values_are_encoded_as_the_specification_says)
{
    CHECK_BYTES("\x07", "i", 7);
    CHECK_BYTES("\xff", "i", -1);
    CHECK_BYTES("\xcd\x01\x00", "u", 256u);
    CHECK_BYTES("\xd3\x80\0\0\0\0\0\0\0", "I", INT64_MIN);
    CHECK_BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "U", UINT64_MAX);
    CHECK_BYTES("\xcb\x3f\xf8\0\0\0\0\0\0", "f", 1.5);
    CHECK_BYTES("\xc3", "b", 1);
    CHECK_BYTES("\xc2", "b", 0);
    CHECK_BYTES("\xc0", "n");
    CHECK_BYTES("\xa3"
                "abc",
                "s", "abc");
    CHECK_BYTES("\xc4\x02\0\x01", "x", RAW("\0\x01"));
    CHECK_BYTES("\x90", "[]");
    CHECK_BYTES("\x80", "{}");
    CHECK_BYTES("\x93\x01\x92\x02\x03\x80", "[i, [i i], {}]", 1, 2, 3);
    CHECK_BYTES("\x82\xa1"
                "a\x01\xa1"
                "b\x91\x02",
                "{s:i, s:[i]}", "a", 1, "b", 2);
}

TEST(arrays_of_one_kind_are_packed_from_memory)
{
    const int all[] = {1, 2, 3};
    CHECK_BYTES("\x93\x01\x02\x03", "[*i]", (size_t)3, all);
    CHECK_BYTES("\x90", "[*f]", (size_t)0, NULL);
    CHECK_BYTES("\x92\x92\x01\x02\x05", "[[*i], i]", (size_t)2, all, 5);
}

TEST(what_was_packed_comes_out_again)
{
    struct bough_message m;
    struct bough_unpacked u;
    const double at[] = {1.5, -2, 1e300};
    CHECK_EQ(bough_pack(&m, "{s:i s:s s:[*f] s:{s:b s:x s:n} s:I s:U}", "id", -7, "name", "anna",
                        "at", (size_t)3, at, "more", "is", 1, "raw", RAW("\0\xff"), "no", "big",
                        INT64_MIN, "huge", UINT64_MAX),
             0);
    int id;
    const char *name;
    size_t count;
    const double *there;
    bool is;
    struct bough_bytes bytes;
    int64_t big;
    uint64_t huge;
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "{s:i s:s s:[*f] s:{s:b s:x s:n} s:I s:U}",
                          "id", &id, "name", &name, "at", &count, &there, "more", "is", &is, "raw",
                          &bytes, "no", "big", &big, "huge", &huge),
             0);
    CHECK_EQ(id, -7);
    CHECK_STR(name, "anna");
    CHECK_EQ(count, 3);
    CHECK(memcmp(there, at, sizeof(at)) == 0);
    CHECK(is);
    CHECK_EQ(bytes.size, 2);
    CHECK(memcmp(bytes.data, "\0\xff", 2) == 0);
    CHECK_EQ(big, INT64_MIN);
    CHECK_EQ(huge, UINT64_MAX);
    bough_unpacked_free(&u);
    bough_unpacked_free(&u);
    bough_message_free(&m);
}

TEST(keys_are_looked_for_and_others_may_be_there)
{
    struct bough_message m;
    struct bough_unpacked u;
    int a = 0, b = 0, c = 42;
    const char *text = "as it was";
    CHECK_EQ(bough_pack(&m, "{s:i s:i s:[i s]}", "b", 2, "a", 1, "other", 3, "x"), 0);
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "{s:i, s:i, s?{s:i, s:[s]}}", "a", &a, "b",
                          &b, "missing", "c", &c, "t", &text),
             0);
    CHECK_EQ(a, 1);
    CHECK_EQ(b, 2);
    CHECK_EQ(c, 42);
    CHECK_STR(text, "as it was");
    bough_unpacked_free(&u);
    bough_message_free(&m);
}

TEST(a_failure_says_where_and_what_came)
{
    struct bough_message m;
    struct bough_unpacked u;
    int a = 5, x = 6;
    CHECK_EQ(bough_pack(&m, "{s:i s:{s:[i s]}}", "a", 1, "b", "c", 1, "two"), 0);
    CHECK_EQ(
        bough_unpack(bough_message_bytes(&m), &u, "{s:i s:{s:[i i]}}", "a", &a, "b", "c", &x, &x),
        -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()),
              "b.c[1]: an integer was expected, and a text came");
    CHECK_EQ(a, 5); /* as it was */
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "{s:i}", "z", &a), -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()), "z: it is missing");
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "i", &a), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "an integer was expected, and a map came");
    bough_message_free(&m);
    bough_error_clear();
}

TEST(integers_that_do_not_fit_are_refused)
{
    struct bough_message m;
    struct bough_unpacked u;
    int i;
    unsigned n;
    int64_t big;
    CHECK_EQ(bough_pack(&m, "I", (int64_t)INT_MAX + 1), 0);
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "i", &i), -EPROTO);
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "u", &n), 0);
    bough_unpacked_free(&u);
    bough_message_free(&m);
    CHECK_EQ(bough_pack(&m, "i", -1), 0);
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "u", &n), -EPROTO);
    bough_message_free(&m);
    CHECK_EQ(bough_pack(&m, "U", UINT64_MAX), 0);
    CHECK_EQ(bough_unpack(bough_message_bytes(&m), &u, "I", &big), -EPROTO);
    bough_message_free(&m);
    bough_error_clear();
}

TEST(arrays_must_have_as_many)
{
    struct bough_unpacked u;
    int a, b;
    CHECK_EQ(bough_unpack(RAW("\x93\x01\x02\x03"), &u, "[i i]", &a, &b), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()),
              "an array of 2 was expected, and one of 3 came");
    bough_error_clear();
}

TEST(a_text_with_a_zero_in_it_is_refused)
{
    struct bough_unpacked u;
    const char *text;
    CHECK_EQ(bough_unpack(RAW("\xa3"
                              "a\0b"),
                          &u, "s", &text),
             -EPROTO);
    bough_error_clear();
}

TEST(what_is_no_messagepack_is_refused_at_every_length)
{
    struct bough_message m;
    struct bough_unpacked u;
    int a;
    const char *text;
    CHECK_EQ(bough_pack(&m, "{s:i s:s}", "a", 70000, "t", "some text"), 0);
    for (size_t size = 0; size < m.size; size++)
        CHECK_EQ(bough_unpack(raw(m.data, size), &u, "{s:i s:s}", "a", &a, "t", &text), -EPROTO);
    char more[64];
    memcpy(more, m.data, m.size);
    more[m.size] = 1;
    CHECK_EQ(bough_unpack(raw(more, m.size + 1), &u, "{s:i s:s}", "a", &a, "t", &text), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "more follows");
    bough_message_free(&m);
    bough_error_clear();
}

TEST(a_few_bytes_cannot_ask_for_gigabytes)
{
    struct bough_unpacked u;
    CHECK_EQ(bough_unpack(RAW("\xdd\xff\xff\xff\xff"), &u, "_"), -EPROTO);
    CHECK_EQ(bough_unpack(RAW("\xdf\xff\xff\xff\xff\x01\x01"), &u, "_"), -EPROTO);
    CHECK_EQ(bough_unpack(RAW("\x92\x01\xdd\x7f\xff\xff\xff"), &u, "_"), -EPROTO);
    CHECK_EQ(bough_unpack(RAW("\xdb\xff\xff\xff\xff"), &u, "_"), -EPROTO);
    bough_error_clear();
}

TEST(nesting_has_a_limit)
{
    struct bough_unpacked u;
    char deep[64];
    memset(deep, '\x91', sizeof(deep));
    deep[30] = 1;
    CHECK_EQ(bough_unpack(raw(deep, 31), &u, "_"), 0);
    bough_unpacked_free(&u);
    deep[30] = '\x91';
    deep[63] = 1;
    CHECK_EQ(bough_unpack(raw(deep, 64), &u, "_"), -EPROTO);
    CHECK_HAS(bough_error_message(bough_error_last()), "too deep");
    bough_error_clear();
}

TEST(every_kind_of_value_is_known)
{
    struct bough_unpacked u;
    struct bough_bytes all[] = {RAW("\xc0"),
                                RAW("\xc2"),
                                RAW("\xc4\x01x"),
                                RAW("\xc5\0\x01x"),
                                RAW("\xc6\0\0\0\x01x"),
                                RAW("\xc7\x01\x05x"),
                                RAW("\xc8\0\x01\x05x"),
                                RAW("\xc9\0\0\0\x01\x05x"),
                                RAW("\xca\0\0\0\0"),
                                RAW("\xcb\0\0\0\0\0\0\0\0"),
                                RAW("\xcc\x01"),
                                RAW("\xcd\0\x01"),
                                RAW("\xce\0\0\0\x01"),
                                RAW("\xcf\0\0\0\0\0\0\0\x01"),
                                RAW("\xd0\x01"),
                                RAW("\xd1\0\x01"),
                                RAW("\xd2\0\0\0\x01"),
                                RAW("\xd3\0\0\0\0\0\0\0\x01"),
                                RAW("\xd4\x05x"),
                                RAW("\xd5\x05xx"),
                                RAW("\xd6\x05xxxx"),
                                RAW("\xd7\x05xxxxxxxx"),
                                RAW("\xd8\x05xxxxxxxxxxxxxxxx"),
                                RAW("\xd9\x01x"),
                                RAW("\xda\0\x01x"),
                                RAW("\xdb\0\0\0\x01x"),
                                RAW("\xdc\0\x01\x01"),
                                RAW("\xdd\0\0\0\x01\x01"),
                                RAW("\xde\0\x01\x01\x01"),
                                RAW("\xdf\0\0\0\x01\x01\x01"),
                                RAW("\xe0"),
                                RAW("\x7f")};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        CHECK_EQ(bough_unpack(all[i], &u, "_"), 0);
        bough_unpacked_free(&u);
        CHECK_EQ(bough_unpack(raw(all[i].data, all[i].size - 1), &u, "_"), -EPROTO);
    }
    CHECK_EQ(bough_unpack(RAW("\xc1"), &u, "_"), -EPROTO);
    bough_error_clear();
}

TEST(noise_is_never_more_than_a_failure)
{
    struct bough_unpacked u;
    unsigned seed = 1;
    char noise[48];
    for (int i = 0; i < test_scale(20000); i++) {
        const char *text;
        int a;
        for (size_t k = 0; k < sizeof(noise); k++)
            noise[k] = (char)((seed = seed * 1103515245u + 12345u) >> 16);
        if (bough_unpack(raw(noise, (size_t)i % sizeof(noise)), &u, "{s?[i s]}", "a", &a, &text) ==
            0)
            bough_unpacked_free(&u);
    }
    bough_error_clear();
}

TEST_DIES(a_format_that_makes_no_sense_panics, SIGABRT, "makes no sense at its position 2")
{
    struct bough_message m;
    (void)bough_pack(&m, "[i", 1);
}

TEST(a_message_without_memory_is_a_failure)
{
    struct bough_message m;
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_pack(&m, "i", 1), -ENOMEM);
    bough_error_clear();
}

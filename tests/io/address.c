/* Addresses, to and from text.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#include <sys/un.h>

static void check_text(const char *host, unsigned port, int family, const char *text)
{
    struct bough_address address;
    char buffer[BOUGH_ADDRESS_TEXT];
    CHECK_EQ(bough_address_parse(host, port, &address), 0);
    CHECK_EQ(address.storage.ss_family, family);
    CHECK_EQ(bough_address_port(&address), port);
    CHECK(bough_address_format(&address, buffer, sizeof(buffer)) == buffer);
    CHECK_STR(buffer, text);
}

TEST(numbers_become_addresses_and_text_again)
{
    check_text("127.0.0.1", 80, AF_INET, "127.0.0.1:80");
    check_text("0.0.0.0", 0, AF_INET, "0.0.0.0:0");
    check_text("255.255.255.255", 65535, AF_INET, "255.255.255.255:65535");
    check_text("::1", 80, AF_INET6, "[::1]:80");
    check_text("::", 1, AF_INET6, "[::]:1");
    check_text("2001:db8:0:0:0:0:0:1", 443, AF_INET6, "[2001:db8::1]:443");
    check_text("::ffff:192.0.2.1", 5, AF_INET6, "[::ffff:192.0.2.1]:5");
}

TEST(an_address_has_the_size_of_its_family)
{
    struct bough_address address;
    CHECK_EQ(bough_address_parse("127.0.0.1", 80, &address), 0);
    CHECK_EQ(address.size, sizeof(struct sockaddr_in));
    CHECK_EQ(bough_address_parse("::1", 80, &address), 0);
    CHECK_EQ(address.size, sizeof(struct sockaddr_in6));
}

TEST(a_scope_may_stand_behind_an_address)
{
    struct bough_address address;
    char text[BOUGH_ADDRESS_TEXT];
    if (bough_address_parse("fe80::1%lo", 80, &address) < 0)
        test_skip("no interface lo");
    CHECK(((struct sockaddr_in6 *)&address.storage)->sin6_scope_id != 0);
    CHECK_STR(bough_address_format(&address, text, sizeof(text)), "[fe80::1%lo]:80");
}

TEST(what_is_no_address_is_invalid_and_changes_nothing)
{
    const char *bad[] = {"",           "localhost", "127.0.0.1.5", "256.0.0.1",
                         "127.0.0.1 ", ":::",       "[::1]",       "1.2.3.4:80"};
    struct bough_address address = {.size = 99};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_EQ(bough_address_parse(bad[i], 80, &address), -EINVAL);
    CHECK_EQ(bough_address_parse("localhost", 80, &address), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "localhost");
    CHECK_EQ(bough_address_parse("127.0.0.1", 65536, &address), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "65536");
    CHECK_EQ(address.size, 99);
}

TEST(the_text_is_cut_to_fit)
{
    struct bough_address address;
    char text[8];
    memset(text, '#', sizeof(text));
    CHECK_EQ(bough_address_parse("127.0.0.1", 80, &address), 0);
    CHECK_STR(bough_address_format(&address, text, 5), "127.");
    CHECK_EQ(text[5], '#');
    CHECK_STR(bough_address_format(&address, text, 1), "");
}

TEST(no_address_has_a_text_too)
{
    struct bough_address none = {0};
    char text[BOUGH_ADDRESS_TEXT];
    CHECK_STR(bough_address_format(&none, text, sizeof(text)), "(no address)");
    CHECK_EQ(bough_address_port(&none), 0);
}

static void unix_text(const struct sockaddr_un *un, socklen_t size, const char *wanted)
{
    struct bough_address address = {.size = size};
    char text[BOUGH_ADDRESS_TEXT];
    memcpy(&address.storage, un, size);
    CHECK_STR(bough_address_format(&address, text, sizeof(text)), wanted);
    CHECK_EQ(bough_address_port(&address), 0);
}

TEST(unix_sockets_have_a_path_or_no_name)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    unix_text(&un, sizeof(un), "unix:/run/x");
    unix_text(&un, offsetof(struct sockaddr_un, sun_path) + 4,
              "unix:/run"); /* as long as it says */
    unix_text(&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(sa_family_t), "unix:(no name)");
}

TEST(an_abstract_name_is_shown_as_ss_does)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "\0demo\0x"};
    unix_text(&un, offsetof(struct sockaddr_un, sun_path) + 5, "unix:@demo");
    unix_text(&un, offsetof(struct sockaddr_un, sun_path) + 8, "unix:@demo@x@");
    unix_text(&un, offsetof(struct sockaddr_un, sun_path) + 1, "unix:@");
}

/* The kernel does not end a path that fills its field. */
TEST(a_path_may_fill_its_field)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char wanted[200], text[200];
    memset(un.sun_path, 'p', sizeof(un.sun_path));
    snprintf(wanted, sizeof(wanted), "unix:%.*s", (int)sizeof(un.sun_path), un.sun_path);
    struct bough_address address = {.size = sizeof(un)};
    memset(&address.storage, 'z',
           sizeof(address.storage)); /* what stands behind it is none of it */
    memcpy(&address.storage, &un, sizeof(un));
    CHECK_STR(bough_address_format(&address, text, sizeof(text)), wanted);
}

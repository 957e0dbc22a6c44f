/* Addresses: what is parsed and written is the same address when it is parsed again; and any bytes
 * can be written.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <sys/un.h>

#include <bough/socket.h>
#include <bough/unix.h>

static void parse_and_write(const char *text, unsigned port)
{
    struct bough_address address, again;
    char written[BOUGH_ADDRESS_TEXT], bare[BOUGH_ADDRESS_TEXT];
    int rc = bough_address_parse(text, port, &address);
    CHECK(rc == 0 || rc == -EINVAL);
    if (rc < 0)
        return;
    CHECK(bough_address_port(&address) == port);
    bough_address_format(&address, written, sizeof(written));
    /* "[host]:port" or "host:port" */
    char *end = strrchr(written, ':');
    CHECK(end && (unsigned)atoi(end + 1) == port);
    bool bracket = written[0] == '[';
    snprintf(bare, sizeof(bare), "%.*s", (int)(end - written) - 2 * bracket, written + bracket);
    CHECK(bough_address_parse(bare, port, &again) == 0);
    CHECK(again.size == address.size && memcmp(&again, &address, sizeof(again)) == 0);
}

static void name(const char *text)
{
    struct bough_address address;
    char written[BOUGH_ADDRESS_TEXT];
    int rc = bough_unix_address(text, &address);
    CHECK(rc == 0 || rc == -EINVAL || rc == -ENAMETOOLONG);
    if (rc == 0) {
        CHECK(address.size <= sizeof(struct sockaddr_un));
        bough_address_format(&address, written, sizeof(written));
        CHECK(strlen(written) < sizeof(written));
    }
}

/* As if the kernel had given it. */
static void write_bytes(struct input in)
{
    struct bough_address address;
    char *text = malloc(16);
    CHECK(text);
    memset(&address, 0, sizeof(address));
    size_t size = in.size < sizeof(address.storage) ? in.size : sizeof(address.storage);
    if (size)
        memcpy(&address.storage, in.data, size);
    address.size = (socklen_t)size;
    bough_address_format(&address, text, 16);
    CHECK(strnlen(text, 16) < 16);
    (void)bough_address_port(&address);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned port = take_number(&in, 255) * 257;
    write_bytes(in);
    char *text = take_text(&in);
    /* A scope by name looks at the interfaces there are. */
    parse_and_write(text, port);
    name(text);
    free(text);
    return 0;
}

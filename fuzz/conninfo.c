/* Where a PostgreSQL server is: as many hosts as addresses as ports, and every host in it.
 *
 * The module itself is part of this program, so that no name is looked up.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <bough/net.h>

/* Every name has two addresses, but "none". */
static int resolve_nothing(const char *host, unsigned port, struct bough_address *ret_addresses,
                           unsigned capacity)
{
    CHECK(capacity >= 2 && *host);
    if (strcmp(host, "none") == 0)
        return -ENOENT;
    CHECK(bough_address_parse("127.0.0.1", port, &ret_addresses[0]) == 0);
    CHECK(bough_address_parse("::1", port, &ret_addresses[1]) == 0);
    return 2;
}

#define bough_resolve resolve_nothing
#include "../src/postgres/conninfo.c"

static int items(const char *list)
{
    int count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct bough__conninfo info;
    char *text = take_text(&in);
    int rc = bough__conninfo_open(&info, text);
    CHECK(rc == 0 || rc == -EINVAL || rc == -ENOENT);
    if (rc == 0 && info.hosts) {
        CHECK(items(info.hosts) == items(info.addresses));
        CHECK(items(info.hosts) == items(info.ports));
    }
    bough__conninfo_close(&info);
    free(text);
    return 0;
}

/* Look up names by c-ares, all at once, each within 10 seconds; and who takes mail for them.
 *
 *     ./ares_lookup example.org example.com localhost ...
 *     ./ares_lookup -s 192.0.2.53:5353 example.org           asks this server
 * SPDX-License-Identifier: MIT */
#include <arpa/nameser.h>
#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>
#include <bough/ares.h>

struct name {
    struct bough_ares *dns;
    const char *text;
    int rc;
};

static int print_addresses(struct name *name)
{
    struct bough_address found[16];
    char text[BOUGH_ADDRESS_TEXT];
    /* The resolver of the run: bough_tcp_connect() would ask it, too. */
    int count = bough_resolve(name->text, 0, found, 16);
    for (int i = 0; i < count; i++)
        printf("%s: %s\n", name->text, bough_address_format(&found[i], text, sizeof(text)));
    return count;
}

/* Neither an address nor a host of our own net. */
static bool is_domain(const char *text)
{
    struct bough_address address;
    return strchr(text, '.') && bough_address_parse(text, 0, &address) < 0;
}

static int print_mail_servers(struct name *name)
{
    unsigned char *answer;
    struct ares_mx_reply *all;
    int size = bough_ares_query(name->dns, name->text, ns_t_mx, &answer);
    if (bough_catch(&size, -ENOENT) || size < 0)
        return size;
    if (ares_parse_mx_reply(answer, size, &all) == ARES_SUCCESS) {
        for (struct ares_mx_reply *one = all; one; one = one->next)
            printf("%s: mail to %s, %u\n", name->text, one->host, one->priority);
        ares_free_data(all);
    }
    free(answer);
    return 0;
}

/* One name that fails is no reason to stop the others: it is told, and counted. */
static int look_up(void *arg)
{
    struct name *name = arg;
    int rc = 0;
    bough_fail_after (10 * BOUGH_SEC, &rc) {
        rc = print_addresses(name);
        if (rc >= 0 && is_domain(name->text))
            rc = print_mail_servers(name);
    }
    name->rc = rc;
    if (rc < 0 && rc != -ECANCELED) {
        fprintf(stderr, "%s: failed\n", name->text);
        bough_error_print(bough_error_last(), stderr);
    }
    return rc == -ECANCELED ? rc : 0;
}

static int look_up_all(struct bough_ares *dns, char **names)
{
    struct name of[64];
    int count = 0, failed = 0, rc = 0;
    bough_with_nursery (n, &rc) {
        for (; names[count] && count < 64 && rc == 0; count++) {
            of[count] = (struct name){.dns = dns, .text = names[count]};
            rc = bough_nursery_start_soon(n, look_up, &of[count]);
        }
    }
    for (int i = 0; i < count; i++)
        failed += of[i].rc < 0;
    return rc < 0 ? rc : failed;
}

static int program(void *arg)
{
    char **args = arg;
    struct bough_ares *dns;
    int rc = bough_ares_open(NULL, 0, &dns);
    if (rc < 0)
        return rc;
    if (strcmp(args[0], "-s") == 0) {
        if (ares_set_servers_ports_csv(bough_ares_channel(dns), args[1]) != ARES_SUCCESS)
            rc = bough_fail(-EINVAL, "-s %s: not the address of a server", args[1]);
        args += 2;
    }
    if (rc == 0)
        rc = bough_resolver_set(bough_ares_resolver(dns));
    if (rc == 0)
        rc = look_up_all(dns, args);
    bough_ares_close(dns);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2 || (strcmp(argv[1], "-s") == 0 && argc < 4)) {
        fprintf(stderr, "usage: %s [-s SERVER[:PORT]] NAME ...\n", argv[0]);
        return 2;
    }
    int rc = bough_run(program, argv + 1);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc != 0;
}

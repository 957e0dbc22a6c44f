/* Names to addresses.
 * SPDX-License-Identifier: MIT */
#include "io.h"

#define NO_SUCH_HOST "no-such-host.bough.invalid"

IO_TEST(an_address_is_its_own_name)
{
    struct bough_address found[2];
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_resolve("127.0.0.1", 80, found, 2);
    CHECK_EQ(rc, 1);
    CHECK_EQ(bough_address_port(&found[0]), 80);
    CHECK_EQ(bough_resolve("::1", 80, found, 2), 1);
    CHECK_EQ(found[0].storage.ss_family, AF_INET6);
    return 0;
}

IO_TEST(localhost_is_this_machine)
{
    struct bough_address found[8];
    char text[2][BOUGH_ADDRESS_TEXT];
    int count = 0, rc = 0;
    bough_assert_checkpoints (&rc)
        rc = count = bough_resolve("localhost", 8080, found, 8);
    CHECK(count >= 1);
    for (int i = 0; i < count; i++) {
        bough_address_format(&found[i], text[0], sizeof(text[0]));
        CHECK(strncmp(text[0], "127.", 4) == 0 || strcmp(text[0], "[::1]:8080") == 0);
        CHECK_EQ(bough_address_port(&found[i]), 8080);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(bough_address_format(&found[j], text[1], sizeof(text[1])), text[0]) != 0);
    }
    CHECK_EQ(bough_resolve("localhost", 8080, found, 1), 1); /* no more than there is room for */
    return 0;
}

IO_TEST(what_makes_no_sense_is_invalid)
{
    struct bough_address found = {.size = 5};
    CHECK_EQ(bough_resolve("", 80, &found, 1), -EINVAL);
    CHECK_EQ(bough_resolve(NULL, 80, &found, 1), -EINVAL);
    CHECK_EQ(bough_resolve("localhost", 65536, &found, 1), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "65535");
    CHECK_EQ(bough_resolve("localhost", 80, &found, 0), -EINVAL);
    CHECK_EQ(found.size, 5);
    return 0;
}

static int resolve_nobody(__attribute__((unused)) void *arg)
{
    struct bough_address found = {.size = 5};
    struct bough_stream *s = NULL;
    struct bough_listener *l = NULL;
    int rc = 0, result = 1;
    bough_move_on_after (5 * BOUGH_SEC, &rc)
        rc = result = bough_resolve(NO_SUCH_HOST, 80, &found, 1);
    if (result != -ENOENT)
        test_skip("no resolver that knows what there is not: %s", bough_error_name(result));
    CHECK_HAS(bough_error_message(bough_error_last()), NO_SUCH_HOST);
    CHECK_EQ(found.size, 5);
    CHECK_EQ(bough_tcp_connect(NO_SUCH_HOST, 80, &s), -ENOENT);
    CHECK_EQ(bough_tcp_listen(NO_SUCH_HOST, 80, &l), -ENOENT);
    CHECK(!s && !l);
    return 0;
}

TEST(a_host_that_there_is_not_is_not_found)
{
    run_io(__FILE__, __LINE__, true, resolve_nobody);
}

/* --- another resolver --- */

/* A table of one name; it counts how often it is asked. */
struct table {
    struct bough_resolver resolver;
    unsigned asked;
    int answer; /* instead of 2, if it is not 0 */
};

static int table_resolve(struct bough_resolver *resolver, const char *host, unsigned port,
                         struct bough_address *ret_addresses, unsigned capacity)
{
    struct table *table = bough_container_of(resolver, struct table, resolver);
    int rc = bough_checkpoint();
    table->asked++;
    if (rc < 0)
        return rc;
    if (table->answer)
        return table->answer;
    if (strcmp(host, "here.test") != 0)
        return bough_fail(-ENOENT, "there is no %s in the table", host);
    for (unsigned i = 0; i < 2 && i < capacity; i++)
        CHECK_EQ(bough_address_parse(i ? "127.0.0.1" : "127.0.0.2", port, &ret_addresses[i]), 0);
    return capacity < 2 ? 1 : 2;
}

IO_TEST(a_run_may_have_a_resolver_of_its_own)
{
    struct table table = {.resolver = {table_resolve}};
    struct bough_address found[4];
    int rc = 0;
    CHECK(!bough_resolver_get());
    CHECK_EQ(bough_resolver_set(&table.resolver), 0);
    CHECK(bough_resolver_get() == &table.resolver);
    bough_assert_checkpoints (&rc)
        rc = bough_resolve("here.test", 80, found, 4);
    CHECK_EQ(rc, 2);
    CHECK_EQ(bough_address_port(&found[1]), 80);
    CHECK_EQ(bough_resolve("here.test", 80, found, 1), 1);
    CHECK_EQ(bough_resolve("elsewhere.test", 80, found, 4), -ENOENT);
    CHECK_EQ(table.asked, 3);
    CHECK_EQ(bough_resolve("127.0.0.1", 80, found, 4), 1); /* no name */
    CHECK_EQ(bough_resolve("", 80, found, 4), -EINVAL);
    CHECK_EQ(bough_resolver_set(NULL), 0);
    CHECK(bough_resolve("localhost", 80, found, 4) >= 1);
    CHECK_EQ(table.asked, 3);
    return 0;
}

IO_TEST(one_may_be_asked_that_is_not_the_runs)
{
    struct table table = {.resolver = {table_resolve}};
    struct bough_address found[4];
    CHECK_EQ(bough_resolve_by(&table.resolver, "here.test", 80, found, 4), 2);
    CHECK(bough_resolve_by(NULL, "localhost", 80, found, 4) >= 1);
    CHECK_EQ(table.asked, 1);
    return 0;
}

/* Nobody listens at the first of the two addresses, so this is a race, too. */
IO_TEST(connecting_and_listening_ask_it)
{
    struct table table = {.resolver = {table_resolve}};
    struct bough_listener *l;
    struct bough_stream *s;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    CHECK_EQ(bough_resolver_set(&table.resolver), 0);
    CHECK_EQ(bough_tcp_connect("here.test", bough_listener_port(l), &s), 0);
    bough_stream_free(s);
    bough_listener_free(l);
    CHECK_EQ(bough_tcp_connect("elsewhere.test", 80, &s), -ENOENT);
    CHECK_EQ(bough_tcp_listen("here.test", 0, &l), 0);
    bough_listener_free(l);
    CHECK_EQ(table.asked, 3);
    return 0;
}

IO_TEST(a_resolver_that_answers_nonsense_breaks_the_protocol)
{
    struct table table = {.resolver = {table_resolve}};
    struct bough_address found[4];
    table.answer = 5;
    CHECK_EQ(bough_resolve_by(&table.resolver, "here.test", 80, found, 4), -EPROTO);
    return 0;
}

static int set_resolver(void *arg)
{
    CHECK(!bough_resolver_get());
    CHECK_EQ(bough_resolver_set(NULL), 0); /* takes no memory */
    return bough_resolver_set(arg);
}

TEST(a_resolver_is_set_for_one_run_and_needs_memory)
{
    struct table table = {.resolver = {table_resolve}};
    CHECK_EQ(bough_run(set_resolver, &table.resolver), 0);
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, set_resolver, &table.resolver) >= 1);
}

/* --- cancels --- */

static int resolve_localhost(void *arg)
{
    struct bough_address found[4], *ret = arg ? arg : found;
    return bough_resolve("localhost", 80, ret, 4);
}

/* The thread goes on, with memory of its own, and what it finds is thrown away. */
IO_TEST(a_cancelled_lookup_returns_at_once)
{
    struct waiter w = {.call = resolve_localhost};
    struct bough_address untouched[4] = {{.size = 5}};
    int rc = 0;
    CHECK_EQ(call_cancelled(resolve_localhost, NULL), -ECANCELED);
    w.object = untouched;
    for (int i = 0; i < 20; i++) {
        bough_with_nursery (n, &rc) {
            waiter_start(n, &w);
            CHECK_EQ(bough_checkpoint(), 0);
            if (w.rc == STILL_WAITING)
                bough_scope_cancel(&w.scope, NULL);
        }
        CHECK(w.rc == -ECANCELED || w.rc >= 1);
        if (w.rc == -ECANCELED && i == 0)
            CHECK_EQ(untouched[0].size, 5);
    }
    return rc;
}

static int leave_a_lookup(__attribute__((unused)) void *arg)
{
    struct waiter w = {.call = resolve_localhost};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_start(n, &w);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(&w.scope, NULL);
    }
    return rc;
}

static int resolve_again(__attribute__((unused)) void *arg)
{
    return resolve_localhost(NULL) >= 1 ? 0 : -EIO;
}

TEST(a_run_may_end_before_its_lookups)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(bough_run(leave_a_lookup, NULL), 0);
    CHECK_EQ(bough_run(resolve_again, NULL), 0);
}

IO_TEST(many_lookups_go_on_at_once)
{
    enum { MANY = 50 };
    static struct waiter w[MANY];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < MANY; i++) {
            w[i] = (struct waiter){.call = resolve_localhost};
            waiter_start(n, &w[i]);
        }
    }
    for (int i = 0; i < MANY; i++)
        CHECK(w[i].rc >= 1);
    return rc;
}

/* --- what cannot be had --- */

static int resolve_and_count(__attribute__((unused)) void *arg)
{
    struct bough_address found[4];
    return bough_resolve("localhost", 80, found, 4);
}

TEST(a_lookup_survives_the_failure_of_each_allocation_and_call)
{
    int before = open_descriptors();
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, resolve_and_count, NULL) > 2);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, resolve_and_count, NULL) > 2);
    CHECK_EQ(open_descriptors(), before);
}

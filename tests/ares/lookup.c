/* Names and records by c-ares, from a name server of our own.
 * SPDX-License-Identifier: MIT */
#include "server.h"

static const char *last_message(void)
{
    return bough_error_message(bough_error_last());
}

static int resolve(struct bough_ares *a, const char *host, struct bough_address *ret, unsigned room)
{
    return bough_resolve_by(bough_ares_resolver(a), host, 80, ret, room);
}

/* What it is resolved to, in the order of text: "127.0.0.1:80 [::1]:80". */
static const char *addresses_of(struct bough_ares *a, const char *host)
{
    static char all[512];
    struct bough_address found[8];
    char texts[8][BOUGH_ADDRESS_TEXT];
    int count = resolve(a, host, found, 8);
    if (count < 0)
        return bough_error_name(count);
    for (int i = 0; i < count; i++)
        bough_address_format(&found[i], texts[i], sizeof(texts[i]));
    qsort(texts, (size_t)count, sizeof(texts[0]), (int (*)(const void *, const void *))strcmp);
    all[0] = '\0';
    for (int i = 0; i < count; i++) {
        strcat(all, i ? " " : "");
        strcat(all, texts[i]);
    }
    return all;
}

static int result_of(struct bough_ares *a, const char *host)
{
    struct bough_address found[8];
    return resolve(a, host, found, 8);
}

/* --- answers --- */

PATIENT_DNS_TEST(a_name_has_addresses_of_either_family_or_both)
{
    CHECK_STR(addresses_of(a, "four.test"), "127.0.0.1:80");
    CHECK_STR(addresses_of(a, "six.test"), "[::1]:80");
    CHECK_STR(addresses_of(a, "both.test"), "127.0.0.1:80 [::1]:80");
    CHECK_EQ(dns->asked, 6);
    return 0;
}

PATIENT_DNS_TEST(a_name_may_be_an_alias)
{
    CHECK_STR(addresses_of(a, "alias.test"), "127.0.0.1:80");
    return 0;
}

PATIENT_DNS_TEST(no_more_addresses_than_there_is_room_for)
{
    struct bough_address found[100];
    CHECK_EQ(resolve(a, "both.test", found, 1), 1);
    CHECK_EQ(resolve(a, "many.test", found, 16), 16);
    CHECK_EQ(resolve(a, "many.test", found, 100), MANY);
    CHECK_EQ(bough_address_port(&found[MANY - 1]), 80);
    return 0;
}

PATIENT_DNS_TEST(a_lookup_is_a_checkpoint)
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = result_of(a, "four.test");
    bough_assert_checkpoints (&rc)
        rc = result_of(a, "localhost");
    return rc;
}

PATIENT_DNS_TEST(a_truncated_answer_is_asked_for_again_by_tcp)
{
    CHECK_STR(addresses_of(a, "cut.test"), "127.0.0.1:80");
    CHECK_EQ(dns->by_tcp, 2);
    return 0;
}

PATIENT_DNS_TEST(bytes_that_are_no_answer_are_passed_over)
{
    CHECK_STR(addresses_of(a, "noise.test"), "127.0.0.1:80");
    return 0;
}

DNS_TEST(a_question_that_is_lost_is_asked_again, 100, 3)
{
    CHECK_STR(addresses_of(a, "lost.test"), "127.0.0.1:80");
    CHECK(dns->asked >= 4);
    return 0;
}

/* --- what is not asked of the server --- */

PATIENT_DNS_TEST(numeric_addresses_are_not_asked_for)
{
    CHECK_STR(addresses_of(a, "127.0.0.3"), "127.0.0.3:80");
    CHECK_STR(addresses_of(a, "::1"), "[::1]:80");
    CHECK_EQ(dns->asked, 0);
    return 0;
}

PATIENT_DNS_TEST(names_of_the_hosts_file_are_not_asked_for)
{
    struct bough_address found[8];
    int count = resolve(a, "localhost", found, 8);
    char text[BOUGH_ADDRESS_TEXT];
    CHECK(count >= 1);
    for (int i = 0; i < count; i++) {
        bough_address_format(&found[i], text, sizeof(text));
        CHECK(strcmp(text, "127.0.0.1:80") == 0 || strcmp(text, "[::1]:80") == 0);
    }
    CHECK_EQ(dns->asked, 0);
    return 0;
}

/* The last name of the machine's own file that is not localhost, and its address. */
static bool some_host(char *name, char *address)
{
    char line[1024];
    FILE *f = fopen("/etc/hosts", "r");
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f))
        found = sscanf(line, "%63[0-9.]%*[ \t]%63[A-Za-z0-9-]", address, name) == 2 &&
                strncmp(name, "localhost", 9) != 0;
    if (f)
        fclose(f);
    return found;
}

PATIENT_DNS_TEST(a_host_of_the_hosts_file_has_the_address_that_stands_there)
{
    char name[64], address[64], expected[80];
    if (!some_host(name, address))
        test_skip("the hosts file of this machine has nothing but localhost");
    snprintf(expected, sizeof(expected), "%s:80", address);
    CHECK_HAS(addresses_of(a, name), expected);
    CHECK_EQ(dns->asked, 0);
    return 0;
}

/* --- failures --- */

PATIENT_DNS_TEST(a_host_that_there_is_not_is_not_found)
{
    CHECK_EQ(result_of(a, "none.test"), -ENOENT);
    CHECK_HAS(last_message(), "none.test");
    return 0;
}

PATIENT_DNS_TEST(a_host_without_an_address_is_not_found)
{
    CHECK_EQ(result_of(a, "service.test"), -ENOENT);
    return 0;
}

PATIENT_DNS_TEST(a_server_that_fails_or_refuses_is_as_good_as_none)
{
    CHECK_EQ(result_of(a, "fail.test"), -EHOSTUNREACH);
    CHECK_HAS(last_message(), "fail.test");
    CHECK_EQ(result_of(a, "refuse.test"), -EHOSTUNREACH);
    return 0;
}

DNS_TEST(a_server_that_says_nothing_is_given_up, 60, 2)
{
    CHECK_EQ(result_of(a, "silent.test"), -EHOSTUNREACH);
    CHECK_EQ(dns->asked, 4);
    return 0;
}

DNS_TEST(a_server_that_says_nothing_by_tcp_is_given_up, 60, 2)
{
    CHECK_EQ(result_of(a, "endless.test"), -EHOSTUNREACH);
    CHECK(dns->by_tcp >= 2);
    return 0;
}

/* Of two questions one may swallow the refusal of the other, which then waits for its time. */
DNS_TEST(a_server_that_is_not_there_is_as_good_as_none, 60, 2)
{
    char servers[32];
    int fd = bough_socket_open(AF_INET, SOCK_DGRAM, 0);
    struct bough_address at = {.size = sizeof(at.storage)};
    CHECK_EQ(bough_address_parse("127.0.0.1", 0, &at), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at.storage, at.size), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at.storage, &at.size), 0);
    bough_socket_close(fd);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", bough_address_port(&at));
    CHECK_EQ(ares_set_servers_ports_csv(bough_ares_channel(a), servers), ARES_SUCCESS);
    CHECK_EQ(result_of(a, "four.test"), -EHOSTUNREACH);
    CHECK_EQ(dns->asked, 0);
    return 0;
}

PATIENT_DNS_TEST(records_that_are_none_break_the_protocol)
{
    CHECK_EQ(result_of(a, "garbage.test"), -EPROTO);
    return 0;
}

PATIENT_DNS_TEST(what_cannot_be_a_name_is_invalid)
{
    CHECK_EQ(result_of(a, "four..test"), -EINVAL);
    CHECK_EQ(
        result_of(a, "a-label-of-more-than-sixty-three-bytes-which-is-what-a-label-may-have.test"),
        -EINVAL);
    CHECK_EQ(result_of(a, ""), -EINVAL);
    CHECK_EQ(dns->asked, 0);
    return 0;
}

/* --- many --- */

struct job {
    struct bough_ares *a;
    const char *host;
    int rc;
};

static int resolve_job(void *arg)
{
    struct job *job = arg;
    job->rc = STILL_WAITING;
    job->rc = result_of(job->a, job->host);
    return job->rc == -ECANCELED ? job->rc : 0;
}

PATIENT_DNS_TEST(many_lookups_share_a_socket)
{
    enum { COUNT = 100 }; /* or the server's socket has no room for all questions */
    static struct job jobs[COUNT];
    int rc = 0, before = open_descriptors();
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < COUNT && rc == 0; i++) {
            jobs[i] = (struct job){.a = a, .host = i % 3 ? "both.test" : "none.test"};
            rc = bough_nursery_start_soon(n, resolve_job, &jobs[i]);
        }
        CHECK_EQ(bough_event_wait(&dns->was_asked), 0);
        CHECK(open_descriptors() <= before + 2);
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(jobs[i].rc, i % 3 ? 2 : -ENOENT);
    return rc;
}

PATIENT_DNS_TEST(a_fast_answer_overtakes_a_slow_one)
{
    struct job slow = {a, "slow.test", 0}, fast = {a, "four.test", 0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, resolve_job, &slow), 0);
        CHECK_EQ(bough_event_wait(&dns->was_asked), 0);
        CHECK_EQ(resolve_job(&fast), 0);
        CHECK_EQ(fast.rc, 1);
        CHECK_EQ(slow.rc, STILL_WAITING);
        bough_event_set(&dns->let_go);
    }
    CHECK_EQ(slow.rc, 1);
    return rc;
}

PATIENT_DNS_TEST(other_tasks_run_while_a_lookup_waits)
{
    struct job silent = {a, "silent.test", 0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, resolve_job, &silent), 0);
        for (int i = 0; i < 20 && rc == 0; i++)
            rc = bough_sleep(BOUGH_MS);
    }
    CHECK_EQ(silent.rc, -ECANCELED);
    return rc;
}

PATIENT_DNS_TEST(there_may_be_several_channels)
{
    struct bough_ares *second;
    CHECK_EQ(bough_ares_open(NULL, 0, &second), 0); /* as this machine is configured */
    CHECK(bough_ares_channel(second) != bough_ares_channel(a));
    CHECK(result_of(second, "localhost") >= 1);
    CHECK_EQ(result_of(a, "four.test"), 1);
    bough_ares_close(second);
    bough_ares_close(NULL);
    return 0;
}

/* --- cancels --- */

static int resolve_silent(void *a)
{
    return result_of(a, "silent.test");
}

PATIENT_DNS_TEST(a_cancelled_task_asks_nothing)
{
    CHECK_EQ(call_cancelled(resolve_silent, a), -ECANCELED);
    CHECK_EQ(dns->asked, 0);
    return 0;
}

PATIENT_DNS_TEST(a_cancelled_lookup_leaves_no_socket)
{
    int before = open_descriptors();
    CHECK_EQ(call_timed(50 * BOUGH_MS, resolve_silent, a), -ETIMEDOUT);
    CHECK_EQ(dns->asked, 2);
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(result_of(a, "four.test"), 1);
    return 0;
}

static int resolve_slow(void *a)
{
    return result_of(a, "slow.test");
}

/* It comes for a lookup that is not there any more, while the channel is in use. */
PATIENT_DNS_TEST(a_late_answer_for_a_cancelled_lookup_is_dropped)
{
    struct waiter slow = {.call = resolve_slow, .object = a},
                  other = {.call = resolve_silent, .object = a};
    struct job fast = {a, "four.test", 0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_start(n, &slow);
        waiter_start(n, &other);
        CHECK_EQ(bough_event_wait(&dns->was_asked), 0);
        bough_scope_cancel(&slow.scope, NULL);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(slow.rc, -ECANCELED);
        bough_event_set(&dns->let_go);
        CHECK_EQ(resolve_job(&fast), 0);
        CHECK_EQ(fast.rc, 1);
        CHECK_EQ(other.rc, STILL_WAITING);
        bough_scope_cancel(&other.scope, NULL);
    }
    CHECK_EQ(other.rc, -ECANCELED);
    return rc;
}

/* The first of them waits for the sockets of all, then the second, and so on. */
PATIENT_DNS_TEST(when_the_task_that_waits_for_all_is_cancelled_another_one_goes_on)
{
    enum { COUNT = 8 };
    struct waiter w[COUNT];
    struct job last = {a, "slow.test", 0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < COUNT; i++) {
            w[i] = (struct waiter){.call = resolve_silent, .object = a};
            waiter_start(n, &w[i]);
        }
        CHECK_EQ(bough_nursery_start_soon(n, resolve_job, &last), 0);
        CHECK_EQ(bough_event_wait(&dns->was_asked), 0);
        for (int i = 0; i < COUNT; i++) {
            bough_scope_cancel(&w[i].scope, NULL);
            if (i % 3)
                CHECK_EQ(bough_checkpoint(), 0);
        }
        bough_event_set(&dns->let_go);
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(w[i].rc, -ECANCELED);
    CHECK_EQ(last.rc, 1);
    return rc;
}

static int resolve_some(struct bough_ares *a, struct dns *dns)
{
    struct job jobs[] = {{a, "both.test", 0}, {a, "cut.test", 0}, {a, "none.test", 0}};
    int rc = 0;
    (void)dns;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, resolve_job, &jobs[i]);
    return rc;
}

TEST(lookups_can_be_cancelled_at_any_time)
{
    struct dns_test test = {resolve_some, PATIENT_MS, 1};
    int before = open_descriptors();
    CHECK_CANCELS(with_dns, &test, 11);
    CHECK_EQ(open_descriptors(), before);
}

TEST(lookups_work_in_any_order_of_tasks)
{
    struct dns_test test = {resolve_some, PATIENT_MS, 1};
    CHECK_EQ(bough_test_seeds((unsigned)test_scale(100), with_dns, &test), 0);
}

static int resolve_on_ring(void *arg)
{
    struct dns_test test = {resolve_some, PATIENT_MS, 1};
    (void)arg;
    return with_dns(&test);
}

TEST(lookups_work_on_io_uring)
{
    run_io(__FILE__, __LINE__, BOUGH_IO_URING, resolve_on_ring);
}

/* --- records --- */

PATIENT_DNS_TEST(records_of_other_types_can_be_asked_for)
{
    unsigned char *answer;
    struct ares_srv_reply *srv;
    int size = bough_ares_query(a, "service.test", ns_t_srv, &answer);
    CHECK(size > 0);
    CHECK_EQ(ares_parse_srv_reply(answer, size, &srv), ARES_SUCCESS);
    CHECK_STR(srv->host, "four.test");
    CHECK_EQ(srv->port, 8080);
    CHECK(!srv->next);
    ares_free_data(srv);
    free(answer);
    CHECK_EQ(bough_ares_query(a, "none.test", ns_t_srv, &answer), -ENOENT);
    CHECK_HAS(last_message(), "none.test");
    CHECK_EQ(bough_ares_query(a, "four.test", ns_t_srv, &answer), -ENOENT);
    CHECK_EQ(bough_ares_query(a, "four..test", ns_t_srv, &answer), -EINVAL);
    CHECK_EQ(bough_ares_query(a, "service.test", 65536 + ns_t_srv, &answer), -EINVAL);
    CHECK_EQ(bough_ares_query(a, "service.test", -1, &answer), -EINVAL);
    return 0;
}

static int query_silent(void *a)
{
    unsigned char *answer;
    return bough_ares_query(a, "silent.test", ns_t_srv, &answer);
}

PATIENT_DNS_TEST(a_query_can_be_cancelled)
{
    CHECK_EQ(call_cancelled(query_silent, a), -ECANCELED);
    CHECK_EQ(dns->asked, 0);
    CHECK_EQ(call_timed(50 * BOUGH_MS, query_silent, a), -ETIMEDOUT);
    return 0;
}

/* --- as the resolver of the run --- */

PATIENT_DNS_TEST(connecting_by_name_asks_the_runs_channel)
{
    struct bough_listener *l;
    struct bough_stream *client, *server;
    char byte;
    CHECK_EQ(bough_tcp_listen("127.0.0.1", 0, &l), 0);
    CHECK_EQ(bough_resolver_set(bough_ares_resolver(a)), 0);
    CHECK_EQ(bough_tcp_connect("both.test", bough_listener_port(l), &client), 0);
    CHECK_EQ(bough_listener_accept(l, &server), 0);
    CHECK_EQ(bough_stream_send_all(server, "x", 1), 0);
    CHECK_EQ(bough_stream_receive_some(client, &byte, 1), 1);
    bough_stream_free(client);
    bough_stream_free(server);
    CHECK_EQ(bough_tcp_connect("none.test", bough_listener_port(l), &client), -ENOENT);
    bough_listener_free(l);
    return 0; /* the close takes it away from the run */
}

static int close_and_look(struct bough_ares *a, struct dns *dns)
{
    struct bough_ares *own;
    (void)a;
    CHECK_EQ(channel_open(dns, PATIENT_MS, 1, &own), 0);
    CHECK_EQ(bough_resolver_set(bough_ares_resolver(own)), 0);
    CHECK_EQ(bough_resolver_set(bough_ares_resolver(a)), 0);
    bough_ares_close(own); /* not the run's */
    CHECK(bough_resolver_get() == bough_ares_resolver(a));
    CHECK_EQ(channel_open(dns, PATIENT_MS, 1, &own), 0);
    CHECK_EQ(bough_resolver_set(bough_ares_resolver(own)), 0);
    bough_ares_close(own);
    CHECK(!bough_resolver_get());
    return 0;
}

PATIENT_DNS_TEST(a_channel_that_is_closed_is_no_resolver_any_more)
{
    return close_and_look(a, dns);
}

/* --- what cannot be had, and misuse --- */

PATIENT_DNS_TEST(without_descriptors_there_is_no_channel)
{
    struct rlimit limit, low;
    struct bough_ares *more;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);
    close(next);
    for (rlim_t free_ones = 0; free_ones < 2; free_ones++) {
        low = (struct rlimit){.rlim_cur = (rlim_t)next + free_ones, .rlim_max = limit.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        CHECK_EQ(bough_ares_open(NULL, 0, &more), -EMFILE);
        CHECK_EQ(result_of(a, "four.test"), free_ones ? 1 : -EHOSTUNREACH);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_EQ(result_of(a, "four.test"), 1);
    return 0;
}

TEST(lookups_survive_the_failure_of_each_allocation_and_call)
{
    struct dns_test test = {resolve_some, PATIENT_MS, 1};
    int before = open_descriptors();
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, with_dns, &test) > 5);
    CHECK(bough_test_faults(BOUGH_FAULT_CALL, with_dns, &test) > 5);
    CHECK_EQ(open_descriptors(), before);
}

/* c-ares's own memory: the nth that it asks for is not there. */
static int until_none;

static void *some_memory(size_t size)
{
    return until_none > 0 && --until_none == 0 ? NULL : malloc(size);
}

static void *more_memory(void *old, size_t size)
{
    return until_none > 0 && --until_none == 0 ? NULL : realloc(old, size);
}

TEST(lookups_survive_the_failure_of_each_allocation_of_c_ares)
{
    struct dns_test test = {resolve_some, 50, 2};
    int nth = 0, rc;
    CHECK_EQ(ares_library_init_mem(ARES_LIB_INIT_ALL, some_memory, free, more_memory), 0);
    do {
        until_none = ++nth;
        rc = bough_run(with_dns, &test);
        CHECK(rc == 0 || rc == -ENOMEM || rc == -EINVAL);
    } while (until_none == 0);
    CHECK_EQ(rc, 0);
    CHECK(nth > 20);
    bough_error_clear();
}

static int close_while_asked(struct bough_ares *a, struct dns *dns)
{
    struct job silent = {a, "silent.test", 0};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, resolve_job, &silent), 0);
        CHECK_EQ(bough_event_wait(&dns->was_asked), 0);
        bough_ares_close(a);
    }
    return rc;
}

TEST_DIES(a_channel_with_tasks_in_it_cannot_be_closed, SIGABRT, "while 1 tasks wait")
{
    struct dns_test test = {close_while_asked, PATIENT_MS, 1};
    (void)!bough_run(with_dns, &test);
}

/* Transfers by libcurl, from tasks.
 * SPDX-License-Identifier: MIT */
#include "server.h"

#include <dlfcn.h>
#include <netdb.h>

CURL_TEST(a_page_is_fetched_and_its_status_can_be_asked)
{
    struct page page;
    long status = 0;
    CURL *easy = handle(bough_listener_port(server->listener), "/hello", &page);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_STR(page.start, "hello\n");
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    CHECK_EQ(status, 200);
    curl_easy_cleanup(easy);
    return 0;
}

CURL_TEST(a_handle_may_be_used_again_and_the_connection_is_kept)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/hello", &page);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(bough_curl_perform(c, easy), 0);
    curl_easy_cleanup(easy);
    CHECK_EQ(page.size, 30);
    CHECK_EQ(server->connections, 1);
    return 0;
}

CURL_TEST(a_large_page_comes_whole)
{
    struct page page;
    CHECK_EQ(get(c, server, "/large", &page), 0);
    CHECK_EQ(page.size, 4 << 20);
    return 0;
}

/* --- many at once --- */

struct job {
    struct bough_curl *c;
    struct server *server;
    const char *path;
    int rc;
    struct page page;
};

static int fetch_job(void *arg)
{
    struct job *job = arg;
    job->rc = get(job->c, job->server, job->path, &job->page);
    return job->rc == -ECANCELED ? job->rc : 0;
}

CURL_TEST(many_transfers_run_at_once_over_one_multi_handle)
{
    enum { COUNT = 100 };
    static struct job jobs[COUNT];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < COUNT && rc == 0; i++) {
            jobs[i] = (struct job){.c = c, .server = server, .path = i % 10 ? "/hello" : "/large"};
            rc = bough_nursery_start_soon(n, fetch_job, &jobs[i]);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(jobs[i].rc, 0);
        CHECK_EQ(jobs[i].page.size, i % 10 ? 6 : 4 << 20);
    }
    return rc;
}

CURL_TEST(when_the_task_that_waits_for_all_is_done_another_one_goes_on)
{
    struct job slow = {.c = c, .server = server, .path = "/hang"};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct page page;
        rc = bough_nursery_start_soon(n, fetch_job, &slow); /* it waits for all, now */
        if (rc == 0)
            rc = bough_event_wait(&server->asked);
        struct job more[3];
        for (int i = 0; i < 3 && rc == 0; i++) {
            more[i] = (struct job){.c = c, .server = server, .path = "/large"};
            rc = bough_nursery_start_soon(n, fetch_job, &more[i]);
        }
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_cancel(bough_nursery_scope(n), "the first one");
        CHECK_EQ(rc, 0);
        CHECK_EQ(get(c, server, "/hello", &page), -ECANCELED);
    }
    struct page page;
    CHECK_EQ(get(c, server, "/hello", &page), 0);
    return rc;
}

static int fetch_within(void *arg)
{
    struct job *job = arg;
    int rc = 0;
    bough_move_on_after (50 * BOUGH_MS, &rc)
        rc = get(job->c, job->server, job->path, &job->page);
    job->rc = bough_scope_cancelled_caught(NULL) ? -ECANCELED : rc;
    return rc;
}

CURL_TEST(a_cancel_of_the_one_that_waits_leaves_the_others_alone)
{
    struct job hang[4], large = {.c = c, .server = server, .path = "/large"};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 4 && rc == 0; i++) {
            hang[i] = (struct job){.c = c, .server = server, .path = "/hang"};
            rc = bough_nursery_start_soon(n, fetch_within, &hang[i]);
        }
        if (rc == 0)
            rc = bough_nursery_start_soon(n, fetch_job, &large);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(hang[i].rc, -ECANCELED);
    CHECK_EQ(large.rc, 0);
    CHECK_EQ(large.page.size, 4 << 20);
    return rc;
}

static int count_to(void *arg)
{
    int *count = arg;
    for (; *count < 50; ++*count) {
        int rc = bough_sleep(BOUGH_MS);
        if (rc < 0)
            return rc;
    }
    return 0;
}

CURL_TEST(other_tasks_run_while_a_transfer_waits)
{
    int count = 0, rc = 0;
    struct job job = {.c = c, .server = server, .path = "/hang"};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, fetch_job, &job);
        if (rc == 0)
            rc = count_to(&count);
    }
    CHECK_EQ(count, 50);
    CHECK_EQ(job.rc, -ECANCELED);
    return rc;
}

CURL_TEST(a_cancelled_task_fetches_nothing)
{
    int rc = 0;
    struct page page;
    bough_with_nursery (n, &rc) {
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        rc = get(c, server, "/hello", &page);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(server->answered, 0);
    return rc;
}

struct paused {
    struct page page;
    struct bough_event event;
    CURL *easy;
    bool go_on;
};

static size_t pause_first(char *data, size_t one, size_t size, void *arg)
{
    struct paused *p = arg;
    if (p->go_on)
        return keep(data, one, size, &p->page);
    bough_event_set(&p->event);
    return CURL_WRITEFUNC_PAUSE;
}

static int unpause(void *arg)
{
    struct paused *p = arg;
    int rc = bough_event_wait(&p->event);
    if (rc == 0)
        rc = bough_sleep(10 * BOUGH_MS);
    CHECK_EQ(p->page.size, 0);
    p->go_on = true;
    CHECK_EQ(curl_easy_pause(p->easy, CURLPAUSE_CONT), CURLE_OK);
    return rc;
}

CURL_TEST(a_transfer_that_is_paused_is_continued_by_another_task)
{
    struct paused p = {0};
    int rc = 0;
    bough_event_init(&p.event);
    p.easy = handle(bough_listener_port(server->listener), "/large", &p.page);
    curl_easy_setopt(p.easy, CURLOPT_WRITEFUNCTION, pause_first);
    curl_easy_setopt(p.easy, CURLOPT_WRITEDATA, &p);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, unpause, &p);
        if (rc == 0)
            rc = bough_curl_perform(c, p.easy);
    }
    CHECK_EQ(p.page.size, 4 << 20);
    curl_easy_cleanup(p.easy);
    return rc;
}

CURL_TEST(there_may_be_several_multi_handles)
{
    struct page page;
    struct bough_curl *second;
    CHECK_EQ(bough_curl_open(&second), 0);
    CHECK(bough_curl_multi(second) != bough_curl_multi(c));
    CHECK_EQ(get(c, server, "/hello", &page), 0);
    CHECK_EQ(get(second, server, "/hello", &page), 0);
    CHECK_EQ(server->connections, 2);
    bough_curl_close(second);
    return 0;
}

/* --- what goes wrong --- */

static const char *last_message(void)
{
    return bough_error_message(bough_error_last());
}

CURL_TEST(an_error_has_the_message_of_curl)
{
    struct page page;
    CURL *easy = handle(1, "/", &page);
    CHECK_EQ(bough_curl_perform(c, easy), -ECONNREFUSED);
    CHECK_HAS(last_message(), "curl error 7");
    CHECK_HAS(last_message(), "port 1");
    curl_easy_cleanup(easy);
    return 0;
}

CURL_TEST(broken_answers_are_told_apart)
{
    struct page page;
    CHECK_EQ(get(c, server, "/short", &page), -EPIPE);
    CHECK_HAS(last_message(), "curl error 18");
    CHECK_EQ(get(c, server, "/nothing", &page), -EPIPE);
    CHECK_HAS(last_message(), "curl error 52");
    CHECK_EQ(get(c, server, "/garbage", &page), -EPROTO);
    CHECK_HAS(last_message(), "curl error 1: ");
    return 0;
}

CURL_TEST(an_answer_may_be_cut_off_or_reset_at_every_byte)
{
    struct page page;
    char path[32];
    for (int size = 0; size < CUT; size++) {
        snprintf(path, sizeof(path), "/cut/%d", size);
        int rc = get(c, server, path, &page);
        /* To curl, an end among the headers is the end of the headers, and of an empty body. */
        CHECK(rc == -EPIPE || (rc == 0 && size < CUT - 5 && page.size == 0));
        snprintf(path, sizeof(path), "/reset/%d", size);
        CHECK_EQ(get(c, server, path, &page), -EPIPE);
        CHECK_HAS(last_message(), "curl error ");
    }
    return 0;
}

struct limit {
    struct server *server;
    struct bough_scope *scope;
};

static int limit_when_asked(void *arg)
{
    struct limit *limit = arg;
    int rc = bough_event_wait(&limit->server->asked);
    if (rc == 0)
        bough_scope_set_deadline(limit->scope, bough_now() + 50 * BOUGH_MS);
    return rc;
}

CURL_TEST(a_server_that_never_answers_is_timed_out)
{
    struct page page;
    int rc = 0;
    bough_fail_after (BOUGH_NEVER, &rc) {
        struct limit limit = {server, bough_scope_current()};
        bough_with_background (limit_when_asked, &limit, &rc)
            rc = get(c, server, "/hang", &page);
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(server->answered, 1);
    return 0;
}

CURL_TEST(a_bad_url_is_invalid)
{
    struct page page;
    CURL *easy = handle(1, "/", &page);
    curl_easy_setopt(easy, CURLOPT_URL, "no-such-protocol://x/");
    CHECK_EQ(bough_curl_perform(c, easy), -EINVAL);
    curl_easy_setopt(easy, CURLOPT_URL, "http://[not-an-address/");
    CHECK_EQ(bough_curl_perform(c, easy), -EINVAL);
    curl_easy_setopt(easy, CURLOPT_URL, NULL);
    CHECK_EQ(bough_curl_perform(c, easy), -EINVAL);
    curl_easy_cleanup(easy);
    return 0;
}

CURL_TEST(a_404_is_a_result_unless_it_is_asked_to_be_an_error)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/missing", &page);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_STR(page.start, "no\n");
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    CHECK_EQ(bough_curl_perform(c, easy), -EREMOTEIO);
    CHECK_HAS(last_message(), "404");
    curl_easy_cleanup(easy);
    return 0;
}

CURL_TEST(redirects_without_end_are_a_loop)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/around", &page);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
    CHECK_EQ(bough_curl_perform(c, easy), -ELOOP);
    curl_easy_cleanup(easy);
    CHECK_EQ(server->answered, 6);
    return 0;
}

CURL_TEST(a_time_limit_of_curl_is_a_timeout)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/hang", &page);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 50L);
    CHECK_EQ(bough_curl_perform(c, easy), -ETIMEDOUT);
    CHECK_HAS(last_message(), "curl error 28");
    curl_easy_cleanup(easy);
    return 0;
}

static size_t refuse(char *data, size_t one, size_t size, void *arg)
{
    (void)data, (void)one, (void)size, (void)arg;
    return 0;
}

CURL_TEST(a_callback_that_gives_up_ends_the_transfer)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/hello", &page);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, refuse);
    CHECK_EQ(bough_curl_perform(c, easy), -EIO);
    curl_easy_cleanup(easy);
    return 0;
}

static size_t perform_inside(char *data, size_t one, size_t size, void *arg)
{
    struct page page;
    CURL *easy = handle(1, "/", &page);
    (void)data, (void)one;
    CHECK_EQ(bough_curl_perform(arg, easy), -EBUSY);
    curl_easy_cleanup(easy);
    return size;
}

CURL_TEST(a_callback_must_not_perform)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/hello", &page);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, perform_inside);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    curl_easy_cleanup(easy);
    return 0;
}

static int perform_it(void *arg)
{
    void **pair = arg;
    return bough_curl_perform(pair[0], pair[1]);
}

CURL_TEST(a_handle_is_in_one_transfer_at_a_time)
{
    struct page page;
    CURL *easy = handle(bough_listener_port(server->listener), "/hang", &page);
    void *pair[] = {c, easy};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_service(n, perform_it, pair);
        if (rc == 0)
            rc = bough_event_wait(&server->asked);
        CHECK_EQ(bough_curl_perform(c, easy), -EBUSY);
    }
    curl_easy_cleanup(easy);
    return rc;
}

/* --- names --- */

/* The program's getaddrinfo comes before the system's, also for curl: "slow.test" takes until it is
 * let go. */
static volatile bool let_go;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    if (name && strcmp(name, "slow.test") == 0) {
        for (int i = 0; i < 2000 && !__atomic_load_n(&let_go, __ATOMIC_ACQUIRE); i++)
            usleep(5000);
        return EAI_AGAIN;
    }
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, ret);
}

CURL_TEST(a_name_that_does_not_exist_is_no_entry)
{
    struct page page;
    CURL *easy = handle(1, "/", &page);
    curl_easy_setopt(easy, CURLOPT_URL, "http://no-such-host.invalid/");
    CHECK_EQ(bough_curl_perform(c, easy), -ENOENT);
    CHECK_HAS(last_message(), "no-such-host.invalid");
    curl_easy_cleanup(easy);
    return 0;
}

CURL_TEST(a_cancel_does_not_wait_for_the_name_server)
{
    struct page page;
    CURL *easy = handle(1, "/", &page);
    int rc = 0;
    if (curl_version_info(CURLVERSION_NOW)->version_num < 0x075700)
        test_skip("this libcurl waits for its resolver");
    curl_easy_setopt(easy, CURLOPT_URL, "http://slow.test/");
    int64_t start = bough_now();
    bough_move_on_after (50 * BOUGH_MS, &rc)
        rc = bough_curl_perform(c, easy);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK(bough_now() - start < 5 * BOUGH_SEC);
    curl_easy_cleanup(easy);
    __atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
    CHECK_EQ(get(c, server, "/hello", &page), 0);
    return rc;
}

/* --- cancels --- */

static int fetch_twice(void *arg)
{
    struct server server = {0};
    struct bough_curl *c;
    struct page page;
    int rc = 0;
    (void)arg;
    bough_event_init(&server.asked);
    CHECK_EQ(bough_curl_open(&c), 0);
    rc = bough_tcp_listen("127.0.0.1", 0, &server.listener);
    if (rc == 0) {
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_service(n, serve, &server);
            if (rc == 0)
                rc = get(c, &server, "/hello", &page);
            if (rc == 0)
                rc = get(c, &server, "/missing", &page);
        }
        bough_listener_free(server.listener);
    }
    bough_curl_close(c);
    return rc;
}

TEST(a_transfer_may_be_cancelled_at_every_point)
{
    CHECK_CANCELS(fetch_twice, NULL, 1);
}

/* The HTTP server and libcurl, in one run.
 * SPDX-License-Identifier: MIT */
#include "client.h"

#include <curl/curl.h>

#include <bough/curl.h>

struct page {
    size_t size;
    char start[64];
};

static size_t keep(char *data, size_t one, size_t size, void *arg)
{
    struct page *page = arg;
    (void)one;
    for (size_t i = 0; i < size && page->size + i < sizeof(page->start) - 1; i++)
        page->start[page->size + i] = data[i];
    page->size += size;
    return size;
}

struct upload {
    size_t left;
};

static size_t give(char *data, size_t one, size_t size, void *arg)
{
    struct upload *upload = arg;
    size_t n = one * size < upload->left ? one * size : upload->left;
    memset(data, 'u', n);
    upload->left -= n;
    return n;
}

static CURL *handle(struct site *site, const char *path, struct page *page)
{
    char url[160];
    CURL *easy = curl_easy_init();
    *page = (struct page){0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", bough_listener_port(site->listener), path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, page);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return easy;
}

static long status_of(CURL *easy)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

HTTP_TEST(curl_gets_whole_and_chunked_pages)
{
    struct bough_curl *c;
    struct page page;
    CHECK_EQ(bough_curl_open(&c), 0);
    CURL *easy = handle(site, "/hello", &page);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_STR(page.start, "/hello");
    curl_easy_cleanup(easy);
    easy = handle(site, "/pieces", &page);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_STR(page.start, "piecepiecepiece");
    curl_easy_cleanup(easy);
    easy = handle(site, "/short", &page);
    CHECK_EQ(bough_curl_perform(c, easy), -EPIPE);
    curl_easy_cleanup(easy);
    bough_curl_close(c);
    return 0;
}

static void post(struct site *site, struct bough_curl *c, curl_off_t announced)
{
    struct page page;
    struct upload upload = {500000};
    struct curl_slist *headers = curl_slist_append(NULL, "Expect: 100-continue");
    CURL *easy = handle(site, "/echo", &page);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_READDATA, &upload);
    if (announced < 0)
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    else
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, announced);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_EQ(status_of(easy), 200);
    CHECK_EQ(page.size, 500000);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
}

HTTP_TEST(curl_posts_with_a_length_and_in_chunks)
{
    struct bough_curl *c;
    CHECK_EQ(bough_curl_open(&c), 0);
    post(site, c, 500000);
    post(site, c, -1);
    bough_curl_close(c);
    return 0;
}

HTTP_TEST(curl_is_told_that_its_body_is_too_large, .body_size = 1000)
{
    struct bough_curl *c;
    struct page page;
    struct upload upload = {500000};
    CHECK_EQ(bough_curl_open(&c), 0);
    CURL *easy = handle(site, "/echo", &page);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_READDATA, &upload);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)500000);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_EQ(status_of(easy), 413);
    curl_easy_cleanup(easy);
    bough_curl_close(c);
    return 0;
}

HTTP_TEST(curl_asks_with_head)
{
    struct bough_curl *c;
    struct page page;
    CHECK_EQ(bough_curl_open(&c), 0);
    CURL *easy = handle(site, "/hello", &page);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    CHECK_EQ(bough_curl_perform(c, easy), 0);
    CHECK_EQ(status_of(easy), 200);
    CHECK_EQ(page.size, 0);
    curl_off_t length = 0;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    CHECK_EQ(length, 6);
    curl_easy_cleanup(easy);
    bough_curl_close(c);
    return 0;
}

struct job {
    struct site *site;
    struct bough_curl *c;
};

static int get_many(void *arg)
{
    struct job *job = arg;
    struct page page;
    CURL *easy = handle(job->site, "/hello", &page);
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++)
        rc = bough_curl_perform(job->c, easy);
    curl_easy_cleanup(easy);
    CHECK(rc < 0 || page.size == 120);
    return rc;
}

HTTP_TEST(many_tasks_fetch_from_the_server_of_their_own_run)
{
    struct job job = {.site = site};
    int rc = 0;
    CHECK_EQ(bough_curl_open(&job.c), 0);
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 30 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, get_many, &job);
    bough_curl_close(job.c);
    CHECK_EQ(site->handled, 600);
    return rc;
}

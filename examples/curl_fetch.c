/* Fetch pages by libcurl, all at once, each within 10 seconds; say how long they are.
 *
 *     ./curl_fetch http://example.org/ https://example.com/ ...
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <bough.h>
#include <bough/curl.h>
#include <curl/curl.h>

struct page {
    struct bough_curl *curl;
    const char *url;
    size_t size;
    int rc;
};

static size_t count(char *data, size_t one, size_t size, void *arg)
{
    struct page *page = arg;
    (void)data;
    page->size += one * size;
    return one * size;
}

static int transfer(struct page *page, CURL *easy)
{
    int rc = 0;
    curl_easy_setopt(easy, CURLOPT_URL, page->url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, page);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    bough_fail_after (10 * BOUGH_SEC, &rc)
        rc = bough_curl_perform(page->curl, easy);
    return rc;
}

/* One page that fails is no reason to stop the others: it is told, and counted. */
static int fetch(void *arg)
{
    struct page *page = arg;
    CURL *easy = curl_easy_init();
    if (!easy)
        return -ENOMEM;
    page->rc = transfer(page, easy);
    curl_easy_cleanup(easy);
    if (page->rc == 0) {
        printf("%s: %zu bytes\n", page->url, page->size);
    } else if (page->rc != -ECANCELED) {
        fprintf(stderr, "%s: failed\n", page->url);
        bough_error_print(bough_error_last(), stderr);
    }
    return page->rc == -ECANCELED ? page->rc : 0;
}

static int fetch_all(void *arg)
{
    char **urls = arg;
    struct page pages[64];
    int count_of = 0, failed = 0;
    struct bough_curl *c;
    int rc = bough_curl_open(&c);
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        for (; urls[count_of] && count_of < 64 && rc == 0; count_of++) {
            pages[count_of] = (struct page){.curl = c, .url = urls[count_of]};
            rc = bough_nursery_start_soon(n, fetch, &pages[count_of]);
        }
    }
    bough_curl_close(c);
    for (int i = 0; i < count_of; i++)
        failed += pages[i].rc < 0;
    return rc < 0 ? rc : failed;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL ...\n", argv[0]);
        return 2;
    }
    int rc = bough_run(fetch_all, argv + 1);
    if (rc < 0)
        bough_error_print(bough_error_last(), stderr);
    return rc != 0;
}

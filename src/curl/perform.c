/* Transfers, many at once over one multi handle, and nobody extra to drive them.
 *
 * Of the tasks that are in bough_curl_perform() one leads: it waits for the sockets of all and lets
 * curl work. The others sleep until their transfer has ended, or until they have to lead:
 *
 *     follows --its transfer ends--> leaves
 *     follows --the leader leaves--> leads --its transfer ends, or a cancel--> leaves, and wakes
 * the next leader
 *
 * Why not a task of its own: it would need a nursery to live in, and would be there while nothing
 * is to be done. Invariant: 'leader' is set exactly as long as any task is waiting in perform.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bough/curl.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/wait.h"
#include "curl/code.h"
#include "curl/sockets.h"

struct bough_curl {
    CURLM *multi;
    struct bough__curl_sockets sockets;
    struct bough_list transfers; /* all */
    struct bough_list followers; /* waits of those that sleep */
    struct transfer *leader;
};

struct transfer {
    struct bough_list link;
    struct bough_wait wait;
    CURL *easy;
    bool done;
    CURLcode code;
    char text[CURL_ERROR_SIZE];
};

enum { ENDED, LEAD }; /* why a follower is woken */

/* --- transfers that have ended --- */

static void transfer_ended(struct bough_curl *c, const CURL *easy, CURLcode code)
{
    bough_list_foreach (node, &c->transfers) {
        struct transfer *t = bough_container_of(node, struct transfer, link);
        if (t->easy == easy) {
            t->done = true;
            t->code = code;
            if (t != c->leader)
                bough_wake(&t->wait, ENDED);
            return;
        }
    }
}

static void note_ended(struct bough_curl *c)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(c->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            transfer_ended(c, message->easy_handle, message->data.result);
}

/* --- leading and following --- */

static int lead(struct bough_curl *c, struct transfer *t)
{
    int rc = 0;
    while (rc == 0 && !t->done) {
        rc = bough__curl_sockets_serve(&c->sockets, c->multi);
        note_ended(c);
    }
    struct bough_list *next = bough_list_first(&c->followers);
    c->leader = next ? bough_container_of(next, struct transfer, wait.link) : NULL;
    if (next)
        bough_wake(&c->leader->wait, LEAD);
    return t->done ? 0 : rc;
}

static int wait_for_end(struct bough_curl *c, struct transfer *t)
{
    if (c->leader) {
        bough_list_push(&c->followers, &t->wait.link);
        int rc = bough_wait(&t->wait);
        if (rc != LEAD)
            return rc;
    }
    c->leader = t;
    return lead(c, t);
}

/* --- one transfer --- */

static int cannot_add(CURLMcode code)
{
    switch (code) {
    case CURLM_RECURSIVE_API_CALL:
        return bough_fail_text(-EBUSY, "bough_curl_perform() was called from a callback of curl");
    case CURLM_ADDED_ALREADY:
        return bough_fail_text(-EBUSY, "this handle is in a transfer already");
    case CURLM_OUT_OF_MEMORY:
        return bough_fail_text(-ENOMEM, "no memory for a transfer");
    default:
        return bough_fail(-EINVAL, "curl: %s", curl_multi_strerror(code));
    }
}

static void set_options(CURL *easy, char *text)
{
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, text);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Removing the handle must not wait for the resolver's thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

int bough_curl_perform(struct bough_curl *c, void *easy)
{
    struct transfer t = {.easy = easy,
                         .wait = {.abort = bough_wait_leave, .what = "a transfer by curl"}};
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    CURLMcode code = curl_multi_add_handle(c->multi, easy);
    if (code != CURLM_OK)
        return cannot_add(code);
    set_options(easy, t.text);
    bough_list_push(&c->transfers, &t.link);
    rc = wait_for_end(c, &t);
    bough_list_unlink(&t.link);
    curl_multi_remove_handle(c->multi, easy);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    if (rc == 0 && t.code != CURLE_OK)
        rc = bough__curl_fail(easy, t.code, t.text);
    return rc;
}

/* --- the beginning and the end --- */

static CURLcode initialised;

static void initialise(void)
{
    initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int bough_curl_open(struct bough_curl **ret_curl)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise);
    struct bough_curl *c = calloc(1, sizeof(*c));
    if (c && initialised == CURLE_OK)
        c->multi = curl_multi_init();
    if (!c || !c->multi) {
        free(c);
        return bough_fail_text(-ENOMEM, "no memory for curl");
    }
    bough_list_init(&c->transfers);
    bough_list_init(&c->followers);
    int rc = bough__curl_sockets_open(&c->sockets, c->multi);
    if (rc < 0) {
        curl_multi_cleanup(c->multi);
        free(c);
        return rc;
    }
    *ret_curl = c;
    return 0;
}

void bough_curl_close(struct bough_curl *c)
{
    if (!c)
        return;
    if (!bough_list_is_empty(&c->transfers))
        bough_panic("a struct bough_curl is closed while a task is in bough_curl_perform()");
    curl_multi_cleanup(c->multi); /* it still tells the sockets what it closes */
    bough__curl_sockets_close(&c->sockets);
    free(c);
}

void *bough_curl_multi(struct bough_curl *c)
{
    return c->multi;
}

/* libcurl from tasks; a library of its own, bough-curl.
 *
 *     #include <curl/curl.h>
 *     #include <bough/curl.h>
 *
 *     static int fetch(struct bough_curl *c, const char *url)
 *     {
 *         CURL *easy = curl_easy_init();
 *         int rc = easy ? 0 : -ENOMEM;
 *         if (rc == 0) {
 *             curl_easy_setopt(easy, CURLOPT_URL, url);
 *             curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep); // called as the bytes come
 *             rc = bough_curl_perform(c, easy);                    // the other tasks run meanwhile
 *         }
 *         curl_easy_cleanup(easy);
 *         return rc;
 *     }
 *
 *     static int downloads(void *arg)
 *     {
 *         struct bough_curl *c;
 *         int rc = bough_curl_open(&c);
 *         if (rc < 0)
 *             return rc;
 *         bough_fail_after (BOUGH_MINUTE, &rc) {
 *             bough_with_nursery (n, &rc) {
 *                 ... tasks that call fetch(c, ...): all at once, over shared connections ...
 *             }
 *         }
 *         bough_curl_close(c);
 *         return rc;
 *     }
 *
 * A struct bough_curl is a multi handle: its transfers share connections, the cache of names, and
 * TLS sessions. There is no thread and no task of its own: of the tasks that are in
 * bough_curl_perform() one waits for the sockets of all.
 *
 * Everything about a transfer is set on its easy handle, by curl's own options, and asked there
 * afterwards. Only these are the library's while it is performed: CURLOPT_ERRORBUFFER (it is NULL
 * afterwards; the text is in the error's detail), CURLOPT_QUICK_EXIT.
 *
 * The callbacks of a handle are called by whichever task waits, on its stack. They must not call
 * what may wait: they take the bytes, or return CURL_WRITEFUNC_PAUSE, and a task calls
 * curl_easy_pause() later.
 *
 * Names are resolved by curl, in a thread. A transfer that is cancelled meanwhile leaves that
 * thread behind, which ends by itself; libcurl before 7.87 cannot do that, and a cancel then blocks
 * the run until the name server has answered.
 *
 * All of it belongs to the thread of the run. curl's own clock is the system's, also under the test
 * kernel. Link with pkg-config's bough-curl.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_curl;

/* Make a multi handle. Does not block. 0, -ENOMEM, -EMFILE, -ENFILE. */
BOUGH_MUST_CHECK int bough_curl_open(struct bough_curl **ret_curl);

/* Close it with its connections. No task may be in it (panics). NULL is fine. Does not block. */
void bough_curl_close(struct bough_curl *c);

/* The multi handle itself, a CURLM, for curl_multi_setopt(): limits of connections, and such. Its
 * socket and timer functions are the library's. */
void *bough_curl_multi(struct bough_curl *c);

/* Run a transfer, a CURL made by curl_easy_init(), to its end. A checkpoint. The handle is out of
 * the multi handle when this returns, on every path, and may be used again.
 *
 * 0: curl is content; with an answer of 404 it is, unless CURLOPT_FAILONERROR is set. Otherwise the
 * detail has curl's number and text, and the result says of what kind it is:
 *
 *     -ENOENT        no such host
 *     -ETIMEDOUT     a time limit of curl (a limit of a scope is a cancel)
 *     -ECONNREFUSED, -ENETUNREACH, ...: cannot connect: the system's reason
 *     -EPIPE         the connection broke, or ended too early
 *     -EKEYREJECTED  the certificate of the peer is not good, or ours is not
 *     -EREMOTEIO     CURLOPT_FAILONERROR, and the answer was 400 or more
 *     -EINVAL        the URL or an option is wrong, or this curl does not know the protocol
 *     -ELOOP         too many redirects
 *     -EMSGSIZE      more than CURLOPT_MAXFILESIZE
 *     -EPROTO        the peer does not keep to the protocol
 *     -EIO           a callback gave up, and all else
 *     -EBUSY         the handle is in a transfer already; or a callback of curl has called this
 *     -ECANCELED     cancelled: what has come has been given to the callbacks; the connection is
 *                    closed
 *     -ENOMEM */
BOUGH_MUST_CHECK int bough_curl_perform(struct bough_curl *c, void *easy);

BOUGH_END_DECLS

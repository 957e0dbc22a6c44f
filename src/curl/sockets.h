/* What a multi handle waits for, inside bough-curl.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <curl/curl.h>

/* An epoll set with all sockets of a multi handle and a timer, so that one wait is enough for all
 * of them. */
struct bough__curl_sockets {
    int set, timer;
};

/* Make it, and have 'multi' tell it what to wait for. 0, -EMFILE, -ENFILE, -ENOMEM. */
int bough__curl_sockets_open(struct bough__curl_sockets *s, CURLM *multi);

/* To be called when the multi handle is gone. */
void bough__curl_sockets_close(struct bough__curl_sockets *s);

/* Wait until there is something to do, and let 'multi' do it. A checkpoint. */
int bough__curl_sockets_serve(struct bough__curl_sockets *s, CURLM *multi);

/* TLS streams, inside bough-tls.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <openssl/ssl.h>

#include "bough/stream.h"

/* Shake hands. 'ssl' is taken over, also on failure; 'transport' on success. */
int bough__tls_handshake(SSL *ssl, struct bough_stream *transport,
                         struct bough_stream **ret_stream);

/* The detail of what OpenSSL has just failed with, for 'code'. Empties its queue. */
int bough__tls_fail(int code, const char *what);

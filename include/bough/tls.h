/* TLS over any stream; a library of its own, bough-tls, on OpenSSL 3.
 *
 *     struct bough_tls *tls;
 *     struct bough_stream *s;
 *     int rc = bough_tls_open(&(struct bough_tls_options){0}, &tls); // trusts as the system does
 *     ...
 *     rc = bough_tcp_connect("example.org", 443, &s);
 *     if (rc == 0)
 *         rc = bough_tls_connect(tls, s, "example.org", &s);     // 's' is the encrypted stream now
 *     if (rc == 0)
 *         rc = bough_stream_send_all(s, ...);
 *     ...
 *     bough_stream_free(s);                                      // whichever it is by now
 *
 * A server, with bough_serve() (bough/net.h), which frees what is in c->stream at the end:
 *
 *     static int secret(struct bough_connection *c, void *tls)
 *     {
 *         int rc = bough_tls_accept(tls, c->stream, &c->stream);
 *         if (rc == 0)
 *             rc = bough_stream_send_all(c->stream, "the secret\n", 11);
 *         return rc == 0 ? bough_stream_close(c->stream) : rc;   // with a goodbye
 *     }
 *
 * What connect and accept give is a struct bough_stream (bough/stream.h) that owns the one below
 * it. One task may send while another receives. Certificates are verified by default, and the name
 * with them.
 *
 * Cancelling: a cancelled receive loses nothing. A cancelled send, send_eof or handshake leaves a
 * record half sent, so the stream is good for nothing but closing; later sends fail with -EPIPE.
 *
 * The end: a peer that says goodbye (close_notify) is an end, 0. One whose connection just ends is
 * -EPIPE, "truncated": somebody may have cut it. Link with pkg-config's bough-tls. All of it
 * belongs to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/stream.h"

BOUGH_BEGIN_DECLS

struct bough_tls_options {
    /* Who is trusted: a file of certificates (PEM). NULL: the system's. */
    const char *trust_file;
    /* Our own certificate with its chain, and its key (PEM). A server needs them; for a client they
     * are an identity. Without 'key_file' the key is in 'certificate_file', too. */
    const char *certificate_file, *key_file;
    /* Client: accept any certificate and any name. For tests. */
    bool insecure;
    /* Server: a client must have a certificate that 'trust_file' vouches for. */
    bool require_client_certificate;
    /* Application protocols in the order of preference, NULL at the end: {"h2", "http/1.1", NULL}.
     * NULL: none. */
    const char *const *alpn;
};

/* What many connections share: certificates, trust, settings. */
struct bough_tls;

/* 0; -ENOENT, -EACCES, -EMFILE: a file that cannot be read; -EINVAL: one that is not what it should
 * be; the detail says which; -ENOMEM. Reads files. NULL for 'options': none. */
BOUGH_MUST_CHECK int bough_tls_open(const struct bough_tls_options *options,
                                    struct bough_tls **ret_tls);

/* NULL is fine; connections that there are, and handshakes under way, keep what they need. */
void bough_tls_close(struct bough_tls *tls);

/* Shake hands as a client with the server 'host', whose name must be in its certificate (and is
 * told to it, SNI), or as a server. On success the transport is the new stream's, closed and freed
 * with it; on failure it is still yours, and good for nothing but closing. A checkpoint. 0;
 * -EKEYREJECTED: its certificate is not good, or there is none where it must be (the detail says
 * why); -EPROTO: it does not speak TLS, or not as we do, or does not like our certificate; -EPIPE:
 * it is gone; -EINVAL: 'host' can be no host's name, a server without a certificate; -ECANCELED;
 * -ENOMEM. */
BOUGH_MUST_CHECK int bough_tls_connect(struct bough_tls *tls, struct bough_stream *transport,
                                       const char *host, struct bough_stream **ret_stream);
BOUGH_MUST_CHECK int bough_tls_accept(struct bough_tls *tls, struct bough_stream *transport,
                                      struct bough_stream **ret_stream);

/* Of such a stream: the protocol that was agreed on, "" if none; "TLSv1.3"; the subject of the
 * peer's certificate, into 'text', as many of its parts as fit, "" if it has none. */
const char *bough_tls_alpn(const struct bough_stream *s);
const char *bough_tls_version(const struct bough_stream *s);
const char *bough_tls_peer(const struct bough_stream *s, char *text, size_t size);

BOUGH_END_DECLS

/* A TLS stream: OpenSSL between two buffers in memory, and a stream below.
 *
 * OpenSSL never sees a socket: what it wants to send is in the write buffer, which flush() carries
 * to the transport; what it wants to read is put into its read buffer by feed(). So no task is ever
 * switched inside a call of OpenSSL, whose error queue belongs to the thread, and any stream will
 * do.
 *
 * Both directions may have something to flush (a receive may have to answer a key update). Who
 * flushes holds 'flushing' and goes on until nothing is left, so who finds it held need not wait.
 * SPDX-License-Identifier: MIT */
#include "tls/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "bough/error.h"
#include "bough/tls.h"
#include "bough/wait.h"

enum { CHUNK = 16 * 1024 };

struct tls_stream {
    struct bough_stream stream;
    struct bough_stream *transport;
    SSL *ssl;
    BIO *in, *out; /* the ssl's */
    bool sending, receiving, flushing;
    bool ended;  /* we have said goodbye */
    bool broken; /* a flush failed half-way */
    int failed;  /* OpenSSL has given up; it would call that an end (0) the next time */
    bool closed;
    bool orphan; /* freed while a task was in it */
    char inbound[CHUNK], outbound[CHUNK];
};

static struct tls_stream *tls_of(const struct bough_stream *s)
{
    return bough_container_of((struct bough_stream *)(uintptr_t)s, struct tls_stream, stream);
}

int bough__tls_fail(int code, const char *what)
{
    char text[256] = "no reason given";
    unsigned long error = ERR_peek_last_error();
    if (error)
        ERR_error_string_n(error, text, sizeof(text));
    ERR_clear_error();
    return bough_fail(code, "%s: %s", what, text);
}

static int closed_here(void)
{
    return bough_fail_text(-EBADF, "the TLS stream is closed");
}

static int failed_before(const struct tls_stream *t)
{
    return bough_fail_text(t->failed, "an earlier failure has ended the TLS connection");
}

/* --- to and from the transport --- */

static int flush(struct tls_stream *t)
{
    int n, rc = 0;
    if (t->flushing)
        return 0;
    if (t->broken)
        return bough_fail_text(-EPIPE,
                               "an earlier send was cut short in the middle of a TLS record");
    t->flushing = true;
    while (rc == 0 && (n = BIO_read(t->out, t->outbound, CHUNK)) > 0)
        rc = bough_stream_send_all(t->transport, t->outbound, (size_t)n);
    t->flushing = false;
    t->broken |= rc < 0;
    return rc;
}

/* More bytes for OpenSSL. 0: the transport is at its end. */
static int feed(struct tls_stream *t)
{
    int n = bough_stream_receive_some(t->transport, t->inbound, CHUNK);
    if (n <= 0)
        return n;
    return BIO_write(t->in, t->inbound, n) == n ? n : bough_fail_text(-ENOMEM, "no memory for TLS");
}

/* OpenSSL has given up. The verdict on the certificate alone says nothing: an insecure client goes
 * on with a bad one. */
static int refused(struct tls_stream *t, const char *what)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (reason != SSL_R_CERTIFICATE_VERIFY_FAILED &&
        reason != SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return bough__tls_fail(-EPROTO, what);
    ERR_clear_error();
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return bough_fail_text(-EKEYREJECTED, "the peer has shown no certificate");
    return bough_fail(-EKEYREJECTED, "the certificate of the peer is not good: %s",
                      X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
}

/* What a call of OpenSSL that returned 'n' wants: 1: call again; 0: the peer said goodbye; < 0. */
static int serve(struct tls_stream *t, int n, const char *what)
{
    int want = SSL_get_error(t->ssl, n);
    if (want == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) {
        int rc = refused(t, what);
        t->failed = rc;
        int told = flush(t); /* the alert that tells the peer */
        return told == -ECANCELED ? told : rc;
    }
    int rc = flush(t);
    if (rc < 0 || want == SSL_ERROR_WANT_WRITE)
        return rc < 0 ? rc : 1;
    rc = feed(t);
    if (t->closed)
        return closed_here();
    if (rc == 0)
        return bough_fail_text(-EPIPE,
                               "truncated: the connection ended without a goodbye (close_notify)");
    return rc < 0 ? rc : 1;
}

/* --- the end of it --- */

static void tls_destroy(struct tls_stream *t)
{
    SSL_free(t->ssl);
    bough_stream_free(t->transport);
    free(t);
}

static void leave(struct tls_stream *t)
{
    if (t->orphan && !t->sending && !t->receiving)
        tls_destroy(t);
}

/* --- the stream --- */

static int send_rest(struct tls_stream *t, const char *data, size_t size)
{
    while (size) {
        if (t->closed)
            return closed_here();
        if (t->failed)
            return failed_before(t);
        size_t n = size < CHUNK ? size : CHUNK;
        ERR_clear_error();
        int written = SSL_write(t->ssl, data, (int)n);
        if (written <= 0) {
            int rc = serve(t, written, "TLS send");
            if (rc <= 0)
                return rc < 0 ? rc : bough_fail_text(-EPIPE, "the peer has closed the TLS stream");
            continue;
        }
        data += written;
        size -= (size_t)written;
        int rc = flush(t);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int tls_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct tls_stream *t = tls_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (t->closed || t->ended)
        return closed_here();
    if (t->sending)
        return bough_fail_text(-EBUSY, "another task is sending into this stream");
    if (t->broken)
        return flush(t);
    t->sending = true;
    rc = send_rest(t, data, size);
    if (rc < 0 && t->closed && rc != -ECANCELED)
        rc = closed_here();
    t->sending = false;
    leave(t);
    bough_passed();
    return rc;
}

static int receive(struct tls_stream *t, void *buffer, size_t size)
{
    for (;;) {
        if (t->failed)
            return failed_before(t);
        ERR_clear_error();
        int n = SSL_read(t->ssl, buffer, (int)size);
        if (n > 0)
            return n;
        int rc = serve(t, n, "TLS receive");
        if (rc <= 0)
            return rc;
    }
}

static int tls_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct tls_stream *t = tls_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (t->closed)
        return closed_here();
    if (t->receiving)
        return bough_fail_text(-EBUSY, "another task is receiving from this stream");
    t->receiving = true;
    rc = receive(t, ret_buffer, size);
    if (rc < 0 && t->closed && rc != -ECANCELED)
        rc = closed_here();
    t->receiving = false;
    leave(t);
    bough_passed();
    return rc;
}

/* Say goodbye, once. */
static int say_goodbye(struct tls_stream *t)
{
    t->ended = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    return flush(t);
}

static int tls_send_eof(struct bough_stream *s)
{
    struct tls_stream *t = tls_of(s);
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (t->closed)
        return closed_here();
    if (t->sending)
        return bough_fail_text(-EBUSY, "another task is sending into this stream");
    if (t->ended)
        return 0;
    if (t->failed)
        return failed_before(t);
    t->sending = true;
    rc = say_goodbye(t);
    t->sending = false;
    leave(t);
    return rc;
}

static int tls_close(struct bough_stream *s)
{
    struct tls_stream *t = tls_of(s);
    int rc = 0;
    if (t->closed)
        return bough_pass();
    if (!t->ended && !t->broken && !t->failed && !t->sending && SSL_is_init_finished(t->ssl))
        rc = say_goodbye(t);
    t->closed = true;
    int below = bough_stream_close(t->transport);
    /* A peer that is gone does not miss our goodbye. */
    return rc == -EPIPE ? below : bough_keep(rc, below);
}

static void tls_free(struct bough_stream *s)
{
    struct tls_stream *t = tls_of(s);
    t->closed = true;
    t->orphan = true;
    if (t->sending || t->receiving) {
        bough_stream_free(t->transport); /* wakes them */
        t->transport = NULL;
    }
    leave(t);
}

static const struct bough_stream_operations tls_operations = {
    .name = "TLS stream",
    .send_all = tls_send_all,
    .receive_some = tls_receive_some,
    .send_eof = tls_send_eof,
    .close = tls_close,
    .free = tls_free,
};

/* --- the beginning --- */

static int shake_hands(struct tls_stream *t)
{
    for (;;) {
        ERR_clear_error();
        int n = SSL_do_handshake(t->ssl);
        if (n == 1)
            return flush(t);
        int rc = serve(t, n, "TLS handshake");
        if (rc <= 0)
            return rc < 0 ? rc
                          : bough_fail_text(-EPIPE,
                                            "the peer closed in the middle of the TLS handshake");
    }
}

static struct tls_stream *tls_new(SSL *ssl, struct bough_stream *transport)
{
    struct tls_stream *t = calloc(1, sizeof(*t));
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!t || !in || !out) {
        free(t);
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    SSL_set_bio(ssl, in, out); /* the ssl's now */
    t->stream.operations = &tls_operations;
    t->transport = transport;
    t->ssl = ssl;
    t->in = in;
    t->out = out;
    return t;
}

int bough__tls_handshake(SSL *ssl, struct bough_stream *transport, struct bough_stream **ret_stream)
{
    struct tls_stream *t = tls_new(ssl, transport);
    if (!t) {
        SSL_free(ssl);
        return bough_fail_text(-ENOMEM, "no memory for a TLS stream");
    }
    int rc = shake_hands(t);
    if (rc < 0) {
        t->transport = NULL; /* the caller's */
        tls_destroy(t);
        return rc;
    }
    *ret_stream = &t->stream;
    return 0;
}

/* --- asking --- */

const char *bough_tls_alpn(const struct bough_stream *s)
{
    /* OpenSSL's is not terminated. */
    static __thread char name[256];
    const unsigned char *protocol;
    unsigned length;
    SSL_get0_alpn_selected(tls_of(s)->ssl, &protocol, &length);
    if (length)
        memcpy(name, protocol, length);
    name[length] = '\0';
    return name;
}

const char *bough_tls_version(const struct bough_stream *s)
{
    return SSL_get_version(tls_of(s)->ssl);
}

const char *bough_tls_peer(const struct bough_stream *s, char *text, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(tls_of(s)->ssl);
    *text = '\0';
    if (certificate)
        X509_NAME_oneline(X509_get_subject_name(certificate), text, (int)size);
    return text;
}

/* What TLS connections share.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "bough/error.h"
#include "bough/socket.h"
#include "bough/tls.h"
#include "tls/stream.h"

enum { ALPN_MOST = 256, HOST_MOST = 256 };

struct bough_tls {
    SSL_CTX *context;
    unsigned handshakes; /* that are under way, and look at what is here */
    bool closed;         /* and the last of them frees it */
    bool insecure, require_client_certificate;
    unsigned char alpn[ALPN_MOST]; /* each with its length before it */
    unsigned alpn_length;
};

/* The first error is the system's, if it could not be opened or read. */
static int file_failed(const char *what, const char *file)
{
    unsigned long first = ERR_peek_error();
    const char *reason = ERR_reason_error_string(first);
    ERR_clear_error();
    if (!ERR_SYSTEM_ERROR(first))
        return bough_fail(-EINVAL, "%s %s is no good PEM file: %s", what, file,
                          reason ? reason : "no reason given");
    int rc = -ERR_GET_REASON(first);
    return bough_fail(rc, "%s %s: %s", what, file, bough_error_name(rc));
}

static int load_trust(SSL_CTX *context, const char *file)
{
    ERR_clear_error();
    if (!file)
        return SSL_CTX_set_default_verify_paths(context) == 1
                   ? 0
                   : bough__tls_fail(-EINVAL, "the system's certificates");
    return SSL_CTX_load_verify_file(context, file) == 1 ? 0 : file_failed("the certificates", file);
}

static int load_identity(SSL_CTX *context, const char *certificate, const char *key)
{
    if (!certificate)
        return key ? bough_fail(-EINVAL, "the key %s has no certificate_file beside it", key) : 0;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return file_failed("the certificate", certificate);
    key = key ? key : certificate;
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return file_failed("the key", key);
    return SSL_CTX_check_private_key(context) == 1 ? 0 : bough__tls_fail(-EINVAL, key);
}

static int set_alpn(struct bough_tls *tls, const char *const *protocols)
{
    for (; protocols && *protocols; protocols++) {
        size_t length = strlen(*protocols);
        if (length == 0 || length > 255 || tls->alpn_length + length + 1 > ALPN_MOST)
            return bough_fail(-EINVAL, "\"%s\" cannot be an application protocol here", *protocols);
        tls->alpn[tls->alpn_length++] = (unsigned char)length;
        memcpy(tls->alpn + tls->alpn_length, *protocols, length);
        tls->alpn_length += (unsigned)length;
    }
    return 0;
}

/* The server's choice: the first of ours that the client has, or none. */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
                       const unsigned char *theirs, unsigned length, void *arg)
{
    const struct bough_tls *tls = arg;
    (void)ssl;
    int chosen = SSL_select_next_proto((unsigned char **)ret, ret_length, tls->alpn,
                                       tls->alpn_length, theirs, length);
    return chosen == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int tls_setup(struct bough_tls *tls, const struct bough_tls_options *options)
{
    SSL_CTX *context = tls->context;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls->insecure = options->insecure;
    tls->require_client_certificate = options->require_client_certificate;
    int rc = load_trust(context, options->trust_file);
    if (rc == 0)
        rc = load_identity(context, options->certificate_file, options->key_file);
    if (rc == 0)
        rc = set_alpn(tls, options->alpn);
    if (rc == 0 && tls->alpn_length)
        SSL_CTX_set_alpn_select_cb(context, choose_alpn, tls);
    return rc;
}

int bough_tls_open(const struct bough_tls_options *options, struct bough_tls **ret_tls)
{
    const struct bough_tls_options none = {0};
    struct bough_tls *tls = calloc(1, sizeof(*tls));
    if (tls)
        tls->context = SSL_CTX_new(TLS_method());
    if (!tls || !tls->context) {
        free(tls);
        return bough_fail_text(-ENOMEM, "no memory for TLS");
    }
    int rc = tls_setup(tls, options ? options : &none);
    if (rc < 0) {
        bough_tls_close(tls);
        return rc;
    }
    *ret_tls = tls;
    return 0;
}

void bough_tls_close(struct bough_tls *tls)
{
    if (!tls)
        return;
    tls->closed = true;
    if (tls->handshakes)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

/* --- connections --- */

static int shake_hands(struct bough_tls *tls, SSL *ssl, struct bough_stream *transport,
                       struct bough_stream **ret_stream)
{
    tls->handshakes++;
    int rc = bough__tls_handshake(ssl, transport, ret_stream);
    if (--tls->handshakes == 0 && tls->closed)
        bough_tls_close(tls);
    return rc;
}

static int no_connection(SSL *ssl, int rc)
{
    SSL_free(ssl);
    return rc;
}

/* Certificates have no dot at the end of a name, nor has SNI (RFC 6066, section 3). */
static bool copy_name(const char *host, char *ret_name, size_t size)
{
    size_t length = strlen(host);
    length -= length && host[length - 1] == '.';
    if (length >= size)
        return false;
    memcpy(ret_name, host, length);
    ret_name[length] = '\0';
    return true;
}

/* Tell the server which host we mean, and check that it is that one. */
static int set_host(SSL *ssl, const char *host)
{
    struct bough_address address;
    char name[HOST_MOST];
    if (!host || !copy_name(host, name, sizeof(name)))
        return -EINVAL;
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (bough_address_parse(host, 0, &address) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 ? 0 : -EINVAL;
    if (SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set1_host(ssl, name) != 1)
        return -EINVAL;
    return 0;
}

int bough_tls_connect(struct bough_tls *tls, struct bough_stream *transport, const char *host,
                      struct bough_stream **ret_stream)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl)
        return bough__tls_fail(-ENOMEM, "TLS");
    if (set_host(ssl, host) < 0)
        return no_connection(
            ssl, bough_fail(-EINVAL, "\"%s\" cannot be a host's name", host ? host : "(null)"));
    if (tls->alpn_length && SSL_set_alpn_protos(ssl, tls->alpn, tls->alpn_length) != 0)
        return no_connection(ssl, bough__tls_fail(-ENOMEM, "TLS"));
    SSL_set_verify(ssl, tls->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(ssl);
    return shake_hands(tls, ssl, transport, ret_stream);
}

int bough_tls_accept(struct bough_tls *tls, struct bough_stream *transport,
                     struct bough_stream **ret_stream)
{
    if (!SSL_CTX_get0_certificate(tls->context))
        return bough_fail_text(-EINVAL, "a TLS server needs certificate_file and key_file");
    SSL *ssl = SSL_new(tls->context);
    if (!ssl)
        return bough__tls_fail(-ENOMEM, "TLS");
    if (tls->require_client_certificate)
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_set_accept_state(ssl);
    return shake_hands(tls, ssl, transport, ret_stream);
}

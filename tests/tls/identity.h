/* Certificates for the tests, made on the spot. OpenSSL wants files, so they are files in memory:
 * they have paths while this process lives, for its children too, and nothing of them stays.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harness.h"

#include <bough/tls.h>

/* A certificate that vouches for itself, and its key: the paths of files. */
struct identity {
    char certificate[64], key[64];
    FILE *certificate_file, *key_file;
};

static inline FILE *file_in_memory(char *ret_path, size_t size)
{
    int fd = memfd_create("bough-test", MFD_CLOEXEC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    CHECK(f);
    snprintf(ret_path, size, "/proc/%d/fd/%d", (int)getpid(), fd);
    return f;
}

static inline void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* For the host 'name', from 'from' seconds to 'until' seconds from now. */
static inline void identity_make(struct identity *id, const char *name, long from, long until)
{
    char alternative[128];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    CHECK(key && certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    snprintf(alternative, sizeof(alternative), "DNS:%s,IP:127.0.0.1", name);
    add_extension(certificate, NID_subject_alt_name, alternative);
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);

    FILE *f = id->certificate_file = file_in_memory(id->certificate, sizeof(id->certificate));
    CHECK(PEM_write_X509(f, certificate) == 1 && fflush(f) == 0);
    f = id->key_file = file_in_memory(id->key, sizeof(id->key));
    CHECK(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(f) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void identity_remove(const struct identity *id)
{
    fclose(id->certificate_file);
    fclose(id->key_file);
}

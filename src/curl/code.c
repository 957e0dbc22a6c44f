/* Failures of curl, as results.
 * SPDX-License-Identifier: MIT */
#include "curl/code.h"

#include "bough/error.h"

static int system_error(CURL *easy, int otherwise)
{
    long number = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    return number > 0 ? -(int)number : otherwise;
}

/* Has a peer been sent a request? Then it was its answer that curl does not know ("HTTP/0.9"), and
 * not our URL. */
static bool was_asked(CURL *easy)
{
    long size = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &size);
    return size > 0;
}

static int result_of(CURL *easy, CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_REMOTE_FILE_NOT_FOUND:
        return -ENOENT;
    case CURLE_COULDNT_CONNECT:
        return system_error(easy, -ECONNREFUSED);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return -EPIPE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return -EKEYREJECTED;
    case CURLE_HTTP_RETURNED_ERROR:
        return -EREMOTEIO;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return was_asked(easy) ? -EPROTO : -EINVAL;
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return -EINVAL;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_FILESIZE_EXCEEDED:
        return -EMSGSIZE;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
        return -EPROTO;
    default:
        return -EIO;
    }
}

int bough__curl_fail(CURL *easy, CURLcode code, const char *text)
{
    return bough_fail(result_of(easy, code), "curl error %d: %s", (int)code,
                      *text ? text : curl_easy_strerror(code));
}

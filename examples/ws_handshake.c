/* The WebSocket handshake: an HTTP request that asks for an upgrade, and a key that only somebody
 * who knows the protocol answers right: base64(SHA-1(key + a fixed GUID)). Both are small enough to
 * have here; SHA-1 is no secret in this use.
 * SPDX-License-Identifier: MIT */
#include "ws.h"

#include <endian.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* --- SHA-1 (RFC 3174) of a message that fits two blocks, and base64 --- */

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void sha1_block(uint32_t h[5], const unsigned char *block)
{
    static const uint32_t k[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) {
        memcpy(&w[i], block + 4 * i, 4);
        w[i] = be32toh(w[i]);
    }
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20              ? (b & c) | (~b & d)
                     : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d)
                                         : b ^ c ^ d;
        uint32_t next = rotate(a, 5) + f + e + w[i] + k[i / 20];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

/* 'text' has at most 119 bytes. */
static void sha1(const char *text, unsigned char ret_digest[20])
{
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char blocks[128] = {0};
    size_t size = strlen(text), end = size < 56 ? 64 : 128;
    memcpy(blocks, text, size);
    blocks[size] = 0x80;
    blocks[end - 2] = (unsigned char)(size * 8 >> 8);
    blocks[end - 1] = (unsigned char)(size * 8);
    for (size_t at = 0; at < end; at += 64)
        sha1_block(h, blocks + at);
    for (int i = 0; i < 5; i++) {
        uint32_t word = htobe32(h[i]);
        memcpy(ret_digest + 4 * i, &word, 4);
    }
}

static void base64(const unsigned char *data, size_t size, char *ret_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16;
        three |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        three |= i + 2 < size ? (uint32_t)data[i + 2] : 0;
        *ret_text++ = digits[three >> 18];
        *ret_text++ = digits[three >> 12 & 63];
        *ret_text++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
        *ret_text++ = i + 2 < size ? digits[three & 63] : '=';
    }
    *ret_text = '\0';
}

enum { KEY = 24 + 1, ACCEPT = 28 + 1 }; /* base64 of 16 and of 20 bytes */

static void accept_of(const char key[static KEY], char ret_accept[static ACCEPT])
{
    char text[KEY + 36];
    unsigned char digest[20];
    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1(text, digest);
    base64(digest, sizeof(digest), ret_accept);
}

/* --- the two heads --- */

/* Receive up to the empty line. The head is a string in 'head' then. */
static int read_head(struct bough_stream *s, struct websocket_input *in, char *head, size_t size)
{
    in->at = in->size = 0;
    for (;;) {
        int n = bough_stream_receive_some(s, in->bytes + in->size, sizeof(in->bytes) - in->size);
        if (n <= 0)
            return n < 0 ? n : bough_fail(-EPIPE, "connection lost: closed in the handshake");
        in->size += (size_t)n;
        unsigned char *end = memmem(in->bytes, in->size, "\r\n\r\n", 4);
        if (end) {
            in->at = (size_t)(end - in->bytes) + 4;
            if (in->at >= size)
                break;
            memcpy(head, in->bytes, in->at);
            head[in->at] = '\0';
            return memchr(head, '\0', in->at) ? bough_fail(-EPROTO, "a NUL in the head") : 0;
        }
        if (in->size == sizeof(in->bytes))
            break;
    }
    return bough_fail(-EPROTO, "the head of the handshake is too long");
}

/* Copy the value of a header field; false if it is not there, or does not fit. */
static bool field(const char *head, const char *name, char *ret_value, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;
            value += strspn(value, " \t");
            size_t used = strcspn(value, "\r");
            while (used > 0 && (value[used - 1] == ' ' || value[used - 1] == '\t'))
                used--;
            if (used >= size)
                return false;
            memcpy(ret_value, value, used);
            ret_value[used] = '\0';
            return true;
        }
    }
    return false;
}

static bool asks_for_upgrade(const char *head)
{
    char value[64];
    return field(head, "Upgrade", value, sizeof(value)) && strcasecmp(value, "websocket") == 0 &&
           field(head, "Connection", value, sizeof(value)) && strcasestr(value, "upgrade");
}

int websocket_upgrade_client(struct bough_stream *s, const char *host, struct websocket_input *in)
{
    char head[1024], key[KEY], expected[ACCEPT], accept[ACCEPT];
    unsigned char nonce[16];
    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
        return bough_fail(-errno, "no random numbers");
    base64(nonce, sizeof(nonce), key);
    int size =
        snprintf(head, sizeof(head),
                 "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 host, key);
    int rc = bough_stream_send_all(s, head, (size_t)size);
    if (rc == 0)
        rc = read_head(s, in, head, sizeof(head));
    if (rc < 0)
        return rc;
    accept_of(key, expected);
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || !asks_for_upgrade(head) ||
        !field(head, "Sec-WebSocket-Accept", accept, sizeof(accept)) ||
        strcmp(accept, expected) != 0)
        return bough_fail(-EPROTO, "the server does not speak WebSocket");
    return 0;
}

int websocket_upgrade_server(struct bough_stream *s, struct websocket_input *in)
{
    static const char refusal[] = "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";
    char head[1024], key[KEY], version[4], accept[ACCEPT];
    int rc = read_head(s, in, head, sizeof(head));
    if (rc < 0)
        return rc;
    if (strncmp(head, "GET ", 4) != 0 || !asks_for_upgrade(head) ||
        !field(head, "Sec-WebSocket-Version", version, sizeof(version)) ||
        strcmp(version, "13") != 0 || !field(head, "Sec-WebSocket-Key", key, sizeof(key)) ||
        strlen(key) != KEY - 1) {
        rc = bough_stream_send_all(s, refusal, sizeof(refusal) - 1);
        return bough_keep(bough_fail(-EPROTO, "that is no WebSocket handshake"), rc);
    }
    accept_of(key, accept);
    int size = snprintf(head, sizeof(head),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    return bough_stream_send_all(s, head, (size_t)size);
}

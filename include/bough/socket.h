/* Sockets: the system's calls, as calls that a task may wait in and a cancel may end.
 *
 *     int fd = bough_socket_open(AF_INET, SOCK_DGRAM, 0);
 *     if (fd < 0)
 *         return fd;
 *     int n = bough_socket_receive_from(fd, buffer, sizeof(buffer), 0, &from);
 *     ...
 *     bough_socket_close(fd);
 *
 * For what streams and listeners (bough/net.h) are too high for. Descriptors are plain ints,
 * non-blocking, close-on-exec, and made here or brought in by bough_socket_adopt(); close them with
 * bough_socket_close() only.
 *
 * Every call that may wait is a checkpoint; -ECANCELED: nothing was sent, received or accepted. One
 * task a direction: -EBUSY. Closed while it waited: -EBADF. Other errors are the system's, negated;
 * EINTR is never seen.
 *
 * A number is all that these calls know of a socket. If it is closed when a task that waited for it
 * has been woken and not run yet, and the number is given to a new socket before it runs, the task
 * goes on with that one. So let the task that uses a socket close it, when it has left its call
 * (cancel its scope, and wait for it); streams, listeners and UDP sockets know themselves, and may
 * be closed by anybody.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/socket.h>

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

/* An address: of IPv4, IPv6, a Unix socket. Zero-initialised it is none. */
struct bough_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* From numbers: "127.0.0.1", "::1", "fe80::1%eth0". 0, -EINVAL: not an address (but a name,
 * perhaps: bough_resolve()). */
BOUGH_MUST_CHECK int bough_address_parse(const char *text, unsigned port,
                                         struct bough_address *ret_address);

/* "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@abstract" (each of its zero bytes is an '@', as
 * ss(8) and the kernel's tables show it), "unix:(no name)"; cut to fit. Returns 'text'. */
enum { BOUGH_ADDRESS_TEXT = 80 };
const char *bough_address_format(const struct bough_address *address, char *text, size_t size);

/* 0 for what has none. */
unsigned bough_address_port(const struct bough_address *address);

/* socket(2), non-blocking and close-on-exec. The descriptor, or < 0. Does not block. */
BOUGH_MUST_CHECK int bough_socket_open(int domain, int type, int protocol);

/* Take over a socket that was made elsewhere. On failure it is still yours. 0, -EBADF, -ENOMEM. */
BOUGH_MUST_CHECK int bough_socket_adopt(int fd);

/* Close it; who waits for it gets -EBADF. Negative: nothing. Does not block. */
void bough_socket_close(int fd);

/* Connect. 0; when it was cancelled the socket is good for nothing but closing. When the queue of a
 * Unix listener is full it tries again every few milliseconds, as connect(2) would wait. */
BOUGH_MUST_CHECK int bough_socket_connect(int fd, const struct bough_address *to);

/* The next connection: its descriptor. 'ret_from' may be NULL. */
BOUGH_MUST_CHECK int bough_socket_accept(int fd, struct bough_address *ret_from);

/* Receive and send what goes at once; the number of bytes. 'flags' as for recv(2) and send(2); a
 * broken connection raises no SIGPIPE. 'ret_from' may be NULL. */
BOUGH_MUST_CHECK int bough_socket_receive(int fd, void *ret_buffer, size_t size, int flags);
BOUGH_MUST_CHECK int bough_socket_receive_from(int fd, void *ret_buffer, size_t size, int flags,
                                               struct bough_address *ret_from);
BOUGH_MUST_CHECK int bough_socket_send(int fd, const void *data, size_t size, int flags);
BOUGH_MUST_CHECK int bough_socket_send_to(int fd, const void *data, size_t size, int flags,
                                          const struct bough_address *to);

BOUGH_END_DECLS

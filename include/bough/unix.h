/* Unix sockets: streams between the processes of one machine, which can also pass descriptors and
 * say who the peer is.
 *
 *     static int hand_over(struct bough_connection *c, void *arg) // a task for each, as with TCP
 *     {
 *         struct bough_unix_peer peer;
 *         int rc = bough_unix_peer_of(c->stream, &peer);
 *         if (rc == 0 && peer.uid != getuid())
 *             rc = bough_fail(-EPERM, "user %u may not have it", (unsigned)peer.uid);
 *         if (rc == 0)
 *             rc = bough_unix_send_fds(c->stream, "log", 3, &log_fd, 1); // it stays ours, too
 *         return rc;
 *     }
 *
 *     struct bough_listener *l;
 *     rc = bough_unix_listen("/run/demo.sock", &l);
 *     if (rc == 0)
 *         rc = bough_serve(l, hand_over, NULL);
 *     bough_listener_free(l);                                       // the file goes with it
 *
 *     struct bough_stream *s;                                       // the other side
 *     int log_fd;
 *     unsigned count;
 *     rc = bough_unix_connect("/run/demo.sock", &s);
 *     rc = bough_unix_receive_fds(s, text, sizeof(text), &log_fd, 1, &count);
 *
 * Names are paths of at most 107 bytes. One that begins with '@' is an abstract name, which has no
 * file and is gone with its socket ("./@x" is a file for all that). What is connected or accepted
 * is a struct bough_stream (bough/stream.h), and the listener is that of bough/net.h. File systems
 * are taken to be quick: their calls are made in the run's thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "bough/net.h"

BOUGH_BEGIN_DECLS

/* The address of a name, for bough/socket.h. 0; -EINVAL: no name; -ENAMETOOLONG. */
BOUGH_MUST_CHECK int bough_unix_address(const char *name, struct bough_address *ret_address);

/* Connect. A checkpoint. 0; -ENOENT: no such file; -ECONNREFUSED: nobody listens; -EACCES;
 * -ECANCELED: nothing is left open. When the listener's queue is full it tries again every few
 * milliseconds: the kernel does not say when there is room. */
BOUGH_MUST_CHECK int bough_unix_connect(const char *name, struct bough_stream **ret_stream);

/* Listen. A socket file that a dead process has left behind is replaced; one on which somebody
 * listens is not: -EADDRINUSE (he sees a connection that is closed at once), nor is any other kind
 * of file. Others who do this by this function at the same time are kept out by a lock on the
 * directory, so of two one wins. Who may connect is up to the umask and to the directory. The file
 * is removed when the listener is closed, if it is still the same. A checkpoint. 0, -EADDRINUSE,
 * -EACCES, -ENOENT, ...; -ECANCELED. */
BOUGH_MUST_CHECK int bough_unix_listen(const char *name, struct bough_listener **ret_listener);

/* Two streams, each the peer of the other. Does not block. 0, -EMFILE, -ENFILE, -ENOMEM. */
BOUGH_MUST_CHECK int bough_unix_pair(struct bough_stream **ret_a, struct bough_stream **ret_b);

/* --- who is there --- */

struct bough_unix_peer {
    pid_t pid; /* may be another process' by now */
    uid_t uid;
    gid_t gid;
};

/* Who called connect() or listen() at the other end, or made the pair. Does not block. 0; -EINVAL:
 * not a Unix socket; -EBADF: closed, or a stream that is over no descriptor. */
BOUGH_MUST_CHECK int bough_unix_peer_of(const struct bough_stream *s,
                                        struct bough_unix_peer *ret_peer);

/* --- descriptors --- */

enum { BOUGH_UNIX_FDS = 253 }; /* so many at once, at most */

/* Send bytes, and with the first of them copies of descriptors. A checkpoint. 0; -EINVAL: no byte,
 * more than BOUGH_UNIX_FDS, or not a Unix socket; -EBADF: one of them is not open, or the stream is
 * closed; -ETOOMANYREFS: too many are under way; and what bough_stream_send_all() says. Cancelled
 * after the first bytes: as there. */
BOUGH_MUST_CHECK int bough_unix_send_fds(struct bough_stream *s, const void *data, size_t size,
                                         const int *fds, unsigned count);

/* Receive bytes like bough_stream_receive_some(), and up to 'capacity' descriptors that came with
 * them: new ones, close-on-exec, yours. (One receive gives the descriptors of one send; bytes sent
 * before it may be in front.) The number of bytes; 0: the end. -EMSGSIZE: more descriptors came
 * than that; -EMFILE: they could not all be opened. In both cases those that were opened have been
 * closed, and the bytes that came with them are lost, so close the stream. A plain receive drops
 * descriptors. */
BOUGH_MUST_CHECK int bough_unix_receive_fds(struct bough_stream *s, void *ret_buffer, size_t size,
                                            int *ret_fds, unsigned capacity, unsigned *ret_count);

BOUGH_END_DECLS

/* DNS by c-ares from tasks, without threads; a library of its own, bough-ares.
 *
 *     #include <bough/ares.h>
 *
 *     static int program(void *arg)
 *     {
 *         struct bough_ares *dns;
 *         int rc = bough_ares_open(NULL, 0, &dns);
 *         if (rc < 0)
 *             return rc;
 *         rc = bough_resolver_set(bough_ares_resolver(dns));       // from now on, all of this run
 *         if (rc == 0)
 *             rc = crawl(arg);         // bough_tcp_connect("example.org", 80, &s), many times
 *         bough_ares_close(dns);       // names are getaddrinfo()'s again
 *         return rc;
 *     }
 *
 * What it is good for: getaddrinfo() needs a thread for each name that is being looked up, so there
 * are 40 at a time, and one that was cancelled still has its thread until the name server has
 * answered. Here all lookups share a channel of c-ares, which is a socket or two, and a cancel
 * returns at once and leaves nothing behind. And there are records of other types than addresses.
 * What getaddrinfo() has and this has not: the sources of nsswitch.conf other than files and dns.
 *
 * There is no thread and no task of its own: of the tasks that wait for an answer, one waits for
 * the sockets of all. The hosts file is read anew for each name, in the run's thread; that is all
 * that blocks.
 *
 * c-ares repeats a question that is not answered, and gives up after a while, as resolv.conf or its
 * options say; a time limit of your own is a scope around the call. Its own clock is the system's,
 * also under the test kernel.
 *
 * All of it belongs to the thread of the run. Link with pkg-config's bough-ares.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/net.h"

BOUGH_BEGIN_DECLS

struct ares_options;
struct bough_ares;

/* Make a channel. 'options' and 'mask' are those of ares_init_options(), for servers, time limits
 * and the like; NULL and 0: as the system is configured. The socket state callback is the library's
 * own. Reads resolv.conf, and does not wait otherwise. 0, -ENOMEM, -EMFILE, -ENFILE, -EINVAL (an
 * option), -EIO (resolv.conf cannot be read). */
BOUGH_MUST_CHECK int bough_ares_open(const struct ares_options *options, int mask,
                                     struct bough_ares **ret_ares);

/* Close it. No task may be waiting in it (panics). If it was the resolver of the run, the run has
 * none afterwards. NULL is fine. Does not block. */
void bough_ares_close(struct bough_ares *a);

/* It as a resolver (bough/net.h), to be set for the run, or to be asked by bough_resolve_by(). Its
 * own results besides those of bough_resolve(), with c-ares' words in the detail: -EINVAL: no name
 * can look like this; -EHOSTUNREACH: no name server answers, or those that do are out of order;
 * -EPROTO: the answer is broken; -EIO: all else. */
struct bough_resolver *bough_ares_resolver(struct bough_ares *a);

/* Ask for the records of 'name' (as it stands: no search domains) of a type as <arpa/nameser.h>
 * has them: ns_t_srv, ns_t_mx, ns_t_txt ... The size of the answer, which ares_parse_srv_reply()
 * and its kind take apart; it is yours to free(). A checkpoint. < 0: what bough_ares_resolver()
 * says (-EINVAL: 'type' is no number of 16 bits, too); -ENOENT: no such name, or none of this
 * type; -ECANCELED; -ENOMEM. */
BOUGH_MUST_CHECK int bough_ares_query(struct bough_ares *a, const char *name, int type,
                                      unsigned char **ret_answer);

/* The ares_channel itself, for what can be set later: ares_set_servers_ports_csv() and such. */
void *bough_ares_channel(struct bough_ares *a);

BOUGH_END_DECLS

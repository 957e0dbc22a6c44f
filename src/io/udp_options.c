/* UDP: broadcasts and multicasts.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"
#include "bough/error.h"
#include "io/udp.h"

static int set(struct bough_udp *u, int level, int option, const void *value, socklen_t size,
               const char *what)
{
    if (u->fd < 0)
        return bough_fail_text(-EBADF, "the UDP socket is closed");
    int rc = sys_call(ENOBUFS, setsockopt(u->fd, level, option, value, size));
    return rc < 0 ? bough_fail(rc, "%s: %s", what, bough_error_name(rc)) : 0;
}

/* An option that IPv4 and IPv6 have under different numbers. */
static int set_by_family(struct bough_udp *u, int option_v4, int option_v6, int value,
                         const char *what)
{
    bool v6 = u->family == AF_INET6;
    return set(u, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? option_v6 : option_v4, &value, sizeof(value),
               what);
}

int bough_udp_set_broadcast(struct bough_udp *u, bool on)
{
    int value = on;
    return set(u, SOL_SOCKET, SO_BROADCAST, &value, sizeof(value), "broadcast");
}

static int change_membership(struct bough_udp *u, int option, const struct bough_address *group,
                             unsigned interface)
{
    struct group_req request;
    memset(&request, 0, sizeof(request)); /* it has a hole */
    request.gr_interface = interface;
    request.gr_group = group->storage;
    return set(u, u->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, option, &request,
               sizeof(request), option == MCAST_JOIN_GROUP ? "join" : "leave");
}

int bough_udp_join(struct bough_udp *u, const struct bough_address *group, unsigned interface)
{
    return change_membership(u, MCAST_JOIN_GROUP, group, interface);
}

int bough_udp_leave(struct bough_udp *u, const struct bough_address *group, unsigned interface)
{
    return change_membership(u, MCAST_LEAVE_GROUP, group, interface);
}

int bough_udp_set_multicast_interface(struct bough_udp *u, unsigned interface)
{
    struct ip_mreqn request = {.imr_ifindex = (int)interface};
    int value = (int)interface;
    if (u->family == AF_INET6)
        return set(u, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof(value),
                   "multicast interface");
    return set(u, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request), "multicast interface");
}

int bough_udp_set_multicast_hops(struct bough_udp *u, unsigned hops)
{
    if (hops > 255)
        return bough_fail(-EINVAL, "%u hops; 255 is the most", hops);
    return set_by_family(u, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, (int)hops, "multicast hops");
}

int bough_udp_set_multicast_loop(struct bough_udp *u, bool on)
{
    return set_by_family(u, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on, "multicast loop");
}

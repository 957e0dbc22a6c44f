/* A listening socket on a port of the kernel's choice, for the servers in C.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static inline int listen_anywhere(void)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof(at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
        perror("listen");
        exit(1);
    }
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static inline void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

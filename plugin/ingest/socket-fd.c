/* SPDX-License-Identifier: Apache-2.0
 *
 * socket-fd: connections that belong to libzmq. */

#include <config.h>

#include "ingest/socket-fd.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

ino_t
socket_fd_inode(int fd)
{
    struct stat s;

    return fstat(fd, &s) ? 0 : s.st_ino;
}

bool
socket_fd_is_of(int fd, uint16_t port, const char *path)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } local = { .sa.sa_family = AF_UNSPEC };
    socklen_t len = sizeof local - 1;
    int listens;
    socklen_t listens_len = sizeof listens;

    if (getsockname(fd, &local.sa, &len)
        || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len)
        || listens) {
        return false;
    }
    switch (local.sa.sa_family) {
    case AF_INET:
        return port && ntohs(local.in.sin_port) == port;
    case AF_INET6:
        return port && ntohs(local.in6.sin6_port) == port;
    case AF_UNIX:
        return (path && len > offsetof(struct sockaddr_un, sun_path)
                && !strncmp(local.un.sun_path, path,
                            sizeof local.un.sun_path));
    default:
        return false;
    }
}

bool
socket_fd_cut(int fd, ino_t inode)
{
    int copy = dup(fd);
    bool ok = (copy >= 0 && inode && socket_fd_inode(copy) == inode
               && !shutdown(copy, SHUT_RDWR));

    if (copy >= 0) {
        close(copy);
    }
    return ok;
}

unsigned int
socket_fd_silence(int fd)
{
    struct tcp_info info = { .tcpi_last_data_recv = 0 };
    socklen_t len = sizeof info;
    int unread;

    return (ioctl(fd, SIOCINQ, &unread) || unread
            || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
            ? 0 : info.tcpi_last_data_recv);
}

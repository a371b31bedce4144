/* SPDX-License-Identifier: Apache-2.0
 *
 * socket-fd: connections that belong to libzmq. */

#include <config.h>

#include "ingest/socket-fd.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

ino_t
socket_fd_inode(int fd)
{
    struct stat s;

    return fstat(fd, &s) ? 0 : s.st_ino;
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

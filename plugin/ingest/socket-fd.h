/* SPDX-License-Identifier: Apache-2.0
 *
 * socket-fd: connections that belong to libzmq. */

#ifndef INGEST_SOCKET_FD_H
#define INGEST_SOCKET_FD_H 1

/* Connections of libzmq
 * =====================
 *
 * What?
 * -----
 *
 * libzmq says nothing about what goes on in a connection, and closes none that
 * it thinks well of.  The kernel does both, given the file descriptor.
 *
 * libzmq owns that, and its thread may close it at any time, whereupon it may
 * become somebody else's.  So a connection is known by the inode of its socket
 * as well, which no other socket has: to look at the wrong one does no harm,
 * and what is cut is a duplicate that has shown to be of the right one.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The inode of 'fd', or 0 if it is closed. */
ino_t socket_fd_inode(int fd);

/* True if 'fd' is a connection that came in at TCP port 'port', if that is not
 * 0, or at the local socket 'path', if that is not null. */
bool socket_fd_is_of(int fd, uint16_t port, const char *path);

/* Ends the connection 'fd', if it still is the one with this inode: libzmq
 * takes it for lost.  Returns true if it did. */
bool socket_fd_cut(int fd, ino_t);

/* For how many ms the other end of 'fd' has said nothing, not even to
 * acknowledge a heartbeat: 0 if something waits to be read, or if this is no
 * TCP connection. */
unsigned int socket_fd_silence(int fd);

#endif /* ingest/socket-fd.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-blast: UDP datagrams as fast as possible, for benchmarks.
 *
 *     alcortest blast send ADDRESS PORT MSEC
 *     alcortest blast receive PORT MSEC
 *
 * Each prints how many, once the time is over; "receive" prints "ready"
 * first, and its time begins with the first datagram. */

#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "alcortest.h"
#include "timeval.h"
#include "util.h"

#define BATCH 64
#define SIZE 64                 /* Bytes of a datagram. */

static struct mmsghdr *
make_batch(void)
{
    static struct mmsghdr batch[BATCH];
    static struct iovec iov[BATCH];
    static char buffers[BATCH][SIZE];

    for (int i = 0; i < BATCH; i++) {
        iov[i].iov_base = buffers[i];
        iov[i].iov_len = SIZE;
        batch[i].msg_hdr.msg_iov = &iov[i];
        batch[i].msg_hdr.msg_iovlen = 1;
    }
    return batch;
}

static int
open_udp(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int size = 4 * 1024 * 1024;

    if (fd < 0) {
        ovs_fatal(errno, "socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    return fd;
}

static void
blast_send(const char *address, uint16_t port, int msec)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port),
    };
    long long int deadline = time_msec() + msec;
    struct mmsghdr *batch = make_batch();
    unsigned long int n = 0;
    int fd = open_udp();

    if (inet_pton(AF_INET, address, &sin.sin_addr) != 1
        || connect(fd, (struct sockaddr *) &sin, sizeof sin)) {
        ovs_fatal(errno, "%s", address);
    }
    while (time_msec() < deadline) {
        int sent = sendmmsg(fd, batch, BATCH, 0);

        n += sent > 0 ? sent : 0;
    }
    printf("%lu\n", n);
}

static void
blast_receive(uint16_t port, int msec)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port),
    };
    struct timeval timeout = { .tv_sec = 10 };
    struct mmsghdr *batch = make_batch();
    long long int deadline;
    unsigned long int n = 0;
    int fd = open_udp();

    if (bind(fd, (struct sockaddr *) &sin, sizeof sin)) {
        ovs_fatal(errno, "bind");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    puts("ready");
    fflush(stdout);
    n = MAX(recvmmsg(fd, batch, 1, 0, NULL), 0);
    deadline = time_msec() + msec;
    timeout = (struct timeval) { .tv_usec = 10000 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    while (time_msec() < deadline) {
        int received = recvmmsg(fd, batch, BATCH, MSG_WAITFORONE, NULL);

        n += received > 0 ? received : 0;
    }
    printf("%lu\n", n);
}

static void
blast(int argc, char *argv[])
{
    if (argc == 5 && !strcmp(argv[1], "send")) {
        blast_send(argv[2], atoi(argv[3]), atoi(argv[4]));
    } else if (argc == 4 && !strcmp(argv[1], "receive")) {
        blast_receive(atoi(argv[2]), atoi(argv[3]));
    } else {
        ovs_fatal(0, "usage: blast send ADDRESS PORT MSEC | "
                  "receive PORT MSEC");
    }
}

ALCORTEST_REGISTER("blast", blast);

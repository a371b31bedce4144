/* SPDX-License-Identifier: Apache-2.0
 *
 * oam-xsk: takes OAM packets from an uplink's eBPF program. */

#define _GNU_SOURCE 1
#include <config.h>

#include "feedback/oam-xsk.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "util.h"

#define FRAME_SIZE 2048
#define MASK (OAM_XSK_FRAMES - 1)
BUILD_ASSERT_DECL(!(OAM_XSK_FRAMES & MASK));

/* A ring that is shared with the kernel. */
struct ring {
    void *map;                  /* Null: none. */
    size_t size;
    uint32_t *producer;
    uint32_t *consumer;
    void *desc;
};

struct queue {
    int fd;
    void *frames;               /* OAM_XSK_FRAMES of FRAME_SIZE bytes. */
    struct ring fill;           /* Offsets of frames that are free. */
    struct ring rx;             /* Frames that have come. */
};

struct oam_xsk {
    struct queue queues[OAM_XSK_MAX_QUEUES];
    size_t n;
    size_t next;                /* Whose turn it is to be first. */
    uint64_t received;
};

static int
map_ring(int fd, off_t which, const struct xdp_ring_offset *offsets,
         size_t entry_size, struct ring *ring)
{
    size_t size = offsets->desc + OAM_XSK_FRAMES * entry_size;
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, fd, which);

    if (map == MAP_FAILED) {
        return errno;
    }
    *ring = (struct ring) {
        .map = map, .size = size, .desc = map + offsets->desc,
        .producer = ALIGNED_CAST(uint32_t *, map + offsets->producer),
        .consumer = ALIGNED_CAST(uint32_t *, map + offsets->consumer),
    };
    return 0;
}

static void
unmap_ring(const struct ring *ring)
{
    if (ring->map) {
        munmap(ring->map, ring->size);
    }
}

static void
close_queue(struct queue *q)
{
    unmap_ring(&q->fill);
    unmap_ring(&q->rx);
    if (q->fd >= 0) {
        close(q->fd);
    }
    if (q->frames) {
        munmap(q->frames, OAM_XSK_FRAMES * FRAME_SIZE);
    }
}

static bool
set_option(int fd, int option, const void *value, socklen_t len)
{
    return !setsockopt(fd, SOL_XDP, option, value, len);
}

/* Gives the kernel memory and rings. */
static int
make_rings(struct queue *q)
{
    const struct xdp_umem_reg reg = {
        .addr = (uintptr_t) q->frames, .chunk_size = FRAME_SIZE,
        .len = OAM_XSK_FRAMES * FRAME_SIZE,
    };
    const int n = OAM_XSK_FRAMES;
    struct xdp_mmap_offsets offsets;
    socklen_t len = sizeof offsets;

    if (!set_option(q->fd, XDP_UMEM_REG, &reg, sizeof reg)
        || !set_option(q->fd, XDP_UMEM_FILL_RING, &n, sizeof n)
        || !set_option(q->fd, XDP_UMEM_COMPLETION_RING, &n, sizeof n)
        || !set_option(q->fd, XDP_RX_RING, &n, sizeof n)
        || getsockopt(q->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len)) {
        return errno;
    } else if (len != sizeof offsets) {
        return EOPNOTSUPP;
    }

    int error = map_ring(q->fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr,
                         sizeof(uint64_t), &q->fill);
    return (error ? error
            : map_ring(q->fd, XDP_PGOFF_RX_RING, &offsets.rx,
                       sizeof(struct xdp_desc), &q->rx));
}

static int
bind_queue(struct queue *q, uint32_t ifindex, uint32_t number)
{
    const struct sockaddr_xdp sxdp = {
        .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY,
        .sxdp_ifindex = ifindex, .sxdp_queue_id = number,
    };
    uint64_t *offsets = q->fill.desc;

    for (size_t i = 0; i < OAM_XSK_FRAMES; i++) {
        offsets[i] = i * FRAME_SIZE;
    }
    __atomic_store_n(q->fill.producer, OAM_XSK_FRAMES, __ATOMIC_RELEASE);
    return (bind(q->fd, (const struct sockaddr *) &sxdp, sizeof sxdp)
            ? errno : 0);
}

static int
open_queue(struct queue *q, uint32_t ifindex, uint32_t number)
{
    int error;

    *q = (struct queue) {
        .fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    };
    if (q->fd < 0) {
        return errno;
    }
    q->frames = mmap(NULL, OAM_XSK_FRAMES * FRAME_SIZE,
                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
    if (q->frames == MAP_FAILED) {
        q->frames = NULL;
        error = ENOMEM;
    } else {
        error = make_rings(q);
        error = error ? error : bind_queue(q, ifindex, number);
    }
    if (error) {
        close_queue(q);
    }
    return error;
}

int
oam_xsk_create(uint32_t ifindex, struct oam_xsk **xskp)
{
    struct oam_xsk *xsk = xzalloc(sizeof *xsk);
    int error = 0;

    while (xsk->n < OAM_XSK_MAX_QUEUES && !error) {
        error = open_queue(&xsk->queues[xsk->n], ifindex, xsk->n);
        xsk->n += !error;
    }
    *xskp = xsk->n ? xsk : NULL;
    if (!xsk->n) {
        free(xsk);
        return error;
    }
    return 0;
}

void
oam_xsk_destroy(struct oam_xsk *xsk)
{
    if (xsk) {
        for (size_t i = 0; i < xsk->n; i++) {
            close_queue(&xsk->queues[i]);
        }
        free(xsk);
    }
}

int
oam_xsk_fd(const struct oam_xsk *xsk, size_t queue)
{
    return queue < xsk->n ? xsk->queues[queue].fd : -1;
}

/* Receiving. */

static bool
parse_frame(const uint8_t *frame, size_t len, struct oam_packet *packet)
{
    const size_t headers = ETH_HEADER_LEN + IP_HEADER_LEN + UDP_HEADER_LEN;
    struct ip_header ip;
    struct udp_header udp;

    if (len < headers) {
        return false;
    }
    memcpy(&ip, frame + ETH_HEADER_LEN, sizeof ip);
    memcpy(&udp, frame + ETH_HEADER_LEN + IP_HEADER_LEN, sizeof udp);

    size_t udp_len = ntohs(udp.udp_len);
    if (ip.ip_ihl_ver != IP_IHL_VER(5, 4) || udp_len < UDP_HEADER_LEN
        || udp_len - UDP_HEADER_LEN > len - headers) {
        return false;
    }
    *packet = (struct oam_packet) {
        .source = get_16aligned_be32(&ip.ip_src),
        .port = ntohs(udp.udp_dst),
        .data = frame + headers, .len = udp_len - UDP_HEADER_LEN,
    };
    return true;
}

/* Takes at most 'max' packets, and returns how many it took. */
static size_t
receive(struct queue *q, size_t max,
        void (*cb)(const struct oam_packet *, void *aux), void *aux)
{
    const struct xdp_desc *descs = q->rx.desc;
    uint64_t *offsets = q->fill.desc;
    uint32_t end = __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE);
    uint32_t first = *q->rx.consumer;
    uint32_t free_at = *q->fill.producer;
    size_t n = MIN(end - first, max);

    for (size_t i = 0; i < n; i++) {
        const struct xdp_desc *desc = &descs[(first + i) & MASK];
        struct oam_packet packet;

        if (parse_frame((const uint8_t *) q->frames + desc->addr, desc->len,
                        &packet)) {
            cb(&packet, aux);
        }
        offsets[(free_at + i) & MASK] = desc->addr;
    }
    __atomic_store_n(q->rx.consumer, first + n, __ATOMIC_RELEASE);
    __atomic_store_n(q->fill.producer, free_at + n, __ATOMIC_RELEASE);
    return n;
}

void
oam_xsk_run(struct oam_xsk *xsk,
            void (*cb)(const struct oam_packet *, void *aux), void *aux)
{
    size_t left = OAM_SOCKET_BATCH;

    for (size_t i = 0; xsk && i < xsk->n; i++) {
        left -= receive(&xsk->queues[(xsk->next + i) % xsk->n], left, cb,
                        aux);
    }
    if (xsk) {
        xsk->received += OAM_SOCKET_BATCH - left;
        xsk->next++;
    }
}

void
oam_xsk_wait(const struct oam_xsk *xsk)
{
    for (size_t i = 0; xsk && i < xsk->n; i++) {
        poll_fd_wait(xsk->queues[i].fd, POLLIN);
    }
}

void
oam_xsk_get_stats(const struct oam_xsk *xsk, struct oam_xsk_stats *stats)
{
    *stats = (struct oam_xsk_stats) { .received = xsk->received };
    for (size_t i = 0; i < xsk->n; i++) {
        struct xdp_statistics kernel;
        socklen_t len = sizeof kernel;

        memset(&kernel, 0, sizeof kernel);
        if (!getsockopt(xsk->queues[i].fd, SOL_XDP, XDP_STATISTICS, &kernel,
                        &len)) {
            stats->lost += (kernel.rx_dropped + kernel.rx_ring_full
                            + kernel.rx_fill_ring_empty_descs);
        }
    }
}

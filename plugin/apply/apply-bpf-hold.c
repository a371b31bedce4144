/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-hold: what comes to a device while its port is exchanged. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bpf/hold.skel.h"
#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_hold);

/* Open vSwitch forwards nothing, or to ports that have gone, while it
 * exchanges ports, and while its caches do not follow yet: some tens of
 * milliseconds, for most of which the kernel has it wait when it closes a
 * device's socket.
 * Meanwhile a program of generic XDP on the devices, which comes before all
 * sockets and before tc, puts packets into a ring buffer.  Then they are sent
 * into the devices' pairs, through which all others go from then on.
 *
 * Nothing of this is written down: the program is on a device by a link that
 * nobody but this process has, so it goes when the process does, and packets
 * take the way that there is then.  If the buffer is full, they do so at
 * once. */

struct bpf_hold {
    struct fp_hold *skel;
    struct ring_buffer *ring;
    int socket_fd;
    int *link_fds;
    size_t n_links;
    size_t n_left;              /* So many are to be handed on now. */
    unsigned long long int n_held, n_lost;
};

/* ifindex of our end of the pair of the device with 'ifindex', 0 if it has
 * none. */
static uint32_t
find_pair(const struct apply_bpf *ab, uint32_t ifindex)
{
    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        if (ab->devices[port].ifindex == ifindex) {
            return ab->devices[port].interposed;
        }
    }
    return 0;
}

/* Sends a packet into the pair. */
static int
hand_on(void *ab_, void *data, size_t size OVS_UNUSED)
{
    const struct apply_bpf *ab = ab_;
    const struct fp_held *held = data;
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = find_pair(ab, held->ifindex),
        .sll_halen = ETH_ALEN,
    };

    ab->hold->n_held++;
    ab->hold->n_lost += (!to.sll_ifindex
                         || sendto(ab->hold->socket_fd, held->frame,
                                   held->length, 0,
                                   (const struct sockaddr *) &to,
                                   sizeof to) < 0);
    return --ab->hold->n_left ? 0 : -EAGAIN;
}

/* Returns true if that was all there was. */
static bool
hand_on_some(struct bpf_hold *hold, size_t n)
{
    hold->n_left = n;
    ring_buffer__consume(hold->ring);
    return hold->n_left > 0;
}

static void
destroy(struct bpf_hold *hold)
{
    for (size_t i = 0; i < hold->n_links; i++) {
        close(hold->link_fds[i]);
    }
    if (hold->socket_fd >= 0) {
        close(hold->socket_fd);
    }
    ring_buffer__free(hold->ring);
    fp_hold__destroy(hold->skel);
    free(hold->link_fds);
    free(hold);
}

/* Loads the program. */
static char *
prepare(struct apply_bpf *ab, struct bpf_hold *hold, const char *uplink)
{
    hold->skel = fp_hold__open();
    if (hold->skel) {
        hold->skel->rodata->fp_config = (struct fp_hold_config) {
            .uplink_ifindex = apply_bpf_ifindex(uplink),
            .local_ip = (OVS_FORCE uint32_t) ab->config.local_ip,
            .vxlan_port = (OVS_FORCE uint16_t) ab->config.vxlan_port,
        };
    }
    if (!hold->skel || fp_hold__load(hold->skel)) {
        return xasprintf("cannot load the program: %s", ovs_strerror(errno));
    }
    hold->ring = ring_buffer__new(bpf_map__fd(hold->skel->maps.fp_held),
                                  hand_on, ab, NULL);
    hold->socket_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    return (hold->ring && hold->socket_fd >= 0 ? NULL
            : xasprintf("cannot be handed on: %s", ovs_strerror(errno)));
}

/* Devices on which there is another XDP program are left alone: if it is ours,
 * it forwards meanwhile. */
static char *
attach(struct bpf_hold *hold, const char *device)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
    int prog_fd = bpf_program__fd(hold->skel->progs.alcor_hold_xdp);
    int fd = (FAULT_POINT_NOW(BPF_HOLD_BEFORE) ? -1
              : bpf_link_create(prog_fd, apply_bpf_ifindex(device), BPF_XDP,
                                &opts));

    if (fd >= 0) {
        hold->link_fds[hold->n_links++] = fd;
    }
    return (FAULT_POINT_NOW(BPF_HOLD_AFTER)
            ? xasprintf("%s: cannot attach", device) : NULL);
}

char *
apply_bpf_hold(struct apply_bpf *ab, const char *uplink,
               const struct sset *devices)
{
    struct bpf_hold *hold = xmalloc(sizeof *hold);
    const char *device;
    char *error;

    apply_bpf_release(ab);
    *hold = (struct bpf_hold) {
        .socket_fd = -1,
        .link_fds = xmalloc(sset_count(devices) * sizeof *hold->link_fds),
    };
    error = prepare(ab, hold, uplink);
    SSET_FOR_EACH (device, devices) {
        error = error ? error : attach(hold, device);
    }
    if (error) {
        char *text = xasprintf("while ports are exchanged, packets cannot "
                               "wait: %s", error);

        destroy(hold);
        free(error);
        return text;
    }
    ab->hold = hold;
    return NULL;
}

bool
apply_bpf_release_some(struct apply_bpf *ab, size_t n)
{
    return !ab->hold || hand_on_some(ab->hold, n);
}

void
apply_bpf_release(struct apply_bpf *ab)
{
    struct bpf_hold *hold = ab->hold;

    if (!hold) {
        return;
    }
    if (!FAULT_POINT_NOW(BPF_RELEASE_BEFORE)) {
        /* Once before, so that few come after those that do not wait. */
        hand_on_some(hold, SIZE_MAX);
        for (size_t i = 0; i < hold->n_links; i++) {
            bpf_link_detach(hold->link_fds[i]);
        }
        hand_on_some(hold, SIZE_MAX);
    }
    if (hold->n_held) {
        VLOG_INFO("while ports were exchanged, %llu packets have waited, of "
                  "which %llu are lost", hold->n_held, hold->n_lost);
    }
    destroy(hold);
    ab->hold = NULL;
}

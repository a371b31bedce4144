/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-peer: what the other end of a veth has to be like. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_peer);

/* The peer of a tenant's device is the tenant's, usually in a network
 * namespace of its own.  XDP demands two things of it:
 *
 *    - It must not leave checksums (or segmentation) to the device: XDP would
 *      send them as they are.  That is checked.
 *
 *    - For native XDP, it must have NAPI, or what is redirected to it is
 *      dropped.  It has that if GRO is on, so that is switched on, and
 *      off again when native XDP is left.
 *
 * Namespaces are looked for where "ip netns" and container runtimes keep them.
 * A socket that was made in a namespace goes on acting there. */

#define NETNS_DIR "/run/netns"

/* The number by which our namespace knows that of 'fd', negative if it does
 * not. */
static int
netns_id(int fd)
{
    static const struct nl_policy policy[] = {
        [NETNSA_NSID] = { .type = NL_A_U32, .optional = true },
    };
    struct nlattr *attrs[ARRAY_SIZE(policy)];
    struct ofpbuf request, *reply;
    int id = -1;

    ofpbuf_init(&request, 64);
    nl_msg_put_nlmsghdr(&request, sizeof(struct rtgenmsg), RTM_GETNSID,
                        NLM_F_REQUEST);
    ofpbuf_put_zeros(&request, NLMSG_ALIGN(sizeof(struct rtgenmsg)));
    nl_msg_put_u32(&request, NETNSA_FD, fd);
    if (!nl_transact(NETLINK_ROUTE, &request, &reply)) {
        if (nl_policy_parse(reply, (NLMSG_HDRLEN
                                    + NLMSG_ALIGN(sizeof(struct rtgenmsg))),
                            policy, attrs, ARRAY_SIZE(policy))
            && attrs[NETNSA_NSID]) {
            id = (int32_t) nl_attr_get_u32(attrs[NETNSA_NSID]);
        }
        ofpbuf_delete(reply);
    }
    ofpbuf_uninit(&request);
    return id;
}

/* Returns a file descriptor for the namespace with this number, negative if it
 * cannot be found. */
static int
open_netns(int id)
{
    DIR *dir = opendir(NETNS_DIR);
    struct dirent *entry;
    int found = -1;

    while (dir && found < 0 && (entry = readdir(dir))) {
        int fd = (entry->d_name[0] == '.' ? -1
                  : openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC));

        if (fd >= 0 && netns_id(fd) == id) {
            found = fd;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* Returns a socket in the namespace of 'netns' (negative: this one), negative
 * if there cannot be one. */
static int
open_socket(int netns)
{
    int type = SOCK_DGRAM | SOCK_CLOEXEC;
    int own, there, sock = -1;

    if (netns < 0) {
        return socket(AF_INET, type, 0);
    }
    own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    there = own < 0 ? -1 : open_netns(netns);
    if (there >= 0 && !setns(there, CLONE_NEWNET)) {
        sock = socket(AF_INET, type, 0);
        if (setns(own, CLONE_NEWNET)) {
            VLOG_FATAL("cannot return to the network namespace: %s",
                       ovs_strerror(errno));
        }
    }
    if (there >= 0) {
        close(there);
    }
    if (own >= 0) {
        close(own);
    }
    return sock;
}

/* ethtool.  Returns the value, negative if it cannot be had. */
static int
ethtool(int sock, const char *device, uint32_t command, uint32_t value)
{
    struct ethtool_value request = { .cmd = command, .data = value };
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, device, sizeof ifr.ifr_name);
    ifr.ifr_data = (void *) &request;
    return ioctl(sock, SIOCETHTOOL, &ifr) ? -1 : (int) request.data;
}

/* Returns the name of the device with 'ifindex', which the caller must free,
 * or null. */
static char *
get_name(int sock, uint32_t ifindex)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ifr.ifr_ifindex = ifindex;
    return ioctl(sock, SIOCGIFNAME, &ifr) ? NULL : xstrdup(ifr.ifr_name);
}

static char *
prepare(int sock, const char *device, const char *peer, bool native,
        bool *gro)
{
    if (ethtool(sock, peer, ETHTOOL_GTXCSUM, 0) > 0) {
        return xasprintf("%s: its peer %s leaves checksums to the device, "
                         "which XDP does not see: \"ethtool -K %s tx off\"",
                         device, peer, peer);
    }
    if (native && ethtool(sock, peer, ETHTOOL_GGRO, 0) == 0) {
        if (ethtool(sock, peer, ETHTOOL_SGRO, 1) < 0) {
            return xasprintf("%s: its peer %s has no NAPI: cannot switch GRO "
                             "on there: %s", device, peer,
                             ovs_strerror(errno));
        }
        *gro = true;
    }
    return NULL;
}

bool
apply_bpf_no_offloads(const char *device)
{
    int sock = open_socket(-1);
    bool ok = false;

    if (sock >= 0) {
        ethtool(sock, device, ETHTOOL_STSO, 0);
        ethtool(sock, device, ETHTOOL_SGSO, 0);
        ok = ethtool(sock, device, ETHTOOL_STXCSUM, 0) >= 0;
        close(sock);
    }
    return ok;
}

/* Opens a socket where the peer of 'device' is, and sets '*peer' to its name,
 * which the caller must free.  Returns a negative value if that cannot be;
 * then '*is_veth' says whether it has a peer at all. */
static int
open_peer(const char *device, char **peer, bool *is_veth)
{
    struct link_info info;
    int sock;

    *peer = NULL;
    *is_veth = (apply_bpf_get_link(apply_bpf_ifindex(device), &info)
                && info.is_veth && info.peer);
    sock = *is_veth ? open_socket(info.peer_netns) : -1;
    if (sock >= 0) {
        *peer = get_name(sock, info.peer);
    }
    return sock;
}

char *
apply_bpf_prepare_peer(const char *device, bool native, bool strict,
                       bool *gro)
{
    bool is_veth;
    char *error, *peer;
    int sock = open_peer(device, &peer, &is_veth);

    if (sock < 0) {
        return (strict && is_veth
                ? xasprintf("%s: cannot see whether its peer is fit for XDP: "
                            "it is in a network namespace that is not in %s",
                            device, NETNS_DIR)
                : NULL);
    }
    error = (peer ? prepare(sock, device, peer, native, gro)
             : xasprintf("%s: its peer has gone", device));
    free(peer);
    close(sock);
    return error;
}

void
apply_bpf_restore_peer(const char *device)
{
    bool is_veth;
    char *peer;
    int sock = open_peer(device, &peer, &is_veth);

    if (peer) {
        ethtool(sock, peer, ETHTOOL_SGRO, 0);
    }
    free(peer);
    if (sock >= 0) {
        close(sock);
    }
}

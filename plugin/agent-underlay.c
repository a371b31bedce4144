/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-underlay: the device that has the host's address. */

#include <config.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/device-buffer.h"
#include "apply/next-hop.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "store/volatile-store.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_underlay);

/* Tunnels carry what fits into a packet of the device that has
 * alcor-host-ip, less their headers: plugins find its MTU in the volatile
 * store.  It is looked up whenever something in the database changes, which
 * includes the MTU if the device is a bridge of Open vSwitch.
 *
 * Thread-safety: main thread only. */

static bool
has_address(const struct ifaddrs *ifa, const struct in6_addr *ip)
{
    struct in6_addr addr;

    if (!ifa->ifa_addr) {
        return false;
    } else if (ifa->ifa_addr->sa_family == AF_INET) {
        const struct sockaddr_in *sin
            = ALIGNED_CAST(const struct sockaddr_in *, ifa->ifa_addr);

        in6_addr_set_mapped_ipv4(&addr, sin->sin_addr.s_addr);
    } else if (ifa->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *sin6
            = ALIGNED_CAST(const struct sockaddr_in6 *, ifa->ifa_addr);

        addr = sin6->sin6_addr;
    } else {
        return false;
    }
    return ipv6_addr_equals(&addr, ip);
}

/* Returns the MTU of the device called 'name', or 0. */
static uint32_t
device_mtu(const char *name)
{
    struct ifreq ifr;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return 0;
    }
    memset(&ifr, 0, sizeof ifr);
    ovs_strzcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    uint32_t mtu = ioctl(fd, SIOCGIFMTU, &ifr) ? 0 : ifr.ifr_mtu;
    close(fd);
    return mtu;
}

void
agent_underlay_run(struct agent *agent)
{
    struct vol_underlay underlay;
    struct ifaddrs *list;

    memset(&underlay, 0, sizeof underlay);
    if (!agent->config.host_ip || getifaddrs(&list)) {
        return;
    }
    for (const struct ifaddrs *ifa = list; ifa && !underlay.mtu;
         ifa = ifa->ifa_next) {
        if (has_address(ifa, &agent->config.host_addr)) {
            underlay.mtu = device_mtu(ifa->ifa_name);
        }
    }
    freeifaddrs(list);
    if (vol_set(agent->vol, VOL_UNDERLAY, "", &underlay) && underlay.mtu) {
        VLOG_INFO("the device with %s has an MTU of %"PRIu32,
                  agent->config.host_ip, underlay.mtu);
    }
}

/* On the userspace datapath: if it is known how many packets from other hosts
 * can wait for ovs-vswitchd, appends that to 's', and returns true. */
bool
agent_underlay_describe_buffer(const struct agent *agent, struct ds *s)
{
    const char *type = apply_ovsdb_datapath_type(agent->ovsdb);
    const char *bridge = next_hop_device(agent->next_hop);
    struct device_buffer buffer;
    char *error = NULL;
    char *device;

    if (agent->options.dummy || strcmp(type, "netdev")) {
        return false;
    }
    device = (agent->config.uplink ? xstrdup(agent->config.uplink)
              : bridge ? apply_ovsdb_physical_device(agent->ovsdb, bridge,
                                                     &error)
              : NULL);
    bool known = device && device_buffer_get(device, &buffer);
    if (known) {
        ds_put_format(s, "%s: %"PRIu64" kB of packets can wait for "
                      "ovs-vswitchd, %"PRIu64" packets dropped",
                      device, buffer.size / 1024, buffer.drops);
        if (buffer.size < DEVICE_BUFFER_ADVISED) {
            ds_put_format(s, " (net.core.rmem_default should be %d)",
                          DEVICE_BUFFER_ADVISED);
        }
    }
    free(error);
    free(device);
    return known;
}

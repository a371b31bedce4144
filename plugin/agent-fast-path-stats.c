/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-stats: what the fast path forwards, in ports' statistics. */

#include <config.h>

#include "agent-fast-path.h"

#include <stdlib.h>
#include <string.h>
#include "agent-private.h"
#include "apply/port-stats.h"
#include "util.h"

/* The switch's counters of a port are those of its device, in which the kernel
 * counts what XDP takes and sends, too.  Not in them are
 *
 *    - what tc delivers to the other end of a veth pair (FP_DELIVER_PEER),
 *      which the programs count.  When they are removed, their counters go:
 *      struct agent_fast_path's 'delivered' remembers;
 *
 *    - all but what the programs leave to Open vSwitch, if another device is
 *      its port: then the device itself is asked. */

/* What was delivered to a port by programs that have been removed since. */
struct delivered {
    uint64_t packets, bytes;
    uint32_t ifindex;           /* To this device. */
};

static void
get_delivered(const struct agent_fast_path *fp,
              const struct fast_path_port *port, struct fp_counters *c)
{
    memset(c, 0, sizeof *c);
    if (fp->ab && port->number && port->to_peer) {
        apply_bpf_get_counters(fp->ab, port->number, c);
    }
}

/* The programs, or that of 'port' only, are about to be removed. */
void
agent_fast_path_keep_stats(struct agent_fast_path *fp, const char *id,
                           const struct fast_path_port *port)
{
    struct delivered *delivered = shash_find_data(&fp->delivered, id);
    struct fp_counters c;

    get_delivered(fp, port, &c);
    if (!c.delivered
        || (!delivered && shash_count(&fp->delivered) >= FP_MAX_PORTS)) {
        return;
    }
    if (!delivered) {
        delivered = xzalloc(sizeof *delivered);
        shash_add(&fp->delivered, id, delivered);
    }
    if (delivered->ifindex != port->ifindex) {
        *delivered = (struct delivered) { .ifindex = port->ifindex };
    }
    delivered->packets += c.delivered;
    delivered->bytes += c.delivered_bytes;
}

/* 'counters' are those of the switch's port, by which 'id' is bound. */
void
agent_fast_path_add_stats(const struct agent *agent, const char *id,
                          struct port_counters *counters)
{
    const struct agent_fast_path *fp = agent->fast_path;
    const struct fast_path_port *port = shash_find_data(&fp->ports, id);
    const struct delivered *delivered = shash_find_data(&fp->delivered, id);
    struct apply_bpf_device_stats stats;
    struct fp_counters c;

    if (port && port->exchanged
        && apply_bpf_get_device_stats(port->ifindex, &stats)) {
        counters->rx_packets = stats.rx_packets;
        counters->rx_bytes = stats.rx_bytes;
        counters->tx_packets = stats.tx_packets;
        counters->tx_bytes = stats.tx_bytes;
    }
    if (port) {
        get_delivered(fp, port, &c);
        counters->tx_packets += c.delivered;
        counters->tx_bytes += c.delivered_bytes;
    }
    if (delivered && (!port || port->ifindex == delivered->ifindex)) {
        counters->tx_packets += delivered->packets;
        counters->tx_bytes += delivered->bytes;
    }
}

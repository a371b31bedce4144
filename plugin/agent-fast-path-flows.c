/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-flows: what feedback/offload needs of the rest. */

#include <config.h>

#include "agent-fast-path.h"

#include <arpa/inet.h>
#include <string.h>
#include "agent-private.h"
#include "agent-zeta.h"
#include "apply/commit.h"
#include "apply/next-hop.h"
#include "feedback/direct-path.h"
#include "feedback/offload.h"
#include "packets.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/fast-path.h"
#include "translate/punt.h"
#include "util.h"

/* MTU of an underlay of which nobody knows it. */
#define DEFAULT_MTU 1500

/* Changes. */

static void
changes_begin(void *agent_)
{
    struct agent *agent = agent_;

    offload_changes_begin(agent->fast_path->offload);
}

static void
change(const struct ds_output *output, void *agent_)
{
    struct agent *agent = agent_;

    offload_change(agent->fast_path->offload, output);
}

static void
changes_end(void *agent_)
{
    struct agent *agent = agent_;

    offload_changes_end(agent->fast_path->offload);
}

/* Not before the entries that the changes concern have gone. */
static bool
changes_are_ready(void *agent_)
{
    const struct agent *agent = agent_;
    const struct agent_fast_path *fp = agent->fast_path;

    return !fp->ab || !apply_bpf_has_doomed(fp->ab);
}

static void
changes_confirmed(void *agent_)
{
    struct agent *agent = agent_;

    offload_changes_confirmed(agent->fast_path->offload);
}

static const struct commit_observer observer = {
    .begin = changes_begin,
    .change = change,
    .end = changes_end,
    .is_ready = changes_are_ready,
    .confirmed = changes_confirmed,
};

void
agent_fast_path_flows_init(struct agent *agent)
{
    commit_set_observer(agent->commit, &observer, agent);
}

/* Gateways.  What goes to one of their entrances, or comes from there, is soon
 * to take another way (feedback/offload.h). */

static bool
take_entrances(const struct goal_key *key, const char *id OVS_UNUSED,
               void *agent_)
{
    struct agent *agent = agent_;
    struct goal_resource *r = goal_store_get_key(agent->store, key);

    if (r) {
        const struct goal_gateway *gateway = GOAL_GATEWAY_CAST(r);

        for (size_t i = 0; i < gateway->n_destinations; i++) {
            char ip[INET6_ADDRSTRLEN];

            ipv6_string_mapped(ip, &gateway->destinations[i].ip);
            sset_add(&agent->fast_path->entrances, ip);
        }
        goal_resource_destroy(r);
    }
    return true;
}

static bool
is_entrance(struct agent *agent, ovs_be32 host)
{
    struct agent_fast_path *fp = agent->fast_path;
    char ip[INET_ADDRSTRLEN];

    if (fp->entrances_changed) {
        fp->entrances_changed = false;
        sset_clear(&fp->entrances);
        goal_store_for_each(agent->store, GOAL_GATEWAY, take_entrances,
                            agent);
    }
    inet_ntop(AF_INET, &host, ip, sizeof ip);
    return sset_contains(&fp->entrances, ip);
}

/* Sightings. */

static bool
lookup_mac(const struct agent *agent, ovs_be32 host, bool check,
           struct eth_addr *mac)
{
    struct in6_addr ip;

    in6_addr_set_mapped_ipv4(&ip, host);
    return next_hop_lookup(agent->next_hop, &ip, check, mac);
}

/* Direct paths. */

static void
make_path(const struct agent *agent, const struct fast_path_port *port,
          const struct direct_path_key *key, const struct direct_path_hop *hop,
          struct offload_path *path)
{
    struct in6_addr host;

    *path = (struct offload_path) {
        .ofport = port->ofport, .vni = key->vni, .dst = key->dst,
        .by_connection = key->by_connection != 0,
        .src = key->src, .sport = key->sport, .dport = key->dport,
        .proto = key->protocol,
        .host = hop->host_ip, .mac = hop->mac,
    };
    in6_addr_set_mapped_ipv4(&host, hop->host_ip);
    if (!lookup_mac(agent, hop->host_ip, false, &path->host_mac)
        && next_hop_is_on_link(agent->next_hop, &host)) {
        path->host_mac = hop->host_mac;
    }
}

void
agent_fast_path_told(struct agent *agent, const char *port_id,
                     const struct direct_path_key *key,
                     const struct direct_path_hop *hop)
{
    struct agent_fast_path *fp = agent->fast_path;
    const struct fast_path_port *port = shash_find_data(&fp->ports, port_id);
    struct offload_path path;

    if (fp->ab && port && port->number) {
        make_path(agent, port, key, hop, &path);
        offload_take_path(fp->offload, &path);
    }
}

void
agent_fast_path_untold(struct agent *agent, const char *port_id,
                       ovs_be32 dst)
{
    struct agent_fast_path *fp = agent->fast_path;
    const struct fast_path_port *port = shash_find_data(&fp->ports, port_id);

    /* Without the port, there are no entries either. */
    if (port) {
        offload_drop_path(fp->offload, port->ofport, dst);
    }
}

/* Sightings of packets into tunnels. */
static void
take_departure(struct agent *agent, const struct fast_path_sighting *s,
               const struct fast_path_port *port, struct offload_target *to)
{
    struct offload *offload = agent->fast_path->offload;
    bool to_gateway = is_entrance(agent, s->host);
    struct direct_path_key key;
    struct direct_path_hop hop;
    long long int told = 0;
    bool has_path;

    if (!to_gateway && !lookup_mac(agent, s->host, false, &to->host_mac)) {
        return;
    }
    has_path = agent_zeta_find_path(agent, s, &key, &hop, &told);
    if (has_path && s->direct
        && (s->host != hop.host_ip
            || !eth_addr_equals(s->new_dmac, hop.mac))) {
        return;                 /* It was seen before the path changed. */
    }
    if (has_path && (to_gateway || s->direct)
        && time_msec() - told < OFFLOAD_WAIT_MSEC) {
        struct offload_path path;

        make_path(agent, port, &key, &hop, &path);
        offload_sight_path(offload, s, to, &path, to_gateway);
    } else if (to_gateway) {
        offload_wait_for_path(offload, s, to);
    } else {
        offload_sight(offload, s, to);
    }
}

/* Returns true if 'event' was a sighting. */
bool
agent_fast_path_event(struct agent *agent, const struct packet_event *event)
{
    const struct fast_path_sighting *s = fast_path_sighting_from_event(event);
    const struct agent_fast_path *fp = agent->fast_path;
    const struct vol_underlay *underlay = vol_get(agent->vol, VOL_UNDERLAY,
                                                  "");
    const struct fast_path_port *port
        = s ? agent_fast_path_find(agent, s->ofport) : NULL;

    if (port) {
        uint32_t mtu = (underlay && underlay->mtu ? underlay->mtu
                        : DEFAULT_MTU);
        struct offload_target to = {
            .port = port->number,
            .ifindex = port->ifindex,
            .by_connection = port->by_connection,
            .to_peer = port->to_peer,
            .mtu = MIN(mtu, UINT16_MAX) - FP_VXLAN_OVERHEAD,
        };

        if (!s->arrival) {
            take_departure(agent, s, port, &to);
        } else if (!is_entrance(agent, s->host)) {
            offload_sight(fp->offload, s, &to);
        }
    }
    return s != NULL;
}

/* True of entries that go to where 'host' is no more. */
static bool
has_moved(ovs_be32 host, const struct eth_addr *mac, void *agent_)
{
    struct eth_addr now;

    return (!eth_addr_is_zero(*mac)
            && (!lookup_mac(agent_, host, true, &now)
                || !eth_addr_equals(now, *mac)));
}

static bool
tracks_connections(const struct agent_fast_path *fp)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        const struct fast_path_port *port = node->data;

        if (port->number && port->by_connection) {
            return true;
        }
    }
    return false;
}

void
agent_fast_path_flows_run(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    long long int now = time_msec();

    offload_run(fp->offload);
    if (fp->ab && now >= fp->check_time && offload_count(fp->offload)) {
        fp->check_time = now + FAST_PATH_CHECK_MSEC;
        offload_remove_if(fp->offload, has_moved, agent);
        fp->seqno++;
    }
    agent_fast_path_ct_run(agent, fp->ab && tracks_connections(fp));
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-zeta: gateways: what they say, and whether they are alive. */

#include <config.h>

#include "agent-zeta.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "agent-fast-path.h"
#include "apply/apply-ovsdb.h"
#include "apply/flow-stats.h"
#include "apply/next-hop.h"
#include "feedback/direct-path.h"
#include "feedback/liveness.h"
#include "feedback/oam-socket.h"
#include "feedback/oam-xsk.h"
#include "feedback/oam.h"
#include "feedback/packet-in.h"
#include "feedback/rejection.h"
#include "hash.h"
#include "limit.h"
#include "packets.h"
#include "store/dep-key.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/fast-path.h"
#include "translate/gateway-map.h"
#include "translate/plugin-registry.h"
#include "translate/plugin-provider.h"
#include "translate/translator.h"
#include "translate/zeta-gateway.h"
#include "util.h"

/* OAM packets that change something: so many a second, and at once.  What is
 * more is dropped and counted; the gateway says it again. */
#define OAM_BUDGET 2000
#define OAM_BURST 1000

/* Gateways of which counts are kept. */
#define MAX_COUNTS 1024
LIMIT_DEFINE(gateway_counters, MAX_COUNTS, LIMIT_FIXED, LIMIT_REFUSED)

/* Direct paths. */

static void
publish_path(const char *id, const struct vol_direct_path *record,
             void *agent_)
{
    struct agent *agent = agent_;

    if (record) {
        vol_set(agent->vol, VOL_DIRECT_PATH, id, record);
    } else {
        const struct vol_direct_path *old = vol_get(agent->vol,
                                                    VOL_DIRECT_PATH, id);

        if (old) {
            agent_fast_path_untold(agent, id + old->port_ofs, old->dst);
        }
        vol_remove(agent->vol, VOL_DIRECT_PATH, id);
    }
}

static void
take_packets(uint64_t number, uint64_t n_packets, uint32_t n_flows,
             void *agent_)
{
    struct agent *agent = agent_;

    direct_paths_take_packets(agent->zeta->paths, number, n_packets, n_flows,
                              time_msec());
}

static bool
ask_packets(uint64_t number, const char *id, void *agent_)
{
    struct agent *agent = agent_;

    return flow_stats_ask(agent->flow_stats, OFS_UNKNOWN,
                          translator_record_cookie(
                              zeta_gateway_plugin_class.number, id),
                          number, take_packets, agent);
}

static bool
can_renew(uint32_t gateway, void *agent_)
{
    const struct agent_zeta *zeta = ((struct agent *) agent_)->zeta;
    const struct gm_gateway *g = gateway_map_find(zeta->map, gateway);

    for (size_t i = 0; g && i < g->n_entrances; i++) {
        struct liveness_entry entry;

        if (liveness_get(zeta->liveness, g->entrances[i].ip, &entry)
            && entry.state == VOL_ENTRANCE_ALIVE) {
            return true;
        }
    }
    return false;
}

static const struct direct_path_class path_class = {
    .publish = publish_path,
    .ask = ask_packets,
    .can_renew = can_renew,
};

static void
reject_paths(ovs_be32 host, void *agent_)
{
    struct agent *agent = agent_;

    direct_paths_reject(agent->zeta->paths, host);
}

/* Direct paths that have come to their end: the port has left, its rules do
 * not allow the flow any more, the gateway does not serve the destination.
 * They have no flows then, and the gateway is to tell anew if there is to be
 * one again. */

static struct direct_path_key
key_of_record(const struct vol_direct_path *record, const char *id)
{
    struct direct_path_key key;

    memset(&key, 0, sizeof key);
    key.port = dep_key_string(GOAL_PORT, id + record->port_ofs);
    key.vni = record->vni;
    key.dst = record->dst;
    key.src = record->src;
    key.sport = record->src_port;
    key.dport = record->dst_port;
    key.protocol = record->protocol;
    key.by_connection = record->by_connection;
    return key;
}

static void
end_path(const char *id, void *agent_)
{
    struct agent *agent = agent_;
    const struct vol_direct_path *record = vol_get(agent->vol,
                                                   VOL_DIRECT_PATH, id);

    if (record) {
        const struct direct_path_key key = key_of_record(record, id);

        agent->zeta->n_ended += direct_paths_remove(agent->zeta->paths, &key);
    }
}

/* What has no flows because it is being renewed is seen by the map. */
static bool
is_useful(const struct direct_path_key *key, void *zeta_)
{
    const struct agent_zeta *zeta = zeta_;
    const struct gm_port *port = gateway_map_find_port(zeta->map, key->port);
    const struct egress_flow flow = {
        key->dst, key->sport, key->dport, key->protocol,
    };

    return (port && port->by_connection == (key->by_connection != 0)
            && gateway_map_has_vni(zeta->map, key->vni)
            && gateway_map_allows(zeta->map, port, &flow));
}

void
agent_zeta_end_paths(struct agent *agent)
{
    translator_barren_records(agent->translator, VOL_DIRECT_PATH, end_path,
                              agent);
}

/* In-band operation. */

static struct direct_path_key
make_key(const struct oam_message *m, const struct gm_port *port)
{
    struct direct_path_key key;

    memset(&key, 0, sizeof key);
    key.port = port->hash;
    key.vni = m->vni;
    key.dst = m->dst;
    if (port->by_connection) {
        key.by_connection = 1;
        key.src = m->src;
        key.sport = m->sport;
        key.dport = m->dport;
        key.protocol = m->protocol;
    }
    return key;
}

bool
agent_zeta_find_path(const struct agent *agent,
                     const struct fast_path_sighting *s,
                     struct direct_path_key *key, struct direct_path_hop *hop,
                     long long int *told)
{
    const struct agent_zeta *zeta = agent->zeta;
    const struct gm_port *port = (zeta->map
                                  ? gateway_map_port(zeta->map, s->vni, s->src)
                                  : NULL);
    const struct oam_message m = {
        .vni = s->vni, .src = s->src, .dst = s->dst, .sport = s->sport,
        .dport = s->dport, .protocol = s->proto,
    };

    if (!port) {
        return false;
    }
    *key = make_key(&m, port);
    return direct_paths_find(zeta->paths, key, hop, told);
}

/* Takes the path over, if it is news and allowed. */
static enum oam_verdict
inject(struct agent *agent, const struct oam_message *m,
       const struct gm_port *port, const struct gm_gateway *gateway)
{
    struct agent_zeta *zeta = agent->zeta;
    const struct direct_path_key key = make_key(m, port);
    const struct direct_path_hop hop = {
        .host_ip = m->host_ip, .host_mac = m->host_mac,
        .mac = m->instance_mac, .gateway = gateway->hash,
    };
    const struct egress_flow flow = {
        m->dst, m->sport, m->dport, m->protocol,
    };
    enum direct_path_news news = direct_paths_compare(zeta->paths, &key,
                                                      &hop);

    enum oam_verdict refusal;

    if (news == DIRECT_PATH_SAME) {
        return OAM_DUPLICATE;
    }
    refusal = (!token_bucket_withdraw(&zeta->budget, 1) ? OAM_OVER_BUDGET
               : !gateway_map_allows(zeta->map, port, &flow) ? OAM_FORBIDDEN
               : OAM_NEW);
    if (refusal != OAM_NEW) {
        if (news == DIRECT_PATH_MOVED) {
            /* Nor is the old one right. */
            direct_paths_remove(zeta->paths, &key);
        }
        return refusal;
    }
    direct_paths_set(zeta->paths, &key, port->id, &hop, m->idle_secs,
                     time_msec());
    agent_fast_path_told(agent, port->id, &key, &hop);
    return (news == DIRECT_PATH_NEW ? OAM_NEW
            : news == DIRECT_PATH_MOVED ? OAM_MOVED : OAM_RENEWED);
}

/* Judges the packet, and acts on it.  Stores in '*gatewayp' the gateway that
 * it concerns, if that is known. */
static enum oam_verdict
judge(struct agent *agent, const struct oam_packet *packet,
      const struct gm_gateway **gatewayp)
{
    struct agent_zeta *zeta = agent->zeta;
    const struct gm_gateway *gateway;
    const struct gm_port *port;
    struct oam_message m;
    enum oam_verdict verdict = oam_parse(packet->data, packet->len, &m);

    if (verdict != OAM_NEW) {
        return verdict;
    }
    gateway = gateway_map_serving(zeta->map, m.vni, m.dst);
    if (!gateway) {
        return OAM_UNKNOWN_VNI;
    }
    *gatewayp = gateway;
    if (!gm_gateway_has_entrance(gateway, packet->source)
        || packet->port != gateway->oam_port) {
        return OAM_BAD_SOURCE;
    }
    port = gateway_map_port(zeta->map, m.vni, m.src);
    if (!port) {
        return OAM_NOT_LOCAL;
    }
    struct direct_path_key key = make_key(&m, port);
    if (m.op == OAM_DELETE) {
        return (direct_paths_remove(zeta->paths, &key) ? OAM_DELETED
                : OAM_ABSENT);
    } else if (m.host_ip == in6_addr_get_mapped_ipv4(
                                &agent->config.host_addr)) {
        direct_paths_remove(zeta->paths, &key);
        return OAM_OWN_HOST;
    }
    return inject(agent, &m, port, gateway);
}

static struct gateway_counts *
find_counts(struct agent_zeta *zeta, const char *id)
{
    struct gateway_counts *counts = shash_find_data(&zeta->counts, id);

    if (!counts && !limit_reached(&limit_gateway_counters,
                                  shash_count(&zeta->counts))) {
        counts = xzalloc(sizeof *counts);
        shash_add(&zeta->counts, id, counts);
    }
    return counts;
}

/* True if the packet may concern a network, a gateway or a port that the map
 * does not have yet; then it is judged later.  (A gateway as deployed tells
 * once per packet that it forwards, and a flow may have no other for long.) */
static bool
hold(struct agent_zeta *zeta, const struct oam_packet *packet,
     enum oam_verdict verdict)
{
    if (!gateway_map_is_stale(zeta->map) || zeta->n_held >= OAM_MAX_HELD
        || (verdict != OAM_UNKNOWN_VNI && verdict != OAM_BAD_SOURCE
            && verdict != OAM_NOT_LOCAL)) {
        return false;
    }

    struct held_oam *held = &zeta->held[zeta->n_held++];
    held->source = packet->source;
    held->port = packet->port;
    held->len = packet->len;
    memcpy(held->data, packet->data, MIN(packet->len, sizeof held->data));
    return true;
}

static void
take_oam(const struct oam_packet *packet, void *agent_)
{
    struct agent *agent = agent_;
    struct agent_zeta *zeta = agent->zeta;
    const struct gm_gateway *gateway = NULL;
    enum oam_verdict verdict = judge(agent, packet, &gateway);
    struct gateway_counts *counts;

    if (hold(zeta, packet, verdict)) {
        return;
    }
    counts = gateway ? find_counts(zeta, gateway->id) : NULL;
    zeta->all.verdicts[verdict]++;
    if (counts) {
        counts->verdicts[verdict]++;
    }
}

/* The map is new. */
static void
take_held(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;
    size_t n = zeta->n_held;

    zeta->n_held = 0;
    for (size_t i = 0; i < n; i++) {
        const struct held_oam *held = &zeta->held[i];
        const struct oam_packet packet = {
            .source = held->source, .port = held->port,
            .data = held->data, .len = held->len,
        };

        take_oam(&packet, agent);
    }
}

/* Liveness. */

static bool
get_endpoint(ovs_be32 entrance, size_t i, uint32_t *vni, ovs_be32 *endpoint,
             void *agent_)
{
    struct agent *agent = agent_;

    return gateway_map_endpoint(agent->zeta->map, entrance, i, vni, endpoint);
}

static void
ask_entrance(ovs_be32 entrance, uint16_t number, uint32_t vni,
             ovs_be32 endpoint, void *agent_)
{
    struct agent *agent = agent_;
    const struct zeta_probe probe = {
        .mac = zeta_probe_mac(&agent->config.host_addr), .vni = vni,
        .entrance = entrance, .target = endpoint, .number = number,
    };

    packet_in_send(agent->packet_in, zeta_probe_compose(&probe));
}

static void
publish_entrance(ovs_be32 entrance, enum vol_entrance_state state,
                 void *agent_)
{
    struct agent *agent = agent_;
    char *id = xasprintf(IP_FMT, IP_ARGS(entrance));
    struct vol_entrance record;

    memset(&record, 0, sizeof record);
    record.state = state;
    if (state == VOL_ENTRANCE_UNKNOWN) {
        vol_remove(agent->vol, VOL_ENTRANCE, id);
    } else {
        vol_set(agent->vol, VOL_ENTRANCE, id, &record);
    }
    free(id);
}

static void
check_next_hop(ovs_be32 entrance, void *agent_)
{
    struct agent *agent = agent_;
    struct in6_addr ip;

    in6_addr_set_mapped_ipv4(&ip, entrance);
    next_hop_check(agent->next_hop, &ip);
}

static const struct liveness_class liveness_class = {
    .endpoint = get_endpoint,
    .ask = ask_entrance,
    .publish = publish_entrance,
    .missed = check_next_hop,
};

void
agent_zeta_event(struct agent *agent, const struct packet_event *event)
{
    struct zeta_sign sign;

    if (zeta_sign_from_event(event, &sign)) {
        liveness_sign(agent->zeta->liveness, sign.entrance, sign.number,
                      time_msec());
    }
}

/* Agent. */

/* Something that the map is made of has changed. */
void
agent_zeta_changed(struct agent *agent)
{
    if (agent->zeta->map) {
        gateway_map_invalidate(agent->zeta->map);
    }
}

/* True if what gateways say is judged by what is known. */
bool
agent_zeta_is_settled(const struct agent *agent)
{
    return !agent->zeta->map || !gateway_map_is_stale(agent->zeta->map);
}

/* Has those listen and ask whom the new map concerns. */
static void
follow_map(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;
    uint16_t ports[OAM_MAX_SOCKETS];
    size_t n_ports = 0, n_ips = 0, n;
    const struct gm_gateway *gateways = gateway_map_gateways(zeta->map, &n);
    ovs_be32 *ips = xmalloc((LIVENESS_MAX + 1) * sizeof *ips);

    for (size_t i = 0; i < n; i++) {
        const struct gm_gateway *g = &gateways[i];
        size_t j;

        for (j = 0; j < n_ports && ports[j] != g->oam_port; j++) {
            continue;
        }
        if (j == n_ports && n_ports < OAM_MAX_SOCKETS) {
            ports[n_ports++] = g->oam_port;
        }
        for (j = 0; j < g->n_entrances && n_ips < LIVENESS_MAX; j++) {
            ips[n_ips++] = g->entrances[j].ip;
        }
    }
    oam_sockets_set(zeta->sockets, &agent->config.host_addr, ports, n_ports);
    liveness_set(zeta->liveness, ips, n_ips);
    rejections_set(zeta->rejections,
                   n ? &agent->config.host_addr : &in6addr_any);
    free(ips);
}

/* Has those who listen do so where other hosts are heard, and tenants are
 * not. */
static void
follow_device(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;
    int ifindex = 0;

    if (!agent->options.dummy
        && !strcmp(apply_ovsdb_datapath_type(agent->ovsdb), "netdev")) {
        ifindex = next_hop_ifindex(agent->next_hop);
        ifindex = ifindex ? ifindex : -1;
    }
    oam_sockets_set_device(zeta->sockets, ifindex);
    rejections_set_device(zeta->rejections, ifindex);
}

void
agent_zeta_run(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;
    struct packet_in_stats stats;

    if (agent->phase != PHASE_RUN || agent->exit) {
        return;
    } else if (!zeta->map) {
        zeta->map = gateway_map_create(agent->store, agent->vol);
    }
    if (gateway_map_run(zeta->map, time_msec())) {
        follow_map(agent);
        zeta->sources_changed = true;
        zeta->n_ended += direct_paths_prune(zeta->paths, is_useful, zeta);
        take_held(agent);
    }
    follow_device(agent);
    agent_zeta_xsk_run(agent);
    oam_xsk_run(zeta->xsk, take_oam, agent);
    oam_sockets_run(zeta->sockets, time_msec(), take_oam, agent);
    rejections_run(zeta->rejections, agent->config.encap_port, reject_paths,
                   agent);
    direct_paths_run(zeta->paths, time_msec());
    packet_in_get_stats(agent->packet_in, &stats);
    zeta->connected = stats.connected;
    if (zeta->connected) {
        liveness_set_interval(zeta->liveness, agent->config.probe_interval);
        liveness_run(zeta->liveness, time_msec());
    }
    agent_config_set_error(&agent->config, "gateways",
                           agent_zeta_error(agent));
}

void
agent_zeta_wait(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;

    if (zeta->map) {
        gateway_map_wait(zeta->map);
        oam_sockets_wait(zeta->sockets);
        oam_xsk_wait(zeta->xsk);
        rejections_wait(zeta->rejections);
        direct_paths_wait(zeta->paths, time_msec());
        if (zeta->connected) {
            liveness_wait(zeta->liveness);
        }
    }
}

void
agent_zeta_init(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta = xzalloc(sizeof *zeta);

    zeta->sockets = oam_sockets_create();
    zeta->paths = direct_paths_create(&path_class, agent);
    zeta->rejections = rejections_create();
    zeta->liveness = liveness_create(&liveness_class, agent);
    token_bucket_init(&zeta->budget, OAM_BUDGET / 1000, OAM_BURST);
    shash_init(&zeta->counts);
    agent_zeta_commands_init(agent);
}

void
agent_zeta_destroy(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;

    gateway_map_destroy(zeta->map);
    oam_sockets_destroy(zeta->sockets);
    oam_xsk_destroy(zeta->xsk);
    direct_paths_destroy(zeta->paths);
    rejections_destroy(zeta->rejections);
    liveness_destroy(zeta->liveness);
    shash_destroy_free_data(&zeta->counts);
    free(zeta);
}

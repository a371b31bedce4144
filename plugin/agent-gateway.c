/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway: the gateway role. */

#include <config.h>

#include "agent-gateway.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "agent-gateway-endpoints.h"
#include "agent-gateway-private.h"
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/bpf-gateway-table.h"
#include "apply/bpf-gateway.h"
#include "apply/gateway-device.h"
#include "apply/next-hop.h"
#include "feedback/gateway-cluster.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "store/goal-store.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_gateway);

/* Time that endpoints may take in one round of the main loop, and heartbeats
 * that are taken. */
#define ENDPOINTS_MSEC 20
#define MAX_HEARTBEATS 64

/* OAM port of a gateway that does not say. */
#define DEFAULT_OAM_PORT 8300

void
agent_gateway_init(struct agent *agent)
{
    agent->gateway = xzalloc(sizeof *agent->gateway);
    sset_init(&agent->gateway->served);
    agent_gateway_show_init(agent);
}

static void
free_entrances(struct agent_gateway *gw)
{
    for (size_t i = 0; i < gw->n_entrances; i++) {
        free(gw->entrances[i].gateway);
    }
    free(gw->entrances);
    gw->entrances = NULL;
    gw->n_entrances = 0;
}

/* Forgets everything, and leaves what is installed. */
static void
close_gateway(struct agent_gateway *gw)
{
    gateway_endpoints_destroy(gw->endpoints);
    agent_gateway_told_close(gw);
    gateway_cluster_destroy(gw->cluster);
    gateway_device_close(gw->device);
    bpf_gateway_close(gw->bpf);
    gw->endpoints = NULL;
    gw->cluster = NULL;
    gw->device = NULL;
    gw->bpf = NULL;
    free(gw->config);
    free(gw->device_name);
    gw->config = gw->device_name = NULL;
    free_entrances(gw);
    sset_clear(&gw->served);
}

void
agent_gateway_destroy(struct agent *agent)
{
    close_gateway(agent->gateway);
    sset_destroy(&agent->gateway->served);
    free(agent->gateway->error);
    free(agent->gateway);
}

/* Entrances. */

struct gateway_entrance *
agent_gateway_find_entrance(struct agent_gateway *gw, ovs_be32 ip)
{
    for (size_t i = 0; i < gw->n_entrances; i++) {
        if (gw->entrances[i].ip == ip) {
            return &gw->entrances[i];
        }
    }
    return NULL;
}

static void
accept_mac(struct agent_gateway *gw, struct eth_addr mac, bool accept)
{
    char *error = gateway_device_accept(gw->device, mac, accept);

    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

        VLOG_WARN_RL(&rl, "%s", error);
        free(error);
    }
}

/* Has another of our entrances this MAC? */
static bool
is_shared_mac(const struct agent_gateway *gw, const struct gateway_entrance *e)
{
    for (size_t i = 0; i < gw->n_entrances; i++) {
        if (&gw->entrances[i] != e && gw->entrances[i].ours
            && eth_addr_equals(gw->entrances[i].mac, e->mac)) {
            return true;
        }
    }
    return false;
}

/* Makes the program and the device serve the entrances that are ours. */
static void
apply_entrances(struct agent_gateway *gw)
{
    struct bpf_gateway_entrance *ours;
    const struct cluster_entrance *all;
    size_t n_all, n = 0;
    char *error;

    all = gateway_cluster_entrances(gw->cluster, &n_all);
    ours = xcalloc(MAX(n_all, 1), sizeof *ours);
    for (size_t i = 0; i < n_all; i++) {
        struct gateway_entrance *e
            = agent_gateway_find_entrance(gw, all[i].ip);
        bool is_ours = gateway_cluster_is_ours(gw->cluster, &all[i]);

        if (is_ours) {
            ours[n].ip = all[i].ip;
            ours[n++].mac = all[i].mac;
        }
        if (e && e->ours != is_ours) {
            e->ours = is_ours;
            if (!is_shared_mac(gw, e)) {
                accept_mac(gw, e->mac, is_ours);
            }
        }
    }
    error = bpf_gateway_set_entrances(gw->bpf, ours, n);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

        VLOG_WARN_RL(&rl, "%s", error);
        free(error);
    }
    free(ours);
    gw->announcements = GATEWAY_ANNOUNCEMENTS;
    gw->announce_time = gw->announced + CLUSTER_HASTE_MSEC;
}

static void
announce(struct agent_gateway *gw)
{
    long long int now = time_msec();

    if (now < gw->announce_time) {
        return;
    }
    for (size_t i = 0; i < gw->n_entrances; i++) {
        if (gw->entrances[i].ours) {
            gateway_device_announce(gw->device, gw->entrances[i].ip,
                                    gw->entrances[i].mac);
        }
    }
    gw->announced = now;
    gw->announcements = MAX(gw->announcements - 1, 0);
    gw->announce_time = now + (gw->announcements ? CLUSTER_BEAT_MSEC
                               : GATEWAY_ANNOUNCE_MSEC);
}

/* Gateways of goal state. */

struct collector {
    struct agent *agent;
    struct gateway_entrance *entrances;
    size_t n, allocated;
};

static void
add_entrances(struct collector *c, const struct goal_gateway *gateway)
{
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&gateway->destinations[i].ip);
        uint32_t port = (gateway->oam_port ? gateway->oam_port
                         : DEFAULT_OAM_PORT);

        if (!ip) {
            continue;
        }
        if (c->n >= c->allocated) {
            c->entrances = x2nrealloc(c->entrances, &c->allocated,
                                      sizeof *c->entrances);
        }
        c->entrances[c->n++] = (struct gateway_entrance) {
            .ip = ip,
            .mac = gateway->destinations[i].mac,
            .gateway = xstrdup(gateway->up.id),
            .oam_port = htons(port),
        };
    }
}

static bool
collect_gateway(const struct goal_key *key, const char *id OVS_UNUSED,
                void *c_)
{
    struct collector *c = c_;
    struct goal_resource *r = goal_store_get_key(c->agent->store, key);

    if (r) {
        const struct goal_gateway *gateway = GOAL_GATEWAY_CAST(r);

        if (gateway->type == GOAL_GATEWAY_ZETA
            || gateway->type == GOAL_GATEWAY_ARION) {
            add_entrances(c, gateway);
        }
        goal_resource_destroy(r);
    }
    return true;
}

/* Refuses the MACs of our entrances that are not in the 'n' 'entrances'. */
static void
give_up_macs(struct agent_gateway *gw, const struct gateway_entrance *new,
             size_t n)
{
    for (size_t i = 0; i < gw->n_entrances; i++) {
        const struct gateway_entrance *old = &gw->entrances[i];
        bool stays = !old->ours;

        for (size_t j = 0; j < n && !stays; j++) {
            stays = new[j].ours && eth_addr_equals(new[j].mac, old->mac);
        }
        if (!stays) {
            accept_mac(gw, old->mac, false);
        }
    }
}

/* Replaces the entrances by those in the store, keeping which are ours. */
static void
collect_entrances(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    struct collector c = { .agent = agent };

    goal_store_for_each(agent->store, GOAL_GATEWAY, collect_gateway, &c);
    for (size_t i = 0; i < c.n; i++) {
        const struct gateway_entrance *old
            = agent_gateway_find_entrance(gw, c.entrances[i].ip);

        c.entrances[i].ours = (old && old->ours
                               && eth_addr_equals(old->mac,
                                                  c.entrances[i].mac));
    }
    give_up_macs(gw, c.entrances, c.n);
    free_entrances(gw);
    gw->entrances = c.entrances;
    gw->n_entrances = c.n;
}

/* What alcor-gateway-entrances says of MACs must be what hosts are told. */
static void
check_macs(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    char *error = NULL;

    for (size_t i = 0; i < config->n_gateway_entrances && !error; i++) {
        const struct config_entrance *c = &config->gateway_entrances[i];
        const struct gateway_entrance *e
            = agent_gateway_find_entrance(agent->gateway, c->ip);

        if (e && !eth_addr_equals(e->mac, c->mac)) {
            error = xasprintf("entrance "IP_FMT" has "ETH_ADDR_FMT" in the "
                              "state of gateway %s, which is used",
                              IP_ARGS(c->ip), ETH_ADDR_ARGS(e->mac),
                              e->gateway);
        }
    }
    agent_config_set_error(&agent->config, "alcor-gateway-entrances", error);
}

/* Tells the cluster what is configured, and the endpoints whom they are
 * for. */
static void
gateways_run(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    struct agent_gateway *gw = agent->gateway;
    size_t n_home = MAX(config->n_gateway_entrances, 1);
    ovs_be32 *home = xcalloc(n_home, sizeof *home);
    struct cluster_entrance_config *entrances;

    gw->gateways_changed = false;
    home[0] = in6_addr_get_mapped_ipv4(&config->host_addr);
    for (size_t i = 0; i < config->n_gateway_entrances; i++) {
        home[i] = config->gateway_entrances[i].ip;
    }
    collect_entrances(agent);
    check_macs(agent);
    entrances = xcalloc(MAX(gw->n_entrances, 1), sizeof *entrances);
    sset_clear(&gw->served);
    for (size_t i = 0; i < gw->n_entrances; i++) {
        const struct gateway_entrance *e = &gw->entrances[i];

        entrances[i].ip = e->ip;
        entrances[i].mac = e->mac;
        entrances[i].cluster = e->gateway;
        for (size_t j = 0; j < n_home; j++) {
            if (home[j] == e->ip) {
                sset_add(&gw->served, e->gateway);
            }
        }
    }
    gateway_cluster_set_home(gw->cluster, home, n_home);
    gateway_cluster_set_entrances(gw->cluster, entrances, gw->n_entrances);
    gateway_endpoints_set_served(gw->endpoints, &gw->served);
    gw->entrances_changed = true;
    agent->topics_changed = true;
    free(entrances);
    free(home);
}

/* Opening and closing. */

static bool
is_wanted(const struct agent *agent)
{
    return (agent->config.role & ROLE_GATEWAY && agent->store
            && agent->config.host_ip && !agent->options.dummy);
}

static char *
open_gateway(struct agent *agent, const char *device)
{
    struct agent_gateway *gw = agent->gateway;
    ovs_be32 ip = in6_addr_get_mapped_ipv4(&agent->config.host_addr);
    struct bpf_gateway_config config = {
        .vxlan_port = htons(agent->config.encap_port),
    };
    char *error;

    if (!ip) {
        return xstrdup("alcor-host-ip is IPv6, and gateways know only IPv4 "
                       "underlays");
    } else if (!device) {
        return xasprintf("no device has %s", agent->config.host_ip);
    }
    error = gateway_device_open(device, ip, CLUSTER_GROUP, CLUSTER_PORT,
                                &gw->device);
    error = error ? error : bpf_gateway_open(&config, device, &gw->bpf);
    if (error) {
        return error;
    }
    gw->device_name = xstrdup(device);
    gw->cluster = gateway_cluster_create(ip, time_msec());
    agent_gateway_told_open(gw);
    gw->endpoints = gateway_endpoints_create(agent->store,
                                             bpf_gateway_table(gw->bpf),
                                             &agent_gateway_endpoints_class,
                                             gw);
    gw->gateways_changed = true;
    return NULL;
}

/* Removes the program, and says so to the other members. */
void
agent_gateway_uninstall(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    uint8_t packet[CLUSTER_MAX_PACKET];

    if (!gw->bpf) {
        return;
    }
    gateway_device_send_heartbeat(
        gw->device, packet, gateway_cluster_farewell(gw->cluster, packet));
    for (size_t i = 0; i < gw->n_entrances; i++) {
        if (gw->entrances[i].ours) {
            accept_mac(gw, gw->entrances[i].mac, false);
        }
    }
    bpf_gateway_uninstall(gw->bpf);
    close_gateway(gw);
}

/* The device that frames from other hosts arrive on, which the caller must
 * free; null, with an error or not, if there is none. */
static char *
find_device(const struct agent *agent, char **error)
{
    const char *device = next_hop_device(agent->next_hop);

    *error = NULL;
    return (agent->config.uplink ? xstrdup(agent->config.uplink)
            : device ? apply_ovsdb_physical_device(agent->ovsdb, device, error)
            : NULL);
}

static void
set_error(struct agent *agent, char *error)
{
    struct agent_gateway *gw = agent->gateway;

    free(gw->error);
    gw->error = error;
    agent_config_set_error(&agent->config, "alcor-role",
                           nullable_xstrdup(error));
}

/* 'error' keeps us from being a gateway, until it is tried again; null:
 * nothing does. */
static void
opened(struct agent *agent, char *error)
{
    struct agent_gateway *gw = agent->gateway;
    char *config = gw->config;

    if (error) {
        gw->config = NULL;
        close_gateway(gw);
        gw->config = config;
    }
    set_error(agent, error);
    gw->retry_time = time_msec() + GATEWAY_RETRY_MSEC;
}

/* The table and the entrances are complete: an old program may go. */
static void
take_over(struct agent *agent)
{
    char *error = bpf_gateway_take_over(agent->gateway->bpf);

    if (error) {
        opened(agent, error);
    }
}

/* Sees to it that there is a gateway exactly if there should be. */
static void
open_run(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    bool wanted = is_wanted(agent);
    char *error = NULL;
    char *device = wanted ? find_device(agent, &error) : NULL;
    char *config = (wanted ? xasprintf("%s %s %d", device ? device : "",
                                       agent->config.host_ip,
                                       agent->config.encap_port) : NULL);

    if (!nullable_string_is_equal(config, gw->config)) {
        agent_gateway_uninstall(agent);
        close_gateway(gw);
        gw->config = config;
        gw->retry_time = LLONG_MIN;
        config = NULL;
    }
    if (gw->config && !gw->bpf && time_msec() >= gw->retry_time) {
        opened(agent, error ? error : open_gateway(agent, device));
        error = NULL;
    } else if (!gw->config && gw->error) {
        set_error(agent, NULL);
    }
    free(error);
    free(device);
    free(config);
}

void
agent_gateway_configure(struct agent *agent)
{
    agent->gateway->gateways_changed = true;
    if (!is_wanted(agent)) {
        /* At once: the fast path wants the uplink. */
        agent_gateway_uninstall(agent);
        if (!(agent->config.role & ROLE_GATEWAY) && !agent->options.dummy
            && bpf_gateway_uninstall_left()) {
            VLOG_INFO("this node is no gateway any more: its program, left "
                      "by another agent, is removed");
        }
    }
}

void
agent_gateway_changes(struct agent *agent, const struct goal_changes *changes)
{
    struct agent_gateway *gw = agent->gateway;

    if (!gw->bpf) {
        return;
    }
    for (size_t i = 0; i < changes->n; i++) {
        enum goal_kind kind = changes->changes[i].key.kind;

        gw->gateways_changed |= kind == GOAL_GATEWAY;
        agent->topics_changed |= kind == GOAL_GATEWAY || kind == GOAL_VPC;
    }
    gateway_endpoints_changes(gw->endpoints, changes);
}

static void
heartbeats_run(struct agent_gateway *gw)
{
    uint8_t packet[CLUSTER_MAX_PACKET];
    ovs_be32 src = 0;
    size_t size;
    int n;

    for (int i = 0; i < MAX_HEARTBEATS; i++) {
        n = gateway_device_receive_heartbeat(gw->device, packet, sizeof packet,
                                             &src);
        if (n < 0) {
            break;
        }
        gateway_cluster_heard(gw->cluster, packet, n, src, time_msec());
    }
    size = gateway_cluster_beat(gw->cluster, time_msec(), packet);
    if (size) {
        gateway_device_send_heartbeat(gw->device, packet, size);
    }
}

void
agent_gateway_run(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;

    if (agent->exit != EXIT_NO) {
        return;
    }
    open_run(agent);
    if (!gw->bpf) {
        return;
    }
    if (gw->gateways_changed) {
        gateways_run(agent);
    }
    gateway_endpoints_run(gw->endpoints, ENDPOINTS_MSEC);
    gateway_cluster_set_ready(gw->cluster, gateway_endpoints_is_complete(
                                  gw->endpoints));
    heartbeats_run(gw);
    gw->entrances_changed |= gateway_cluster_run(gw->cluster, time_msec());
    if (gw->entrances_changed
        && gateway_endpoints_is_complete(gw->endpoints)) {
        /* Until then, the program serves those that it did before. */
        gw->entrances_changed = false;
        apply_entrances(gw);
        agent_gateway_told_review(gw);
        take_over(agent);
    }
    if (!gw->bpf) {
        return;
    }
    announce(gw);
    bpf_gateway_run(gw->bpf, agent_gateway_tell, gw);
}

void
agent_gateway_wait(const struct agent *agent)
{
    const struct agent_gateway *gw = agent->gateway;

    if (!gw->bpf) {
        if (gw->config) {
            poll_timer_wait_until(gw->retry_time);
        }
        return;
    }
    if (gw->gateways_changed) {
        poll_immediate_wake();
    }
    gateway_endpoints_wait(gw->endpoints);
    gateway_device_wait(gw->device);
    bpf_gateway_wait(gw->bpf);
    poll_timer_wait_until(MIN(gateway_cluster_next(gw->cluster),
                              gw->announce_time));
}

bool
agent_gateway_is_settled(const struct agent *agent)
{
    const struct agent_gateway *gw = agent->gateway;

    return (!gw->bpf || (!gw->gateways_changed
                         && gateway_endpoints_is_settled(gw->endpoints)));
}

void
agent_gateway_add_topics(const struct agent *agent, struct sset *topics)
{
    struct sset vpcs;
    const char *id;

    if (!agent->gateway->bpf) {
        return;
    }
    sset_init(&vpcs);
    gateway_endpoints_get_vpcs(agent->gateway->endpoints, &vpcs);
    SSET_FOR_EACH (id, &vpcs) {
        sset_add_and_free(topics, xasprintf("vpc/%s", id));
    }
    sset_destroy(&vpcs);
}

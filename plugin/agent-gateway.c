/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway: the role "gateway": a forwarding node of a Zeta cluster. */

#include <config.h>

#include "agent-gateway.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/bpf-gateway-table.h"
#include "apply/bpf-gateway.h"
#include "apply/next-hop.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "store/goal-fit.h"
#include "store/goal-store.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_gateway);

#define DEFAULT_OAM_PORT 8300

struct endpoint_name {
    uint32_t vni;
    ovs_be32 ip;
};

/* A neighbour or port with endpoints. */
struct gateway_member {
    struct hmap_node hmap_node; /* In struct agent_gateway's 'members'. */
    uint64_t sid;
    struct endpoint_name *names;
    size_t n;
    bool present;               /* While all are gone through. */
};

/* A host that was told the direct path of a flow. */
struct gateway_told {
    struct hmap_node hmap_node; /* In 'told', by VNI and destination. */
    struct ovs_list order_node; /* In 'told_order'. */
    struct fp_gw_oam oam;
    uint16_t port;
};

static void
set_error(struct agent_gateway *gw, char *error)
{
    if (error && !nullable_string_is_equal(error, gw->error)) {
        VLOG_INFO("no gateway: %s", error);
    }
    free(gw->error);
    gw->error = error;
}

/* Hosts that were told. */

static uint32_t
told_hash(uint32_t vni, ovs_be32 dst)
{
    return hash_2words(vni, (OVS_FORCE uint32_t) dst);
}

static void
told_forget(struct agent_gateway *gw, struct gateway_told *told)
{
    hmap_remove(&gw->told, &told->hmap_node);
    ovs_list_remove(&told->order_node);
    free(told);
}

static void
send_frame(struct agent_gateway *gw, const void *frame, size_t len)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (gw->sock >= 0 && send(gw->sock, frame, len, MSG_DONTWAIT) < 0) {
        VLOG_WARN_RL(&rl, "%s: cannot send an OAM packet: %s", gw->device,
                     ovs_strerror(errno));
    }
}

static struct gateway_told *
find_told(const struct agent_gateway *gw, uint32_t vni, ovs_be32 ip)
{
    struct gateway_told *told;

    HMAP_FOR_EACH_WITH_HASH (told, hmap_node, told_hash(vni, ip), &gw->told) {
        if (ntohl((OVS_FORCE ovs_be32) told->oam.vni) == vni
            && (OVS_FORCE ovs_be32) told->oam.dst == ip) {
            return told;
        }
    }
    return NULL;
}

/* The endpoint has moved or gone: whoever has a direct path to it forgets
 * that. */
static void
revoke_paths(struct agent_gateway *gw, uint32_t vni, ovs_be32 ip)
{
    struct gateway_told *told;

    while ((told = find_told(gw, vni, ip))) {
        uint8_t frame[GATEWAY_OAM_DELETE_LEN];

        gateway_oam_delete(&told->oam, htons(told->port), frame);
        send_frame(gw, frame, sizeof frame);
        gw->n_deleted++;
        told_forget(gw, told);
    }
}

static bool
same_flow(const struct fp_gw_oam *a, const struct fp_gw_oam *b)
{
    return (a->to_ip == b->to_ip && a->vni == b->vni && a->src == b->src
            && a->dst == b->dst && a->sport == b->sport
            && a->dport == b->dport && a->proto == b->proto);
}

static void
remember(struct agent_gateway *gw, const struct fp_gw_oam *oam, uint16_t port)
{
    uint32_t hash = told_hash(ntohl((OVS_FORCE ovs_be32) oam->vni),
                              (OVS_FORCE ovs_be32) oam->dst);
    struct gateway_told *told;

    HMAP_FOR_EACH_WITH_HASH (told, hmap_node, hash, &gw->told) {
        if (same_flow(&told->oam, oam)) {
            told->oam = *oam;
            ovs_list_remove(&told->order_node);
            ovs_list_push_back(&gw->told_order, &told->order_node);
            return;
        }
    }
    if (hmap_count(&gw->told) >= GATEWAY_MAX_TOLD) {
        told_forget(gw, CONTAINER_OF(ovs_list_front(&gw->told_order),
                                     struct gateway_told, order_node));
    }
    told = xzalloc(sizeof *told);
    told->oam = *oam;
    told->port = port;
    hmap_insert(&gw->told, &told->hmap_node, hash);
    ovs_list_push_back(&gw->told_order, &told->order_node);
}

/* The OAM port of the VPC with this endpoint. */
static uint16_t
oam_port(const struct agent_gateway *gw, const struct fp_gw_oam *oam)
{
    struct gateway_endpoint endpoint;
    struct shash_node *node;

    if (gateway_table_get(bpf_gateway_table(gw->bpf),
                          ntohl((OVS_FORCE ovs_be32) oam->vni),
                          (OVS_FORCE ovs_be32) oam->dst, &endpoint)) {
        SHASH_FOR_EACH (node, &gw->vpcs) {
            const struct gateway_vpc *vpc = node->data;

            if (vpc->served && vpc->index == endpoint.vpc) {
                return vpc->oam_port;
            }
        }
    }
    return DEFAULT_OAM_PORT;
}

static void
tell(const struct fp_gw_oam *oam, void *gw_)
{
    struct agent_gateway *gw = gw_;
    uint16_t port = oam_port(gw, oam);
    uint8_t frame[GATEWAY_OAM_INJECT_LEN];

    gateway_oam_inject(oam, htons(port), frame);
    send_frame(gw, frame, sizeof frame);
    remember(gw, oam, port);
    gw->n_injected++;
}

/* Endpoints. */

static const struct gateway_vpc *
find_vpc(struct agent *agent, const char *id)
{
    struct agent_gateway *gw = agent->gateway;
    struct gateway_vpc *vpc = shash_find_data(&gw->vpcs, id);

    if (!vpc) {
        struct goal_resource *r = goal_store_get(agent->store, GOAL_VPC, id);

        vpc = xzalloc(sizeof *vpc);
        vpc->index = shash_count(&gw->vpcs) % FP_GW_MAX_VPCS;
        for (size_t i = 0; r && i < GOAL_VPC_CAST(r)->gateway_ids.n; i++) {
            const struct shash_node *cluster = shash_find(
                &gw->clusters, GOAL_VPC_CAST(r)->gateway_ids.names[i]);

            if (cluster) {
                vpc->served = true;
                vpc->oam_port = (uintptr_t) cluster->data;
            }
        }
        goal_resource_destroy(r);
        shash_add(&gw->vpcs, id, vpc);
    }
    return vpc;
}

/* What a neighbour and a port have in common. */
struct station {
    const char *vpc_id;
    struct eth_addr mac, host_mac;
    struct in6_addr host_ip;
};

static void
add_endpoint(struct agent *agent, struct gateway_member *m,
             const struct station *s, const char *subnet_id,
             const struct in6_addr *ip)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const struct gateway_vpc *served = find_vpc(agent, s->vpc_id);
    struct gateway_table *table = bpf_gateway_table(agent->gateway->bpf);
    struct goal_resource *vpc, *subnet;
    struct gateway_endpoint old, e;
    uint32_t vni = 0;

    if (!served->served || !IN6_IS_ADDR_V4MAPPED(ip)
        || !IN6_IS_ADDR_V4MAPPED(&s->host_ip)) {
        return;
    }
    vpc = goal_store_get(agent->store, GOAL_VPC, s->vpc_id);
    subnet = goal_store_get(agent->store, GOAL_SUBNET, subnet_id);
    if (vpc && subnet) {
        vni = goal_effective_vni(GOAL_VPC_CAST(vpc), GOAL_SUBNET_CAST(subnet));
    }
    goal_resource_destroy(vpc);
    goal_resource_destroy(subnet);
    if (!vni) {
        return;
    }

    e = (struct gateway_endpoint) {
        .vni = vni, .ip = in6_addr_get_mapped_ipv4(ip), .mac = s->mac,
        .host_ip = in6_addr_get_mapped_ipv4(&s->host_ip),
        .host_mac = s->host_mac, .vpc = served->index,
    };
    bool moved = (gateway_table_get(table, vni, e.ip, &old)
                  && (old.host_ip != e.host_ip
                      || !eth_addr_equals(old.mac, e.mac)));
    int error = gateway_table_set(table, &e);
    if (error) {
        VLOG_WARN_RL(&rl, "cannot add an endpoint: %s", ovs_strerror(error));
        return;
    }
    if (moved) {
        revoke_paths(agent->gateway, vni, e.ip);
    }
    m->names = xrealloc(m->names, (m->n + 1) * sizeof *m->names);
    m->names[m->n++] = (struct endpoint_name) { vni, e.ip };
}

static void
add_station(struct agent *agent, struct gateway_member *m,
            const struct goal_resource *r)
{
    if (r->kind == GOAL_NEIGHBOR) {
        const struct goal_neighbor *n = GOAL_NEIGHBOR_CAST(r);
        const struct station s = { n->vpc_id, n->mac, n->host_mac,
                                   n->host_ip };

        for (size_t i = 0; i < n->n_fixed_ips; i++) {
            add_endpoint(agent, m, &s, n->fixed_ips[i].subnet_id,
                         &n->fixed_ips[i].ip);
        }
    } else {
        const struct goal_port *p = GOAL_PORT_CAST(r);
        const struct station s = { p->vpc_id, p->mac, p->host_mac,
                                   p->host_ip };

        for (size_t i = 0; i < p->n_fixed_ips; i++) {
            add_endpoint(agent, m, &s, p->fixed_ips[i].subnet_id,
                         &p->fixed_ips[i].ip);
        }
    }
}

static bool
has_name(const struct gateway_member *m, const struct endpoint_name *name)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->names[i].vni == name->vni && m->names[i].ip == name->ip) {
            return true;
        }
    }
    return false;
}

/* Removes those of 'names' that 'm' (null: nobody) does not have. */
static void
remove_endpoints(struct agent_gateway *gw, const struct gateway_member *m,
                 const struct endpoint_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!m || !has_name(m, &names[i])) {
            gateway_table_remove(bpf_gateway_table(gw->bpf), names[i].vni,
                                 names[i].ip);
            revoke_paths(gw, names[i].vni, names[i].ip);
        }
    }
}

static struct gateway_member *
find_member(const struct agent_gateway *gw, uint64_t sid)
{
    struct gateway_member *m;

    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash_uint64(sid), &gw->members) {
        if (m->sid == sid) {
            return m;
        }
    }
    return NULL;
}

static void
member_destroy(struct agent_gateway *gw, struct gateway_member *m)
{
    hmap_remove(&gw->members, &m->hmap_node);
    free(m->names);
    free(m);
}

/* Brings the endpoints of a neighbour or port up to date. */
static void
update_member(struct agent *agent, const struct goal_key *key)
{
    struct agent_gateway *gw = agent->gateway;
    struct goal_resource *r = goal_store_get_key(agent->store, key);
    struct gateway_member *m = find_member(gw, key->sid);

    if (!m) {
        if (!r) {
            return;
        }
        m = xzalloc(sizeof *m);
        m->sid = key->sid;
        hmap_insert(&gw->members, &m->hmap_node, hash_uint64(m->sid));
    }

    struct endpoint_name *names = m->names;
    size_t n = m->n;

    m->names = NULL;
    m->n = 0;
    m->present = true;
    if (r) {
        add_station(agent, m, r);
    }
    remove_endpoints(gw, m, names, n);
    free(names);
    if (!r) {
        member_destroy(gw, m);
    }
    goal_resource_destroy(r);
}

static bool
update_each(const struct goal_key *key, const char *id OVS_UNUSED,
            void *agent)
{
    update_member(agent, key);
    return true;
}

/* Entrances and clusters. */

static bool
take_cluster(const struct goal_key *key, const char *id, void *agent_)
{
    struct agent *agent = agent_;
    struct agent_gateway *gw = agent->gateway;
    struct goal_resource *r = goal_store_get_key(agent->store, key);

    if (!r) {
        return true;
    }

    const struct goal_gateway *g = GOAL_GATEWAY_CAST(r);
    uint16_t port = g->oam_port ? g->oam_port : DEFAULT_OAM_PORT;

    for (size_t i = 0; g->type == GOAL_GATEWAY_ZETA && i < g->n_destinations;
         i++) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&g->destinations[i].ip);
        bool own = (!agent->config.n_entrances
                    && ipv6_addr_equals(&g->destinations[i].ip,
                                        &agent->config.host_addr));

        if (own) {
            gw->entrances = xrealloc(gw->entrances, (gw->n_entrances + 1)
                                                    * sizeof *gw->entrances);
            gw->entrances[gw->n_entrances++] = (struct gateway_entrance) {
                ip, g->destinations[i].mac,
            };
        }
        for (size_t j = 0; j < gw->n_entrances; j++) {
            if (gw->entrances[j].ip == ip) {
                shash_replace(&gw->clusters, id, (void *) (uintptr_t) port);
            }
        }
    }
    goal_resource_destroy(r);
    return true;
}

static void
forget_vpcs(struct agent_gateway *gw)
{
    shash_clear_free_data(&gw->vpcs);
    shash_clear(&gw->clusters);
}

static void
take_entrances(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    struct bpf_gateway_entrance *entrances;

    free(gw->entrances);
    gw->n_entrances = agent->config.n_entrances;
    gw->entrances = xmemdup(agent->config.entrances,
                            gw->n_entrances * sizeof *gw->entrances);
    forget_vpcs(gw);
    goal_store_for_each(agent->store, GOAL_GATEWAY, take_cluster, agent);

    entrances = xcalloc(gw->n_entrances + 1, sizeof *entrances);
    for (size_t i = 0; i < gw->n_entrances; i++) {
        entrances[i].ip = gw->entrances[i].ip;
        entrances[i].mac = gw->entrances[i].mac;
    }
    set_error(gw, bpf_gateway_set_entrances(gw->bpf, entrances,
                                            gw->n_entrances));
    free(entrances);
}

/* What was left in the table by a former agent, and nobody wants. */
struct sweep {
    struct agent_gateway *gw;
    struct endpoint_name *names;
    size_t n, allocated;
    struct hmap wanted;
};

struct wanted_name {
    struct hmap_node hmap_node;
    struct endpoint_name name;
};

static void
sweep_one(const struct gateway_endpoint *e, void *sweep_)
{
    struct sweep *sweep = sweep_;
    struct wanted_name *w;

    HMAP_FOR_EACH_WITH_HASH (w, hmap_node, told_hash(e->vni, e->ip),
                             &sweep->wanted) {
        if (w->name.vni == e->vni && w->name.ip == e->ip) {
            return;
        }
    }
    if (sweep->n >= sweep->allocated) {
        sweep->names = x2nrealloc(sweep->names, &sweep->allocated,
                                  sizeof *sweep->names);
    }
    sweep->names[sweep->n++] = (struct endpoint_name) { e->vni, e->ip };
}

static void
sweep_table(struct agent_gateway *gw)
{
    struct sweep sweep = { .gw = gw };
    struct gateway_member *m;
    struct wanted_name *w;

    hmap_init(&sweep.wanted);
    HMAP_FOR_EACH (m, hmap_node, &gw->members) {
        for (size_t i = 0; i < m->n; i++) {
            w = xmalloc(sizeof *w);
            w->name = m->names[i];
            hmap_insert(&sweep.wanted, &w->hmap_node,
                        told_hash(w->name.vni, w->name.ip));
        }
    }
    gateway_table_for_each(bpf_gateway_table(gw->bpf), sweep_one, &sweep);
    remove_endpoints(gw, NULL, sweep.names, sweep.n);
    HMAP_FOR_EACH_POP (w, hmap_node, &sweep.wanted) {
        free(w);
    }
    hmap_destroy(&sweep.wanted);
    free(sweep.names);
}

static void
update_all(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    struct gateway_member *m;

    gw->stale = false;
    take_entrances(agent);
    goal_store_for_each(agent->store, GOAL_NEIGHBOR, update_each, agent);
    goal_store_for_each(agent->store, GOAL_PORT, update_each, agent);
    HMAP_FOR_EACH_SAFE (m, hmap_node, &gw->members) {
        if (!m->present) {
            remove_endpoints(gw, NULL, m->names, m->n);
            member_destroy(gw, m);
        } else {
            m->present = false;
        }
    }
    sweep_table(gw);
    agent->topics_changed = true;
}

void
agent_gateway_changes(struct agent *agent, const struct goal_changes *changes)
{
    struct agent_gateway *gw = agent->gateway;

    for (size_t i = 0; gw->bpf && i < changes->n; i++) {
        const struct goal_key *key = &changes->changes[i].key;

        if (key->kind == GOAL_NEIGHBOR || key->kind == GOAL_PORT) {
            if (!gw->stale) {
                update_member(agent, key);
            }
        } else if (key->kind == GOAL_VPC || key->kind == GOAL_SUBNET
                   || key->kind == GOAL_GATEWAY) {
            gw->stale = true;
        }
    }
}

/* The program. */

static void
close_gateway(struct agent_gateway *gw)
{
    struct gateway_member *m;
    struct gateway_told *told;

    HMAP_FOR_EACH_SAFE (m, hmap_node, &gw->members) {
        member_destroy(gw, m);
    }
    HMAP_FOR_EACH_SAFE (told, hmap_node, &gw->told) {
        told_forget(gw, told);
    }
    forget_vpcs(gw);
    bpf_gateway_close(gw->bpf);
    gw->bpf = NULL;
    if (gw->sock >= 0) {
        close(gw->sock);
        gw->sock = -1;
    }
    free(gw->device);
    gw->device = NULL;
    free(gw->config);
    gw->config = NULL;
}

static int
open_socket(const char *device)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device),
    };
    /* Protocol 0: nothing is received. */
    int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (sock >= 0 && bind(sock, (struct sockaddr *) &sll, sizeof sll)) {
        close(sock);
        sock = -1;
    }
    return sock;
}

/* Where the program is to be.  Returns null and sets '*error' if that is not
 * known. */
static char *
choose_device(const struct agent *agent, char **error)
{
    const char *device = next_hop_device(agent->next_hop);

    *error = NULL;
    if (agent->config.uplink) {
        return xstrdup(agent->config.uplink);
    } else if (!device) {
        *error = xasprintf("no device has %s", agent->config.host_ip);
        return NULL;
    }
    return apply_ovsdb_physical_device(agent->ovsdb, device, error);
}

static void
configure(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;
    struct bpf_gateway_config config = {
        .vxlan_port = htons(agent->config.encap_port),
    };
    char *error;
    char *device = choose_device(agent, &error);
    char *text = (device
                  ? xasprintf("%s %d %d", device, if_nametoindex(device),
                              agent->config.encap_port)
                  : NULL);

    if (!device || nullable_string_is_equal(text, gw->config)) {
        if (!gw->config) {
            set_error(gw, error);
        } else {
            free(error);
        }
        free(device);
        free(text);
        return;
    }
    close_gateway(gw);
    gw->config = text;
    error = bpf_gateway_open(&config, device, &gw->bpf);
    set_error(gw, error);
    gw->device = device;
    gw->sock = error ? -1 : open_socket(device);
    gw->stale = true;
}

void
agent_gateway_uninstall(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;

    if (gw->bpf) {
        bpf_gateway_uninstall(gw->bpf);
        close_gateway(gw);
        VLOG_INFO("gateway: the program is removed");
    }
}

/* Main loop. */

void
agent_gateway_run(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;

    if (agent->phase < PHASE_TRANSLATE || agent->exit
        || agent->options.dummy) {
        return;
    }
    if (!agent->config.is_gateway) {
        agent_gateway_uninstall(agent);
        set_error(gw, NULL);
    } else {
        if (agent->gateway_changed) {
            configure(agent);
            gw->stale = gw->bpf != NULL;
        }
        if (gw->bpf) {
            if (gw->stale) {
                update_all(agent);
            }
            bpf_gateway_run(gw->bpf, tell, gw);
        }
    }
    agent->gateway_changed = false;
    agent_config_set_error(&agent->config, "alcor-role",
                           nullable_xstrdup(gw->error));
}

void
agent_gateway_wait(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;

    if (gw->bpf && !agent->exit) {
        bpf_gateway_wait(gw->bpf);
        if (gw->stale) {
            poll_immediate_wake();
        }
    }
}

/* Topics of the VPCs that are served. */
void
agent_gateway_add_topics(const struct agent *agent, struct sset *topics)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &agent->gateway->vpcs) {
        const struct gateway_vpc *vpc = node->data;

        if (vpc->served && strlen(node->name) + strlen("vpc/") <= 255) {
            sset_add_and_free(topics, xasprintf("vpc/%s", node->name));
        }
    }
}

void
agent_gateway_init(struct agent *agent)
{
    struct agent_gateway *gw = xzalloc(sizeof *gw);

    agent->gateway = gw;
    gw->sock = -1;
    shash_init(&gw->clusters);
    shash_init(&gw->vpcs);
    hmap_init(&gw->members);
    hmap_init(&gw->told);
    ovs_list_init(&gw->told_order);
    agent_gateway_show_init(agent);
}

void
agent_gateway_destroy(struct agent *agent)
{
    struct agent_gateway *gw = agent->gateway;

    close_gateway(gw);
    shash_destroy(&gw->clusters);
    shash_destroy(&gw->vpcs);
    hmap_destroy(&gw->members);
    hmap_destroy(&gw->told);
    free(gw->entrances);
    free(gw->error);
    free(gw);
    agent->gateway = NULL;
}

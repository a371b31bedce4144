/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-distribute: who gets what, and by which channel. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/goal-encode.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "store/vni-claims.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_distribute);

COVERAGE_DEFINE(relay_by_vpc_topic);
COVERAGE_DEFINE(relay_by_group_topic);
COVERAGE_DEFINE(relay_by_unicast);

/* How it works
 * ============
 *
 * First the targets of a resource are found: the hosts that the controller
 * listed, those that hold it already, and those that need it (the table
 * 'placers').  Then channels are chosen for them:
 *
 *    1. the VPC's topic, if all hosts of the VPC are targets, for kinds that
 *       concern a VPC (neighbours, security groups, VPCs and subnets);
 *    2. a group's topic, if all of its nodes are;
 *    3. the unicast topics of the rest.
 *
 * A VPC has a topic while it is in more hosts than 'unicast_hosts', and keeps
 * it until it is in less than 0.8 times as many.
 *
 * A host that gets its first port of a VPC lacks what the port needs.  That is
 * added to the same message: the VPC, its subnets, their routers and gateways,
 * the port's security groups; and the VPC's neighbours, unless they come by
 * topic (the host asks for those of a topic that it joins). */

/* At most so many neighbours are added to a message; beyond, the host has to
 * ask for its state. */
#define MAX_CONTEXT_NEIGHBORS 4096

/* Resources being given out. */
struct distribution {
    struct relay *relay;
    struct ack_request *request;
    uint32_t index;
    const struct goal_key *key;
    const struct goal_resource *resource;
    struct host_list targets;
    struct ofpbuf entry;        /* Encoded; empty: not yet. */
    struct place_vpc *vpc;      /* Whose topic may be used; null: none. */
};

/* Targets. */

/* Adds 'host' to 'list' unless it is in it.  Only one list may be filled at a
 * time, after 'relay->stamp' was incremented. */
void
host_list_add(struct relay *relay, struct host_list *list,
              struct place_host *host)
{
    if (host->stamp != relay->stamp) {
        host->stamp = relay->stamp;
        if (list->n >= list->allocated) {
            list->hosts = x2nrealloc(list->hosts, &list->allocated,
                                     sizeof *list->hosts);
        }
        list->hosts[list->n++] = host;
    }
}

static void
add_holder(struct place_host *host, void *d_)
{
    struct distribution *d = d_;

    host_list_add(d->relay, &d->targets, host);
}

static void
add_vpc_hosts(struct distribution *d, const char *vpc_id)
{
    const struct place_vpc *vpc = placement_find_vpc(d->relay->placement,
                                                     vpc_id);
    struct place_span *span;

    if (vpc) {
        HMAP_FOR_EACH (span, vpc_node, &vpc->spans) {
            host_list_add(d->relay, &d->targets, span->host);
        }
    }
}

static void
add_subnet_hosts(struct distribution *d, const char *subnet_id)
{
    struct goal_resource *subnet = goal_store_get(d->relay->store,
                                                  GOAL_SUBNET, subnet_id);

    if (subnet) {
        add_vpc_hosts(d, GOAL_SUBNET_CAST(subnet)->vpc_id);
        goal_resource_destroy(subnet);
    }
}

static void
place_vpc(struct distribution *d)
{
    add_vpc_hosts(d, d->resource->id);
}

static void
place_subnet(struct distribution *d)
{
    add_vpc_hosts(d, GOAL_SUBNET_CAST(d->resource)->vpc_id);
}

static void
place_port(struct distribution *d)
{
    const struct goal_port *port = GOAL_PORT_CAST(d->resource);

    if (ipv6_addr_is_set(&port->host_ip)) {
        host_list_add(d->relay, &d->targets,
                      placement_get_host(d->relay->placement,
                                         &port->host_ip));
    }
}

static void
place_neighbor(struct distribution *d)
{
    add_vpc_hosts(d, GOAL_NEIGHBOR_CAST(d->resource)->vpc_id);
}

/* Adds the hosts of a port that an index has. */
static bool
place_port_hosts(const struct goal_key *key, void *d_)
{
    if (key->kind == GOAL_PORT) {
        struct distribution *d = d_;

        placement_for_each_holder(d->relay->placement, key, add_holder, d);
    }
    return true;
}

static void
place_security_group(struct distribution *d)
{
    goal_store_index(d->relay->store, GOAL_BY_GROUP, d->resource->id, NULL,
                     place_port_hosts, d);
}

static void
place_dhcp(struct distribution *d)
{
    const struct goal_dhcp *dhcp = GOAL_DHCP_CAST(d->resource);

    if (!d->targets.n && ipv6_addr_is_set(&dhcp->ipv4)) {
        goal_store_index(d->relay->store, GOAL_BY_ADDRESS, dhcp->subnet_id,
                         &dhcp->ipv4, place_port_hosts, d);
    }
}

static void
place_router(struct distribution *d)
{
    const struct goal_router *router = GOAL_ROUTER_CAST(d->resource);

    for (size_t i = 0; i < router->n_tables; i++) {
        add_subnet_hosts(d, router->tables[i].subnet_id);
    }
}

static bool
place_gateway_vpc(const struct goal_key *key, void *d_)
{
    struct distribution *d = d_;
    struct goal_resource *vpc = goal_store_get_key(d->relay->store, key);

    if (vpc) {
        add_vpc_hosts(d, vpc->id);
        goal_resource_destroy(vpc);
    }
    return true;
}

static void
place_gateway(struct distribution *d)
{
    const struct goal_gateway *gateway = GOAL_GATEWAY_CAST(d->resource);

    goal_store_index(d->relay->store, GOAL_BY_GATEWAY, gateway->up.id, NULL,
                     place_gateway_vpc, d);
    if (gateway->subnet_id[0]) {
        add_subnet_hosts(d, gateway->subnet_id);
    }
}

/* By enum goal_kind: adds the hosts that need the resource. */
static void (*const placers[GOAL_N_KINDS])(struct distribution *) = {
    [GOAL_VPC] = place_vpc,
    [GOAL_SUBNET] = place_subnet,
    [GOAL_PORT] = place_port,
    [GOAL_NEIGHBOR] = place_neighbor,
    [GOAL_SECURITY_GROUP] = place_security_group,
    [GOAL_DHCP] = place_dhcp,
    [GOAL_ROUTER] = place_router,
    [GOAL_GATEWAY] = place_gateway,
};

/* The VPC whose topic the resource may go by, or NULL. */
static struct place_vpc *
topic_vpc(const struct relay *relay, const struct goal_resource *r)
{
    const char *id = NULL;

    switch (r->kind) {
    case GOAL_VPC:
        id = r->id;
        break;
    case GOAL_SUBNET:
    case GOAL_NEIGHBOR:
    case GOAL_SECURITY_GROUP:
        id = goal_resource_vpc_id(r);
        break;
    case GOAL_PORT:
    case GOAL_DHCP:
    case GOAL_ROUTER:
    case GOAL_GATEWAY:
    case GOAL_N_KINDS:
        break;
    }
    return id && id[0] ? placement_find_vpc(relay->placement, id) : NULL;
}

/* Channels. */

static void
put_host(struct distribution *d, struct place_host *host)
{
    COVERAGE_INC(relay_by_unicast);
    relay_outbox_put(d->relay, &host->batch, host, NULL, NULL, d->request,
                     d->index, d->key, &d->entry);
}

/* Removes the targets that have lost their stamp. */
static void
drop_unstamped(struct distribution *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->targets.n; i++) {
        if (d->targets.hosts[i]->stamp) {
            d->targets.hosts[n++] = d->targets.hosts[i];
        }
    }
    d->targets.n = n;
}

static void
put_vpc(struct distribution *d)
{
    COVERAGE_INC(relay_by_vpc_topic);
    relay_outbox_put(d->relay, &d->vpc->batch, NULL, d->vpc, NULL,
                     d->request, d->index, d->key, &d->entry);
}

static void
try_vpc_topic(struct distribution *d)
{
    struct place_vpc *vpc = d->vpc;
    struct place_span *span;

    if (!vpc || !vpc->by_topic || hmap_count(&vpc->spans) > d->targets.n) {
        return;
    }
    HMAP_FOR_EACH (span, vpc_node, &vpc->spans) {
        if (span->host->stamp != d->relay->stamp) {
            return;
        }
    }
    put_vpc(d);
    HMAP_FOR_EACH (span, vpc_node, &vpc->spans) {
        span->host->stamp = 0;
    }
    drop_unstamped(d);
}

static void
try_group_topic(struct distribution *d, struct relay_group *group)
{
    if (group->n_nodes < 2 || group->n_nodes > d->targets.n) {
        return;
    }
    for (size_t i = 0; i < group->n_nodes; i++) {
        const struct place_host *host = group->nodes[i]->host;

        if (!host || host->stamp != d->relay->stamp) {
            return;
        }
    }
    COVERAGE_INC(relay_by_group_topic);
    relay_outbox_put(d->relay, &group->batch, NULL, NULL, group, d->request,
                     d->index, d->key, &d->entry);
    for (size_t i = 0; i < group->n_nodes; i++) {
        group->nodes[i]->host->stamp = 0;
    }
    drop_unstamped(d);
}

/* True if the resource is for all hosts of a VPC that has a topic: then those
 * need not be looked at one by one. */
static bool
goes_by_vpc_topic(const struct distribution *d)
{
    return (d->vpc && d->vpc->by_topic
            && d->key->kind == GOAL_NEIGHBOR);
}

/* Removes those targets that receive the VPC's topic. */
static void
drop_vpc_hosts(struct distribution *d)
{
    for (size_t i = 0; i < d->targets.n; i++) {
        struct place_host *host = d->targets.hosts[i];

        if (placement_find_span(d->vpc, host)) {
            host->stamp = 0;
        }
    }
    drop_unstamped(d);
}

/* Sends 'd->entry' to all targets. */
static void
send_to_targets(struct distribution *d)
{
    struct relay_group *group;

    if (goes_by_vpc_topic(d)) {
        put_vpc(d);
    } else {
        try_vpc_topic(d);
    }
    HMAP_FOR_EACH (group, node, &d->relay->groups) {
        try_group_topic(d, group);
    }
    for (size_t i = 0; i < d->targets.n; i++) {
        put_host(d, d->targets.hosts[i]);
    }
}

/* Context. */

/* What a host lacks, as it is found in indexes. */
struct lack {
    struct relay *relay;
    struct ack_request *request;
    struct place_host *host;
    enum goal_kind kind;        /* Wanted. */
    size_t n_max;               /* Resources; more are left out. */
};

static void
give(struct lack *lack, const struct goal_key *key)
{
    struct distribution d = {
        .relay = lack->relay,
        .request = lack->request,
        .index = ACK_CONTEXT,
        .key = key,
    };
    struct goal_resource *r = goal_store_get_key(lack->relay->store, key);

    if (r) {
        ofpbuf_init(&d.entry, 512);
        relay_encode(lack->relay, r, &d.entry);
        put_host(&d, lack->host);
        ofpbuf_uninit(&d.entry);
        goal_resource_destroy(r);
    }
}

/* Gives the host what it does not hold. */
static bool
give_member(const struct goal_key *key, void *lack_)
{
    struct lack *lack = lack_;

    if (key->kind == lack->kind
        && placement_add(lack->relay->placement, lack->host, key)) {
        give(lack, key);
    }
    return true;
}

static void
give_id(struct lack *lack, enum goal_kind kind, const char *id)
{
    struct goal_key key;

    if (goal_store_lookup(lack->relay->store, kind, id, &key)) {
        lack->kind = kind;
        give_member(&key, lack);
    }
}

static bool
give_neighbor(const struct goal_key *key, void *lack_)
{
    struct lack *lack = lack_;

    if (key->kind == GOAL_NEIGHBOR) {
        give(lack, key);
        lack->n_max--;
    }
    return lack->n_max > 0;
}

/* Gives what goes with a subnet. */
static bool
give_subnet(const char *subnet_id, void *lack_)
{
    struct lack *lack = lack_;

    give_id(lack, GOAL_SUBNET, subnet_id);
    lack->kind = GOAL_ROUTER;
    goal_store_index(lack->relay->store, GOAL_BY_SUBNET, subnet_id, NULL,
                     give_member, lack);
    lack->kind = GOAL_GATEWAY;
    goal_store_index(lack->relay->store, GOAL_BY_SUBNET, subnet_id, NULL,
                     give_member, lack);
    return true;
}

/* 'host' has come into 'vpc'. */
static void
give_vpc(struct lack *lack, const struct place_vpc *vpc)
{
    struct goal_store *store = lack->relay->store;
    struct goal_resource *r = goal_store_get(store, GOAL_VPC, vpc->id);

    if (r) {
        const struct goal_strings *ids = &GOAL_VPC_CAST(r)->gateway_ids;

        give_id(lack, GOAL_VPC, vpc->id);
        for (size_t i = 0; i < ids->n; i++) {
            give_id(lack, GOAL_GATEWAY, ids->names[i]);
        }
        goal_resource_destroy(r);
    }
    vni_claims_for_each_subnet(goal_store_vni_claims(store), vpc->id,
                               give_subnet, lack);
    if (!vpc->by_topic
        && goal_store_count_index(store, GOAL_BY_VPC, vpc->id, GOAL_NEIGHBOR)
           <= MAX_CONTEXT_NEIGHBORS) {
        lack->n_max = MAX_CONTEXT_NEIGHBORS;
        goal_store_index(store, GOAL_BY_VPC, vpc->id, NULL, give_neighbor,
                         lack);
    }
}

/* Chooses how neighbours of 'vpc' go. */
static void
choose_mode(const struct relay *relay, struct place_vpc *vpc)
{
    size_t n = hmap_count(&vpc->spans);
    unsigned int threshold = relay->options.unicast_hosts;

    if (n > threshold) {
        vpc->by_topic = true;
    } else if (n * 10 < threshold * 8) {
        vpc->by_topic = false;
    }
}

/* 'host' has got (a first time) 'port'. */
static void
port_arrives(struct distribution *d, struct place_host *host,
             const struct goal_port *port)
{
    struct place_vpc *vpc = placement_get_vpc(d->relay->placement,
                                              port->vpc_id);
    bool was_there = placement_find_span(vpc, host) != NULL;

    placement_change_span(d->relay->placement, vpc, host, 1);
    if (!was_there) {
        struct lack lack = {
            .relay = d->relay, .request = d->request, .host = host,
        };

        choose_mode(d->relay, vpc);
        give_vpc(&lack, vpc);
    }
}

/* Takes the VPC's neighbours from a host that has left it. */
struct retreat {
    struct distribution *d;
    struct place_host *host;
    size_t n_max;
};

static bool
take_neighbor(const struct goal_key *key, void *retreat_)
{
    struct retreat *retreat = retreat_;
    struct goal_resource *r;

    if (key->kind != GOAL_NEIGHBOR
        || placement_has(retreat->d->relay->placement, retreat->host, key)) {
        return true;
    }
    r = goal_store_get_key(retreat->d->relay->store, key);
    if (r) {
        struct distribution d = {
            .relay = retreat->d->relay,
            .request = retreat->d->request,
            .index = ACK_CONTEXT,
            .key = key,
        };

        ofpbuf_init(&d.entry, 128);
        goal_encode_delete(GOAL_NEIGHBOR, r->id, 0, &d.entry);
        put_host(&d, retreat->host);
        ofpbuf_uninit(&d.entry);
        goal_resource_destroy(r);
    }
    return --retreat->n_max > 0;
}

static char *
vpc_of_port(uint64_t sid, void *relay_)
{
    struct relay *relay = relay_;
    struct goal_key key = { GOAL_PORT, sid };
    struct goal_resource *r = goal_store_get_key(relay->store, &key);
    char *id = r ? xstrdup(GOAL_PORT_CAST(r)->vpc_id) : NULL;

    goal_resource_destroy(r);
    return id;
}

/* 'host' has lost 'port'.  Neighbours that came by the VPC's topic stay: if
 * the host ever joins it again it is told anew what there is.  A null 'port'
 * was removed from the store, but we died before we could say so. */
static void
port_leaves(struct distribution *d, struct place_host *host,
            const struct goal_port *port)
{
    struct place_vpc *vpc = (port ? placement_find_vpc(d->relay->placement,
                                                       port->vpc_id) : NULL);
    bool by_topic = vpc && vpc->by_topic;

    if (!port) {
        placement_recount(d->relay->placement, host, vpc_of_port, d->relay);
        return;
    }
    if (vpc
        && !placement_change_span(d->relay->placement, vpc, host, -1)) {
        struct retreat retreat = { d, host, MAX_CONTEXT_NEIGHBORS };

        choose_mode(d->relay, vpc);
        if (!by_topic) {
            goal_store_index(d->relay->store, GOAL_BY_VPC, vpc->id, NULL,
                             take_neighbor, &retreat);
        }
    }
}

/* Gives the neighbour of a port with other security groups to everybody once
 * more. */
static void
refresh_neighbor(struct distribution *d, const struct goal_port *port,
                 const struct goal_port *old)
{
    static const struct goal_strings none = { NULL, 0 };
    struct goal_key key;

    if (goal_strings_equal(&port->security_groups,
                           old ? &old->security_groups : &none)
        || !goal_store_lookup(d->relay->store, GOAL_NEIGHBOR, port->up.id,
                              &key)) {
        return;
    }
    struct goal_resource *r = goal_store_get_key(d->relay->store, &key);
    if (r) {
        relay_distribute(d->relay, d->request, ACK_CONTEXT, &key, r, NULL,
                         NULL);
        goal_resource_destroy(r);
    }
}

/* Resources. */

/* True if 'host' gets the neighbour because of the VPC that it is in. */
static bool
is_in_vpc(const struct distribution *d, const struct place_host *host)
{
    return d->vpc && placement_find_span(d->vpc, host);
}

/* Notes that the targets hold the resource. */
static void
note_members(struct distribution *d, const struct goal_port *port)
{
    for (size_t i = 0; i < d->targets.n; i++) {
        struct place_host *host = d->targets.hosts[i];

        if (d->resource->kind == GOAL_NEIGHBOR && is_in_vpc(d, host)) {
            continue;
        }
        if (placement_add(d->relay->placement, host, d->key) && port) {
            port_arrives(d, host, port);
        }
        if (port) {
            struct lack lack = {
                .relay = d->relay, .request = d->request, .host = host,
            };

            for (size_t j = 0; j < port->security_groups.n; j++) {
                give_id(&lack, GOAL_SECURITY_GROUP,
                        port->security_groups.names[j]);
            }
        }
    }
}

/* A port is on the hosts that were named last: takes it from others. */
static void
take_from_others(struct distribution *d, const struct goal_port *old)
{
    struct distribution others = {
        .relay = d->relay,
        .request = d->request,
        .index = ACK_CONTEXT,
        .key = d->key,
    };
    struct host_list *list = &others.targets;

    /* Those that are targets have the stamp already. */
    placement_for_each_holder(d->relay->placement, d->key, add_holder,
                              &others);
    ofpbuf_init(&others.entry, 128);
    goal_encode_delete(GOAL_PORT, d->resource->id, 0, &others.entry);
    for (size_t i = 0; i < list->n; i++) {
        placement_remove(d->relay->placement, list->hosts[i], d->key);
        put_host(&others, list->hosts[i]);
        port_leaves(d, list->hosts[i], old);
        list->hosts[i]->stamp = 0;
    }
    ofpbuf_uninit(&others.entry);
    free(list->hosts);
}

/* Gives 'resource', number 'index' of 'request' and as it is stored now under
 * 'key', to all who are to have it.  'old' is what was stored before, of ports
 * only; 'listed' are the hosts that the controller named; both may be null. */
void
relay_distribute(struct relay *relay, struct ack_request *request,
                 uint32_t index, const struct goal_key *key,
                 const struct goal_resource *resource,
                 const struct goal_resource *old,
                 const struct host_list *listed)
{
    struct distribution d = {
        .relay = relay,
        .request = request,
        .index = index,
        .key = key,
        .resource = resource,
        .vpc = topic_vpc(relay, resource),
    };
    const struct goal_port *port = (resource->kind == GOAL_PORT
                                    ? GOAL_PORT_CAST(resource) : NULL);
    const struct goal_port *old_port = (port && old ? GOAL_PORT_CAST(old)
                                        : NULL);

    relay->stamp++;
    for (size_t i = 0; listed && i < listed->n; i++) {
        host_list_add(relay, &d.targets, listed->hosts[i]);
    }
    if (port) {
        placers[resource->kind](&d);
        if (d.targets.n) {
            take_from_others(&d, old_port);
        } else {
            placement_for_each_holder(relay->placement, key, add_holder, &d);
        }
    } else {
        placement_for_each_holder(relay->placement, key, add_holder, &d);
        if (goes_by_vpc_topic(&d)) {
            drop_vpc_hosts(&d);
        } else {
            placers[resource->kind](&d);
        }
    }

    note_members(&d, port);
    if (d.targets.n || goes_by_vpc_topic(&d)) {
        ofpbuf_init(&d.entry, 512);
        relay_encode(relay, resource, &d.entry);
        send_to_targets(&d);
        ofpbuf_uninit(&d.entry);
    }
    free(d.targets.hosts);
    if (port) {
        refresh_neighbor(&d, port, old_port);
    }
}

/* Tells all who hold it that a resource is gone.  'old' is what was stored, or
 * null. */
void
relay_distribute_delete(struct relay *relay, struct ack_request *request,
                        uint32_t index, const struct goal_key *key,
                        const char *id, uint32_t revision,
                        const struct goal_resource *old)
{
    struct distribution d = {
        .relay = relay,
        .request = request,
        .index = index,
        .key = key,
        .vpc = old ? topic_vpc(relay, old) : NULL,
    };
    size_t n;

    relay->stamp++;
    placement_for_each_holder(relay->placement, key, add_holder, &d);
    n = d.targets.n;
    for (size_t i = 0; i < n; i++) {
        placement_remove(relay->placement, d.targets.hosts[i], key);
        if (key->kind == GOAL_PORT) {
            port_leaves(&d, d.targets.hosts[i],
                        old ? GOAL_PORT_CAST(old) : NULL);
        }
    }
    if (goes_by_vpc_topic(&d)) {
        drop_vpc_hosts(&d);
    } else if (old && old->kind == GOAL_NEIGHBOR) {
        add_vpc_hosts(&d, GOAL_NEIGHBOR_CAST(old)->vpc_id);
    }
    if (d.targets.n || goes_by_vpc_topic(&d)) {
        ofpbuf_init(&d.entry, 128);
        goal_encode_delete(key->kind, id, revision, &d.entry);
        send_to_targets(&d);
        ofpbuf_uninit(&d.entry);
    }
    free(d.targets.hosts);
}

/* Gives 'host' a resource that a controller says it needs, if it does not hold
 * it yet. */
void
relay_distribute_give(struct relay *relay, struct ack_request *request,
                      struct place_host *host, enum goal_kind kind,
                      const char *id)
{
    struct lack lack = {
        .relay = relay, .request = request, .host = host,
    };

    give_id(&lack, kind, id);
}

/* Chooses how the neighbours of all VPCs go, after a start. */
void
relay_distribute_init(struct relay *relay)
{
    struct place_vpc *vpc;

    HMAP_FOR_EACH (vpc, node, placement_vpcs(relay->placement)) {
        choose_mode(relay, vpc);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-resolve: unknown destinations. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/proto-field.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "store/vni-claims.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_resolve);

COVERAGE_DEFINE(relay_routable);
COVERAGE_DEFINE(relay_not_routable);
COVERAGE_DEFINE(relay_over_budget);

/* How it works
 * ============
 *
 * A host asks whether a packet from 'source' may go to 'destination' in a VNI.
 * It may if both are in the VPC that has the VNI, in one subnet or in two that
 * a router joins, and the security groups of both let it pass: those of the
 * port or, where only the neighbour is known, of the neighbour.  Who has no
 * group lets everything pass.
 *
 * If so the host is sent the neighbour that the destination is, and what else
 * it lacks, on the control channel, where it arrives before the answer. */

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Alcor's Protocol and EtherType. */
enum { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_HTTP,
       PROTOCOL_ARP, PROTOCOL_ANY = 255 };
enum { DIRECTION_EGRESS, DIRECTION_INGRESS };

/* Tokens of the budget that a request costs. */
#define REQUEST_COST 1000

/* One end of the connection. */
struct party {
    struct goal_store *store;
    struct in6_addr ip;
    char *subnet_id;            /* Null: not found. */
    struct goal_resource *port; /* May be null, as 'neighbor'. */
    struct goal_resource *neighbor;
};

static bool
find_at_address(const struct goal_key *key, void *party_)
{
    struct party *party = party_;

    if (key->kind == GOAL_PORT && !party->port) {
        party->port = goal_store_get_key(party->store, key);
    } else if (key->kind == GOAL_NEIGHBOR && !party->neighbor) {
        party->neighbor = goal_store_get_key(party->store, key);
    }
    return true;
}

static bool
find_in_subnet(const char *subnet_id, void *party_)
{
    struct party *party = party_;

    goal_store_index(party->store, GOAL_BY_ADDRESS, subnet_id, &party->ip,
                     find_at_address, party);
    if (party->port || party->neighbor) {
        party->subnet_id = xstrdup(subnet_id);
        return false;
    }
    return true;
}

static void
party_destroy(struct party *party)
{
    free(party->subnet_id);
    goal_resource_destroy(party->port);
    goal_resource_destroy(party->neighbor);
}

static const struct goal_strings *
party_groups(const struct party *party)
{
    static const struct goal_strings none = { NULL, 0 };

    return (party->port ? &GOAL_PORT_CAST(party->port)->security_groups
            : party->neighbor
            ? &GOAL_NEIGHBOR_CAST(party->neighbor)->security_groups
            : &none);
}

/* Security groups. */

static bool
contains(const struct goal_strings *strings, const char *s)
{
    for (size_t i = 0; i < strings->n; i++) {
        if (!strcmp(strings->names[i], s)) {
            return true;
        }
    }
    return false;
}

static bool
prefix_contains(const struct goal_prefix *prefix, const struct in6_addr *ip)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&prefix->addr);
    struct in6_addr mask = ipv6_create_mask(prefix->plen + (v4 ? 96 : 0));
    struct in6_addr masked = ipv6_addr_bitand(ip, &mask);

    return ipv6_addr_equals(&masked, &prefix->addr);
}

static bool
protocol_passes(const struct goal_sg_rule *rule,
                const struct host_request *request)
{
    uint32_t wanted = (request->protocol == PROTOCOL_HTTP
                       ? PROTOCOL_TCP : request->protocol);
    uint32_t given = (rule->protocol == PROTOCOL_HTTP
                      ? PROTOCOL_TCP : rule->protocol);

    if (given == PROTOCOL_ANY) {
        return true;
    } else if (given != wanted) {
        return false;
    }
    /* What a request says of ICMP's type and code is nothing. */
    return (given == PROTOCOL_ICMP
            || (!rule->port_range_min && !rule->port_range_max)
            || (request->destination_port >= rule->port_range_min
                && request->destination_port <= rule->port_range_max));
}

static bool
rule_passes(const struct goal_sg_rule *rule, uint32_t direction,
            const struct party *other, const struct host_request *request)
{
    return (rule->direction == direction
            && rule->ethertype == request->ethertype
            && protocol_passes(rule, request)
            && (!rule->remote_prefix.given
                || prefix_contains(&rule->remote_prefix, &other->ip))
            && (!rule->remote_group_id[0]
                || contains(party_groups(other), rule->remote_group_id)));
}

/* True if the groups of 'self' let packets of 'direction' pass from or to
 * 'other'. */
static bool
groups_pass(const struct party *self, uint32_t direction,
            const struct party *other, const struct host_request *request)
{
    const struct goal_strings *groups = party_groups(self);
    bool passes = !groups->n || request->protocol == PROTOCOL_ARP;

    for (size_t i = 0; i < groups->n && !passes; i++) {
        struct goal_resource *r = goal_store_get(self->store,
                                                 GOAL_SECURITY_GROUP,
                                                 groups->names[i]);
        if (r) {
            const struct goal_security_group *sg = GOAL_SECURITY_GROUP_CAST(r);

            for (size_t j = 0; j < sg->n_rules && !passes; j++) {
                passes = rule_passes(&sg->rules[j], direction, other,
                                     request);
            }
            goal_resource_destroy(r);
        }
    }
    return passes;
}

/* Routers. */

struct router_search {
    struct goal_store *store;
    const char *subnet_id;
    struct goal_resource *found;
};

static bool
find_router(const struct goal_key *key, void *search_)
{
    struct router_search *search = search_;
    struct goal_resource *r = (key->kind == GOAL_ROUTER
                               ? goal_store_get_key(search->store, key)
                               : NULL);
    if (r) {
        const struct goal_router *router = GOAL_ROUTER_CAST(r);

        for (size_t i = 0; i < router->n_tables; i++) {
            if (!strcmp(router->tables[i].subnet_id, search->subnet_id)) {
                search->found = r;
                return false;
            }
        }
        goal_resource_destroy(r);
    }
    return true;
}

/* Returns a router that joins the two subnets, owned by the caller. */
static struct goal_resource *
common_router(struct goal_store *store, const char *a, const char *b)
{
    struct router_search search = { .store = store, .subnet_id = b };

    goal_store_index(store, GOAL_BY_SUBNET, a, NULL, find_router, &search);
    return search.found;
}

/* Answers. */

/* Appends the neighbour that 'destination' is. */
static void
put_neighbor(struct relay *relay, const struct party *destination, bool l3,
             struct ofpbuf *buf)
{
    const struct goal_port *port = (destination->port
                                    ? GOAL_PORT_CAST(destination->port)
                                    : NULL);
    struct goal_resource *r;
    struct goal_neighbor *n;

    if (destination->neighbor) {
        r = goal_resource_clone(destination->neighbor);
        n = GOAL_NEIGHBOR_CAST(r);
    } else {
        r = goal_resource_create(GOAL_NEIGHBOR, port->up.id);
        n = GOAL_NEIGHBOR_CAST(r);
        r->revision = port->up.revision;
        free(n->vpc_id);
        n->vpc_id = xstrdup(port->vpc_id);
        n->mac = port->mac;
        n->host_ip = port->host_ip;
        n->host_mac = port->host_mac;
    }

    /* In the role in which it is asked for. */
    uint32_t type = l3 ? GOAL_NEIGHBOR_L3 : GOAL_NEIGHBOR_L2;
    bool has_role = false;
    for (size_t i = 0; i < n->n_fixed_ips; i++) {
        has_role = (has_role
                    || (n->fixed_ips[i].type == type
                        && ipv6_addr_equals(&n->fixed_ips[i].ip,
                                            &destination->ip)));
    }
    if (!has_role) {
        n->fixed_ips = xrealloc(n->fixed_ips, (n->n_fixed_ips + 1)
                                * sizeof *n->fixed_ips);
        n->fixed_ips[n->n_fixed_ips++] = (struct goal_neighbor_ip) {
            .type = type,
            .subnet_id = xstrdup(destination->subnet_id),
            .ip = destination->ip,
            .arion_group = xstrdup(""),
        };
    }
    relay_encode(relay, r, buf);
    goal_resource_destroy(r);
}

/* Appends a resource that the host does not hold. */
static void
put_lacking(struct relay *relay, const struct relay_node *node,
            enum goal_kind kind, const char *id, struct ofpbuf *buf)
{
    struct goal_key key;

    if (goal_store_lookup(relay->store, kind, id, &key)
        && !(node->host
             && placement_has(relay->placement, node->host, &key))) {
        struct goal_resource *r = goal_store_get_key(relay->store, &key);

        if (r) {
            relay_encode(relay, r, buf);
            goal_resource_destroy(r);
        }
    }
}

static bool
send_answer(struct relay *relay, const struct relay_node *node,
            const struct party *destination, const char *vpc_id,
            const struct goal_resource *router)
{
    char *id = relay_new_id();
    struct envelope e = relay_envelope(relay, MSG_GOAL_STATE_V2, id, NULL);
    struct ofpbuf payload;

    ofpbuf_init(&payload, 512);
    put_lacking(relay, node, GOAL_VPC, vpc_id, &payload);
    put_lacking(relay, node, GOAL_SUBNET, destination->subnet_id, &payload);
    if (router) {
        put_lacking(relay, node, GOAL_ROUTER, router->id, &payload);
    }
    put_neighbor(relay, destination, router != NULL, &payload);
    int error = relay_send(relay, node->id, &e, &payload);
    ofpbuf_uninit(&payload);
    free(id);
    return !error;
}

/* Returns true if the destination may be reached; then it was sent. */
static bool
resolve(struct relay *relay, const struct relay_node *node,
        const struct host_request *request, struct party *source,
        struct party *destination)
{
    const struct vni_claims *claims = goal_store_vni_claims(relay->store);
    const char *vpc_id = vni_claims_find(claims, request->tunnel_id);
    struct goal_resource *router = NULL;
    bool ok;

    if (!vpc_id || !proto_parse_ip(request->source_ip, &source->ip)
        || !proto_parse_ip(request->destination_ip, &destination->ip)) {
        return false;
    }
    vni_claims_for_each_subnet(claims, vpc_id, find_in_subnet, source);
    vni_claims_for_each_subnet(claims, vpc_id, find_in_subnet, destination);
    if (!source->subnet_id || !destination->subnet_id) {
        return false;
    }
    bool l3 = strcmp(source->subnet_id, destination->subnet_id) != 0;
    if (l3) {
        router = common_router(relay->store, source->subnet_id,
                               destination->subnet_id);
    }
    ok = ((!l3 || router)
          && (destination->neighbor
              || ipv6_addr_is_set(
                  &GOAL_PORT_CAST(destination->port)->host_ip))
          && groups_pass(source, DIRECTION_EGRESS, destination, request)
          && groups_pass(destination, DIRECTION_INGRESS, source, request)
          && send_answer(relay, node, destination, vpc_id, router));
    goal_resource_destroy(router);
    return ok;
}

/* Answers a request of 'node' about a destination. */
enum goal_status
relay_resolve(struct relay *relay, struct relay_node *node,
              const struct host_request *request)
{
    struct party source = { .store = relay->store };
    struct party destination = { .store = relay->store };

    node->n_on_demand++;
    if (!token_bucket_withdraw(&node->on_demand, REQUEST_COST)) {
        COVERAGE_INC(relay_over_budget);
        relay->counters.over_budget++;
        node->n_over_budget++;
        VLOG_INFO_RL(&rl, "node %s asks for too many destinations", node->id);
        return GOAL_STATUS_FAILURE;
    }
    bool ok = resolve(relay, node, request, &source, &destination);
    party_destroy(&source);
    party_destroy(&destination);
    if (ok) {
        COVERAGE_INC(relay_routable);
        relay->counters.routable++;
    } else {
        COVERAGE_INC(relay_not_routable);
        relay->counters.not_routable++;
    }
    return ok ? GOAL_STATUS_SUCCESS : GOAL_STATUS_FAILURE;
}

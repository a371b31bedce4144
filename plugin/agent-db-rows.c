/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-db-rows: the rows of the database Alcor, from the agent's state. */

#include <config.h>

#include "agent-private.h"

#include <string.h>
#include "agent-db-rows.h"
#include "agent-fast-path.h"
#include "agent-port-stats.h"
#include "apply/alcor-db.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "simap.h"
#include "store/goal-store.h"
#include "store/goal-txn.h"
#include "store/volatile-store.h"
#include "svec.h"
#include "translate/plugin-provider.h"
#include "translate/translator.h"
#include "util.h"

/* Agent. */

static const char *
state_string(const struct agent *agent)
{
    switch (agent->phase) {
    case PHASE_DATABASE:        /* Then nothing is written. */
    case PHASE_CONFIG:
        return agent->store_error ? "translating" : "unconfigured";
    case PHASE_TRANSLATE: return "translating";
    case PHASE_RUN: break;
    }
    return "running";
}

static bool
is_connected(const struct agent *agent)
{
    return agent->transport && transport_is_connected(agent->transport);
}

/* Adds the texts for people to 'status'. */
static void
describe(const struct agent *agent, struct smap *status)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    agent_transport_describe(agent, &s);
    smap_add(status, "controller", ds_cstr(&s));
    if (agent->resync) {
        ds_clear(&s);
        resync_describe(agent->resync, &s);
        smap_add(status, "resync", ds_cstr(&s));
    }
    if (agent->config.bridge) {
        smap_add(status, "bridge", agent->config.bridge);
    }
    smap_add(status, "switch", (agent->options.dummy
                                ? "none (--dummy-dataplane)"
                                : agent->was_connected ? "connected"
                                : "not connected"));
    ds_clear(&s);
    if (agent_underlay_describe_buffer(agent, &s)) {
        smap_add(status, "buffer", ds_cstr(&s));
    }
    ds_destroy(&s);
}

#define N_NUMBERS (10 + GOAL_N_KINDS)

/* Stores statistics in 'numbers', of at least N_NUMBERS elements, and returns
 * how many. */
static size_t
get_statistics(const struct agent *agent, struct alcor_db_number *numbers)
{
    static const char *const kinds[GOAL_N_KINDS] = {
        [GOAL_VPC] = "vpcs",
        [GOAL_SUBNET] = "subnets",
        [GOAL_PORT] = "ports",
        [GOAL_NEIGHBOR] = "neighbors",
        [GOAL_SECURITY_GROUP] = "security_groups",
        [GOAL_DHCP] = "dhcps",
        [GOAL_ROUTER] = "routers",
        [GOAL_GATEWAY] = "gateways",
    };
    const struct agent_counters *c = &agent->counters;
    const struct alcor_db_number some[] = {
        { "messages", c->messages },
        { "resources", c->resources },
        { "invalid", c->invalid },
        { "stale", c->stale },
        { "duplicates", c->duplicates },
        { "unknown", c->unknown },
        { "unparsable", c->unparsable },
        { "gaps", agent->resync ? resync_n_gaps(agent->resync) : 0 },
        { "topics", sset_count(&agent->topics) },
        { "flows", ds_count(agent->ds, DS_OPENFLOW) },
    };
    size_t n = ARRAY_SIZE(some);

    BUILD_ASSERT(ARRAY_SIZE(some) + GOAL_N_KINDS == N_NUMBERS);
    memcpy(numbers, some, sizeof some);
    for (int i = 0; agent->store && i < GOAL_N_KINDS; i++) {
        numbers[n++] = (struct alcor_db_number) {
            kinds[i], goal_store_count(agent->store, i)
        };
    }
    return n;
}

static void
fill_agent(const struct agent *agent, struct alcor_db *db,
           const int64_t *cur_cfg)
{
    struct smap status = SMAP_INITIALIZER(&status);
    struct simap hits = SIMAP_INITIALIZER(&hits);
    struct simap_node *node;

    agent_limits_get_hits(&hits);

    struct alcor_db_number *numbers
        = xmalloc((N_NUMBERS + simap_count(&hits)) * sizeof *numbers);
    size_t n = get_statistics(agent, numbers);
    SIMAP_FOR_EACH (node, &hits) {
        numbers[n++] = (struct alcor_db_number) { node->name, node->data };
    }
    describe(agent, &status);

    struct alcor_db_agent row = {
        .node_id = agent->config.node_id ? agent->config.node_id : "",
        .host_ip = agent->config.host_ip ? agent->config.host_ip : "",
        .version = ALCOR_VERSION,
        .start_time = agent->epoch,
        .state = state_string(agent),
        .connection_status = (!agent->config.remote ? "none"
                              : is_connected(agent) ? "connected"
                              : "connecting"),
        .status = &status,
        .errors = &agent->config.errors,
        .cur_cfg = cur_cfg,
        .statistics = numbers,
        .n_statistics = n,
    };
    alcor_db_agent(db, &row);
    smap_destroy(&status);
    simap_destroy(&hits);
    free(numbers);
}

/* Subscription. */

/* Where a topic stands: of the publisher's last incarnation. */
struct position {
    char *sender;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t n_gaps;
};

static void
add_position(struct shash *positions, const char *sender, uint64_t epoch,
             const char *topic, uint64_t sequence, uint64_t n_gaps)
{
    struct position *p = shash_find_data(positions, topic);

    if (!p) {
        p = xzalloc(sizeof *p);
        shash_add(positions, topic, p);
    } else if (epoch < p->epoch
               || (epoch == p->epoch && sequence < p->sequence)) {
        return;
    }
    free(p->sender);
    p->sender = xstrdup(sender);
    p->epoch = epoch;
    p->sequence = sequence;
    p->n_gaps = n_gaps;
}

static void
add_stored_position(const struct goal_origin *origin, void *positions)
{
    if (origin->topic[0]) {
        add_position(positions, origin->sender, origin->epoch, origin->topic,
                     origin->sequence, 0);
    }
}

static void
add_followed_position(const char *sender, uint64_t epoch, const char *topic,
                      uint64_t sequence, uint64_t n_gaps, void *positions)
{
    add_position(positions, sender, epoch, topic, sequence, n_gaps);
}

static void
fill_subscription(const struct agent *agent, struct alcor_db *db,
                  const struct shash *positions, const char *topic,
                  const char *kind, bool automatic)
{
    const struct position *p = shash_find_data(positions, topic);
    const char *key = smap_get_def(&agent->joined, topic, "");
    struct alcor_db_subscription row = {
        .topic = topic,
        .kind = kind,
        .key = key,
        .endpoint = agent->config.remote ? agent->config.remote : "",
        .status = (!agent->transport || !agent->translator ? "idle"
                   : is_connected(agent) ? "subscribed"
                   : "waiting"),
        .sender = p ? p->sender : "",
        .epoch = p ? p->epoch : 0,
        .sequence = p ? p->sequence : 0,
        .gaps = p ? p->n_gaps : 0,
    };

    alcor_db_subscription(db, &row, automatic);
}

/* Topics that the agent has subscribed by itself, not for an operator. */
static void
fill_automatic(const struct agent *agent, struct alcor_db *db,
               const struct shash *positions)
{
    char *node = xasprintf("node/%s", (agent->config.node_id
                                       ? agent->config.node_id : ""));
    const char **topics = sset_sort(&agent->topics);
    size_t n_joined = 0;

    for (size_t i = 0; i < sset_count(&agent->topics); i++) {
        const char *topic = topics[i];
        const char *kind = (!strcmp(topic, "all") ? "multicast"
                            : !strcmp(topic, node) ? "unicast"
                            : !strncmp(topic, "vpc/", 4) ? "vpc"
                            : "group");

        if (smap_get(&agent->joined, topic)) {
            if (n_joined++ >= AGENT_DB_MAX_JOINED) {
                continue;
            }
        } else if (sset_contains(alcor_db_topics(db), topic)
                   && !strcmp(kind, "group")) {
            continue;
        }
        fill_subscription(agent, db, positions, topic, kind, true);
    }
    free(topics);
    free(node);
}

static void
fill_subscriptions(const struct agent *agent, struct alcor_db *db)
{
    struct shash positions = SHASH_INITIALIZER(&positions);
    struct shash_node *node;
    const char *topic;

    if (agent->translator) {
        goal_store_positions(agent->store, add_stored_position, &positions);
        resync_for_each_topic(agent->resync, add_followed_position,
                              &positions);
    }
    fill_automatic(agent, db, &positions);
    SSET_FOR_EACH (topic, alcor_db_topics(db)) {
        fill_subscription(agent, db, &positions, topic, NULL, false);
    }
    SHASH_FOR_EACH (node, &positions) {
        struct position *p = node->data;

        free(p->sender);
    }
    shash_destroy_free_data(&positions);
}

/* Plugin. */

static void
fill_plugins(const struct agent *agent, struct alcor_db *db)
{
    char *abi = xasprintf("ABI %d", PLUGIN_ABI);

    for (size_t i = 0; i < agent->registry.n; i++) {
        const struct plugin_entry *entry = &agent->registry.entries[i];
        struct alcor_db_plugin row = {
            .name = entry->class->name,
            .version = entry->file ? abi : ALCOR_VERSION,
            .path = entry->file ? entry->file : "",
            .enabled = entry->enabled,
            .flows = ds_count_flows(agent->ds, entry->number),
        };

        alcor_db_plugin(db, &row);
    }
    free(abi);
}

/* Gateway. */

struct goal_walk {
    struct agent *agent;
    struct alcor_db *db;
    size_t n_gateways;
    struct shash vpcs;          /* Id -> struct vpc_row. */
};

static bool
fill_gateway(const struct goal_key *key, const char *id, void *walk_)
{
    static const char *const types[] = {
        "default", "zeta", "tgw", "igw", "ngw", "arion",
    };
    struct goal_walk *walk = walk_;
    struct goal_resource *r = goal_store_get_key(walk->agent->store, key);

    if (!r) {
        return true;
    }

    const struct goal_gateway *gateway = GOAL_GATEWAY_CAST(r);
    struct smap entrances = SMAP_INITIALIZER(&entrances);
    struct simap statistics = SIMAP_INITIALIZER(&statistics);
    struct ds ip = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < gateway->n_destinations; i++) {
        ds_clear(&ip);
        ipv6_format_mapped(&gateway->destinations[i].ip, &ip);
        smap_replace(&entrances, ds_cstr(&ip),
                     agent_zeta_state(walk->agent,
                                      &gateway->destinations[i].ip));
    }
    agent_zeta_statistics(walk->agent, id, &statistics);

    struct alcor_db_gateway row = {
        .id = id,
        .type = types[MIN(gateway->type, ARRAY_SIZE(types) - 1)],
        .entrances = &entrances,
        .statistics = &statistics,
    };
    alcor_db_gateway(walk->db, &row);
    ds_destroy(&ip);
    smap_destroy(&entrances);
    simap_destroy(&statistics);
    goal_resource_destroy(r);
    return ++walk->n_gateways < AGENT_DB_MAX_GATEWAYS;
}

/* VPC. */

/* A VPC with ports here. */
struct vpc_row {
    struct sset ports;          /* Ids. */
    struct sset subnets;        /* Ids of those that the ports are in. */
};

static void
note_vpc(struct goal_walk *walk, const struct goal_port *port)
{
    struct vpc_row *vpc = shash_find_data(&walk->vpcs, port->vpc_id);

    if (!vpc) {
        vpc = xmalloc(sizeof *vpc);
        sset_init(&vpc->ports);
        sset_init(&vpc->subnets);
        shash_add(&walk->vpcs, port->vpc_id, vpc);
    }
    sset_add(&vpc->ports, port->up.id);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        sset_add(&vpc->subnets, port->fixed_ips[i].subnet_id);
    }
}

/* The VNI that all 'subnets' have that are known, or -1. */
static int64_t
common_vni(struct goal_store *store, const struct sset *subnets)
{
    int64_t vni = -1;
    const char *id;

    SSET_FOR_EACH (id, subnets) {
        struct goal_resource *r = goal_store_get(store, GOAL_SUBNET, id);

        if (r) {
            int64_t its = GOAL_SUBNET_CAST(r)->tunnel_id;

            goal_resource_destroy(r);
            if (vni >= 0 && its != vni) {
                return -1;
            }
            vni = its <= 0xffffff ? its : -1;
        }
    }
    return vni;
}

static void
fill_vpc(struct goal_walk *walk, const char *id, const struct vpc_row *vpc)
{
    struct agent *agent = walk->agent;
    struct sset gateways = SSET_INITIALIZER(&gateways);
    struct goal_resource *r = goal_store_get(agent->store, GOAL_VPC, id);
    struct alcor_db_vpc row = {
        .id = id,
        .tunnel_id = -1,
        .neighbors_stored = goal_store_count_index(agent->store, GOAL_BY_VPC,
                                                   id, GOAL_NEIGHBOR),
        .neighbors_programmed = translator_count_programmed(agent->translator,
                                                            id),
        .ports = &vpc->ports,
        .gateways = &gateways,
    };

    if (r) {
        const struct goal_vpc *goal = GOAL_VPC_CAST(r);

        row.tunnel_id = (goal->tunnel_id ? goal->tunnel_id
                         : common_vni(agent->store, &vpc->subnets));
        for (size_t i = 0; i < goal->gateway_ids.n; i++) {
            sset_add(&gateways, goal->gateway_ids.names[i]);
        }
        goal_resource_destroy(r);
    }
    alcor_db_vpc(walk->db, &row);
    sset_destroy(&gateways);
}

static void
fill_vpcs(struct goal_walk *walk)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &walk->vpcs) {
        struct vpc_row *vpc = node->data;

        fill_vpc(walk, node->name, vpc);
        sset_destroy(&vpc->ports);
        sset_destroy(&vpc->subnets);
    }
    shash_destroy_free_data(&walk->vpcs);
}

/* Port. */

/* True if the data plane has confirmed the port's flows: then the mark on its
 * Interface is there, the last of its outputs. */
static bool
is_installed(const struct agent *agent, const char *id)
{
    char *key = xasprintf("installed %s", id);
    struct ds_output *output = ds_lookup(agent->ds, DS_OVSDB_LATE, key,
                                         strlen(key));

    free(key);
    return !output || !ds_output_is_dirty(output);
}

/* True if the port with 'binding' is in a storm. */
static bool
is_limited(const struct agent *agent, const struct vol_binding *binding)
{
    char *id = xasprintf("%"PRIu32, binding->ofport);
    bool limited = vol_get(agent->vol, VOL_STORM, id) != NULL;

    free(id);
    return limited;
}

/* Sets state and reason of 'row'.  Returns the reason if it was allocated and
 * the caller has to free it, else null. */
static char *
port_state(const struct agent *agent, const struct goal_key *key,
           const struct vol_binding *binding, struct alcor_db_port *row)
{
    const char *error;
    enum unit_status status = translator_status(agent->translator, key,
                                                &error);
    const char *rival = translator_rival(agent->translator, key);

    row->reason = error ? error : "";
    if (status == UNIT_WAIT) {
        row->state = "pending";
        row->reason = (error ? error : "its VPC or one of its subnets has not "
                       "been received yet");
    } else if (status == UNIT_REJECT) {
        row->state = "invalid";
    } else if (status == UNIT_FAILED) {
        row->state = "failed";
    } else if (rival) {
        char *reason = xasprintf("%s has one of its addresses", rival);

        row->state = "conflict";
        row->reason = reason;
        return reason;
    } else if (!binding) {
        char *reason = xasprintf("no Interface on %s has external_ids:"
                                 "iface-id=%s and an OpenFlow port",
                                 agent->config.bridge, row->id);
        row->state = "unbound";
        row->reason = reason;
        return reason;
    } else if (status == UNIT_PARTIAL || !is_installed(agent, row->id)) {
        row->state = "installing";
        row->reason = error ? error : "waiting for Open vSwitch";
    } else {
        row->state = "active";
        row->reason = (is_limited(agent, binding)
                       ? "limited, since it floods" : "");
    }
    return NULL;
}

static bool
fill_port(const struct goal_key *key, const char *id, void *walk_)
{
    struct goal_walk *walk = walk_;
    struct agent *agent = walk->agent;
    struct goal_resource *r = goal_store_get_key(agent->store, key);

    if (!r) {
        return true;
    }

    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = vol_get(agent->vol, VOL_BINDING, id);
    char *mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(port->mac));
    struct svec ips = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        struct ds ip = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(&port->fixed_ips[i].ip, &ip);
        svec_add_nocopy(&ips, ds_steal_cstr(&ip));
    }
    svec_sort_unique(&ips);

    struct alcor_db_port row = {
        .id = id,
        .vpc = port->vpc_id,
        .mac = mac,
        .addresses = (const char **) ips.names,
        .n_addresses = ips.n,
        .interface = binding ? binding->iface : "",
        .ofport = binding ? binding->ofport : 0,
    };
    struct agent_port_stats stats;

    if (binding) {
        agent_port_stats_get(agent, id, binding->ofport, &stats);
        row.statistics = stats.totals;
        row.n_statistics = stats.n_totals;
        row.drops = stats.drops;
        row.n_drops = stats.n_drops;
        row.ingress_drops = stats.ingress_drops;
        row.n_ingress_drops = stats.n_ingress_drops;
    }
    char *reason = port_state(agent, key, binding, &row);
    alcor_db_port(walk->db, &row);
    note_vpc(walk, port);
    free(reason);
    svec_destroy(&ips);
    free(mac);
    goal_resource_destroy(r);
    return true;
}

/* All. */

/* Transaction. */

/* What was decided is committed; whether it is in effect is told when it is
 * over. */
static void
fill_transaction(const struct goal_txn *txn, void *db)
{
    char *outcome = goal_txn_describe_outcome(txn);
    struct alcor_db_transaction row = {
        .id = txn->id,
        .phase = (txn->phase == GOAL_TXN_STAGED ? "prepared"
                  : txn->phase == GOAL_TXN_ABORTED ? "aborted"
                  : "committed"),
        .resources = txn->n_resources,
        .outcome = outcome,
        .start_time = txn->began,
        .end_time = txn->ended,
    };

    alcor_db_transaction(db, &row);
    free(outcome);
}

void
agent_db_fill(struct agent *agent, struct alcor_db *db, uint32_t tables,
              const int64_t *cur_cfg)
{
    if (tables & (1u << ALCOR_DB_AGENT)) {
        fill_agent(agent, db, cur_cfg);
    }
    if (tables & (1u << ALCOR_DB_SUBSCRIPTION)) {
        fill_subscriptions(agent, db);
    }
    if (tables & (1u << ALCOR_DB_PLUGIN)) {
        fill_plugins(agent, db);
    }
    if (tables & (1u << ALCOR_DB_FAST_PATH)) {
        agent_fast_path_fill(agent, db);
    }
    if (tables & (1u << ALCOR_DB_VPC)) {
        struct goal_walk walk = { .agent = agent, .db = db };

        shash_init(&walk.vpcs);
        goal_store_for_each(agent->store, GOAL_GATEWAY, fill_gateway, &walk);
        goal_store_for_each(agent->store, GOAL_PORT, fill_port, &walk);
        fill_vpcs(&walk);
    }
    if (tables & (1u << ALCOR_DB_TRANSACTION)) {
        goal_txn_for_each(agent->store, fill_transaction, db);
    }
}

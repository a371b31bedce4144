/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-on-demand: what feedback/on-demand needs of the rest. */

#include <config.h>

#include "agent-private.h"

#include <limits.h>
#include <string.h>
#include "apply/flow-stats.h"
#include "feedback/ack.h"
#include "feedback/on-demand.h"
#include "feedback/packet-in.h"
#include "hash.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "store/goal-fit.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "table.h"
#include "timeval.h"
#include "translate/on-demand.h"
#include "translate/translator.h"
#include "unixctl.h"
#include "util.h"

/* Subnets by tag: what packets say of their subnet is not what the store calls
 * it.  Emptied when a VPC or subnet changes. */
struct tagged_subnet {
    struct hmap_node hmap_node; /* In struct agent's 'tagged_subnets'. */
    uint64_t tag;
    char *id;
};

/* At most this many. */
#define MAX_TAGGED 4096
LIMIT_DEFINE(tagged_subnets, MAX_TAGGED, LIMIT_FIXED, LIMIT_FORGETS)

void
agent_on_demand_flush(struct agent *agent)
{
    struct tagged_subnet *tagged;

    HMAP_FOR_EACH_POP (tagged, hmap_node, &agent->tagged_subnets) {
        free(tagged->id);
        free(tagged);
    }
}

static const char *
find_tagged(const struct agent *agent, uint64_t tag)
{
    const struct tagged_subnet *tagged;

    HMAP_FOR_EACH_WITH_HASH (tagged, hmap_node, hash_uint64(tag),
                             &agent->tagged_subnets) {
        if (tagged->tag == tag) {
            return tagged->id;
        }
    }
    return NULL;
}

struct tag_walk {
    struct agent *agent;
    const struct goal_vpc *vpc;
};

static bool
add_tagged(const struct goal_key *key, void *walk_)
{
    const struct tag_walk *walk = walk_;
    struct agent *agent = walk->agent;

    /* In order of kind: subnets come first. */
    struct goal_resource *r = (key->kind == GOAL_SUBNET
                               ? goal_store_get_key(agent->store, key)
                               : NULL);
    if (!r) {
        return key->kind <= GOAL_SUBNET;
    }

    const struct goal_subnet *subnet = GOAL_SUBNET_CAST(r);
    uint32_t vni = goal_effective_vni(walk->vpc, subnet);
    uint64_t tag = of_subnet_tag(subnet->network_type, vni, r->id);

    if (vni && !find_tagged(agent, tag)) {
        struct tagged_subnet *tagged = xmalloc(sizeof *tagged);

        tagged->tag = tag;
        tagged->id = xstrdup(r->id);
        hmap_insert(&agent->tagged_subnets, &tagged->hmap_node,
                    hash_uint64(tag));
    }
    goal_resource_destroy(r);
    return hmap_count(&agent->tagged_subnets) < MAX_TAGGED;
}

/* Returns the id of the VPC's subnet with 'tag', valid until the next call, or
 * null. */
static const char *
subnet_by_tag(struct agent *agent, const char *vpc_id, uint64_t tag)
{
    const char *id = find_tagged(agent, tag);
    struct goal_resource *vpc;

    if (id) {
        return id;
    }
    vpc = goal_store_get(agent->store, GOAL_VPC, vpc_id);
    if (vpc) {
        struct tag_walk walk = { agent, GOAL_VPC_CAST(vpc) };

        if (limit_reached(&limit_tagged_subnets,
                          hmap_count(&agent->tagged_subnets))) {
            agent_on_demand_flush(agent);
        }
        goal_store_index(agent->store, GOAL_BY_VPC, vpc_id, NULL, add_tagged,
                         &walk);
        goal_resource_destroy(vpc);
    }
    return find_tagged(agent, tag);
}

/* What on-demand.h wants to know. */

struct owner_walk {
    struct agent *agent;
    bool found;
};

static bool
found_owner(const struct goal_key *key, void *walk_)
{
    struct owner_walk *walk = walk_;

    if (key->kind == GOAL_NEIGHBOR) {
        translator_activate(walk->agent->translator, key);
    }
    walk->found = true;
    return true;
}

static bool
lookup(const char *vpc_id, uint64_t tag, const struct in6_addr *dst,
       void *agent_)
{
    struct agent *agent = agent_;
    struct owner_walk walk = { agent, false };
    const char *subnet_id = subnet_by_tag(agent, vpc_id, tag);

    if (subnet_id) {
        goal_store_index(agent->store, GOAL_BY_ADDRESS, subnet_id, dst,
                         found_owner, &walk);
    }
    return walk.found;
}

static bool
ask(const struct host_request *requests, size_t n, void *agent_)
{
    struct agent *agent = agent_;
    struct ofpbuf payload;

    if (!agent->transport || !agent->config.control
        || !transport_is_connected(agent->transport)) {
        return false;
    }
    ofpbuf_init(&payload, 256 * n);
    host_request_encode(requests, n, &payload);
    char *id = agent_send(agent, MSG_HOST_REQUEST, NULL, payload.data,
                          payload.size);
    bool sent = id != NULL;
    ofpbuf_uninit(&payload);
    free(id);
    return sent;
}

static struct ack_mark
get_mark(void *agent)
{
    return agent_ack_class.mark(agent);
}

static bool
get_reached(const struct ack_mark *mark, void *agent)
{
    return agent_ack_class.reached(mark, agent);
}

static struct ds_mark
get_commit_mark(void *agent)
{
    return agent_ack_class.commit_mark(agent);
}

static bool
get_commit_reached(const struct ds_mark *mark, void *agent)
{
    return agent_ack_class.commit_reached(mark, agent);
}

static void
send_packet(struct packet_order *order, void *agent_)
{
    struct agent *agent = agent_;

    packet_in_send(agent->packet_in, order);
}

static void
packet_dropped(uint32_t in_port, const struct in6_addr *dst, void *agent)
{
    agent_storm_dropped(agent, in_port, dst);
}

static const struct on_demand_class agent_on_demand_class = {
    .lookup = lookup,
    .ask = ask,
    .mark = get_mark,
    .reached = get_reached,
    .commit_mark = get_commit_mark,
    .commit_reached = get_commit_reached,
    .send = send_packet,
    .dropped = packet_dropped,
};

/* Commands. */

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    struct agent *agent = agent_;
    struct table table;

    table_init(&table);
    table_add_column(&table, "counter");
    table_add_column(&table, "value");
    for (enum on_demand_counter i = 0; i < ON_DEMAND_N_COUNTERS; i++) {
        table_add_row(&table);
        agent_add_cell(&table, "%s", on_demand_counter_to_string(i));
        agent_add_cell(&table, "%"PRIu64,
                       on_demand_count(agent->on_demand, i));
    }
    agent_reply_table(conn, &table, argc, argv);
}

static void
list_entry(const struct on_demand_entry *entry, void *table_)
{
    struct table *table = table_;
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(&entry->dst, &s);
    table_add_row(table);
    agent_add_cell(table, "%"PRIu64,
                   (entry->tag & OF_TAG_VPC_MASK) >> OF_TAG_VNI_SHIFT
                   & 0xffffff);
    agent_add_cell(table, "%s", ds_cstr(&s));
    agent_add_cell(table, "%s", entry->state);
    agent_add_cell(table, "%"PRIu32, entry->in_port);
    agent_add_cell(table, "%"PRIuSIZE, entry->n_packets);
    agent_add_cell(table, "%lld", MAX(0, entry->deadline - time_msec()));
    ds_destroy(&s);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "vni", "destination", "state", "port", "packets", "ms left",
    };
    struct agent *agent = agent_;
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&table, "%s", columns[i]);
    }
    on_demand_for_each(agent->on_demand, list_entry, &table);
    agent_reply_table(conn, &table, argc, argv);
}

/* Lazy VPCs. */

static void
take_packets(uint64_t sid, uint64_t n_packets, uint32_t n_flows OVS_UNUSED,
             void *agent_)
{
    struct agent *agent = agent_;
    struct goal_key key = { .kind = GOAL_NEIGHBOR, .sid = sid };

    if (agent->translator) {
        translator_take_packets(agent->translator, &key, n_packets,
                                time_msec());
    }
}

static bool
ask_packets(uint64_t cookie, const struct goal_key *key, void *agent_)
{
    struct agent *agent = agent_;

    return flow_stats_ask(agent->flow_stats, OFS_L2_LOOKUP, cookie, key->sid,
                          take_packets, agent);
}

/* Takes alcor-neighbor-programming and -lazy-threshold over. */
void
agent_lazy_configure(struct agent *agent)
{
    const struct agent_config *config = &agent->config;

    if (agent->translator) {
        translator_set_threshold(
            agent->translator,
            (config->programming == PROGRAMMING_EAGER ? UINT64_MAX
             : (config->programming == PROGRAMMING_LAZY
                || !(config->role & ROLE_COMPUTE)) ? 0
             : config->lazy_threshold));
    }
}

void
agent_on_demand_run(struct agent *agent)
{
    flow_stats_run(agent->flow_stats);
    if (agent->phase == PHASE_RUN) {
        translator_ask_idle(agent->translator, time_msec(),
                            FLOW_STATS_ANSWER_MSEC, ask_packets, agent);
    }
    on_demand_run(agent->on_demand, time_msec());
}

void
agent_on_demand_wait(struct agent *agent)
{
    flow_stats_wait(agent->flow_stats);
    if (agent->phase == PHASE_RUN) {
        long long int when = translator_idle_time(agent->translator,
                                                  FLOW_STATS_ANSWER_MSEC);

        if (when != LLONG_MAX) {
            /* Not more often than that if there is no connection. */
            poll_timer_wait_until(MAX(when, time_msec() + 100));
        }
    }
    on_demand_wait(agent->on_demand);
}

/* Life cycle. */

void
agent_on_demand_init(struct agent *agent)
{
    hmap_init(&agent->tagged_subnets);
    agent->flow_stats = flow_stats_create();
    agent->on_demand = on_demand_create(&agent_on_demand_class, agent);
    unixctl_command_register("on-demand/show", "[--format=FORMAT]", 0, 1,
                             cmd_show, agent);
    unixctl_command_register("on-demand/list", "[--format=FORMAT]", 0, 1,
                             cmd_list, agent);
}

void
agent_on_demand_destroy(struct agent *agent)
{
    on_demand_destroy(agent->on_demand);
    flow_stats_destroy(agent->flow_stats);
    agent_on_demand_flush(agent);
    hmap_destroy(&agent->tagged_subnets);
}

/* Takes alcor-on-demand over. */
void
agent_on_demand_configure(struct agent *agent)
{
    struct vol_on_demand record;

    memset(&record, 0, sizeof record);
    record.enabled = agent->config.on_demand;
    vol_set(agent->vol, VOL_ON_DEMAND, "", &record);
    on_demand_set_enabled(agent->on_demand, agent->config.on_demand);
}

void
agent_on_demand_event(struct agent *agent, const struct packet_event *event)
{
    const struct on_demand_question *q = on_demand_question_from_event(event);

    if (q && agent->translator) {
        on_demand_take(agent->on_demand, q, event, time_msec());
    }
}

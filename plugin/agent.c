/* SPDX-License-Identifier: Apache-2.0
 *
 * agent: life cycle, inputs from the host, the main loop's body. */

#include <config.h>

#include "agent.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "agent-fast-path.h"
#include "agent-gateway.h"
#include "agent-port-stats.h"
#include "agent-private.h"
#include "apply/apply-openflow.h"
#include "apply/apply-ovsdb.h"
#include "apply/commit.h"
#include "apply/flow-stats.h"
#include "apply/next-hop.h"
#include "apply/port-stats.h"
#include "apply/sink-provider.h"
#include "dirs.h"
#include "feedback/ack.h"
#include "feedback/offload.h"
#include "feedback/on-demand.h"
#include "feedback/packet-in.h"
#include "feedback/port-event.h"
#include "feedback/storm.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "store/goal-store.h"
#include "store/id-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/translator.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

/* Time that translation may take in one round of the main loop. */
#define TRANSLATE_MSEC 20

/* How long a new store without control channel keeps what is installed. */
#define KEEP_MSEC 60000

/* Between attempts to open the store: another agent may be about to exit. */
#define STORE_RETRY_MSEC 1000

const char *
agent_phase_to_string(enum agent_phase phase)
{
    switch (phase) {
    case PHASE_DATABASE:
        return "waiting for the Open_vSwitch database";
    case PHASE_CONFIG:
        return "waiting for external_ids:alcor-host-ip and a node id";
    case PHASE_TRANSLATE:
        return "translating the stored goal state";
    case PHASE_RUN:
        return "running";
    }
    return "<unknown>";
}

static void
create_sinks(struct agent *agent)
{
    struct sink *sinks[DS_N_SINKS];

    agent->ovsdb = apply_ovsdb_create(agent->options.db_remote, agent->ds);
    agent->openflow = apply_openflow_create(agent->ds);
    agent->next_hop = next_hop_create(agent->ds);
    sinks[DS_OVSDB] = apply_ovsdb_sink(agent->ovsdb);
    sinks[DS_NEXT_HOP] = next_hop_sink(agent->next_hop);
    sinks[DS_METER] = apply_openflow_meter_sink(agent->openflow);
    sinks[DS_OPENFLOW] = apply_openflow_sink(agent->openflow);
    sinks[DS_OVSDB_LATE] = apply_ovsdb_late_sink(agent->ovsdb);
    for (int i = 0; agent->options.dummy && i < DS_N_SINKS; i++) {
        sinks[i] = agent->dummies[i] = sink_dummy_create(agent->ds);
    }
    agent->id_sink = agent_ids_create(agent);
    sinks[DS_ID] = agent->id_sink;
    agent->commit = commit_create(agent->ds, sinks);
}

/* Where external plugins are. */
static const char *
plugin_dir(void)
{
    const char *dir = getenv("ALCOR_PLUGINDIR");

    return dir && dir[0] ? dir : ALCOR_PLUGINDIR;
}

struct agent *
agent_create(const struct agent_options *options)
{
    struct agent *agent = xzalloc(sizeof *agent);

    agent->options = *options;
    agent->epoch = time_wall_msec() * UINT64_C(1000);
    agent->hello_deadline = LLONG_MAX;
    agent->keys_retry = LLONG_MAX;
    ovs_list_init(&agent->idle_waiters);
    sset_init(&agent->topics);
    smap_init(&agent->joined);
    agent_config_init(&agent->config);
    agent->ds = desired_state_create();
    create_sinks(agent);
    agent->vol = vol_store_create();
    plugin_registry_init(&agent->registry);
    plugin_registry_load(&agent->registry, plugin_dir());
    agent_packets_init(agent);
    agent_on_demand_init(agent);
    agent_zeta_init(agent);
    agent_errors_init(agent);
    agent_storm_init(agent);
    agent_port_stats_init(agent);
    agent_uplink_hops_init(agent);
    agent->ack = ack_create(&agent_ack_class, agent);
    agent->port_events = port_events_create(&agent_port_events_class, agent);
    transport_init();
    agent_db_init(agent);
    agent_transactions_init(agent);
    agent_commands_init(agent);
    agent_audit_init(agent);
    agent_limits_init(agent);
    agent_fast_path_init(agent);
    agent_gateway_init(agent);
    return agent;
}

void
agent_destroy(struct agent *agent)
{
    packet_in_destroy(agent->packet_in);
    agent_fast_path_destroy(agent);
    agent_gateway_destroy(agent);
    agent_on_demand_destroy(agent);
    agent_zeta_destroy(agent);
    agent_errors_destroy(agent);
    storms_destroy(agent->storms);
    agent_port_stats_destroy(agent);
    agent_uplink_hops_destroy(agent);
    agent_transactions_destroy(agent);
    agent_db_destroy(agent);
    resync_destroy(agent->resync);
    transport_close(agent->transport);
    free(agent->transport_config);
    sset_destroy(&agent->topics);
    smap_destroy(&agent->joined);
    port_events_destroy(agent->port_events);
    ack_destroy(agent->ack);
    commit_destroy(agent->commit);
    apply_openflow_destroy(agent->openflow);
    next_hop_destroy(agent->next_hop);
    apply_ovsdb_destroy(agent->ovsdb);
    for (int i = 0; i < DS_N_SINKS; i++) {
        sink_dummy_destroy(agent->dummies[i]);
    }
    agent_ids_destroy(agent->id_sink);
    translator_destroy(agent->translator);
    desired_state_destroy(agent->ds);
    plugin_registry_destroy(&agent->registry);
    vol_store_destroy(agent->vol);
    id_store_destroy(agent->ids);
    goal_store_close(agent->store);
    free(agent->store_error);
    agent_config_destroy(&agent->config);
    free(agent);
}

/* Inputs from the host. */

static void
take_binding(const char *iface_id, const char *iface, uint16_t ofport,
             void *agent_)
{
    struct agent *agent = agent_;
    struct vol_binding binding;

    memset(&binding, 0, sizeof binding);
    ovs_strlcpy(binding.iface, iface, sizeof binding.iface);
    binding.ofport = ofport;
    vol_set(agent->vol, VOL_BINDING, iface_id, &binding);
}

static void
take_tunnel(const char *encap, uint16_t ofport, void *agent_)
{
    struct agent *agent = agent_;
    struct vol_tunnel tunnel;

    memset(&tunnel, 0, sizeof tunnel);
    tunnel.ofport = ofport;
    vol_set(agent->vol, VOL_TUNNEL, encap, &tunnel);
}

/* Bridges that physical networks are mapped to, and the ports to them. */
static void
take_providers(struct agent *agent)
{
    char *copy = xstrdup(agent->config.bridge_mappings
                         ? agent->config.bridge_mappings : "");
    char *save_ptr = NULL;

    vol_mark(agent->vol, VOL_PROVIDER);
    for (char *name = strtok_r(copy, ",", &save_ptr); name;
         name = strtok_r(NULL, ",", &save_ptr)) {
        char *bridge = strchr(name, ':');
        struct vol_provider provider;

        memset(&provider, 0, sizeof provider);
        *bridge++ = '\0';
        ovs_strlcpy(provider.bridge, bridge, sizeof provider.bridge);
        provider.ofport = apply_ovsdb_patch_ofport(agent->ovsdb, bridge);
        vol_set(agent->vol, VOL_PROVIDER, name, &provider);
        if (name == copy) {
            vol_set(agent->vol, VOL_PROVIDER, "", &provider);
        }
    }
    vol_sweep(agent->vol, VOL_PROVIDER);
    free(copy);
}

/* With a dummy data plane there are no ports: every encapsulation has one. */
static void
take_dummy_tunnels(struct agent *agent)
{
    static const char *const encaps[] = { "vxlan", "geneve", "gre" };

    for (size_t i = 0; i < ARRAY_SIZE(encaps); i++) {
        take_tunnel(encaps[i], 65000 + i, agent);
    }
}

static void
take_ports(struct agent *agent)
{
    vol_mark(agent->vol, VOL_BINDING);
    apply_ovsdb_for_each_binding(agent->ovsdb, take_binding, agent);
    vol_sweep(agent->vol, VOL_BINDING);

    vol_mark(agent->vol, VOL_TUNNEL);
    if (agent->options.dummy) {
        take_dummy_tunnels(agent);
    } else {
        apply_ovsdb_for_each_tunnel(agent->ovsdb, take_tunnel, agent);
    }
    vol_sweep(agent->vol, VOL_TUNNEL);
    take_providers(agent);
    agent->ports_changed = true;
    agent_zeta_changed(agent);
}

static void
apply_plugins(struct agent *agent)
{
    bool changed = false;
    char *error = plugin_registry_configure(&agent->registry,
                                            agent->config.plugins, &changed);

    agent_config_set_error(&agent->config, "alcor-plugins", error);
    if (changed && agent->translator) {
        translator_recompute(agent->translator);
    }
}

static void
apply_host_ip(struct agent *agent)
{
    struct vol_host host;

    memset(&host, 0, sizeof host);
    host.ip = agent->config.host_addr;
    if (vol_set(agent->vol, VOL_HOST, "", &host) && agent->translator) {
        /* Every neighbour depends on it; not worth recording. */
        translator_recompute(agent->translator);

        /* What was for another address has not been stored. */
        resync_force(agent->resync);
    }
}

/* Passes the settings on to those whom they concern. */
static void
apply_config(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    bool usable = config->node_id && config->host_ip;
    struct ovsdb_settings settings = {
        .bridge = (usable && !agent->options.dummy ? config->bridge : NULL),
        .datapath_type = config->datapath_type,
        .local_ip = config->host_ip,
        .encap_csum = config->encap_csum,
        .encap_df = config->encap_df,
        .encap_tos = config->encap_tos,
        .encap_port = config->encap_port,
    };

    apply_ovsdb_set(agent->ovsdb, &settings);
    apply_host_ip(agent);
    apply_plugins(agent);
    agent_limits_configure(agent);
    agent_on_demand_configure(agent);
    agent_lazy_configure(agent);
    agent_transport_configure(agent);
}

static void
apply_bridge(struct agent *agent)
{
    bool exists = (!agent->options.dummy
                   && apply_ovsdb_bridge_exists(agent->ovsdb));

    apply_openflow_set_bridge(agent->openflow,
                              exists ? agent->config.bridge : NULL);

    /* Not before the store is open: it is verified by a child process, which
     * could wait forever for a lock that the packet thread had. */
    packet_in_set_bridge(agent->packet_in,
                         exists && agent->store ? agent->config.bridge
                         : NULL);
    flow_stats_set_bridge(agent->flow_stats,
                          exists ? agent->config.bridge : NULL);
    port_stats_set_bridge(agent->port_stats,
                          exists ? agent->config.bridge : NULL);
    next_hop_set(agent->next_hop, apply_ovsdb_datapath_type(agent->ovsdb),
                 &agent->config.host_addr);
}

static void
inputs_run(struct agent *agent)
{
    uint64_t seqno = apply_ovsdb_seqno(agent->ovsdb);
    const struct smap *ids = apply_ovsdb_config(agent->ovsdb);

    if (!ids || seqno == agent->ovsdb_seqno) {
        return;
    }
    agent->ovsdb_seqno = seqno;
    if (agent->phase == PHASE_DATABASE) {
        agent->phase = PHASE_CONFIG;
    }
    if (agent_config_update(&agent->config, ids)) {
        apply_config(agent);
    }
    apply_bridge(agent);
    agent_underlay_run(agent);
    take_ports(agent);
    agent->fast_path->changed = true;
    agent_gateway_configure(agent);
}

/* Start. */

static bool
open_store(struct agent *agent)
{
    if (time_msec() < agent->store_time) {
        return false;
    }
    agent->store_time = time_msec() + STORE_RETRY_MSEC;

    char *dir = (agent->options.state_dir
                 ? xstrdup(agent->options.state_dir)
                 : xasprintf("%s/alcor", ovs_dbdir()));
    char *error = goal_store_open(dir, &agent->store);

    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_ERR_RL(&rl, "cannot open the store: %s", error);
        agent->store = NULL;
    }
    free(agent->store_error);
    agent->store_error = error;
    free(dir);
    return agent->store != NULL;
}

/* True if the settings are there that a start needs. */
static bool
is_configured(const struct agent *agent)
{
    return (agent->phase == PHASE_CONFIG && agent->config.node_id
            && agent->config.host_ip);
}

static void
phase_run(struct agent *agent)
{
    if (is_configured(agent) && open_store(agent)) {
        apply_bridge(agent);
        agent_stopwatches_init(agent);
        agent->ids = id_store_create(agent->store);
        agent->translator = translator_create(agent->store, agent->vol,
                                              agent->ids, agent->ds,
                                              &agent->registry);
        agent_lazy_configure(agent);
        translator_recompute(agent->translator);
        apply_openflow_expect(agent->openflow);
        agent_resync_init(agent);
        agent_transactions_load(agent);
        agent_transport_configure(agent);
        agent->topics_changed = true;
        agent->phase = PHASE_TRANSLATE;
        if (goal_store_is_new(agent->store)) {
            ds_set_keep(agent->ds, true);
            agent->keep_time = time_msec() + KEEP_MSEC;
        }
    }
    if (agent->phase == PHASE_TRANSLATE
        && translator_is_idle(agent->translator)
        && agent_fast_path_is_settled(agent)) {
        ds_set_complete(agent->ds, true);
        apply_ovsdb_readback(agent->ovsdb);
        agent_ids_readback(agent);
        agent->phase = PHASE_RUN;
    }
}

/* A store that is new may have been lost: what is installed stays until the
 * servers have been asked or, where there is nobody to ask, for a while.  Then
 * it is read back once more, since only what is wanted can be compared well
 * with what is installed. */
static void
keep_run(struct agent *agent)
{
    if (!ds_keeps(agent->ds) || agent->phase != PHASE_RUN
        || !(agent->config.control
             ? (resync_is_answered(agent->resync)
                && translator_is_idle(agent->translator))
             : time_msec() >= agent->keep_time)) {
        return;
    }
    if (!agent->keep_checked
        && apply_openflow_is_connected(agent->openflow)) {
        agent->keep_checked = true;
        ds_want_readback(agent->ds, DS_OPENFLOW);
        poll_immediate_wake();
    } else if (commit_is_ready(agent->commit)) {
        ds_set_keep(agent->ds, false);
    }
}

/* While the state that a new store lacked is being translated, what is
 * installed is better than what half of it would make. */
static bool
is_catching_up(const struct agent *agent)
{
    return ds_keeps(agent->ds) && !translator_is_idle(agent->translator);
}

/* Main loop. */

/* Tells 'changes' those who have to know beside the translator. */
void
agent_note_changes(struct agent *agent, const struct goal_changes *changes)
{
    bool moved = false, others = false;

    for (size_t i = 0; i < changes->n; i++) {
        enum goal_kind kind = changes->changes[i].key.kind;

        if (kind == GOAL_PORT) {
            agent->topics_changed = true;
            agent->ports_changed = true;
            agent->fast_path->changed = true;
        }
        agent->fast_path->entrances_changed |= kind == GOAL_GATEWAY;
        moved |= kind == GOAL_VPC || kind == GOAL_SUBNET;
        others |= kind != GOAL_NEIGHBOR;
        if (changes->changes[i].deleted) {
            ack_forget(agent->ack, &changes->changes[i].key);
        }
    }
    agent_gateway_changes(agent, changes);
    if (moved) {
        agent_on_demand_flush(agent);
    }
    if (others) {
        agent_zeta_changed(agent);
    }
    on_demand_goal_changed(agent->on_demand);
}

/* Has 'changes' translated, and frees it. */
void
agent_take_changes(struct agent *agent, struct goal_changes *changes)
{
    translator_goal_changes(agent->translator, changes);
    agent_note_changes(agent, changes);
    goal_changes_destroy(changes);
}

static void
heal(const struct goal_key *key, void *agent_)
{
    struct agent *agent = agent_;

    ack_healed(agent->ack, key);
}

static void
translate_run(struct agent *agent)
{
    struct vol_changes changes;
    long long int begin = time_usec();

    if (!agent->translator || agent->exit > EXIT_KEEP) {
        return;
    }
    if (vol_changes_take(agent->vol, &changes)) {
        translator_vol_changes(agent->translator, &changes);
        vol_changes_destroy(&changes);
    }
    if (!translator_is_idle(agent->translator)) {
        translator_run(agent->translator, TRANSLATE_MSEC);
        agent_stopwatch_lap(agent, STOPWATCH_TRANSLATE, begin);
    }

    /* A VPC may have turned out to be lazy. */
    if (vol_changes_take(agent->vol, &changes)) {
        translator_vol_changes(agent->translator, &changes);
        vol_changes_destroy(&changes);
    }
    if (!agent_transactions_try(agent)) {
        translator_healed(agent->translator, heal, agent);
        agent_zeta_end_paths(agent);
    }
}

static bool
add_active_port(const struct goal_key *key, const char *id, void *agent_)
{
    struct agent *agent = agent_;

    if (vol_get(agent->vol, VOL_BINDING, id)
        && translator_status(agent->translator, key, NULL) == UNIT_DONE) {
        port_events_add(agent->port_events, id);
    }
    return true;
}

/* Says which ports have become active or inactive. */
static void
port_events_update(struct agent *agent)
{
    uint64_t failures = ds_failures_seqno(agent->ds);

    agent->ports_changed |= failures != agent->failures_seqno;
    agent->failures_seqno = failures;
    if (agent->ports_changed && agent->phase == PHASE_RUN
        && !agent_transactions_try(agent)
        && translator_is_idle(agent->translator)) {
        struct ds_mark mark = ds_mark(agent->ds);

        agent->ports_changed = false;
        port_events_begin(agent->port_events);
        goal_store_for_each(agent->store, GOAL_PORT, add_active_port, agent);
        port_events_end(agent->port_events, &mark);
    }
    port_events_run(agent->port_events);
}

static void
switch_run(struct agent *agent)
{
    bool connected = apply_openflow_is_connected(agent->openflow);

    if (connected && !agent->was_connected) {
        next_hop_reset(agent->next_hop);
    }
    agent->was_connected = connected;
}

static void
exit_run(struct agent *agent)
{
    if (agent->exit == EXIT_WITHDRAW
        && (commit_is_idle(agent->commit)
            || !apply_openflow_is_connected(agent->openflow))
        && agent_fast_path_is_clean(agent)) {
        agent->exit = EXIT_CLEAN_DB;
        poll_immediate_wake();
    }
    if (agent->exit == EXIT_CLEAN_DB && apply_ovsdb_cleanup(agent->ovsdb)) {
        agent->exit = EXIT_DONE;
    }
    if (agent->exit == EXIT_KEEP) {
        agent->exit = EXIT_DONE;
    }
    if (agent->exit == EXIT_DONE && agent->exit_conn) {
        unixctl_command_reply(agent->exit_conn, NULL);
        agent->exit_conn = NULL;
    }
}

static void
messages_run(struct agent *agent)
{
    uint64_t n = agent->counters.messages;
    long long int begin = time_usec();

    agent_messages_run(agent);
    if (agent->counters.messages != n) {
        agent_stopwatch_lap(agent, STOPWATCH_MESSAGES, begin);
    }
}

static void
apply_run(struct agent *agent)
{
    bool was_idle = commit_is_idle(agent->commit);
    long long int begin = time_usec();

    if (!is_catching_up(agent)) {
        commit_run(agent->commit);
        if (!was_idle) {
            agent_stopwatch_lap(agent, STOPWATCH_COMMIT, begin);
        }
    }
}

void
agent_run(struct agent *agent)
{
    apply_ovsdb_run(agent->ovsdb);
    inputs_run(agent);
    phase_run(agent);
    agent_fast_path_run(agent);
    if (agent->exit == EXIT_NO) {
        messages_run(agent);
    }
    agent_packets_run(agent);
    agent_zeta_run(agent);
    agent_storm_run(agent);
    agent_uplink_hops_run(agent);
    translate_run(agent);
    agent_gateway_run(agent);
    keep_run(agent);
    apply_openflow_run(agent->openflow);
    switch_run(agent);
    next_hop_run(agent->next_hop);
    apply_run(agent);
    agent_transactions_run(agent);
    ack_run(agent->ack);
    agent_on_demand_run(agent);
    agent_port_stats_run(agent);
    port_events_update(agent);
    if (agent->store) {
        goal_store_run(agent->store, time_msec());
    }
    agent_errors_run(agent);
    agent_db_run(agent);
    agent_audit_run(agent);
    agent_commands_run(agent);
    exit_run(agent);
}

void
agent_wait(struct agent *agent)
{
    apply_ovsdb_wait(agent->ovsdb);
    agent_messages_wait(agent);
    agent_packets_wait(agent);
    agent_fast_path_wait(agent);
    agent_gateway_wait(agent);
    agent_zeta_wait(agent);
    if (agent->translator && agent->exit <= EXIT_KEEP) {
        translator_wait(agent->translator);
    }
    apply_openflow_wait(agent->openflow);
    next_hop_wait(agent->next_hop);
    commit_wait(agent->commit);
    agent_transactions_wait(agent);
    ack_wait(agent->ack);
    agent_on_demand_wait(agent);
    agent_port_stats_wait(agent);
    storm_wait(agent->storms);
    agent_uplink_hops_wait(agent);
    agent_errors_wait(agent);
    agent_db_wait(agent);
    agent_audit_wait(agent);
    if (ds_keeps(agent->ds) && !agent->config.control) {
        poll_timer_wait_until(agent->keep_time);
    }
    if (agent->store) {
        goal_store_wait(agent->store);
    } else if (is_configured(agent)) {
        poll_timer_wait_until(agent->store_time);
    }
    if (agent->exit == EXIT_DONE || agent->exit == EXIT_KEEP
        || (agent->phase == PHASE_TRANSLATE
            && translator_is_idle(agent->translator))) {
        poll_immediate_wake();
    }
}

bool
agent_should_exit(const struct agent *agent)
{
    return agent->exit == EXIT_DONE;
}

/* True if everything known is in effect. */
bool
agent_is_idle(const struct agent *agent)
{
    return (agent->phase == PHASE_RUN
            && translator_is_idle(agent->translator)
            && commit_is_ready(agent->commit)
            && commit_is_idle(agent->commit)
            && agent_gateway_is_settled(agent)
            && agent_fast_path_is_settled(agent)
            && agent_zeta_is_settled(agent)
            && !ack_n_open(agent->ack)
            && agent_transactions_are_idle(agent)
            && agent_messages_are_done(agent));
}

void
agent_get_memory_usage(const struct agent *agent, struct simap *usage)
{
    ds_get_memory_usage(agent->ds, usage);
    ack_get_memory_usage(agent->ack, usage);
    packet_in_get_memory_usage(agent->packet_in, usage);
    on_demand_get_memory_usage(agent->on_demand, usage);
    offload_get_memory_usage(agent->fast_path->offload, usage);
    agent_limits_get_usage(agent, usage);
    if (agent->translator) {
        translator_get_memory_usage(agent->translator, usage);
        goal_store_get_memory_usage(agent->store, usage);
        id_store_get_memory_usage(agent->ids, usage);
        agent_transactions_get_memory_usage(agent, usage);
    }
}

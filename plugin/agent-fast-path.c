/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path: eBPF programs where they belong. */

#include <config.h>

#include "agent-fast-path.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/next-hop.h"
#include "apply/unixctl-client.h"
#include "feedback/offload.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_fast_path);

void
agent_fast_path_init(struct agent *agent)
{
    struct agent_fast_path *fp = xzalloc(sizeof *fp);

    agent->fast_path = fp;
    shash_init(&fp->ports);
    smap_init(&fp->stand_ins);
    sset_init(&fp->held);
    shash_init(&fp->delivered);
    sset_init(&fp->entrances);
    fp->offload = offload_create();
    fp->entrances_changed = true;
    agent_fast_path_ct_init(agent);
    agent_fast_path_flows_init(agent);
    agent_fast_path_show_init(agent);
}

static void
set_error(char **error, char *new)
{
    free(*error);
    *error = new;
}

static void
port_destroy(struct fast_path_port *port)
{
    free(port->error);
    free(port);
}

/* Forgets what is attached, without detaching anything. */
static void
close_tables(struct agent_fast_path *fp)
{
    if (fp->ab && apply_bpf_has_doomed(fp->ab)) {
        apply_bpf_uninstall(fp->ab); /* Nobody would know of them. */
    }
    offload_set_tables(fp->offload, NULL);
    agent_fast_path_hold_stop(fp);
    apply_bpf_close(fp->ab);
    fp->ab = NULL;
    set_error(&fp->config, NULL);
    set_error(&fp->uplink, NULL);
    set_error(&fp->uplink_error, NULL);
    fp->settled = false;
    fp->interposed = fp->exchanged = false;
}

static void
forget_ports(struct agent *agent)
{
    struct shash *ports = &agent->fast_path->ports;
    struct shash_node *node;

    vol_remove(agent->vol, VOL_FAST_PATH, "");
    SHASH_FOR_EACH_SAFE (node, ports) {
        agent_fast_path_keep_stats(agent->fast_path, node->name, node->data);
        vol_remove(agent->vol, VOL_FAST_PATH, node->name);
        port_destroy(node->data);
        shash_delete(ports, node);
    }
}

/* Opens what is there in order to remove it. */
static void
remove_leftovers(struct agent_fast_path *fp)
{
    const struct apply_bpf_config config = { .mode = APPLY_BPF_AUTO };

    if (!fp->ab && apply_bpf_is_installed()) {
        char *error = apply_bpf_open(&config, &fp->ab);

        if (error) {
            VLOG_WARN("programs of the fast path cannot be removed: %s",
                      error);
            free(error);
        }
    }
}

/* Returns true if some device tracks connections: then conntrack has been told
 * about it, by this agent or the one before. */
static bool
look_at_devices(struct agent_fast_path *fp)
{
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(fp->ab, &n);
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        found = found || devices[i].by_connection;
        fp->interposed = fp->interposed || devices[i].interposed;
    }
    free(devices);
    return found;
}

static void
remove_programs(struct agent_fast_path *fp)
{
    fp->leftovers = !apply_bpf_uninstall(fp->ab);
    close_tables(fp);
    fp->seqno++;
    if (!fp->leftovers) {
        VLOG_INFO("fast path: all programs are removed");
    }
}

/* What is interposed goes once the devices themselves are ports again; or
 * after FAST_PATH_CHECK_MSEC, if that takes longer. */
static void
leave(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (apply_ovsdb_stand_ins_are_settled(agent->ovsdb)
        || time_msec() >= fp->check_time) {
        fp->leaving = false;
        forget_ports(agent);
        remove_programs(fp);
    }
}

void
agent_fast_path_uninstall(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (agent->options.dummy) {
        return;
    }
    remove_leftovers(fp);
    smap_clear(&fp->stand_ins);
    agent_fast_path_hold_stop(fp);
    agent_fast_path_exchange(agent);
    fp->liberal = fp->liberal || (fp->ab && look_at_devices(fp));
    if (fp->ab && fp->interposed) {
        /* Ports stay known: if flows changed, entries would go. */
        apply_bpf_retreat(fp->ab);
        fp->leaving = true;
        fp->check_time = time_msec() + FAST_PATH_CHECK_MSEC;
        leave(agent);
    } else {
        forget_ports(agent);
        if (fp->ab) {
            remove_programs(fp);
        }
    }
    agent_fast_path_ct_run(agent, false);
}

/* What plugin "fast-path" sees. */
static void
set_record(struct agent *agent, const char *id, bool attached)
{
    const struct vol_fast_path record = { .attached = attached };

    vol_set(agent->vol, VOL_FAST_PATH, id, &record);
}

/* Opens the tables, or closes them, as the settings say. */
static void
configure(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    struct apply_bpf_config config;
    char *error, *text;

    if (!agent_fast_path_config(agent, &config, &error)) {
        bool off = agent->config.fast_path == FAST_PATH_OFF;

        if (fp->ab || fp->leftovers || (off && !fp->settled)) {
            agent_fast_path_uninstall(agent);
        }
        set_error(&fp->error, error);
        return;
    }
    text = agent_fast_path_config_to_string(&config);
    if (fp->config && !strcmp(text, fp->config)) {
        free(text);
        return;
    }
    if (fp->interposed && (config.mode == APPLY_BPF_TC
                           || !config.userspace)) {
        free(text);
        agent_fast_path_uninstall(agent);
        return;
    }
    close_tables(fp);
    smap_clear(&fp->stand_ins);
    fp->config = text;
    fp->interposed = config.mode == APPLY_BPF_INTERPOSE;
    error = apply_bpf_open(&config, &fp->ab);
    if (error && !nullable_string_is_equal(error, fp->error)) {
        VLOG_INFO("no fast path: %s", error);
    }
    if (error && apply_bpf_is_built()) {
        set_error(&fp->config, NULL); /* Once more, later. */
    }
    set_error(&fp->error, error);
    offload_set_tables(fp->offload, fp->ab);
    fp->seqno++;
    if (fp->ab) {
        set_record(agent, "", true);
    } else {
        forget_ports(agent);
    }
}

/* Uplink. */

/* Returns the name of the device that is to be the uplink, which the caller
 * must free, or null: because of '*error', if that is then not null. */
static char *
find_uplink(const struct agent *agent, char **error)
{
    const char *device = next_hop_device(agent->next_hop);
    char *name, *real;

    *error = NULL;
    name = (agent->config.uplink ? xstrdup(agent->config.uplink)
            : device ? apply_ovsdb_physical_device(agent->ovsdb, device, error)
            : NULL);
    real = (name ? xstrdup(apply_ovsdb_real_device(agent->ovsdb, name))
            : NULL);
    free(name);
    return real;
}

static void
try_uplink(struct agent *agent, char *name, char *error)
{
    struct agent_fast_path *fp = agent->fast_path;
    uint32_t ifindex;
    bool exchanged;

    ifindex = name ? if_nametoindex(name) : 0;
    exchanged = name && apply_ovsdb_is_exchanged(agent->ovsdb, name);
    if (name && fp->uplink && !strcmp(name, fp->uplink)
        && ifindex == fp->uplink_ifindex
        && exchanged == fp->uplink_exchanged) {
        free(name);
        return;
    }
    if (name) {
        struct shash_node *node;

        error = agent_fast_path_check_stand_in(fp, name, exchanged);
        error = error ? error : apply_bpf_set_uplink(fp->ab, name, exchanged);
        SHASH_FOR_EACH (node, &fp->ports) {
            struct fast_path_port *port = node->data;

            port->tried = false;
        }
    }
    if (error && !nullable_string_is_equal(error, fp->uplink_error)) {
        VLOG_INFO("no fast path: %s", error);
    }
    set_error(&fp->uplink, error || !name ? NULL : xstrdup(name));
    if (fp->uplink) {
        agent_fast_path_add_stand_in(fp, name);
    }
    fp->uplink_ifindex = ifindex;
    fp->uplink_exchanged = exchanged;
    set_error(&fp->uplink_error, error);
    fp->seqno++;
    free(name);
}

/* Ports. */

static void
detach(struct agent *agent, const char *id, struct fast_path_port *port)
{
    struct agent_fast_path *fp = agent->fast_path;

    vol_remove(agent->vol, VOL_FAST_PATH, id);
    if (port->number && fp->ab) {
        agent_fast_path_keep_stats(fp, id, port);
        apply_bpf_remove_port(fp->ab, port->number);
        offload_resync(fp->offload);
    }
    port->number = 0;
    smap_remove(&fp->stand_ins, port->device);
    fp->seqno++;
}

/* Lets plugin "fast-path" know of a port that has been tried. */
static void
show_port(struct agent *agent, const char *id,
          const struct fast_path_port *port)
{
    set_record(agent, id, port->number != 0);
}

/* The port 'id' is plugged in. */
static void
take_port(const char *id, const void *binding_, void *agent_)
{
    const struct vol_binding *binding = binding_;
    struct agent *agent = agent_;
    struct agent_fast_path *fp = agent->fast_path;
    struct fast_path_port *port = shash_find_data(&fp->ports, id);
    const char *device = apply_ovsdb_real_device(agent->ovsdb,
                                                 binding->iface);
    uint32_t ifindex = if_nametoindex(device);
    struct goal_resource *r = (ifindex
                               && (port || apply_ovsdb_is_device(
                                               agent->ovsdb, binding->iface))
                               ? goal_store_get(agent->store, GOAL_PORT, id)
                               : NULL);
    if (!r) {
        /* No port of ours, or none of the kernel's devices. */
        set_record(agent, id, false);
        return;
    }

    bool by_connection = GOAL_PORT_CAST(r)->security_groups.n > 0;
    bool exchanged = apply_ovsdb_is_exchanged(agent->ovsdb, device);
    goal_resource_destroy(r);
    if (port && (strcmp(port->device, device) || port->ifindex != ifindex)) {
        detach(agent, id, port);
        port->tried = false;
    } else if (!port) {
        port = xzalloc(sizeof *port);
        shash_add(&fp->ports, id, port);
    }
    if (port->by_connection != by_connection
        || port->exchanged != exchanged) {
        port->tried = false;
    }
    ovs_strlcpy(port->device, device, sizeof port->device);
    port->exchanged = exchanged;
    port->ifindex = ifindex;
    port->ofport = binding->ofport;
    port->by_connection = by_connection;
    port->present = true;
}

/* In between, there is neither port. */
static bool
is_being_exchanged(const struct agent *agent,
                   const struct fast_path_port *port)
{
    const char *stand_in = smap_get(&agent->fast_path->stand_ins,
                                    port->device);

    return (stand_in && if_nametoindex(port->device) == port->ifindex
            && (apply_ovsdb_has_port(agent->ovsdb, stand_in)
                || apply_ovsdb_has_port(agent->ovsdb, port->device)));
}

/* Finds out which ports there are. */
static void
take_ports(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    struct shash_node *node;

    vol_for_each(agent->vol, VOL_BINDING, take_port, agent);
    SHASH_FOR_EACH_SAFE (node, &fp->ports) {
        struct fast_path_port *port = node->data;

        if (!port->present && !is_being_exchanged(agent, port)) {
            detach(agent, node->name, port);
            free(shash_find_and_delete(&fp->delivered, node->name));
            port_destroy(port);
            shash_delete(&fp->ports, node);
        } else {
            port->present = false;
            if (port->tried) {
                show_port(agent, node->name, port);
            }
        }
    }
}

static bool
can_deliver_to_peer(const struct agent_fast_path *fp, uint32_t number)
{
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(fp->ab, &n);
    bool can = false;

    for (size_t i = 0; i < n; i++) {
        can = can || (devices[i].port == number && devices[i].to_peer);
    }
    free(devices);
    return can;
}

static void
try_port(struct agent *agent, const char *id, struct fast_path_port *port)
{
    struct agent_fast_path *fp = agent->fast_path;
    char *error = agent_fast_path_check_stand_in(fp, port->device,
                                                 port->exchanged);

    error = error ? error : apply_bpf_add_port(
        fp->ab, port->device, port->by_connection, port->exchanged,
        &port->number);
    if (error && !nullable_string_is_equal(error, port->error)) {
        VLOG_INFO("port %s is not in the fast path: %s", id, error);
    }
    set_error(&port->error, error);
    port->tried = true;
    if (!error) {
        agent_fast_path_add_stand_in(fp, port->device);
        port->to_peer = can_deliver_to_peer(fp, port->number);
    }
    show_port(agent, id, port);
    /* Keyed otherwise, or another device: some entries may have gone. */
    offload_resync(fp->offload);
    fp->seqno++;
}

/* Ports whose devices still have the programs of an agent that has exited, or
 * been killed: they are replaced one by one, and work until then. */
static void
recognize_ports(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    struct shash_node *node;
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(fp->ab, &n);

    SHASH_FOR_EACH (node, &fp->ports) {
        struct fast_path_port *port = node->data;

        for (size_t i = 0; i < n; i++) {
            if (devices[i].port && devices[i].ifindex == port->ifindex
                && !strcmp(devices[i].name, port->device)) {
                port->number = devices[i].port;
                show_port(agent, node->name, port);
            }
        }
    }
    free(devices);
}

/* Returns false if that took so long that the rest has to wait. */
static bool
try_ports(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    long long int deadline = time_msec() + 20;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        struct fast_path_port *port = node->data;

        if (!port->tried) {
            if (time_msec() >= deadline) {
                return false;
            }
            if (fp->uplink) {
                try_port(agent, node->name, port);
            } else {
                detach(agent, node->name, port);
                set_record(agent, node->name, false);
                port->tried = true;
            }
        }
    }
    return true;
}

/* Errors, for Agent.errors. */

static char *
port_errors(const struct agent_fast_path *fp)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, &fp->ports) {
        const struct fast_path_port *port = node->data;

        if (port->error && ++n <= 3) {
            ds_put_format(&s, "%s%s", s.length ? "; " : "", port->error);
        }
    }
    if (n > 3) {
        ds_put_format(&s, "; and %"PRIuSIZE" more", n - 3);
    }
    return n ? ds_steal_cstr(&s) : NULL;
}

/* What was not asked for is no error if it cannot be had. */
static void
report(struct agent *agent)
{
    const struct agent_fast_path *fp = agent->fast_path;
    bool asked = agent->config.fast_path != FAST_PATH_AUTO;
    const char *uplink = asked || agent->config.uplink ? fp->uplink_error
                         : NULL;
    char *error = (!fp->error ? port_errors(fp)
                   : asked ? xstrdup(fp->error) : NULL);

    if (!error && !agent->config.uplink) {
        error = nullable_xstrdup(uplink); /* Not the device's fault. */
        uplink = NULL;
    }
    agent->fast_path->seqno += agent_config_set_error(
        &agent->config, "alcor-fast-path", error);
    agent->fast_path->seqno += agent_config_set_error(
        &agent->config, "alcor-uplink", nullable_xstrdup(uplink));
}

/* Main loop. */

static void
attach_all(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    bool first = !fp->settled;
    char *error;
    char *uplink = find_uplink(agent, &error);

    take_ports(agent);
    if (!agent_fast_path_hold(agent, uplink)) {
        free(uplink);
        free(error);
        return;
    }
    try_uplink(agent, uplink, error);
    if (first) {
        recognize_ports(agent);
    }
    if (!try_ports(agent)) {
        return;
    }
    fp->leftovers = !apply_bpf_sweep(fp->ab);
    offload_resync(fp->offload);
    agent_fast_path_exchange(agent);
    fp->settled = true;
    fp->changed = false;
    fp->retry_time = time_msec() + FAST_PATH_RETRY_MSEC;
}

/* What failed is tried again now and then: nobody tells when somebody else's
 * program has gone, for example. */
static void
retry(struct agent_fast_path *fp)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        struct fast_path_port *port = node->data;

        port->tried = port->tried && !port->error;
    }
    fp->changed = true;
}

/* Sees to entries that could not be removed. */
static void
run_doomed(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    long long int now = time_msec();

    if (!fp->ab || !apply_bpf_has_doomed(fp->ab)) {
        fp->doomed_since = 0;
        return;
    }
    apply_bpf_retry_doomed(fp->ab);
    if (!fp->doomed_since) {
        fp->doomed_since = now;
    } else if (!fp->leaving
               && now - fp->doomed_since > FAST_PATH_DOOM_MAX_MSEC) {
        /* They are without effect if nothing looks them up. */
        VLOG_WARN("entries cannot be removed: programs are taken off");
        agent_fast_path_uninstall(agent);
    }
}

static bool
has_errors(const struct agent_fast_path *fp)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        const struct fast_path_port *port = node->data;

        if (port->error) {
            return true;
        }
    }
    return (fp->leftovers
            || (fp->ab ? !fp->uplink : fp->error && !fp->config));
}

void
agent_fast_path_run(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    run_doomed(agent);
    if (fp->leaving) {
        leave(agent);
    }
    if (agent->exit > EXIT_KEEP) {
        agent_fast_path_ct_run(agent, false);
    }
    if (agent->phase < PHASE_TRANSLATE || agent->exit) {
        return;
    }
    agent_fast_path_hold_run(fp);
    if (fp->ab && fp->settled && !fp->exchanged) {
        fp->exchanged = apply_ovsdb_stand_ins_are_settled(agent->ovsdb);
        fp->changed = fp->changed || fp->exchanged;
    }
    if (fp->settled && time_msec() >= fp->retry_time && has_errors(fp)) {
        retry(fp);
    }
    if (fp->leaving) {
        return;
    }
    if (fp->changed || !fp->settled) {
        configure(agent);
        if (fp->leaving) {
            /* Goes on when that is over. */
        } else if (fp->ab) {
            attach_all(agent);
        } else {
            agent_fast_path_exchange(agent);
            fp->settled = true;
            fp->changed = false;
            fp->retry_time = time_msec() + FAST_PATH_RETRY_MSEC;
        }
        report(agent);
    }
    agent_fast_path_flows_run(agent);
}

void
agent_fast_path_wait(struct agent *agent)
{
    const struct agent_fast_path *fp = agent->fast_path;

    agent_fast_path_ct_wait(agent);
    if (fp->leaving) {
        poll_timer_wait_until(fp->check_time);
    }
    if (fp->ab && apply_bpf_has_doomed(fp->ab)) {
        poll_timer_wait(FAST_PATH_DOOM_MSEC);
    }
    if (agent->phase < PHASE_TRANSLATE || agent->exit) {
        return;
    }
    agent_fast_path_hold_wait(fp);
    if (fp->leaving) {
        return;
    } else if (fp->hold == HOLD_DRAINING) {
        /* Goes on when that is over. */
    } else if (fp->changed || !fp->settled) {
        poll_immediate_wake();
    } else if (has_errors(fp)) {
        poll_timer_wait_until(fp->retry_time);
    }
    offload_wait(fp->offload);
    if (offload_count(fp->offload)) {
        poll_timer_wait_until(fp->check_time);
    }
}

/* True if there is nothing left to be done before an exit. */
bool
agent_fast_path_is_clean(const struct agent *agent)
{
    const struct agent_fast_path *fp = agent->fast_path;

    return !fp->leaving
           && (!fp->vswitchd || unixctl_client_is_unreachable(fp->vswitchd)
            || (!fp->liberal && !unixctl_client_n_pending(fp->vswitchd)));
}

bool
agent_fast_path_is_settled(const struct agent *agent)
{
    const struct agent_fast_path *fp = agent->fast_path;

    return fp->settled && !fp->changed && !fp->leaving;
}

const struct fast_path_port *
agent_fast_path_find(const struct agent *agent, uint32_t ofport)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &agent->fast_path->ports) {
        const struct fast_path_port *port = node->data;

        if (port->ofport == ofport && port->number) {
            return port;
        }
    }
    return NULL;
}

void
agent_fast_path_destroy(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        port_destroy(node->data);
    }
    shash_destroy(&fp->ports);
    close_tables(fp);
    offload_destroy(fp->offload);
    unixctl_client_close(fp->vswitchd);
    smap_destroy(&fp->stand_ins);
    sset_destroy(&fp->held);
    shash_destroy_free_data(&fp->delivered);
    sset_destroy(&fp->entrances);
    free(fp->error);
    free(fp);
    agent->fast_path = NULL;
}

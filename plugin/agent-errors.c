/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-errors: what is wrong with the host, as opposed to a setting. */

#include <config.h>

#include "agent-private.h"

#include <stdlib.h>
#include <string.h>
#include "apply/apply-ovsdb.h"
#include "apply/next-hop.h"
#include "store/goal-store.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "translate/translator.h"
#include "util.h"

/* Column "errors" of table Agent, "connection-status" and "alcor-ctl status"
 * tell of settings that are bad (agent-config.h).  This adds what an operator
 * has to know as well, because traffic does not flow as it should:
 *
 *   - alcor-host-ip, if tunnels cannot use it: that depends on devices.
 *   - "bridge": ovs-vswitchd does not make the bridge.
 *   - "store": it cannot be opened, or what came last not be stored.
 *   - "tunnels": what is wrong with tunnel ports, ours and those of others.
 *   - "resources": goal state that makes no sense, or that the switch has
 *     refused.  These are looked for in what is translated, which may be
 *     much, hence seldom, and only if there are some. */

/* ovs-vswitchd should have made a bridge by then. */
#define BRIDGE_MSEC 3000

/* Between searches for resources that are not in effect. */
#define RESOURCES_MSEC 1000

struct agent_errors {
    uint64_t ovsdb_seqno;       /* That the host's address was checked with. */
    char *device;               /* Likewise; null: none... */
    bool exists;                /* ...but lo may have the address. */
    char *host_ip;              /* What is wrong with it, or null. */
    long long int bridge_time;  /* ovs-vswitchd is late then, or LLONG_MAX. */
    uint64_t refused_seqno;     /* Last seen of the translator. */
    long long int refused_time; /* It may be looked at again then. */
};

void
agent_errors_init(struct agent *agent)
{
    agent->errors = xzalloc(sizeof *agent->errors);
    agent->errors->bridge_time = LLONG_MAX;
}

void
agent_errors_destroy(struct agent *agent)
{
    free(agent->errors->device);
    free(agent->errors->host_ip);
    free(agent->errors);
    agent->errors = NULL;
}

/* Returns what is wrong with the store, or null. */
static char *
store_error(const struct agent *agent)
{
    const char *error = (agent->store
                         ? goal_store_write_error(agent->store) : NULL);

    return (error ? xasprintf("what was received last could not be stored: %s",
                              error)
            : nullable_xstrdup(agent->store_error));
}

/* Returns what is wrong with the host's address, or null. */
static char *
host_ip_error(const struct agent *agent)
{
    const char *type = apply_ovsdb_datapath_type(agent->ovsdb);
    const char *device = next_hop_device(agent->next_hop);
    const char *ip = agent->config.host_ip;

    if (!ip || !strcmp(type, "dummy")
        || !apply_ovsdb_bridge_exists(agent->ovsdb)) {
        return NULL;
    } else if (!next_hop_host_ip_exists(agent->next_hop)) {
        return xasprintf("no device of this host has the address %s: tunnels "
                         "cannot send from it", ip);
    } else if (!strcmp(type, "netdev")
               && !(device && apply_ovsdb_is_netdev(agent->ovsdb, device))) {
        return xasprintf("device %s, which has the address %s, is no bridge "
                         "of datapath_type netdev: tunnels have no route; "
                         "make one, with the device as a port, and move the "
                         "address there", device ? device : "lo", ip);
    }
    return NULL;
}

/* Reports what is wrong with the host's address.  It is not looked at again
 * until something may have changed: there may be many ports. */
static void
report_host_ip(struct agent *agent)
{
    struct agent_errors *errors = agent->errors;
    const char *device = next_hop_device(agent->next_hop);
    bool exists = next_hop_host_ip_exists(agent->next_hop);

    if (errors->ovsdb_seqno != agent->ovsdb_seqno
        || errors->exists != exists
        || !nullable_string_is_equal(errors->device, device)) {
        errors->ovsdb_seqno = agent->ovsdb_seqno;
        errors->exists = exists;
        free(errors->device);
        errors->device = nullable_xstrdup(device);
        free(errors->host_ip);
        errors->host_ip = host_ip_error(agent);
    }
    agent_config_set_error(&agent->config, "alcor-host-ip",
                           nullable_xstrdup(errors->host_ip));
}

/* Returns why there is no bridge, or null. */
static char *
bridge_error(struct agent *agent)
{
    struct agent_errors *errors = agent->errors;
    const char *error = apply_ovsdb_bridge_error(agent->ovsdb);

    if (!apply_ovsdb_bridge_is_unmade(agent->ovsdb)) {
        errors->bridge_time = LLONG_MAX;
        return nullable_xstrdup(error);
    }
    if (errors->bridge_time == LLONG_MAX) {
        errors->bridge_time = time_msec() + BRIDGE_MSEC;
    }
    return (time_msec() < errors->bridge_time ? NULL
            : xasprintf("ovs-vswitchd has not made bridge %s with "
                        "datapath_type %s: it does not run, or its log says "
                        "why (system needs the kernel module openvswitch)",
                        agent->config.bridge,
                        apply_ovsdb_datapath_type(agent->ovsdb)));
}

static bool
refused_has_changed(const struct agent *agent)
{
    return (agent->translator && agent->phase == PHASE_RUN
            && !agent_transactions_try(agent)
            && (translator_refused_seqno(agent->translator)
                != agent->errors->refused_seqno));
}

static void
report_resources(struct agent *agent)
{
    struct agent_errors *errors = agent->errors;
    const char *name, *why;

    if (!refused_has_changed(agent) || time_msec() < errors->refused_time) {
        return;
    }
    errors->refused_seqno = translator_refused_seqno(agent->translator);
    errors->refused_time = time_msec() + RESOURCES_MSEC;

    size_t n = translator_find_refused(agent->translator, &name, &why);
    char *error = (!n ? NULL
                   : xasprintf("%"PRIuSIZE" not in effect, of which %s: %s",
                               n, name, why ? why : "rejected"));
    agent_config_set_error(&agent->config, "resources", error);
}

void
agent_errors_run(struct agent *agent)
{
    agent_config_set_error(&agent->config, "store", store_error(agent));
    if (agent->options.dummy || agent->exit) {
        return;
    }
    report_host_ip(agent);
    agent_config_set_error(&agent->config, "bridge", bridge_error(agent));
    agent_config_set_error(
        &agent->config, "tunnels",
        nullable_xstrdup(apply_ovsdb_tunnel_error(agent->ovsdb)));
    report_resources(agent);
}

void
agent_errors_wait(struct agent *agent)
{
    const struct agent_errors *errors = agent->errors;

    if (agent->options.dummy || agent->exit) {
        return;
    }
    if (time_msec() < errors->bridge_time) {
        poll_timer_wait_until(errors->bridge_time);
    }
    if (refused_has_changed(agent)) {
        poll_timer_wait_until(errors->refused_time);
    }
}

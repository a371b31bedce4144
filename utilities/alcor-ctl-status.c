/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl-status: one screen: all is well, or what to do next. */

#include <config.h>

#include "alcor-ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dirs.h"
#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "simap.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

/* Ports named one by one; of more, only the number is told. */
#define MAX_PORTS 8

/* Transactions named one by one. */
#define MAX_TRANSACTIONS 8

struct report {
    struct svec problems;       /* What is wrong. */
    struct svec todo;           /* For each, what to do about it. */
    struct ds facts;
};

static void
add_problem(struct report *report, const char *todo, const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

static void
add_problem(struct report *report, const char *todo, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    svec_add_nocopy(&report->problems, xvasprintf(format, args));
    va_end(args);
    svec_add(&report->todo, todo);
}

static void
add_fact(struct report *report, const char *name, const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

static void
add_fact(struct report *report, const char *name, const char *format, ...)
{
    va_list args;

    ds_put_format(&report->facts, "  %-12s", name);
    va_start(args, format);
    ds_put_format_valist(&report->facts, format, args);
    va_end(args);
    ds_put_char(&report->facts, '\n');
}

/* The agent's process. */

/* Returns false if it does not run or, since it is elsewhere, cannot be
 * asked; a problem is added only in the first case. */
static bool
check_process(const struct ctl_target *target, struct report *report)
{
    char *reply;
    char *error;

    if (strncmp(target->db, "unix:", 5)) {
        return false;
    }
    error = ctl_ask("alcor-agent", "version", 0, NULL, &reply);
    if (error) {
        char *todo = xasprintf("systemctl start openvswitch-alcor-agent; if "
                               "it does not stay up, see %s/alcor-agent.log",
                               ovs_logdir());

        add_problem(report, todo, "%s", error);
        free(todo);
    }
    bool runs = !error;
    free(error);
    free(reply);
    return runs;
}

/* Contents of the database. */

/* Returns what to do about an error of 'key', which is no setting. */
static const char *
what_to_do(const char *key)
{
    static const struct {
        const char *key;
        const char *todo;
    } todos[] = {
        { "bridge", "see ovs-vswitchd.log; without the kernel module: "
          "ovs-vsctl set Open_vSwitch . "
          "external_ids:alcor-bridge-datapath-type=netdev" },
        { "gateways", "see \"ovs-appctl -t alcor-agent zeta/show\", and "
          "whether the gateways run" },
        { "resources", "\"ovs-appctl -t alcor-agent goal-state/list\" tells "
          "of all; correct them in the controller, or what is in their way" },
        { "store", "see to it that there is room and that the directory can "
          "be written; nothing has to be restarted then" },
        { "tunnels", "\"ovs-vsctl show\" tells of all tunnel ports; one that "
          "is in the way has to go, or to get another dst_port" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(todos); i++) {
        if (!strcmp(key, todos[i].key)) {
            return todos[i].todo;
        }
    }
    return "see the log of the agent";
}

static void
check_errors(const struct alcorrec_agent *agent, struct report *report)
{
    const struct smap_node **nodes = smap_sort(&agent->errors);

    for (size_t i = 0; i < smap_count(&agent->errors); i++) {
        if (!strcmp(agent->state, "unconfigured")
            && (!strcmp(nodes[i]->key, "alcor-host-ip")
                || !strcmp(nodes[i]->key, "alcor-node-id"))
            && !strncmp(nodes[i]->value, "not set", 7)) {
            continue;           /* check_state() has told it. */
        }

        if (strncmp(nodes[i]->key, "alcor-", 6)) {
            add_problem(report, what_to_do(nodes[i]->key), "%s: %s",
                        nodes[i]->key, nodes[i]->value);
            continue;
        }

        bool unknown = !strncmp(nodes[i]->value, "unknown key", 11);
        char *todo = (unknown
                      ? xasprintf("ovs-vsctl remove Open_vSwitch . "
                                  "external_ids %s", nodes[i]->key)
                      : xasprintf("ovs-vsctl set Open_vSwitch . "
                                  "external_ids:%s=VALUE (see "
                                  "alcor-agent(8), CONFIGURATION)",
                                  nodes[i]->key));

        add_problem(report, todo, "setting external_ids:%s: %s",
                    nodes[i]->key, nodes[i]->value);
        free(todo);
    }
    free(nodes);
}

static void
check_state(const struct alcorrec_agent *agent, struct report *report)
{
    if (!strcmp(agent->state, "unconfigured")) {
        const char *todo = (agent->node_id[0]
                            ? "ovs-vsctl set Open_vSwitch . external_ids:"
                              "alcor-host-ip=ADDRESS"
                            : "ovs-vsctl set Open_vSwitch . external_ids:"
                              "alcor-node-id=ID");
        add_problem(report, todo, "not configured: %s is not set",
                    (agent->node_id[0] ? "external_ids:alcor-host-ip"
                     : "neither external_ids:alcor-node-id nor system-id"));
    } else if (strcmp(agent->state, "running")
               && !smap_get(&agent->errors, "store")) {
        add_problem(report, "wait, then look again",
                    "the agent is still starting (%s)", agent->state);
    }
}

static void
check_connections(const struct alcorrec_agent *agent, struct report *report)
{
    const char *controller = smap_get_def(&agent->status, "controller", "");
    const char *sw = smap_get_def(&agent->status, "switch", "");

    add_fact(report, "controller", "%s", controller);
    if (!strcmp(agent->connection_status, "none")) {
        add_problem(report, "ovs-vsctl set Open_vSwitch . "
                    "external_ids:alcor-remote=tcp://CONTROLLER:9710 "
                    "external_ids:alcor-control=tcp://CONTROLLER:9711",
                    "no controller is configured");
    } else if (strcmp(agent->connection_status, "connected")
               && (!strcmp(agent->state, "running")
                   || !smap_get(&agent->errors, "store"))) {
        add_problem(report, "check that the controller runs, and the path to "
                    "it (firewall, external_ids:alcor-remote and "
                    "alcor-control)", "the controller is not connected");
    }
    if (!strcmp(sw, "not connected") && !strcmp(agent->state, "running")
        && !smap_get(&agent->errors, "bridge")) {
        add_problem(report, "systemctl start openvswitch-switch; ovs-vsctl "
                    "show tells if the bridge is there",
                    "Open vSwitch's integration bridge is not connected");
    }
    const char *resync = smap_get(&agent->status, "resync");
    if (resync) {
        add_fact(report, "resync", "%s", resync);
    }
    const char *buffer = smap_get(&agent->status, "buffer");
    if (buffer) {
        add_fact(report, "buffer", "%s", buffer);
    }
}

static void
check_port(const struct alcorrec_port *port, struct report *report)
{
    static const struct {
        const char *state;
        const char *adjective;
        const char *todo;
    } bad[] = {
        { "pending", "pending", "the controller has to send what is missing: "
          "\"ovs-appctl -t alcor-agent goal-state/resync\" asks for it" },
        { "conflict", "in conflict",
          "correct the addresses in the controller" },
        { "invalid", "invalid", "correct the port in the controller" },
        { "failed", "failed", "see the log of ovs-vswitchd and of the agent" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (!strcmp(port->state, bad[i].state)) {
            add_problem(report, bad[i].todo, "port %s is %s: %s", port->id,
                        bad[i].adjective, port->reason);
        }
    }
}

static void
check_ports(struct ovsdb_idl *idl, struct report *report)
{
    struct simap states = SIMAP_INITIALIZER(&states);
    const struct alcorrec_port *port;
    size_t n = 0, n_bad = 0;

    ALCORREC_PORT_FOR_EACH (port, idl) {
        size_t n_problems = report->problems.n;

        n++;
        simap_increase(&states, port->state, 1);
        if (n_bad < MAX_PORTS) {
            check_port(port, report);
            n_bad += report->problems.n > n_problems;
        }
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    const struct simap_node **nodes = simap_sort(&states);
    for (size_t i = 0; i < simap_count(&states); i++) {
        ds_put_format(&s, "%s%u %s", i ? ", " : ": ", nodes[i]->data,
                      nodes[i]->name);
    }
    add_fact(report, "ports", "%"PRIuSIZE"%s", n, ds_cstr(&s));
    free(nodes);
    ds_destroy(&s);
    simap_destroy(&states);
}

static void
check_transactions(struct ovsdb_idl *idl, struct report *report)
{
    const struct alcorrec_transaction *txn;
    size_t n = 0;

    ALCORREC_TRANSACTION_FOR_EACH (txn, idl) {
        if (n >= MAX_TRANSACTIONS) {
            break;
        } else if (!strcmp(txn->phase, "prepared")) {
            char *todo = xasprintf("its coordinator has to say commit or "
                                   "abort, and is asked; if it never will: "
                                   "ovs-appctl -t alcor-agent "
                                   "transaction/abort %s", txn->id);

            add_problem(report, todo, "transaction %s, of %"PRId64" "
                        "resources, is in doubt", txn->id, txn->resources);
            free(todo);
            n++;
        } else if (!strncmp(txn->outcome, "ALARM: ", 7)) {
            add_problem(report, "see the log of ovs-vswitchd and of the "
                        "agent, then send it again, or other goal state",
                        "transaction %s is committed, but not all of it is "
                        "in effect: %s", txn->id, txn->outcome + 7);
            n++;
        }
    }
}

/* Which limits have been reached since the agent was started. */
static void
add_limits(const struct alcorrec_agent *agent, struct report *report)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    int64_t n = 0;

    for (size_t i = 0; i < agent->n_statistics; i++) {
        const char *key = agent->key_statistics[i];

        if (!strcmp(key, "limits")) {
            n = agent->value_statistics[i];
        } else if (!strncmp(key, "limit:", 6)) {
            ds_put_format(&s, "%s %s %"PRId64" times", s.length ? "," : ":",
                          key + 6, agent->value_statistics[i]);
        }
    }
    add_fact(report, "limits", "%"PRId64", %s reached%s", n,
             s.length ? "some" : "none", ds_cstr(&s));
    ds_destroy(&s);
}

static void
add_numbers(struct ovsdb_idl *idl, const struct alcorrec_agent *agent,
            struct report *report)
{
    const struct alcorrec_subscription *sub;
    const struct alcorrec_vpc *vpc;
    int64_t n_vpcs = 0, stored = 0, programmed = 0, gaps = 0, n_topics = 0;

    ALCORREC_VPC_FOR_EACH (vpc, idl) {
        n_vpcs++;
        stored += vpc->neighbors_stored;
        programmed += vpc->neighbors_programmed;
    }
    ALCORREC_SUBSCRIPTION_FOR_EACH (sub, idl) {
        n_topics++;
        gaps += sub->gaps;
    }
    add_fact(report, "VPCs", "%"PRId64", with %"PRId64" neighbors stored, "
             "%"PRId64" programmed", n_vpcs, stored, programmed);
    add_fact(report, "topics", "%"PRId64", %"PRId64" gaps", n_topics, gaps);
    for (size_t i = 0; i < agent->n_statistics; i++) {
        if (!strcmp(agent->key_statistics[i], "flows")) {
            add_fact(report, "flows", "%"PRId64,
                     agent->value_statistics[i]);
        }
    }
    add_limits(agent, report);
}

/* Returns the title, owned by the caller. */
static char *
check_database(const struct ctl_target *target, struct report *report)
{
    struct ovsdb_idl *idl;
    char *error = ctl_read_database(target, &idl);
    const struct alcorrec_agent *agent = idl ? alcorrec_agent_first(idl)
                                         : NULL;
    char *title = NULL;

    if (error) {
        add_problem(report, "try again", "%s", error);
        free(error);
    }

    if (agent) {
        title = xasprintf("alcor-agent %s on %s (%s)", agent->version,
                          agent->node_id[0] ? agent->node_id : "(no node id)",
                          agent->host_ip[0] ? agent->host_ip : "no address");
        check_state(agent, report);
        check_errors(agent, report);
        check_connections(agent, report);
        check_ports(idl, report);
        check_transactions(idl, report);
        add_numbers(idl, agent, report);
    } else if (idl && !report->problems.n) {
        add_problem(report, "wait a second, then look again",
                    "the agent has not written to the database yet");
    }
    ovsdb_idl_destroy(idl);
    return title;
}

static void
check_missing_database(const char *error, bool runs, struct report *report)
{
    if (strstr(error, "connection failed")) {
        add_problem(report, "systemctl start openvswitch-switch", "%s",
                    error);
    } else if (runs) {
        char *todo = xasprintf("alcor-ctl init-db tells why not; so does "
                               "\"no database Alcor\" in %s/alcor-agent.log",
                               ovs_logdir());

        add_problem(report, todo, "%s", error);
        free(todo);
    } else {
        add_problem(report, "the agent adds it when it runs, and so does "
                    "alcor-ctl init-db", "%s", error);
    }
}

static int
print_report(const char *title, const struct report *report)
{
    size_t n = report->problems.n;

    fputs(title ? title : "alcor-agent", stdout);
    if (n) {
        printf(": %"PRIuSIZE" problem%s\n", n, n > 1 ? "s" : "");
    } else {
        printf(": healthy\n");
    }
    fputs(ds_cstr_ro(&report->facts), stdout);
    for (size_t i = 0; i < n; i++) {
        printf("problem: %s\n"
               "  to do: %s\n", report->problems.names[i],
               report->todo.names[i]);
    }
    return n ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
ctl_status(const struct ctl_target *target)
{
    struct report report = {
        SVEC_EMPTY_INITIALIZER, SVEC_EMPTY_INITIALIZER, DS_EMPTY_INITIALIZER
    };
    bool runs = check_process(target, &report);
    char *title = NULL;
    char *error = ctl_find_database(target);

    if (error) {
        check_missing_database(error, runs, &report);
    } else {
        title = check_database(target, &report);
    }

    int status = print_report(title, &report);
    free(error);
    free(title);
    svec_destroy(&report.problems);
    svec_destroy(&report.todo);
    ds_destroy(&report.facts);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl-trace: the way of a packet through the pipeline, explained. */

#include <config.h>

#include "alcor-ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apply/of-pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "smap.h"
#include "util.h"

/* The flow to trace. */

/* True if 'flow' has a field or protocol by one of the null-terminated
 * 'names'. */
static bool
flow_has(const char *flow, const char *const names[])
{
    char *copy = xstrdup(flow);
    char *save_ptr = NULL;
    bool found = false;

    for (char *token = strtok_r(copy, ", ", &save_ptr); token && !found;
         token = strtok_r(NULL, ", ", &save_ptr)) {
        token[strcspn(token, "=")] = '\0';
        for (size_t i = 0; names[i]; i++) {
            found |= !strcmp(token, names[i]);
        }
    }
    free(copy);
    return found;
}

/* The first address of 'port' of IPv4, or of IPv6 if 'v6', or null. */
static const char *
port_address(const struct alcorrec_port *port, bool v6)
{
    for (size_t i = 0; i < port->n_addresses; i++) {
        if ((strchr(port->addresses[i], ':') != NULL) == v6) {
            return port->addresses[i];
        }
    }
    return NULL;
}

/* Appends "NAME=VALUE" to 'flow', unless 'given' has one of 'names' (NAME is
 * the first of them) or 'value' is null. */
static void
complete(struct ds *flow, const char *given, const char *const names[],
         const char *value)
{
    if (value && !flow_has(given, names)) {
        ds_put_format(flow, ",%s=%s", names[0], value);
    }
}

/* Fills in what 'port' would send and 'given' does not say.  Returns a flow
 * for ofproto/trace, owned by the caller. */
static char *
complete_flow(const struct alcorrec_port *port, const char *given)
{
    static const char *const v4[] = { "ip", "icmp", "tcp", "udp", "sctp",
                                      NULL };
    static const char *const v6[] = { "ipv6", "icmp6", "tcp6", "udp6",
                                      "sctp6", NULL };
    static const char *const arp[] = { "arp", NULL };
    static const char *const dl_src[] = { "dl_src", "eth_src", NULL };
    static const char *const dl_dst[] = { "dl_dst", "eth_dst", NULL };
    static const char *const nw_src[] = { "nw_src", "ip_src", NULL };
    static const char *const nw_ttl[] = { "nw_ttl", NULL };
    static const char *const ipv6_src[] = { "ipv6_src", NULL };
    static const char *const arp_op[] = { "arp_op", NULL };
    static const char *const arp_spa[] = { "arp_spa", "nw_src", NULL };
    static const char *const arp_sha[] = { "arp_sha", NULL };
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "in_port=%s,%s", port->interface, given);
    complete(&s, given, dl_src, port->mac);
    if (flow_has(given, v4)) {
        complete(&s, given, nw_src, port_address(port, false));
        complete(&s, given, nw_ttl, "64");
    } else if (flow_has(given, v6)) {
        complete(&s, given, ipv6_src, port_address(port, true));
        complete(&s, given, nw_ttl, "64");
    } else if (flow_has(given, arp)) {
        complete(&s, given, dl_dst, "ff:ff:ff:ff:ff:ff");
        complete(&s, given, arp_op, "1");
        complete(&s, given, arp_spa, port_address(port, false));
        complete(&s, given, arp_sha, port->mac);
    }
    return ds_steal_cstr(&s);
}

/* Explaining. */

/* What the agent says of 'cookie', as "plugin NAME, TYPE ID"; one line for
 * each resource that the cookie may stand for.  'known' remembers it. */
static const char *
explain(struct shash *known, uint64_t cookie)
{
    char *argument = xasprintf("%#"PRIx64, cookie);
    char *text = shash_find_data(known, argument);

    if (!text) {
        char *reply;
        char *error = ctl_ask("alcor-agent", "explain", 1, &argument, &reply);

        text = error ? xasprintf("not explained: %s\n", error) : reply;
        shash_add(known, argument, text);
        free(error);
    }
    free(argument);
    return text;
}

/* If 'line' is of the flow that was hit in a table, prints whose it is. */
static void
explain_line(struct shash *known, const char *line)
{
    const char *at = strstr(line, "cookie 0x");
    unsigned long long int cookie;
    unsigned int table, reason;

    if (!ovs_scan(line, " %u.", &table) || !strstr(line, "priority ")) {
        return;
    }

    const char *stage = of_table_to_string(table);
    if (!at || !ovs_scan(at, "cookie %lli", &cookie)
        || !of_cookie_is_ours(cookie)) {
        printf("    ^ %s: not of alcor-agent\n", stage ? stage : "table");
        return;
    }

    char *text = xstrdup(explain(known, cookie));
    char *save_ptr = NULL;
    for (char *one = strtok_r(text, "\n", &save_ptr); one;
         one = strtok_r(NULL, "\n", &save_ptr)) {
        printf("    ^ %s: %s\n", stage ? stage : "(unknown stage)", one);
    }
    free(text);

    at = strstr(line, "reg14=");
    if (table == OFT_DROP && at && ovs_scan(at, "reg14=%i", (int *) &reason)
        && of_drop_explain(reason)) {
        printf("    ^ dropped, %s: %s\n", of_drop_to_string(reason),
               of_drop_explain(reason));
    }
}

/* Prints 'trace', what ofproto/trace has said, with explanations of what
 * happens on 'bridge'. */
static void
print_trace(char *trace, const char *bridge)
{
    struct shash known = SHASH_INITIALIZER(&known);
    char *title = xasprintf("bridge(\"%s\")", bridge);
    bool is_ours = false;

    for (char *line = trace; *line; ) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] == '\n');

        line[n] = '\0';
        puts(line);
        if (!strncmp(line, "bridge(", strlen("bridge("))) {
            is_ours = !strcmp(line, title);
        } else if (is_ours) {
            explain_line(&known, line);
        }
        line = next;
    }
    free(title);
    shash_destroy_free_data(&known);
}

/* Conntrack.
 *
 * When a packet goes through conntrack, ofproto/trace goes on without knowing
 * what opened its connection, which is what the rules of security groups
 * match.  So the rest of the way is traced anew: as that of the packet that
 * opens the connection. */

/* A part of the way. */
struct leg {
    char *flow;
    char *actions;              /* Null: from the port on. */
};

/* Parts of one trace; what would be more is left out. */
#define MAX_LEGS 16

/* Appends to 'tuple' what conntrack knows from 'token' of the flow of the
 * packet that opens a connection. */
static void
put_ct_field(struct ds *tuple, const char *token)
{
    static const struct {
        const char *token;      /* Up to "=" if there is one. */
        const char *ct;
    } fields[] = {
        { "nw_src=", "ct_nw_src=" }, { "nw_dst=", "ct_nw_dst=" },
        { "ipv6_src=", "ct_ipv6_src=" }, { "ipv6_dst=", "ct_ipv6_dst=" },
        { "nw_proto=", "ct_nw_proto=" },
        { "tp_src=", "ct_tp_src=" }, { "tp_dst=", "ct_tp_dst=" },
        { "icmp_type=", "ct_tp_src=" }, { "icmp_code=", "ct_tp_dst=" },
        { "icmp", "ct_nw_proto=1" }, { "icmp6", "ct_nw_proto=58" },
        { "tcp", "ct_nw_proto=6" }, { "tcp6", "ct_nw_proto=6" },
        { "udp", "ct_nw_proto=17" }, { "udp6", "ct_nw_proto=17" },
        { "sctp", "ct_nw_proto=132" }, { "sctp6", "ct_nw_proto=132" },
    };
    size_t n = strcspn(token, "=");

    n += token[n] == '=';
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (strlen(fields[i].token) == n
            && !strncmp(token, fields[i].token, n)) {
            ds_put_format(tuple, ",%s%s", fields[i].ct, token + n);
        }
    }
}

/* Appends 'token', of a flow of protocol 'proto' as it is printed, the way it
 * is read. */
static void
put_token(struct ds *flow, const char *proto, const char *token)
{
    ds_put_cstr(flow, flow->length ? "," : "");
    if (!strncmp(token, "tp_", 3) && !strncmp(proto, "udp", 3)) {
        ds_put_format(flow, "udp_%s", token + 3);
    } else if (!strncmp(token, "tp_", 3) && !strncmp(proto, "sctp", 4)) {
        ds_put_format(flow, "sctp_%s", token + 3);
    } else if (!strncmp(token, "icmp_", 5) && !strcmp(proto, "icmp6")) {
        ds_put_format(flow, "icmpv6_%s", token + 5);
    } else {
        ds_put_cstr(flow, token);
    }
}

/* Returns 'line', a flow as ofproto/trace prints it, as one that it takes,
 * with what conntrack knows of it.  The caller frees it. */
static char *
tracked_flow(const char *line)
{
    struct ds flow = DS_EMPTY_INITIALIZER;
    struct ds tuple = DS_EMPTY_INITIALIZER;
    const char *proto = "";
    char *copy = xstrdup(line);
    char *save_ptr = NULL;

    for (char *token = strtok_r(copy, ",", &save_ptr); token;
         token = strtok_r(NULL, ",", &save_ptr)) {
        if (!strcmp(token, "eth") || !strncmp(token, "recirc_id=", 10)) {
            continue;
        }
        proto = strchr(token, '=') ? proto : token;
        put_token(&flow, proto, token);
        put_ct_field(&tuple, token);
    }
    ds_put_cstr(&flow, ds_cstr(&tuple));
    ds_destroy(&tuple);
    free(copy);
    return ds_steal_cstr(&flow);
}

/* Cuts 'trace' off where the first packet comes back from conntrack, and adds
 * what is to be traced instead to 'legs', of which there are '*n'. */
static void
cut_at_conntrack(char *trace, struct leg legs[MAX_LEGS], size_t *n)
{
    static const char flow_mark[] = "\nFlow: ";
    static const char table_mark[] = "Resuming from table ";
    char *end = NULL;

    for (char *at = trace; (at = strstr(at, "\nrecirc(")); at++) {
        char *flow = strstr(at, flow_mark);
        char *table = flow ? strstr(flow, table_mark) : NULL;

        if (!table || *n >= MAX_LEGS) {
            break;
        }
        if (!end) {
            end = strstr(trace, "\n=====");
        }
        flow += strlen(flow_mark);
        table += strlen(table_mark);
        char *line = xmemdup0(flow, strcspn(flow, "\n"));
        legs[*n].flow = tracked_flow(line);
        legs[(*n)++].actions = xasprintf("resubmit(,%d)", atoi(table));
        free(line);
    }
    if (end) {
        end[1] = '\0';
    }
}

/* Prints the way of a packet with 'flow', from port 'id', through 'bridge'.
 * Returns null or an error. */
static char *
trace_legs(const char *id, const char *bridge, const char *flow)
{
    struct leg legs[MAX_LEGS] = { { xstrdup(flow), NULL } };
    char *error = NULL;
    size_t n = 1;

    for (size_t i = 0; i < n; i++) {
        char *arguments[] = { "--names", CONST_CAST(char *, bridge),
                              legs[i].flow, legs[i].actions };
        bool on = legs[i].actions != NULL;
        char *reply = NULL;

        if (!error) {
            error = ctl_ask("ovs-vswitchd", (on ? "ofproto/trace-packet-out"
                                             : "ofproto/trace"),
                            on ? 4 : 3, arguments, &reply);
        }
        if (reply) {
            cut_at_conntrack(reply, legs, &n);
            if (on) {
                puts("\nConntrack lets it go on, as the first packet of a "
                     "connection:\n");
            } else {
                printf("%s sends %s\n\n", id, flow);
            }
            print_trace(reply, bridge);
        }
        free(reply);
        free(legs[i].flow);
        free(legs[i].actions);
    }
    return error;
}

static const struct alcorrec_port *
find_port(struct ovsdb_idl *idl, const char *name)
{
    const struct alcorrec_port *port;

    ALCORREC_PORT_FOR_EACH (port, idl) {
        if (!strcmp(port->id, name) || !strcmp(port->interface, name)) {
            return port;
        }
    }
    return NULL;
}

/* Traces on the agent's bridge.  Returns null or an error. */
static char *
trace(struct ovsdb_idl *idl, const char *name, const char *given)
{
    const struct alcorrec_agent *agent = alcorrec_agent_first(idl);
    const struct alcorrec_port *port = find_port(idl, name);
    const char *bridge = (agent ? smap_get(&agent->status, "bridge") : NULL);

    if (!port) {
        return xasprintf("no port \"%s\": expected the id of a port on this "
                         "host or the name of its Interface (alcor-ctl list "
                         "Port)", name);
    } else if (!port->interface[0] || !bridge) {
        return xasprintf("port \"%s\" is %s: %s", name, port->state,
                         port->reason[0] ? port->reason : "not plugged in");
    }

    char *flow = complete_flow(port, given);
    char *error = trace_legs(port->id, bridge, flow);
    if (error) {
        char *text = xasprintf("%s (FLOW is as in ovs-ofctl(8), for instance "
                               "icmp,nw_dst=ADDRESS,dl_dst=MAC)", error);
        free(error);
        error = text;
    }
    free(flow);
    return error;
}

int
ctl_trace(const struct ctl_target *target, const char *port, const char *flow)
{
    struct ovsdb_idl *idl;
    char *error = ctl_read_database(target, &idl);

    if (!error) {
        error = trace(idl, port, flow);
    }
    if (error) {
        ovs_error(0, "trace: %s", error);
    }
    ovsdb_idl_destroy(idl);
    int status = error ? EXIT_FAILURE : EXIT_SUCCESS;
    free(error);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-show: the fast path for people. */

#include <config.h>

#include "agent-fast-path.h"

#include <stdlib.h>
#include <string.h>
#include "agent-private.h"
#include "apply/alcor-db.h"
#include "feedback/offload.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "table.h"
#include "unixctl.h"
#include "util.h"

/* A device: with a program, or with why it has none. */
struct shown_device {
    const char *name;
    const char *program;
    const char *hook, *mode;
    const char *reason;         /* "" if it has one. */
    size_t entries;
    struct fp_counters counters;
};

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define FP_COUNTER(NAME, MEMBER, WHAT) \
    { #MEMBER, offsetof(struct fp_counters, MEMBER) },
    FP_COUNTERS
#undef FP_COUNTER
};

static uint64_t
get_counter(const struct fp_counters *c, size_t i)
{
    return *ALIGNED_CAST(const uint64_t *,
                         (const char *) c + counters[i].offset);
}

static uint64_t
count_passes(const struct fp_counters *c)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        sum += get_counter(c, i);
    }
    return sum - c->hits - c->delivered - c->ecn_drops - c->oam;
}

static void
describe_hook(const struct apply_bpf_device *device, struct shown_device *s)
{
    switch (device->hook) {
    case APPLY_BPF_HOOK_XDP_NATIVE:
        s->hook = "xdp";
        s->mode = "native";
        break;
    case APPLY_BPF_HOOK_XDP_GENERIC:
        s->hook = "xdp";
        s->mode = "generic";
        break;
    case APPLY_BPF_HOOK_TC:
        s->hook = "tc";
        s->mode = device->interposed ? "interpose" : "tc";
        break;
    case APPLY_BPF_HOOK_NONE:
        break;
    }
}

/* How many entries each port has, by its number; 0: the uplink.  The caller
 * must free it. */
static size_t *
count_entries(const struct apply_bpf *ab)
{
    size_t *counts = xcalloc(FP_MAX_PORTS + 1, sizeof *counts);
    size_t n;
    struct apply_bpf_entry *entries
        = apply_bpf_list_entries(ab, APPLY_BPF_TENANT, &n);

    for (size_t i = 0; i < n; i++) {
        counts[MIN(entries[i].key.scope >> 8, FP_MAX_PORTS)]++;
    }
    free(entries);
    entries = apply_bpf_list_entries(ab, APPLY_BPF_UPLINK, &n);
    free(entries);
    counts[0] = n;
    return counts;
}

/* Calls 'cb' for the devices with programs. */
static void
for_each_attached(const struct agent_fast_path *fp,
                  void (*cb)(const struct shown_device *, void *aux),
                  void *aux)
{
    size_t *entries = count_entries(fp->ab);
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(fp->ab, &n);

    for (size_t i = 0; i < n; i++) {
        struct shown_device s = {
            .name = devices[i].name,
            .program = devices[i].port ? "tenant" : "uplink",
            .hook = "none", .mode = "off", .reason = "",
            .entries = entries[devices[i].port],
        };

        describe_hook(&devices[i], &s);
        apply_bpf_get_counters(fp->ab, devices[i].port, &s.counters);
        cb(&s, aux);
    }
    free(devices);
    free(entries);
}

/* Calls 'cb' for all devices. */
static void
for_each_device(const struct agent_fast_path *fp,
                void (*cb)(const struct shown_device *, void *aux), void *aux)
{
    const struct shash_node **nodes = shash_sort(&fp->ports);

    if (fp->ab) {
        for_each_attached(fp, cb, aux);
    }
    for (size_t i = 0; i < shash_count(&fp->ports); i++) {
        const struct fast_path_port *port = nodes[i]->data;

        if (!port->number) {
            struct shown_device s = {
                .name = port->device, .program = "", .hook = "none",
                .mode = "off",
                .reason = (port->error ? port->error
                           : fp->uplink_error ? fp->uplink_error
                           : "not yet"),
            };

            cb(&s, aux);
        }
    }
    free(nodes);
}

/* Rows of the database. */

static void
fill_row(const struct shown_device *s, void *db)
{
    const struct alcor_db_number drops[] = {
        { "ecn", s->counters.ecn_drops },
    };
    const struct alcor_db_fast_path row = {
        .interface = s->name, .hook = s->hook, .mode = s->mode,
        .program = s->program, .reason = s->reason, .entries = s->entries,
        .hits = s->counters.hits + s->counters.delivered,
        .passes = count_passes(&s->counters),
        .drops = drops, .n_drops = s->counters.ecn_drops ? 1 : 0,
    };

    alcor_db_fast_path(db, &row);
}

void
agent_fast_path_fill(const struct agent *agent, struct alcor_db *db)
{
    for_each_device(agent->fast_path, fill_row, db);
}

/* fast-path/show. */

static void
put_device(const struct shown_device *s, void *out_)
{
    struct ds *out = out_;

    if (s->reason[0]) {
        ds_put_format(out, "%s: no program: %s\n", s->name, s->reason);
        return;
    }
    ds_put_format(out, "%s: %s, %s %s, %"PRIuSIZE" entries\n", s->name,
                  s->program, s->mode, s->hook, s->entries);
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        uint64_t value = get_counter(&s->counters, i);

        if (value) {
            ds_put_format(out, "  %s: %"PRIu64"\n", counters[i].name, value);
        }
    }
}

static void
put_stats(const struct agent_fast_path *fp, struct ds *out)
{
    const struct offload_stats *stats = offload_get_stats(fp->offload);

    ds_put_format(out, "entries: %"PRIuSIZE"\n", offload_count(fp->offload));
#define OFFLOAD_COUNTER(NAME, WHAT) \
    ds_put_format(out, "%s: %"PRIu64"\n", #NAME, stats->NAME);
    OFFLOAD_COUNTERS
#undef OFFLOAD_COUNTER
    ds_put_format(out, "evicted: %llu\n", apply_bpf_n_evicted(fp->ab));
}

/* The devices as a table, for programs. */

static void
put_device_row(const struct shown_device *s, void *table_)
{
    struct table *table = table_;

    table_add_row(table);
    agent_add_cell(table, "%s", s->name);
    agent_add_cell(table, "%s", s->program);
    agent_add_cell(table, "%s", s->hook);
    agent_add_cell(table, "%s", s->mode);
    agent_add_cell(table, "%s", s->reason);
    agent_add_cell(table, "%"PRIuSIZE, s->entries);
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        agent_add_cell(table, "%"PRIu64, get_counter(&s->counters, i));
    }
}

static void
show_table(const struct agent_fast_path *fp, struct unixctl_conn *conn,
           int argc, const char *argv[])
{
    static const char *const columns[] = {
        "device", "program", "hook", "mode", "reason", "entries",
    };
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&table, "%s", columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        table_add_column(&table, "%s", counters[i].name);
    }
    for_each_device(fp, put_device_row, &table);
    agent_reply_table(conn, &table, argc, argv);
}

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    const struct agent *agent = agent_;
    const struct agent_fast_path *fp = agent->fast_path;
    struct ds out = DS_EMPTY_INITIALIZER;

    if (argc > 1) {
        show_table(fp, conn, argc, argv);
        return;
    }
    if (!fp->ab) {
        ds_put_format(&out, "off%s%s\n", fp->error ? ": " : "",
                      fp->error ? fp->error : "");
    } else if (!fp->uplink) {
        ds_put_format(&out, "no uplink: %s\n",
                      fp->uplink_error ? fp->uplink_error : "not yet");
    } else {
        ds_put_format(&out, "on, uplink %s\n", fp->uplink);
    }
    for_each_device(fp, put_device, &out);
    if (fp->ab) {
        put_stats(fp, &out);
    }
    unixctl_command_reply(conn, ds_cstr(&out));
    ds_destroy(&out);
}

/* fast-path/list. */

static const char *
device_name(const struct apply_bpf_device *devices, size_t n, uint32_t port)
{
    for (size_t i = 0; i < n; i++) {
        if (devices[i].port == port) {
            return devices[i].name;
        }
    }
    return "?";
}

static void
put_ip(struct table *table, uint32_t ip)
{
    agent_add_cell(table, IP_FMT, IP_ARGS((OVS_FORCE ovs_be32) ip));
}

static void
put_entry(struct table *table, const struct apply_bpf *ab, bool arrival,
          const struct apply_bpf_entry *e, const char *device)
{
    const struct fp_key *key = &e->key;
    uint32_t vni = (arrival ? key->scope >> 8
                    : ntohl((OVS_FORCE ovs_be32) e->flow.encap.vni_flags)
                      >> 8);

    table_add_row(table);
    agent_add_cell(table, "%s", arrival ? "in" : "out");
    agent_add_cell(table, "%s", device);
    agent_add_cell(table, "%"PRIu32, vni);
    put_ip(table, arrival ? key->peer : e->flow.encap.host_ip);
    put_ip(table, key->src);
    put_ip(table, key->dst);
    if (key->scope & 0xff) {
        agent_add_cell(table, "%d", key->scope & 0xff);
        agent_add_cell(table, "%d", ntohs((OVS_FORCE ovs_be16) key->sport));
        agent_add_cell(table, "%d", ntohs((OVS_FORCE ovs_be16) key->dport));
    } else {
        for (int i = 0; i < 3; i++) {
            agent_add_cell(table, "any");
        }
    }
    agent_add_cell(table, "%"PRIu32, e->flow.packets);
    agent_add_cell(table, "%llu", (unsigned long long int) e->flow.bytes);
    agent_add_cell(table, "%lld", apply_bpf_idle_msec(ab, e));
}

static void
put_entries(struct table *table, const struct apply_bpf *ab, bool arrival)
{
    size_t n, n_devices;
    struct apply_bpf_device *devices = apply_bpf_list_devices(ab, &n_devices);
    struct apply_bpf_entry *entries = apply_bpf_list_entries(
        ab, arrival ? APPLY_BPF_UPLINK : APPLY_BPF_TENANT, &n);

    for (size_t i = 0; i < n; i++) {
        uint32_t port = (arrival ? entries[i].flow.deliver.port
                         : entries[i].key.scope >> 8);

        put_entry(table, ab, arrival, &entries[i],
                  device_name(devices, n_devices, port));
    }
    free(entries);
    free(devices);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    static const char *const columns[] = {
        "direction", "device", "vni", "host", "source", "destination",
        "protocol", "sport", "dport", "packets", "bytes", "idle",
    };
    const struct agent *agent = agent_;
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(&table, "%s", columns[i]);
    }
    if (agent->fast_path->ab) {
        put_entries(&table, agent->fast_path->ab, false);
        put_entries(&table, agent->fast_path->ab, true);
    }
    agent_reply_table(conn, &table, argc, argv);
}

/* fast-path/flush. */

static void
cmd_flush(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *agent_)
{
    struct agent *agent = agent_;

    offload_flush(agent->fast_path->offload);
    agent->fast_path->seqno++;
    unixctl_command_reply(conn, NULL);
}

void
agent_fast_path_show_init(struct agent *agent)
{
    unixctl_command_register("fast-path/show", "[--format=FORMAT]", 0, 1,
                             cmd_show, agent);
    unixctl_command_register("fast-path/list", "[--format=FORMAT]", 0, 1,
                             cmd_list, agent);
    unixctl_command_register("fast-path/flush", "", 0, 0, cmd_flush, agent);
}

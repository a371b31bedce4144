/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db-rows: finding and writing rows of database Alcor. */

#include <config.h>

#include "apply/alcor-db-private.h"

#include <stdlib.h>
#include <string.h>
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "simap.h"
#include "smap.h"
#include "util.h"

/* A table of the database: what it is called, and the key of its rows. */
struct table_info {
    const struct ovsdb_idl_table_class *class;

    /* Returns the key of 'row', or null if that is not ours. */
    const char *(*key)(const struct ovsdb_idl_row *row);
};

/* There is only one. */
static const char *
agent_key(const struct ovsdb_idl_row *row OVS_UNUSED)
{
    return "";
}

static const char *
subscription_key(const struct ovsdb_idl_row *row_)
{
    const struct alcorrec_subscription *row
        = CONTAINER_OF(row_, struct alcorrec_subscription, header_);

    return row->automatic ? row->topic : NULL;
}

#define DEFINE_KEY(TABLE, MEMBER)                                         \
    static const char *                                                   \
    TABLE##_key(const struct ovsdb_idl_row *row)                          \
    {                                                                     \
        return CONTAINER_OF(row, struct alcorrec_##TABLE, header_)        \
               ->MEMBER;                                                  \
    }
DEFINE_KEY(plugin, name)
DEFINE_KEY(gateway, id)
DEFINE_KEY(port, id)
DEFINE_KEY(vpc, id)
DEFINE_KEY(fast_path, interface)
DEFINE_KEY(transaction, id)

static const struct table_info tables[ALCOR_DB_N_TABLES] = {
    [ALCOR_DB_AGENT] = { &alcorrec_table_agent, agent_key },
    [ALCOR_DB_SUBSCRIPTION] = { &alcorrec_table_subscription,
                                subscription_key },
    [ALCOR_DB_PLUGIN] = { &alcorrec_table_plugin, plugin_key },
    [ALCOR_DB_GATEWAY] = { &alcorrec_table_gateway, gateway_key },
    [ALCOR_DB_PORT] = { &alcorrec_table_port, port_key },
    [ALCOR_DB_VPC] = { &alcorrec_table_vpc, vpc_key },
    [ALCOR_DB_FAST_PATH] = { &alcorrec_table_fast_path, fast_path_key },
    [ALCOR_DB_TRANSACTION] = { &alcorrec_table_transaction,
                               transaction_key },
};

#define FOR_EACH_ROW(ROW, DB, TABLE)                                      \
    for ((ROW) = ovsdb_idl_first_row((DB)->idl, tables[TABLE].class);     \
         (ROW); (ROW) = ovsdb_idl_next_row(ROW))

size_t
alcor_db_count_rows(const struct alcor_db *db, enum alcor_db_table table)
{
    const struct ovsdb_idl_row *row;
    size_t n = 0;

    FOR_EACH_ROW (row, db, table) {
        n += tables[table].key(row) != NULL;
    }
    return n;
}

static void
collect_operators(struct alcor_db *db)
{
    const struct alcorrec_subscription *row;

    ALCORREC_SUBSCRIPTION_FOR_EACH (row, db->idl) {
        if (!row->automatic) {
            shash_add_once(&db->operators, row->topic, row);
        }
    }
}

void
alcor_db_collect_rows(struct alcor_db *db, enum alcor_db_table table)
{
    const struct ovsdb_idl_row *row;

    FOR_EACH_ROW (row, db, table) {
        const char *key = tables[table].key(row);

        if (key) {
            shash_add(&db->rows[table], key, row);
        }
    }
    if (table == ALCOR_DB_SUBSCRIPTION) {
        collect_operators(db);
    }
}

void
alcor_db_finish_rows(struct alcor_db *db, enum alcor_db_table table)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &db->rows[table]) {
        ovsdb_idl_txn_delete(node->data);
    }
    db->n_rows[table] = shash_count(&db->given[table]);
    shash_clear(&db->rows[table]);
    shash_clear(&db->given[table]);
    if (table == ALCOR_DB_SUBSCRIPTION) {
        shash_clear(&db->operators);
    }
}

/* Returns the row of 'table' whose key is 'key'.  If there is none yet, makes
 * one and sets '*is_new' to true: the caller then writes the key.  Returns
 * NULL if the row was given before. */
static const struct ovsdb_idl_row *
row_get(struct alcor_db *db, enum alcor_db_table table, const char *key,
        bool *is_new)
{
    ovs_assert(db->composing && db->writing & (1u << table));
    if (shash_find(&db->given[table], key)) {
        return NULL;
    }

    const struct ovsdb_idl_row *row = shash_find_and_delete(&db->rows[table],
                                                            key);
    *is_new = !row;
    if (!row) {
        row = ovsdb_idl_txn_insert(db->txn, tables[table].class, NULL);
    }
    shash_add(&db->given[table], key, row);
    return row;
}

/* Makes of 'n' numbers what a column is set to; the caller frees both. */
static void
split_numbers(const struct alcor_db_number *numbers, size_t n,
              const char ***keysp, int64_t **valuesp)
{
    const char **keys = xmalloc((n + 1) * sizeof *keys);
    int64_t *values = xmalloc((n + 1) * sizeof *values);

    for (size_t i = 0; i < n; i++) {
        keys[i] = numbers[i].name;
        values[i] = numbers[i].value;
    }
    *keysp = keys;
    *valuesp = values;
}

void
alcor_db_agent(struct alcor_db *db, const struct alcor_db_agent *agent)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_AGENT, "",
                                                 &is_new);
    if (!header) {
        return;
    }

    const struct alcorrec_agent *row
        = CONTAINER_OF(header, struct alcorrec_agent, header_);
    const char **keys;
    int64_t *values;

    split_numbers(agent->statistics, agent->n_statistics, &keys, &values);
    alcorrec_agent_set_node_id(row, agent->node_id);
    alcorrec_agent_set_host_ip(row, agent->host_ip);
    alcorrec_agent_set_version(row, agent->version);
    alcorrec_agent_set_start_time(row, agent->start_time);
    alcorrec_agent_set_state(row, agent->state);
    alcorrec_agent_set_connection_status(row, agent->connection_status);
    alcorrec_agent_set_status(row, agent->status);
    alcorrec_agent_set_errors(row, agent->errors);
    if (agent->cur_cfg) {
        alcorrec_agent_set_cur_cfg(row, *agent->cur_cfg);
    }
    alcorrec_agent_set_statistics(row, keys, values, agent->n_statistics);
    free(keys);
    free(values);
}

static void
set_drops(const struct alcorrec_fast_path *row,
          const struct alcor_db_fast_path *fp)
{
    const char **keys;
    int64_t *values;

    split_numbers(fp->drops, fp->n_drops, &keys, &values);
    alcorrec_fast_path_set_drops(row, keys, values, fp->n_drops);
    free(keys);
    free(values);
}

void
alcor_db_fast_path(struct alcor_db *db, const struct alcor_db_fast_path *fp)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_FAST_PATH,
                                                 fp->interface, &is_new);
    if (header) {
        const struct alcorrec_fast_path *row
            = CONTAINER_OF(header, struct alcorrec_fast_path, header_);

        if (is_new) {
            alcorrec_fast_path_set_interface(row, fp->interface);
        }
        alcorrec_fast_path_set_hook(row, fp->hook);
        alcorrec_fast_path_set_mode(row, fp->mode);
        alcorrec_fast_path_set_program(row, fp->program);
        alcorrec_fast_path_set_reason(row, fp->reason);
        alcorrec_fast_path_set_entries(row, fp->entries);
        alcorrec_fast_path_set_hits(row, fp->hits);
        alcorrec_fast_path_set_passes(row, fp->passes);
        set_drops(row, fp);
    }
}

static void
link_vpcs(const struct alcor_db *db, const struct alcorrec_agent *row)
{
    const struct shash *given = &db->given[ALCOR_DB_VPC];
    struct alcorrec_vpc **vpcs = xmalloc(shash_count(given) * sizeof *vpcs);
    struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, given) {
        struct ovsdb_idl_row *vpc = node->data;

        vpcs[n++] = CONTAINER_OF(vpc, struct alcorrec_vpc, header_);
    }
    alcorrec_agent_set_vpcs(row, vpcs, n);
    free(vpcs);
}

static void
link_subscriptions(const struct alcor_db *db,
                   const struct alcorrec_agent *row)
{
    const struct shash *given = &db->given[ALCOR_DB_SUBSCRIPTION];
    struct alcorrec_subscription **subs
        = xmalloc((shash_count(given) + shash_count(&db->operators))
                  * sizeof *subs);
    struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, given) {
        struct ovsdb_idl_row *sub = node->data;

        subs[n++] = CONTAINER_OF(sub, struct alcorrec_subscription, header_);
    }
    SHASH_FOR_EACH (node, &db->operators) {
        subs[n++] = node->data;
    }
    alcorrec_agent_set_subscriptions(row, subs, n);
    free(subs);
}

/* Has the agent's row refer to those of the tables that are being written. */
void
alcor_db_link_rows(struct alcor_db *db)
{
    struct ovsdb_idl_row *header = shash_find_data(&db->given[ALCOR_DB_AGENT],
                                                   "");
    if (header) {
        const struct alcorrec_agent *row
            = CONTAINER_OF(header, struct alcorrec_agent, header_);

        if (db->writing & (1u << ALCOR_DB_VPC)) {
            link_vpcs(db, row);
        }
        if (db->writing & (1u << ALCOR_DB_SUBSCRIPTION)) {
            link_subscriptions(db, row);
        }
    }
}

void
alcor_db_subscription(struct alcor_db *db,
                      const struct alcor_db_subscription *s, bool automatic)
{
    const struct alcorrec_subscription *row;

    if (automatic) {
        bool is_new;
        const struct ovsdb_idl_row *header
            = row_get(db, ALCOR_DB_SUBSCRIPTION, s->topic, &is_new);

        if (!header) {
            return;
        }
        row = CONTAINER_OF(header, struct alcorrec_subscription, header_);
        if (is_new) {
            alcorrec_subscription_set_topic(row, s->topic);
            alcorrec_subscription_set_automatic(row, true);
        }
        alcorrec_subscription_set_kind(row, s->kind);
        alcorrec_subscription_set_key(row, s->key);
    } else {
        row = shash_find_data(&db->operators, s->topic);
        if (!row) {
            return;
        }
    }
    alcorrec_subscription_set_endpoint(row, s->endpoint);
    alcorrec_subscription_set_status(row, s->status);
    alcorrec_subscription_set_sender(row, s->sender);
    alcorrec_subscription_set_epoch(row, s->epoch);
    alcorrec_subscription_set_sequence(row, s->sequence);
    alcorrec_subscription_set_gaps(row, s->gaps);
}

void
alcor_db_plugin(struct alcor_db *db, const struct alcor_db_plugin *plugin)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_PLUGIN,
                                                 plugin->name, &is_new);
    if (header) {
        const struct alcorrec_plugin *row
            = CONTAINER_OF(header, struct alcorrec_plugin, header_);

        if (is_new) {
            alcorrec_plugin_set_name(row, plugin->name);
        }
        alcorrec_plugin_set_version(row, plugin->version);
        alcorrec_plugin_set_path(row, plugin->path);
        alcorrec_plugin_set_enabled(row, plugin->enabled);
        alcorrec_plugin_set_status(row, (plugin->enabled ? "enabled"
                                         : "disabled"));
        alcorrec_plugin_set_flows(row, plugin->flows);
    }
}

static void
set_gateway_statistics(const struct alcorrec_gateway *row,
                       const struct simap *statistics)
{
    size_t n = simap_count(statistics);
    const char **keys = xmalloc((n + 1) * sizeof *keys);
    int64_t *values = xmalloc((n + 1) * sizeof *values);
    const struct simap_node *node;

    n = 0;
    SIMAP_FOR_EACH (node, statistics) {
        keys[n] = node->name;
        values[n++] = node->data;
    }
    alcorrec_gateway_set_statistics(row, keys, values, n);
    free(keys);
    free(values);
}

void
alcor_db_gateway(struct alcor_db *db, const struct alcor_db_gateway *gateway)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_GATEWAY,
                                                 gateway->id, &is_new);
    if (header) {
        const struct alcorrec_gateway *row
            = CONTAINER_OF(header, struct alcorrec_gateway, header_);

        if (is_new) {
            alcorrec_gateway_set_id(row, gateway->id);
        }
        alcorrec_gateway_set_type(row, gateway->type);
        alcorrec_gateway_set_entrances(row, gateway->entrances);
        set_gateway_statistics(row, gateway->statistics);
    }
}

static void
set_port_numbers(const struct alcorrec_port *row,
                 const struct alcor_db_port *port)
{
    const char **keys;
    int64_t *values;

    split_numbers(port->statistics, port->n_statistics, &keys, &values);
    alcorrec_port_set_statistics(row, keys, values, port->n_statistics);
    free(keys);
    free(values);
    split_numbers(port->drops, port->n_drops, &keys, &values);
    alcorrec_port_set_drops(row, keys, values, port->n_drops);
    free(keys);
    free(values);
    split_numbers(port->ingress_drops, port->n_ingress_drops, &keys, &values);
    alcorrec_port_set_ingress_drops(row, keys, values, port->n_ingress_drops);
    free(keys);
    free(values);
}

void
alcor_db_port(struct alcor_db *db, const struct alcor_db_port *port)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_PORT, port->id,
                                                 &is_new);
    if (header) {
        const struct alcorrec_port *row
            = CONTAINER_OF(header, struct alcorrec_port, header_);
        int64_t ofport = port->ofport;

        if (is_new) {
            alcorrec_port_set_id(row, port->id);
        }
        alcorrec_port_set_vpc(row, port->vpc);
        alcorrec_port_set_mac(row, port->mac);
        alcorrec_port_set_addresses(row, port->addresses, port->n_addresses);
        alcorrec_port_set_interface(row, port->interface);
        alcorrec_port_set_ofport(row, &ofport, ofport != 0);
        alcorrec_port_set_state(row, port->state);
        alcorrec_port_set_reason(row, port->reason);
        set_port_numbers(row, port);
    }
}

static void
set_vpc_ports(struct alcor_db *db, const struct alcorrec_vpc *row,
              const struct sset *ids)
{
    struct alcorrec_port **ports = xmalloc(sset_count(ids) * sizeof *ports);
    size_t n = 0;
    const char *id;

    SSET_FOR_EACH (id, ids) {
        struct ovsdb_idl_row *port
            = shash_find_data(&db->given[ALCOR_DB_PORT], id);

        if (port) {
            ports[n++] = CONTAINER_OF(port, struct alcorrec_port, header_);
        }
    }
    alcorrec_vpc_set_ports(row, ports, n);
    free(ports);
}

static void
set_vpc_gateways(struct alcor_db *db, const struct alcorrec_vpc *row,
                 const struct sset *ids)
{
    struct alcorrec_gateway **gateways = xmalloc(sset_count(ids)
                                                 * sizeof *gateways);
    size_t n = 0;
    const char *id;

    SSET_FOR_EACH (id, ids) {
        struct ovsdb_idl_row *gateway
            = shash_find_data(&db->given[ALCOR_DB_GATEWAY], id);

        if (gateway) {
            gateways[n++] = CONTAINER_OF(gateway, struct alcorrec_gateway,
                                         header_);
        }
    }
    alcorrec_vpc_set_gateway(row, gateways, n);
    free(gateways);
}

void
alcor_db_vpc(struct alcor_db *db, const struct alcor_db_vpc *vpc)
{
    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_VPC, vpc->id,
                                                 &is_new);
    if (header) {
        const struct alcorrec_vpc *row
            = CONTAINER_OF(header, struct alcorrec_vpc, header_);

        if (is_new) {
            alcorrec_vpc_set_id(row, vpc->id);
        }
        alcorrec_vpc_set_tunnel_id(row, &vpc->tunnel_id, vpc->tunnel_id >= 0);
        alcorrec_vpc_set_neighbors_stored(row, vpc->neighbors_stored);
        alcorrec_vpc_set_neighbors_programmed(row, vpc->neighbors_programmed);
        set_vpc_ports(db, row, vpc->ports);
        set_vpc_gateways(db, row, vpc->gateways);
    }
}

void
alcor_db_transaction(struct alcor_db *db,
                     const struct alcor_db_transaction *txn)
{
    if (shash_count(&db->given[ALCOR_DB_TRANSACTION])
        >= ALCOR_DB_MAX_TRANSACTIONS) {
        return;
    }

    bool is_new;
    const struct ovsdb_idl_row *header = row_get(db, ALCOR_DB_TRANSACTION,
                                                 txn->id, &is_new);
    if (header) {
        const struct alcorrec_transaction *row
            = CONTAINER_OF(header, struct alcorrec_transaction, header_);
        int64_t end_time = txn->end_time;

        if (is_new) {
            alcorrec_transaction_set_id(row, txn->id);
        }
        alcorrec_transaction_set_phase(row, txn->phase);
        alcorrec_transaction_set_resources(row, txn->resources);
        alcorrec_transaction_set_outcome(row, txn->outcome);
        alcorrec_transaction_set_start_time(row, txn->start_time);
        alcorrec_transaction_set_end_time(row, &end_time, end_time != 0);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-db: the database Alcor_Relay. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/proto-field.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-relay-idl.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_db);

COVERAGE_DEFINE(relay_db_write);

/* How it works
 * ============
 *
 * Nodes that operators add are read whenever the database changes; what is
 * known of nodes is compared with the database and written every five seconds,
 * one transaction at a time.  Nothing waits for the database: without it the
 * relay goes on with what it knows. */

#define WRITE_INTERVAL 5000     /* In ms. */

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct relay_db {
    struct relay *relay;
    struct ovsdb_idl *idl;
    struct ovsdb_idl_txn *txn;  /* Being committed; null: none. */
    unsigned int seqno;         /* That was read. */
    long long int write_at;     /* time_msec(). */
    long long int start_time;   /* time_wall_msec(). */
};

struct relay_db *
relay_db_create(struct relay *relay, const char *remote)
{
    struct relay_db *db = xzalloc(sizeof *db);

    db->relay = relay;
    db->start_time = time_wall_msec();
    db->idl = ovsdb_idl_create(remote, &relayrec_idl_class, true, true);
    ovsdb_idl_omit_alert(db->idl, &relayrec_relay_col_statistics);
    ovsdb_idl_omit_alert(db->idl, &relayrec_node_col_last_seen);
    return db;
}

void
relay_db_destroy(struct relay_db *db)
{
    if (db) {
        if (db->txn) {
            ovsdb_idl_txn_destroy(db->txn);
        }
        ovsdb_idl_destroy(db->idl);
        free(db);
    }
}

/* Reading. */

static void
read_groups(struct relay *relay, struct relay_node *node,
            const struct relayrec_node *row)
{
    struct sset groups = SSET_INITIALIZER(&groups);

    for (size_t i = 0; i < row->n_group_topics; i++) {
        sset_add(&groups, row->group_topics[i]);
    }
    if (row->multicast_topic[0]) {
        sset_add(&groups, row->multicast_topic);
    }
    /* Those are not ours to give. */
    sset_find_and_delete(&groups, "");
    sset_find_and_delete(&groups, "all");
    sset_find_and_delete(&groups, node->topic);
    relay_node_set_groups(relay, node, &groups);
    sset_destroy(&groups);
}

static void
read_node(struct relay *relay, const struct relayrec_node *row)
{
    struct relay_node *node = relay_node_get(relay, row->id);
    struct in6_addr ip;

    node->registered = true;
    node->in_db = true;
    free(node->key);
    node->key = xstrdup(row->key);
    free(node->topic);
    node->topic = (row->unicast_topic[0] ? xstrdup(row->unicast_topic)
                   : xasprintf("node/%s", row->id));
    if (!row->host_ip[0]) {
        /* It will say. */
    } else if (proto_parse_ip(row->host_ip, &ip)) {
        relay_node_set_ip(relay, node, &ip);
    } else {
        VLOG_WARN_RL(&rl, "node %s: host_ip \"%s\" is not an address",
                     row->id, row->host_ip);
    }
    node->fixed_ip = row->host_ip[0] && !row->learned;
    read_groups(relay, node, row);
}

static void
read_nodes(struct relay_db *db)
{
    const struct sset none = SSET_INITIALIZER(&none);
    const struct relayrec_node *row;
    struct relay_node *node;

    HMAP_FOR_EACH (node, node, &db->relay->nodes) {
        node->registered = false;
    }
    RELAYREC_NODE_FOR_EACH (row, db->idl) {
        if (row->id[0] && strlen(row->id) <= PROTO_ID_MAX_LEN) {
            read_node(db->relay, row);
        }
    }
    HMAP_FOR_EACH (node, node, &db->relay->nodes) {
        if (!node->registered && node->in_db) {
            node->in_db = false;
            node->fixed_ip = false;
            node->connected = false;    /* Until it says HELLO again. */
            relay_node_set_groups(db->relay, node, &none);
        }
    }
}

/* Writing. */

static void
write_relay(struct relay_db *db)
{
    struct relay *relay = db->relay;
    const struct relay_options *o = &relay->options;
    const struct relayrec_relay *row;
    const struct relay_node *node;
    int64_t n_connected = 0;

    RELAYREC_RELAY_FOR_EACH (row, db->idl) {
        if (!strcmp(row->name, o->sender)) {
            break;
        }
    }
    if (!row) {
        row = relayrec_relay_insert(db->txn);
        relayrec_relay_set_name(row, o->sender);
    }
    HMAP_FOR_EACH (node, node, &relay->nodes) {
        n_connected += node->connected;
    }
    const char *keys[] = { "nodes", "connected", "messages", "resources",
                           "pending" };
    const int64_t values[] = {
        hmap_count(&relay->nodes), n_connected, relay->counters.messages,
        relay->counters.resources, relay->n_pending,
    };
    relayrec_relay_set_version(row, ALCOR_VERSION);
    relayrec_relay_set_publish(row, o->publish);
    relayrec_relay_set_control(row, o->control);
    relayrec_relay_set_epoch(row, placement_epoch(relay->placement));
    relayrec_relay_set_start_time(row, db->start_time);
    relayrec_relay_set_statistics(row, keys, values, ARRAY_SIZE(keys));
}

static void
write_node(const struct relayrec_node *row, const struct relay_node *node)
{
    if (row->learned && node->host) {
        char ip[INET6_ADDRSTRLEN];

        ipv6_string_mapped(ip, &node->host->ip);
        if (strcmp(row->host_ip, ip)) {
            relayrec_node_set_host_ip(row, ip);
        }
    }
    if (row->connected != node->connected) {
        relayrec_node_set_connected(row, node->connected);
    }
    if (row->last_seen < node->last_seen) {
        relayrec_node_set_last_seen(row, node->last_seen);
    }
    if (node->version && strcmp(row->agent_version, node->version)) {
        relayrec_node_set_agent_version(row, node->version);
    }
}

/* Adds what is known to a transaction. */
static void
write_nodes(struct relay_db *db)
{
    const struct relayrec_node *row;
    struct relay_node *node;

    HMAP_FOR_EACH (node, node, &db->relay->nodes) {
        node->written = false;
    }
    RELAYREC_NODE_FOR_EACH (row, db->idl) {
        node = relay_node_find(db->relay, row->id);
        if (node) {
            node->written = true;
            write_node(row, node);
        }
    }
    HMAP_FOR_EACH (node, node, &db->relay->nodes) {
        /* A row that an operator has removed comes back when the node does. */
        if (!node->written && node->connected) {
            row = relayrec_node_insert(db->txn);
            relayrec_node_set_id(row, node->id);
            relayrec_node_set_learned(row, true);
            write_node(row, node);
        }
    }
}

static void
write_db(struct relay_db *db)
{
    if (!db->txn && time_msec() >= db->write_at) {
        COVERAGE_INC(relay_db_write);
        db->write_at = time_msec() + WRITE_INTERVAL;
        db->txn = ovsdb_idl_txn_create(db->idl);
        write_relay(db);
        write_nodes(db);
    }
    if (db->txn) {
        enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(db->txn);

        if (status == TXN_INCOMPLETE) {
            return;
        }
        if (status != TXN_SUCCESS && status != TXN_UNCHANGED) {
            VLOG_INFO_RL(&rl, "database: %s",
                         ovsdb_idl_txn_status_to_string(status));
        }
        ovsdb_idl_txn_destroy(db->txn);
        db->txn = NULL;
    }
}

void
relay_db_run(struct relay_db *db)
{
    if (!db) {
        return;
    }
    ovsdb_idl_run(db->idl);
    if (!ovsdb_idl_has_ever_connected(db->idl)) {
        return;
    }
    if (db->seqno != ovsdb_idl_get_seqno(db->idl)) {
        db->seqno = ovsdb_idl_get_seqno(db->idl);
        read_nodes(db);
    }
    write_db(db);
}

void
relay_db_wait(struct relay_db *db)
{
    if (db) {
        ovsdb_idl_wait(db->idl);
        if (db->txn) {
            ovsdb_idl_txn_wait(db->txn);
        } else if (ovsdb_idl_has_ever_connected(db->idl)) {
            poll_timer_wait_until(db->write_at);
        }
    }
}

/* For people: how it is with the database. */
const char *
relay_db_status(const struct relay_db *db)
{
    return (!db ? "none"
            : ovsdb_idl_is_connected(db->idl) ? "connected" : "connecting");
}

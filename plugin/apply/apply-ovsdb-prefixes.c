/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-prefixes: rows: which addresses the agent's flow tables match by
 * prefix (Flow_Table.prefixes). */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include "apply/of-pipeline.h"
#include "ovsdb-idl.h"
#include "util.h"

/* Unless told so, Open vSwitch makes tries of IPv4 addresses only, so that
 * every IPv6 destination becomes a datapath flow of its own: one VM that scans
 * a prefix would push out everybody else's.
 *
 * A row that somebody else has for one of our tables is left alone, and tells
 * what is not our business, too (a limit, say). */

/* Tables, and what their flows match by prefix: three at most. */
#define MAX_PREFIXES 3

static const struct table_prefixes {
    int64_t table;
    const char *prefixes[MAX_PREFIXES];
} tables[] = {
#define PIPELINE_PREFIX(NAME, ...) { OFT_##NAME, { __VA_ARGS__ } },
    PIPELINE_PREFIXES
#undef PIPELINE_PREFIX
};

static size_t
n_prefixes(const struct table_prefixes *t)
{
    size_t n = 0;

    while (n < MAX_PREFIXES && t->prefixes[n]) {
        n++;
    }
    return n;
}

/* Returns the row of the table numbered 'table', or null. */
static struct ovsrec_flow_table *
find_row(const struct ovsrec_bridge *bridge, int64_t table)
{
    for (size_t i = 0; i < bridge->n_flow_tables; i++) {
        if (bridge->key_flow_tables[i] == table) {
            return bridge->value_flow_tables[i];
        }
    }
    return NULL;
}

/* True if 'row' says what it should, or is not ours to change. */
static bool
is_right(const struct ovsrec_flow_table *row, const struct table_prefixes *t)
{
    if (!row) {
        return false;
    } else if (!ovsdb_is_ours(&row->external_ids)) {
        return true;
    } else if (row->n_prefixes != n_prefixes(t)) {
        return false;
    }
    for (size_t i = 0; i < row->n_prefixes; i++) {
        bool found = false;

        for (size_t j = 0; j < n_prefixes(t); j++) {
            found = found || !strcmp(row->prefixes[i], t->prefixes[j]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

bool
ovsdb_prefixes_are_right(const struct ovsrec_bridge *bridge)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        if (!is_right(find_row(bridge, tables[i].table), &tables[i])) {
            return false;
        }
    }
    return true;
}

void
ovsdb_prefixes_compose(struct ovsdb_idl_txn *txn,
                       const struct ovsrec_bridge *bridge)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        const struct table_prefixes *t = &tables[i];
        struct ovsrec_flow_table *row = find_row(bridge, t->table);

        if (is_right(row, t)) {
            continue;
        }
        if (!row) {
            row = ovsrec_flow_table_insert(txn);
            ovsrec_flow_table_update_external_ids_setkey(
                row, OVSDB_OWNER_KEY, OVSDB_OWNER);
            ovsrec_bridge_update_flow_tables_setkey(bridge, t->table, row);
        }
        ovsrec_flow_table_set_prefixes(
            row, CONST_CAST(const char **, t->prefixes), n_prefixes(t));
    }
}

void
ovsdb_prefixes_cleanup(const struct ovsrec_bridge *bridge)
{
    for (size_t i = 0; i < bridge->n_flow_tables; i++) {
        if (ovsdb_is_ours(&bridge->value_flow_tables[i]->external_ids)) {
            ovsrec_bridge_update_flow_tables_delkey(
                bridge, bridge->key_flow_tables[i]);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-readback: what is in the database, against what should be.
 *
 * apply-ovsdb-private.h, "Drift", tells when and why. */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <stdlib.h>
#include "coverage.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_ovsdb_readback);

COVERAGE_DEFINE(ovsdb_readback);

void
ovsdb_present_add(struct shash *presents, const char *key,
                  enum ovsdb_state state, const char *value)
{
    struct ovsdb_present *present = shash_find_data(presents, key);

    if (!present) {
        present = xmalloc(sizeof *present);
        *present = (struct ovsdb_present) {
            .state = state, .value = nullable_xstrdup(value),
        };
        shash_add(presents, key, present);
    } else if (present->state != state
               || !nullable_string_is_equal(present->value, value)) {
        present->state = OVSDB_ODD;
        free(present->value);
        present->value = NULL;
    }
}

static void
presents_destroy(struct shash *presents)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, presents) {
        struct ovsdb_present *present = node->data;

        free(present->value);
    }
    shash_destroy_free_data(presents);
}

/* Returns the hash that tells the desired state what 'present', which belongs
 * to 'output' (or null), is. */
static uint64_t
present_hash(const struct ovsdb_present *present, struct ds_output *output)
{
    if (present->state == OVSDB_PRESENT) {
        uint64_t hash = ds_value_hash(0, present->value,
                                      strlen(present->value));
        if (output && ds_output_wanted(output)) {
            char *value = ovsdb_output_value(output);

            if (!strcmp(value, present->value)) {
                hash = ds_output_hash(output);
            }
            free(value);
        }
        return hash;
    }

    /* Different from what is wanted, whatever that is. */
    return (output && ds_output_wanted(output)
            ? ~ds_output_hash(output)
            : ~ds_value_hash(0, NULL, 0));
}

/* Adds to 'count' if the desired state is wrong about what is installed. */
static void
count_drift(const struct ovsdb_present *present, struct ds_output *output,
            struct ds_audit_count *count)
{
    bool installed = output && output->flags & DS_INSTALLED;

    if (present->state == OVSDB_ABSENT) {
        count->missing += installed;
    } else if (!installed) {
        count->unknown++;
    } else if (output->installed_hash != present_hash(present, output)) {
        count->changed++;
    }
}

static struct ds_output *
find_output(const struct ovsdb_sink *sink, const char *key)
{
    return ds_lookup(sink->ovsdb->ds, sink->rows->sink, key, strlen(key));
}

static bool
has_drifted(const struct ovsdb_sink *sink, const struct shash *presents)
{
    struct ds_audit_count count = { .same = 0 };
    const struct shash_node *node;

    SHASH_FOR_EACH (node, presents) {
        count_drift(node->data, find_output(sink, node->name), &count);
    }
    return count.missing || count.unknown || count.changed;
}

/* Counts what others have done. */
static void
count_repairs(struct ovsdb_sink *sink, const struct shash *presents)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, presents) {
        struct ds_output *output = find_output(sink, node->name);

        count_drift(node->data, output,
                    ds_audit_owner(&sink->repairs, output));
    }
}

static void
read_back(struct ovsdb_sink *sink, const struct shash *presents)
{
    struct desired_state *ds = sink->ovsdb->ds;
    const struct shash_node *node;

    COVERAGE_INC(ovsdb_readback);
    ds_readback_begin(ds, sink->rows->sink);
    SHASH_FOR_EACH (node, presents) {
        const struct ovsdb_present *present = node->data;
        size_t key_len = strlen(node->name);

        if (present->state != OVSDB_ABSENT) {
            struct ds_output *output = ds_lookup(ds, sink->rows->sink,
                                                 node->name, key_len);
            ds_readback(ds, sink->rows->sink, node->name, key_len,
                        present_hash(present, output), false);
        }
    }
    ds_readback_end(ds, sink->rows->sink);
    sink->read_back = true;
    sink->must_read = false;
}

void
ovsdb_check_drift(struct ovsdb_sink *sink)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    struct apply_ovsdb *ovsdb = sink->ovsdb;

    if ((!sink->must_read && sink->checked == ovsdb->version)
        || !ovs_list_is_empty(&sink->outputs)
        || (ovsdb->txn && ovsdb->txn_sink == sink)
        || !(ovsdb->readback_wanted || ds_is_complete(ovsdb->ds))
        || !ovsdb_bridge(ovsdb)
        || !apply_ovsdb_is_connected(ovsdb)) {
        return;
    }
    sink->checked = ovsdb->version;

    struct shash presents = SHASH_INITIALIZER(&presents);

    sink->rows->prepare(ovsdb);
    sink->rows->inspect(ovsdb, &presents);
    sink->rows->finish(ovsdb);
    if (sink->must_read || has_drifted(sink, &presents)) {
        if (!sink->must_read) {
            VLOG_INFO_RL(&rl, "%s: %s are not as they should be",
                         ovsdb->remote, sink->rows->name);
            count_repairs(sink, &presents);
        }
        read_back(sink, &presents);
    }
    presents_destroy(&presents);
}

const struct ds_audit *
apply_ovsdb_repairs(const struct apply_ovsdb *ovsdb, enum ds_sink sink)
{
    return &ovsdb->sinks[sink == DS_OVSDB ? OVSDB_SINK
                         : OVSDB_SINK_LATE].repairs;
}

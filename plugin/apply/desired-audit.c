/* SPDX-License-Identifier: Apache-2.0
 *
 * desired-audit: compares what is believed to be installed with what is. */

#include <config.h>

#include "apply/desired-state-private.h"

#include "coverage.h"
#include "openvswitch/list.h"

COVERAGE_DEFINE(audit_changed);
COVERAGE_DEFINE(audit_missing);
COVERAGE_DEFINE(audit_unknown);

void
ds_audit_begin(struct desired_state *ds, enum ds_sink sink)
{
    struct ds_output *output;

    HMAP_FOR_EACH (output, hmap_node, &ds->outputs[sink]) {
        output->flags &= ~DS_READ_BACK;
    }
}

static void
mend(struct desired_state *ds, struct ds_output *output)
{
    enum ds_priority priority = ds_output_priority(output);

    ds_output_queue(ds, output, priority);
    ds_queue_cut(ds, priority);
}

static void
audit_foreign(struct desired_state *ds, struct ds_audit *audit,
              struct ds_output *output)
{
    audit->n_foreign++;
    if (output && !(output->flags & DS_FOREIGN)) {
        output->flags &= ~DS_INSTALLED;
        output->flags |= DS_FOREIGN;
        mend(ds, output);
    }
}

/* What is in flight or has been removed is believed to be as it was before;
 * the next audit will tell. */
void
ds_audit(struct desired_state *ds, struct ds_audit *audit, enum ds_sink sink,
         const void *key, size_t key_len, uint64_t hash, bool foreign)
{
    struct ds_output *output = ds_lookup(ds, sink, key, key_len);
    struct ds_audit_count *count
        = &audit->counts[output ? output->plugin : DS_AUDIT_NO_PLUGIN];

    if (foreign) {
        audit_foreign(ds, audit, output);
    } else if (!output) {
        COVERAGE_INC(audit_unknown);
        count->unknown++;
        output = ds_readback(ds, sink, key, key_len, hash, false);
        if (!ds->keep) {
            mend(ds, output);
        }
    } else if (output->flags & DS_IN_FLIGHT
               || (output->flags & DS_INSTALLED
                   && output->installed_hash == hash)) {
        count->same++;
    } else {
        COVERAGE_INC(audit_changed);
        count->changed++;
        output->flags |= DS_INSTALLED;
        output->installed_hash = hash;
        mend(ds, output);
    }
    if (output) {
        output->flags |= DS_READ_BACK;
    }
}

void
ds_audit_end(struct desired_state *ds, struct ds_audit *audit,
             enum ds_sink sink)
{
    struct ds_output *output;

    HMAP_FOR_EACH_SAFE (output, hmap_node, &ds->outputs[sink]) {
        if (output->flags & DS_INSTALLED
            && !(output->flags & (DS_READ_BACK | DS_IN_FLIGHT))) {
            COVERAGE_INC(audit_missing);
            audit->counts[output->plugin].missing++;
            output->flags &= ~DS_INSTALLED;
            if (ds_output_wanted(output)) {
                mend(ds, output);
            }
            ds_output_gc(ds, output);
        }
    }
}

struct ds_audit_count *
ds_audit_owner(struct ds_audit *audit, struct ds_output *output)
{
    return &audit->counts[output ? output->plugin : DS_AUDIT_NO_PLUGIN];
}

void
ds_audit_count_installed(struct desired_state *ds, struct ds_audit *audit,
                         enum ds_sink sink)
{
    struct ds_output *output;

    HMAP_FOR_EACH (output, hmap_node, &ds->outputs[sink]) {
        if (output->flags & DS_INSTALLED) {
            ds_audit_owner(audit, output)->same++;
        }
    }
}

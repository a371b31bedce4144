/* SPDX-License-Identifier: Apache-2.0
 *
 * translator-records: volatile records that are translated on their own. */

#include <config.h>

#include "translate/translator-private.h"

#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "hash.h"
#include "store/volatile-store.h"
#include "translate/goal-view.h"
#include "translate/plugin-output.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

COVERAGE_DEFINE(translator_record);

/* Records of VOL_UNIT_KINDS are units like resources: they have outputs and
 * have read things.  Their keys have kinds beyond those of goal state, and the
 * hash of the id instead of a surrogate.  (Two ids that had the same hash
 * could not both be translated.) */

static struct goal_key
record_key(enum vol_kind kind, const char *id)
{
    return (struct goal_key) { UNIT_RECORD(kind), vol_dep_key(kind, id) };
}

/* Those of records make less haste than local ports. */
static struct unit *
record_unit_create(struct translator *tr, const struct goal_key *key,
                   const char *id)
{
    struct unit *unit = xzalloc(sizeof *unit);

    unit->key = *key;
    unit->record_id = xstrdup(id);
    unit->priority = DS_PRIO_BULK;
    ds_unit_init(&unit->out, xasprintf("RECORD %s", id), UINT8_MAX,
                 unit->priority);
    dep_reader_init(&unit->reads);
    translator_unit_insert(tr, unit);
    return unit;
}

void
translator_queue_records(struct translator *tr,
                         const struct vol_changes *changes)
{
    for (size_t i = 0; i < changes->n_units; i++) {
        const struct vol_unit_id *u = &changes->units[i];
        struct goal_key key = record_key(u->kind, u->id);
        struct unit *unit = translator_unit_find(tr, &key);

        if (!unit) {
            unit = record_unit_create(tr, &key, u->id);
        } else if (strcmp(unit->record_id, u->id)) {
            continue;
        }
        translator_unit_queue(tr, unit);
    }
}

static void
run_record_plugins(struct translator *tr, struct unit *unit,
                   enum vol_kind kind, const void *record)
{
    for (size_t i = 0; i < tr->registry->n; i++) {
        const struct plugin_entry *entry = &tr->registry->entries[i];
        struct plugin_output out = {
            .ds = tr->ds,
            .unit = &unit->out,
            .ids = tr->ids,
            .plugin = entry->class->name,
            .stages = entry->class->stages,
            .cookie = translator_record_cookie(entry->number,
                                               unit->record_id),
        };

        if (entry->enabled && entry->class->translate_record
            && entry->class->records & (1u << kind)) {
            entry->class->translate_record(entry->plugin, tr->view, kind,
                                           unit->record_id, record, &out);
        }
    }
}

uint64_t
translator_record_cookie(uint8_t plugin, const char *id)
{
    return of_cookie(plugin, "RECORD", id);
}

static void
set_barren(struct translator *tr, struct unit *unit, bool barren)
{
    if (unit->barren != barren) {
        unit->barren = barren;
        if (barren) {
            ovs_list_push_back(&tr->barren, &unit->barren_node);
        } else {
            ovs_list_remove(&unit->barren_node);
        }
    }
}

void
translator_barren_records(struct translator *tr, enum vol_kind kind,
                          void (*cb)(const char *id, void *aux), void *aux)
{
    struct unit *unit;

    LIST_FOR_EACH_SAFE (unit, barren_node, &tr->barren) {
        set_barren(tr, unit, false);
        if (unit->key.kind == UNIT_RECORD(kind) && !unit->queued) {
            cb(unit->record_id, aux);
        }
    }
}

/* Returns false if the record is gone, and so should the unit. */
bool
translator_translate_record(struct translator *tr, struct unit *unit)
{
    enum vol_kind kind = unit->key.kind - UNIT_RECORD(0);
    const void *record = vol_get(tr->activation.vol, kind, unit->record_id);

    COVERAGE_INC(translator_record);
    if (!record) {
        return false;
    }
    ds_unit_begin(tr->ds, &unit->out);
    dep_forget(&tr->graph, &unit->reads);
    goal_view_begin(tr->view, &unit->reads);
    run_record_plugins(tr, unit, kind, record);
    goal_view_end(tr->view);
    ds_unit_end(tr->ds, &unit->out);
    set_barren(tr, unit, ovs_list_is_empty(&unit->out.contributions));
    return true;
}

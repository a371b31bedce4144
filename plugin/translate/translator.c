/* SPDX-License-Identifier: Apache-2.0
 *
 * translator: keeps desired state a function of goal state. */

#include <config.h>

#include "translate/translator-private.h"

#include <string.h>
#include "apply/desired-state.h"
#include "coverage.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "sset.h"
#include "store/dep-key.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/activation.h"
#include "translate/dependency.h"
#include "translate/goal-view.h"
#include "translate/plugin-output.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(translator);

COVERAGE_DEFINE(translator_translate);
COVERAGE_DEFINE(translator_reject);

BUILD_ASSERT_DECL(TRANSLATOR_N_QUEUES == DS_N_PRIOS);

const char *
unit_status_to_string(enum unit_status status)
{
    static const char *const names[] = {
        [UNIT_DONE] = "ok",
        [UNIT_WAIT] = "pending",
        [UNIT_PARTIAL] = "in progress",
        [UNIT_REJECT] = "invalid",
        [UNIT_FAILED] = "failed",
    };
    return names[status];
}

struct translator *
translator_create(struct goal_store *store, struct vol_store *vol,
                  struct id_store *ids, struct desired_state *ds,
                  const struct plugin_registry *registry)
{
    struct translator *tr = xzalloc(sizeof *tr);

    tr->store = store;
    tr->ids = ids;
    tr->ds = ds;
    tr->registry = registry;
    dep_graph_init(&tr->graph);
    tr->view = goal_view_create(store, vol, &tr->graph);
    activation_init(&tr->activation, store, vol);
    sset_init(&tr->checked);
    hmap_init(&tr->units);
    ovs_list_init(&tr->healed);
    ovs_list_init(&tr->barren);
    shash_init(&tr->programmed);
    for (int i = 0; i < TRANSLATOR_N_QUEUES; i++) {
        ovs_list_init(&tr->queues[i].units);
    }
    return tr;
}

static uint32_t
key_hash(const struct goal_key *key)
{
    return hash_uint64_basis(key->sid, key->kind);
}

struct unit *
translator_unit_find(const struct translator *tr, const struct goal_key *key)
{
    struct unit *unit;

    HMAP_FOR_EACH_WITH_HASH (unit, hmap_node, key_hash(key), &tr->units) {
        if (unit->key.sid == key->sid && unit->key.kind == key->kind) {
            return unit;
        }
    }
    return NULL;
}

static enum ds_priority
kind_priority(enum goal_kind kind)
{
    return kind == GOAL_NEIGHBOR ? DS_PRIO_BULK : DS_PRIO_PORT;
}

/* Who wins where two want different things. */
static uint8_t
kind_rank(enum goal_kind kind)
{
    return (kind == GOAL_PORT ? 1
            : kind == GOAL_NEIGHBOR ? 2
            : 0);
}

/* Creates a unit.  What a packet waits for is as urgent as a port. */
static struct unit *
unit_create(struct translator *tr, const struct goal_key *key, const char *id)
{
    struct unit *unit = xzalloc(sizeof *unit);

    unit->key = *key;
    unit->priority = (activation_find(&tr->activation, key) ? DS_PRIO_PORT
                      : kind_priority(key->kind));
    ds_unit_init(&unit->out,
                 xasprintf("%s %s", goal_kinds[key->kind].name, id),
                 kind_rank(key->kind), unit->priority);
    dep_reader_init(&unit->reads);
    translator_unit_insert(tr, unit);
    return unit;
}

/* Makes 'unit', whose key is set, one of the units. */
void
translator_unit_insert(struct translator *tr, struct unit *unit)
{
    hmap_insert(&tr->units, &unit->hmap_node, key_hash(&unit->key));
}

/* Counts 'unit' as a neighbour in 'vpc_id', or, if that is null, no more. */
static void
unit_count(struct translator *tr, struct unit *unit, const char *vpc_id)
{
    struct vpc_count *c = unit->counted;

    if (c && vpc_id && !strcmp(c->vpc_id, vpc_id)) {
        return;
    }
    unit->counted = NULL;
    if (c && !--c->n) {
        shash_find_and_delete(&tr->programmed, c->vpc_id);
        free(c->vpc_id);
        free(c);
    }
    if (vpc_id) {
        c = shash_find_data(&tr->programmed, vpc_id);
        if (!c) {
            c = xzalloc(sizeof *c);
            c->vpc_id = xstrdup(vpc_id);
            shash_add(&tr->programmed, vpc_id, c);
        }
        c->n++;
        unit->counted = c;
    }
}

/* Removes 'unit' from wherever it is; its output is withdrawn. */
static bool
status_is_refused(enum unit_status status)
{
    return status == UNIT_REJECT || status == UNIT_FAILED;
}

/* 'unit' is about to get 'status', because of 'error'. */
static void
unit_note_refused(struct translator *tr, const struct unit *unit,
                  enum unit_status status, const char *error)
{
    bool was = status_is_refused(unit->status);
    bool is = status_is_refused(status);

    tr->n_refused += is - was;
    if (is != was || (is && !nullable_string_is_equal(unit->error, error))) {
        tr->refused_seqno++;
    }
}

static void
unit_destroy(struct translator *tr, struct unit *unit)
{
    ds_unit_withdraw(tr->ds, &unit->out);
    ds_unit_uninit(&unit->out);
    unit_count(tr, unit, NULL);
    unit_note_refused(tr, unit, UNIT_DONE, NULL);
    dep_forget(&tr->graph, &unit->reads);
    if (unit->queued) {
        struct work_queue *queue = &tr->queues[unit->priority];

        ovs_list_remove(&unit->queue_node);
        queue->n--;
    }
    if (unit->healed) {
        ovs_list_remove(&unit->healed_node);
    }
    if (unit->barren) {
        ovs_list_remove(&unit->barren_node);
    }
    hmap_remove(&tr->units, &unit->hmap_node);
    free(unit->record_id);
    free(unit->error);
    free(unit);
}

void
translator_destroy(struct translator *tr)
{
    struct unit *unit;

    if (!tr) {
        return;
    }
    HMAP_FOR_EACH_SAFE (unit, hmap_node, &tr->units) {
        unit_destroy(tr, unit);
    }
    hmap_destroy(&tr->units);
    shash_destroy(&tr->programmed);
    activation_destroy(&tr->activation);
    sset_destroy(&tr->checked);
    goal_view_destroy(tr->view);
    dep_graph_destroy(&tr->graph);
    free(tr);
}

/* Work queues. */

void
translator_unit_queue(struct translator *tr, struct unit *unit)
{
    if (!unit->queued) {
        struct work_queue *queue = &tr->queues[unit->priority];

        unit->queued = true;
        ovs_list_push_back(&queue->units, &unit->queue_node);
        queue->n++;
        queue->tail++;
    }
}

void
translator_queue(struct translator *tr, const struct goal_key *key,
                 const char *id)
{
    struct unit *unit = translator_unit_find(tr, key);

    translator_unit_queue(tr, unit ? unit : unit_create(tr, key, id));
}

static void
wake_reader(struct dep_reader *reader, void *tr)
{
    translator_unit_queue(tr, CONTAINER_OF(reader, struct unit, reads));
}

/* True if any plugin has a use for resources of 'kind'. */
static bool
kind_is_used(const struct translator *tr, enum goal_kind kind)
{
    for (size_t i = 0; i < tr->registry->n; i++) {
        const struct plugin_entry *entry = &tr->registry->entries[i];

        if (entry->enabled && entry->class->inputs & (1u << kind)) {
            return true;
        }
    }
    return false;
}

void
translator_goal_changes(struct translator *tr,
                        const struct goal_changes *changes)
{
    bool fewer = false;         /* Neighbours. */

    sset_clear(&tr->checked);
    for (size_t i = 0; i < changes->n; i++) {
        const struct goal_change *change = &changes->changes[i];
        struct unit *unit = translator_unit_find(tr, &change->key);

        if (!unit && !change->deleted
            && kind_is_used(tr, change->key.kind)) {
            unit = unit_create(tr, &change->key, change->id);
        }
        if (unit) {
            translator_unit_queue(tr, unit);
        }
    }
    for (size_t i = 0; i < changes->n; i++) {
        const struct goal_change *change = &changes->changes[i];

        for (size_t j = 0; j < change->n_touched; j++) {
            goal_view_invalidate(tr->view, change->touched[j]);
            dep_wake(&tr->graph, change->touched[j], wake_reader, tr);
        }
        fewer |= change->deleted && change->key.kind == GOAL_NEIGHBOR;
    }
    if (fewer) {
        translator_check_lazy(tr);
    }
}

void
translator_vol_changes(struct translator *tr,
                       const struct vol_changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        dep_wake(&tr->graph, changes->keys[i], wake_reader, tr);
    }
    translator_queue_records(tr, changes);
}

static bool
queue_stored(const struct goal_key *key, const char *id, void *tr_)
{
    struct translator *tr = tr_;

    if (key->kind == GOAL_NEIGHBOR && !translator_unit_find(tr, key)
        && activation_any_lazy(&tr->activation)) {
        struct goal_resource *r = goal_store_get_key(tr->store, key);
        bool active = r && activation_is_active(&tr->activation, key, r);

        goal_resource_destroy(r);
        if (!active) {
            return true;
        }
    }
    translator_queue(tr, key, id);
    return true;
}

void
translator_recompute(struct translator *tr)
{
    struct unit *unit;

    goal_view_flush(tr->view);
    translator_check_vpcs(tr);
    HMAP_FOR_EACH (unit, hmap_node, &tr->units) {
        translator_unit_queue(tr, unit);
    }
    for (enum goal_kind kind = 0; kind < GOAL_N_KINDS; kind++) {
        if (kind_is_used(tr, kind)) {
            goal_store_for_each(tr->store, kind, queue_stored, tr);
        }
    }
}

void
translator_withdraw_all(struct translator *tr)
{
    struct unit *unit;

    HMAP_FOR_EACH_SAFE (unit, hmap_node, &tr->units) {
        unit_destroy(tr, unit);
    }
}

void
translator_retry(struct translator *tr, const struct goal_key *key)
{
    struct unit *unit = translator_unit_find(tr, key);

    if (unit) {
        ds_unit_retry(tr->ds, &unit->out);
    }
}

/* Translation. */

static enum unit_status
run_plugin(struct translator *tr, const struct plugin_entry *entry,
           struct unit *unit, const struct goal_resource *resource,
           char **errorp)
{
    struct plugin_output out = {
        .ds = tr->ds,
        .unit = &unit->out,
        .ids = tr->ids,
        .plugin = entry->class->name,
        .stages = entry->class->stages,
        .cookie = of_cookie(entry->number,
                            goal_kinds[resource->kind].name, resource->id),
    };

    switch (entry->class->translate(entry->plugin, tr->view, resource, &out,
                                    errorp)) {
    case PLUGIN_WAIT: return UNIT_WAIT;
    case PLUGIN_PARTIAL: return UNIT_PARTIAL;
    case PLUGIN_REJECT: return UNIT_REJECT;
    case PLUGIN_FAIL: return UNIT_FAILED;
    case PLUGIN_DONE: break;
    }
    return UNIT_DONE;
}

/* Runs all plugins on 'resource' or, if it is not 'active', only the first,
 * which looks for its parents and outputs nothing.  Nothing of it is output if
 * one of them waits or rejects. */
static enum unit_status
run_plugins(struct translator *tr, struct unit *unit,
            const struct goal_resource *resource, bool active, char **errorp)
{
    enum unit_status status = UNIT_DONE;
    struct ovs_list *mark = ds_unit_mark(&unit->out);
    size_t n = active ? tr->registry->n : MIN(tr->registry->n, 1);

    for (size_t i = 0; i < n; i++) {
        const struct plugin_entry *entry = &tr->registry->entries[i];

        if (entry->enabled
            && entry->class->inputs & (1u << resource->kind)) {
            enum unit_status s = run_plugin(tr, entry, unit, resource,
                                            errorp);
            if (s != UNIT_DONE && s != UNIT_PARTIAL) {
                ds_unit_rewind(tr->ds, &unit->out, mark);
                return s;
            }
            status = MAX(status, s);
        }
    }
    return status;
}

static void
unit_set_status(struct translator *tr, struct unit *unit,
                enum unit_status status, char *error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 20);

    if (status_is_refused(status)
        && !(unit->error && nullable_string_is_equal(unit->error, error))) {
        COVERAGE_INC(translator_reject);
        VLOG_INFO_RL(&rl, "%s: %s", unit->out.name,
                     error ? error : "rejected");
    }
    if (unit->status == UNIT_WAIT && status != UNIT_WAIT && !unit->healed) {
        unit->healed = true;
        ovs_list_push_back(&tr->healed, &unit->healed_node);
    }
    unit_note_refused(tr, unit, status, error);
    unit->status = status;
    free(unit->error);
    unit->error = error;
}

/* Translates 'unit', which may destroy it. */
static void
translate(struct translator *tr, struct unit *unit)
{
    if (unit->record_id) {
        if (!translator_translate_record(tr, unit)) {
            unit_destroy(tr, unit);
        }
        return;
    }

    struct goal_resource *resource = goal_store_get_key(tr->store,
                                                        &unit->key);
    char *error = NULL;

    COVERAGE_INC(translator_translate);
    if (!resource) {
        if (unit->key.kind == GOAL_NEIGHBOR) {
            activation_remove(&tr->activation, &unit->key);
        }
        unit_destroy(tr, unit);
        return;
    }
    if (resource->kind == GOAL_NEIGHBOR) {
        translator_check_vpc(tr, GOAL_NEIGHBOR_CAST(resource)->vpc_id);
    }
    bool active = activation_is_active(&tr->activation, &unit->key, resource);

    ds_unit_begin(tr->ds, &unit->out);
    dep_forget(&tr->graph, &unit->reads);
    goal_view_begin(tr->view, &unit->reads);
    enum unit_status status = run_plugins(tr, unit, resource, active,
                                          &error);
    goal_view_end(tr->view);
    ds_unit_end(tr->ds, &unit->out);
    unit_set_status(tr, unit, status, error);
    if (resource->kind == GOAL_NEIGHBOR) {
        unit_count(tr, unit, (ovs_list_is_empty(&unit->out.contributions)
                              ? NULL : GOAL_NEIGHBOR_CAST(resource)->vpc_id));
    }
    if (!active && status == UNIT_DONE && !unit->healed) {
        unit_destroy(tr, unit);
    }
    goal_resource_destroy(resource);
}

void
translator_look_at(struct translator *tr, const struct goal_key *key,
                   const char *id)
{
    if (key->kind == GOAL_NEIGHBOR && !translator_unit_find(tr, key)
        && activation_any_lazy(&tr->activation)) {
        translate(tr, unit_create(tr, key, id));
    }
}

void
translator_run(struct translator *tr, int msec)
{
    long long int deadline = time_usec() + msec * 1000LL;

    for (int i = 0; i < TRANSLATOR_N_QUEUES; i++) {
        struct work_queue *queue = &tr->queues[i];
        int n = 0;

        while (!ovs_list_is_empty(&queue->units)) {
            if (!(++n % 64) && time_usec() >= deadline) {
                tr->seqno++;
                return;
            }

            struct unit *unit = CONTAINER_OF(
                ovs_list_pop_front(&queue->units), struct unit, queue_node);
            unit->queued = false;
            queue->n--;
            translate(tr, unit);
            if (!queue->n) {
                tr->seqno++;
            }
        }
    }
}

void
translator_wait(struct translator *tr)
{
    if (!translator_is_idle(tr)) {
        poll_immediate_wake();
    }
}

size_t
translator_backlog(const struct translator *tr)
{
    size_t n = 0;

    for (int i = 0; i < TRANSLATOR_N_QUEUES; i++) {
        n += tr->queues[i].n;
    }
    return n;
}

bool
translator_is_idle(const struct translator *tr)
{
    return !translator_backlog(tr);
}

struct translator_mark
translator_mark(const struct translator *tr)
{
    struct translator_mark mark;

    for (int i = 0; i < TRANSLATOR_N_QUEUES; i++) {
        mark.positions[i] = tr->queues[i].tail;
    }
    return mark;
}

/* Units leave a queue in the order in which they entered it (or are
 * destroyed), so what is left tells how far it has come. */
bool
translator_reached(const struct translator *tr,
                   const struct translator_mark *mark)
{
    for (int i = 0; i < TRANSLATOR_N_QUEUES; i++) {
        const struct work_queue *queue = &tr->queues[i];

        if (queue->tail - queue->n < mark->positions[i]) {
            return false;
        }
    }
    return true;
}

uint64_t
translator_seqno(const struct translator *tr)
{
    return tr->seqno;
}

enum unit_status
translator_status(const struct translator *tr, const struct goal_key *key,
                  const char **error)
{
    const struct unit *unit = translator_unit_find(tr, key);

    if (error) {
        *error = !unit ? NULL : unit->out.failed ? unit->out.error
                 : unit->error;
    }
    return (!unit ? UNIT_DONE
            : unit->status <= UNIT_PARTIAL && unit->status != UNIT_WAIT
              && unit->out.failed ? UNIT_FAILED
            : unit->status);
}

uint64_t
translator_refused_seqno(const struct translator *tr)
{
    return tr->refused_seqno + ds_failures_seqno(tr->ds);
}

size_t
translator_find_refused(const struct translator *tr, const char **name,
                        const char **error)
{
    const struct unit *unit;
    size_t n = 0;

    if (!tr->n_refused && !ds_n_failed(tr->ds)) {
        return 0;
    }
    HMAP_FOR_EACH (unit, hmap_node, &tr->units) {
        if (!unit->record_id && unit->key.kind != GOAL_PORT
            && (status_is_refused(unit->status) || unit->out.failed)) {
            if (!n++ || strcmp(unit->out.name, *name) < 0) {
                *name = unit->out.name;
                *error = unit->out.failed ? unit->out.error : unit->error;
            }
        }
    }
    return n;
}

const char *
translator_rival(const struct translator *tr, const struct goal_key *key)
{
    const struct unit *unit = translator_unit_find(tr, key);
    const struct ds_unit *rival = unit ? ds_unit_rival(&unit->out) : NULL;

    return rival ? rival->name : NULL;
}

void
translator_healed(struct translator *tr,
                  void (*cb)(const struct goal_key *, void *aux), void *aux)
{
    while (!ovs_list_is_empty(&tr->healed)) {
        struct unit *unit = CONTAINER_OF(ovs_list_pop_front(&tr->healed),
                                         struct unit, healed_node);

        unit->healed = false;
        if (unit->status != UNIT_WAIT) {
            cb(&unit->key, aux);
        }
    }
}

size_t
translator_count_programmed(const struct translator *tr, const char *vpc_id)
{
    const struct vpc_count *c = shash_find_data(&tr->programmed, vpc_id);

    return c ? c->n : 0;
}

void
translator_get_stats(const struct translator *tr,
                     size_t counts[UNIT_FAILED + 1])
{
    const struct unit *unit;

    for (int i = 0; i <= UNIT_FAILED; i++) {
        counts[i] = 0;
    }
    HMAP_FOR_EACH (unit, hmap_node, &tr->units) {
        counts[unit->out.failed ? UNIT_FAILED : unit->status]++;
    }
}

void
translator_get_memory_usage(const struct translator *tr,
                            struct simap *usage)
{
    simap_increase(usage, "units", hmap_count(&tr->units));
    simap_increase(usage, "dependencies", tr->graph.n_edges);
    simap_increase(usage, "active-neighbors",
                   activation_count(&tr->activation));
    simap_increase(usage, "translator-backlog", translator_backlog(tr));
}

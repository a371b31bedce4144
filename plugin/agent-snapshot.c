/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-snapshot: merges a snapshot into the store. */

#include <config.h>

#include "agent-private.h"

#include <string.h>
#include "coverage.h"
#include "fault-point.h"
#include "feedback/ack.h"
#include "hash.h"
#include "ingest/goal-decode.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "store/goal-store.h"
#include "store/vni-claims.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_snapshot);

COVERAGE_DEFINE(snapshot_newer_kept);
COVERAGE_DEFINE(snapshot_deleted);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* At most this many marks of incomplete messages are cleared at a time. */
#define MAX_INCOMPLETE 64

/* Merging
 * =======
 *
 * A snapshot is the whole state of the topics that it covers, as of certain
 * positions of its publisher.  What is in it is written, whatever the
 * revisions; what the covered topics wrote earlier and is lacking in it is
 * deleted.  Messages may have overtaken it: what a message past those
 * positions wrote or deleted is left as it is.
 *
 * A VNI may have gone from one VPC to another since: who has it is only known
 * when everything old is gone.  So from the first VPC or subnet on that cannot
 * have its VNI, these two kinds wait until then. */

struct merge {
    struct agent *agent;
    const struct snapshot *snapshot;
    struct ack_message *ack;
    struct shash positions;     /* Topic -> struct topic_position. */
    struct sset scope;          /* Topics; empty: all. */
    struct hmap present;        /* Contains "struct present"s. */
    struct waiting *waiting;    /* In order. */
    size_t n_waiting, allocated_waiting;
    char *error;                /* Of the store, which ends it. */
    size_t n_resources, n_newer, n_deleted;
};

/* A VPC or subnet that waits for its VNI. */
struct waiting {
    struct goal_resource *resource;
    uint32_t operation;
};

/* A resource that is in the snapshot. */
struct present {
    struct hmap_node hmap_node; /* In struct merge's 'present', by sid. */
    struct goal_key key;
};

static void
add_present(struct merge *merge, const struct goal_key *key)
{
    struct present *p = xmalloc(sizeof *p);

    p->key = *key;
    hmap_insert(&merge->present, &p->hmap_node, hash_uint64(key->sid));
}

static bool
is_present(const struct merge *merge, const struct goal_key *key)
{
    const struct present *p;

    HMAP_FOR_EACH_WITH_HASH (p, hmap_node, hash_uint64(key->sid),
                             &merge->present) {
        if (p->key.sid == key->sid && p->key.kind == key->kind) {
            return true;
        }
    }
    return false;
}

/* True if a message with this origin came after the snapshot was made. */
static bool
origin_is_newer(const struct merge *merge, const char *sender,
                const char *topic, uint64_t epoch, uint64_t sequence)
{
    const struct publisher_positions *end = &merge->snapshot->end;
    const struct topic_position *p = shash_find_data(&merge->positions,
                                                     topic);

    /* Nothing had been published on a topic without a position. */
    return (epoch == end->epoch && !strcmp(sender, end->sender)
            && sequence > (p ? p->sequence : 0));
}

/* Finds who wrote what is stored, or buried, of a resource.  Returns false if
 * there is nothing.  'id' stays in use; the strings in '*origin' belong to the
 * caller, who must call agent_writer_destroy(). */
bool
agent_find_writer(const struct agent *agent, enum goal_kind kind,
                  const char *id, struct goal_origin *origin)
{
    struct goal_store *store = agent->store;
    struct goal_key key;
    char *sender, *topic;

    *origin = (struct goal_origin) { .sender = NULL };
    if (goal_store_lookup(store, kind, id, &key)
        ? goal_store_origin(store, &key, &sender, &topic, &origin->epoch,
                            &origin->sequence)
        : goal_store_grave_origin(store, kind, id, &sender, &topic,
                                  &origin->epoch, &origin->sequence)) {
        origin->sender = sender;
        origin->topic = topic;
    }
    return origin->sender != NULL;
}

void
agent_writer_destroy(struct goal_origin *origin)
{
    free(CONST_CAST(char *, origin->sender));
    free(CONST_CAST(char *, origin->topic));
}

/* True if what is stored, or buried, of the resource is newer. */
static bool
is_newer(const struct merge *merge, enum goal_kind kind, const char *id)
{
    struct goal_origin writer;
    bool newer = (agent_find_writer(merge->agent, kind, id, &writer)
                  && origin_is_newer(merge, writer.sender, writer.topic,
                                     writer.epoch, writer.sequence));

    agent_writer_destroy(&writer);
    return newer;
}

/* Returns the topic that the resource belongs to, owned by the caller: what a
 * later snapshot must cover in order to delete it. */
static char *
natural_topic(const struct merge *merge, const struct goal_resource *r)
{
    const char *vpc_id = (r->kind == GOAL_NEIGHBOR
                          ? GOAL_NEIGHBOR_CAST(r)->vpc_id : NULL);

    if (sset_count(&merge->scope) == 1) {
        return xstrdup(SSET_FIRST(&merge->scope));
    }
    if (vpc_id) {
        char *topic = xasprintf("vpc/%s", vpc_id);

        if (sset_contains(&merge->scope, topic)
            || (sset_is_empty(&merge->scope)
                && shash_find(&merge->positions, topic))) {
            return topic;
        }
        free(topic);
    }
    return (sset_is_empty(&merge->scope) || sset_contains(&merge->scope, "all")
            ? xstrdup("all")
            : xasprintf("node/%s", merge->agent->config.node_id));
}

static void
merge_resource(struct merge *merge, const struct goal_resource *r,
               uint32_t operation)
{
    struct goal_store *store = merge->agent->store;
    const struct publisher_positions *end = &merge->snapshot->end;
    char *topic = natural_topic(merge, r);
    const struct topic_position *p = shash_find_data(&merge->positions,
                                                     topic);
    struct goal_origin origin = {
        .sender = end->sender, .epoch = end->epoch, .topic = topic,
        .sequence = p ? p->sequence : 0, .hold = true,
    };
    enum goal_write result;
    struct goal_key key;

    goal_store_set_origin(store, &origin);
    merge->error = goal_store_put(store, r, GOAL_FORCE, &key, &result);
    if (!merge->error) {
        add_present(merge, &key);
        ack_add(merge->ack, &key, r->id, operation);
    }
    free(topic);
}

/* Returns true if the entry must wait for its VNI, and keeps a copy. */
static bool
must_wait(struct merge *merge, const struct goal_entry *entry)
{
    char *error;

    if (entry->kind != GOAL_VPC && entry->kind != GOAL_SUBNET) {
        return false;
    }
    error = vni_claims_check(goal_store_vni_claims(merge->agent->store),
                             entry->resource);
    if (!error && !merge->n_waiting) {
        return false;
    }
    free(error);
    if (merge->n_waiting >= merge->allocated_waiting) {
        merge->waiting = x2nrealloc(merge->waiting, &merge->allocated_waiting,
                                    sizeof *merge->waiting);
    }
    merge->waiting[merge->n_waiting++] = (struct waiting) {
        goal_resource_clone(entry->resource), entry->operation
    };
    return true;
}

/* Merges what has waited, as far as VNIs are free now. */
static void
merge_waiting(struct merge *merge)
{
    for (size_t i = 0; i < merge->n_waiting && !merge->error; i++) {
        const struct waiting *w = &merge->waiting[i];
        const struct goal_resource *r = w->resource;
        char *error = vni_claims_check(
            goal_store_vni_claims(merge->agent->store), r);

        if (error) {
            VLOG_INFO_RL(&rl, "snapshot: %s %s: %s", goal_kinds[r->kind].name,
                         r->id, error);
            ack_add_final(merge->ack, r->kind, r->id, w->operation,
                          GOAL_STATUS_INVALID_ARG);
            free(error);
        } else {
            merge_resource(merge, r, w->operation);
        }
    }
}

/* Leaves what is stored of the entry, if anything, as it is. */
static void
keep_stored(struct merge *merge, const struct goal_entry *entry)
{
    struct goal_key key;

    if (entry->kind < GOAL_N_KINDS
        && goal_store_lookup(merge->agent->store, entry->kind, entry->id,
                             &key)) {
        add_present(merge, &key);
    }
}

static void
refuse_entry(struct merge *merge, const struct goal_entry *entry,
             enum goal_status status, const char *error)
{
    VLOG_INFO_RL(&rl, "snapshot: %s %s: %s",
                 entry->kind < GOAL_N_KINDS ? goal_kinds[entry->kind].name
                 : "resource", entry->id, error);
    ack_add_final(merge->ack, entry->kind, entry->id, entry->operation,
                  status);
    keep_stored(merge, entry);
}

static void
merge_entry(const struct goal_entry *entry, void *merge_)
{
    struct merge *merge = merge_;
    char *error = NULL;

    merge->n_resources++;
    if (entry->error) {
        refuse_entry(merge, entry, entry->status, entry->error);
    } else if (merge->error || entry->operation == GOAL_OP_DELETE
               || entry->operation == GOAL_OP_GET) {
        /* Neither belongs into a snapshot. */
    } else if (!entry->full
               && (error = goal_resource_check(entry->resource)) != NULL) {
        /* Whatever it says, it is taken as a FULL. */
        refuse_entry(merge, entry, GOAL_STATUS_INVALID_ARG, error);
    } else if (is_newer(merge, entry->kind, entry->id)) {
        COVERAGE_INC(snapshot_newer_kept);
        merge->n_newer++;
        keep_stored(merge, entry);
    } else if (!must_wait(merge, entry)) {
        merge_resource(merge, entry->resource, entry->operation);
    }
    free(error);
    goal_resource_destroy(entry->resource);
}

/* Deletion of what is lacking. */

struct doomed {
    struct merge *merge;
    struct sset ids[GOAL_N_KINDS];
};

static bool
judge(const struct goal_key *key, const char *id, void *doomed_)
{
    struct doomed *doomed = doomed_;
    struct merge *merge = doomed->merge;
    char *sender, *topic;
    uint64_t epoch, sequence;

    if (is_present(merge, key)
        || !goal_store_origin(merge->agent->store, key, &sender, &topic,
                              &epoch, &sequence)) {
        return true;
    }
    if ((sset_is_empty(&merge->scope) || sset_contains(&merge->scope, topic))
        && !origin_is_newer(merge, sender, topic, epoch, sequence)) {
        sset_add(&doomed->ids[key->kind], id);
    }
    free(sender);
    free(topic);
    return true;
}

static void
delete_lacking(struct merge *merge)
{
    struct doomed doomed = { .merge = merge };

    for (enum goal_kind kind = 0; kind < GOAL_N_KINDS; kind++) {
        const char *id;

        sset_init(&doomed.ids[kind]);
        goal_store_for_each(merge->agent->store, kind, judge, &doomed);
        SSET_FOR_EACH (id, &doomed.ids[kind]) {
            enum goal_write result;
            struct goal_key key;

            if (!merge->error) {
                merge->error = goal_store_delete(merge->agent->store, kind,
                                                 id, 0, &key, &result);
                COVERAGE_INC(snapshot_deleted);
                merge->n_deleted++;
            }
        }
        sset_destroy(&doomed.ids[kind]);
    }
}

/* Life of a merge. */

static void
merge_init(struct merge *merge, struct agent *agent,
           const struct snapshot *snapshot)
{
    *merge = (struct merge) { .agent = agent, .snapshot = snapshot };
    shash_init(&merge->positions);
    for (size_t i = 0; i < snapshot->end.n_positions; i++) {
        struct topic_position *p = &snapshot->end.positions[i];

        shash_replace(&merge->positions, p->topic, p);
    }
    sset_init(&merge->scope);
    for (size_t i = 0; i < snapshot->begin.n_topics; i++) {
        sset_add(&merge->scope, snapshot->begin.topics[i]);
    }
    hmap_init(&merge->present);
    merge->ack = ack_begin(agent->ack, snapshot->end_message_id,
                           time_usec());
    ack_set_exceptions_only(merge->ack);
}

static void
merge_destroy(struct merge *merge)
{
    struct present *p;

    HMAP_FOR_EACH_POP (p, hmap_node, &merge->present) {
        free(p);
    }
    hmap_destroy(&merge->present);
    for (size_t i = 0; i < merge->n_waiting; i++) {
        goal_resource_destroy(merge->waiting[i].resource);
    }
    free(merge->waiting);
    shash_destroy(&merge->positions);
    sset_destroy(&merge->scope);
    free(merge->error);
}

/* Returns what is wrong with a message, which spoils the whole snapshot, or
 * null. */
static char *
check_messages(const struct snapshot *snapshot)
{
    char *error = NULL;

    for (size_t i = 0; i < snapshot->n_messages && !error; i++) {
        const struct transport_message *msg = snapshot->messages[i];

        error = goal_decode_check(2, msg->payload, msg->payload_len);
    }
    return error;
}

static void
merge_messages(struct merge *merge)
{
    const struct snapshot *snapshot = merge->snapshot;

    for (size_t i = 0; i < snapshot->n_messages && !merge->error; i++) {
        const struct transport_message *msg = snapshot->messages[i];

        merge->error = goal_decode(2, msg->payload, msg->payload_len,
                                   merge->agent->config.host_ip, merge_entry,
                                   merge);
    }
}

/* Positions move only when everything is in. */
static void
set_positions(struct merge *merge)
{
    const struct publisher_positions *end = &merge->snapshot->end;

    for (size_t i = 0; i < end->n_positions && !merge->error; i++) {
        struct goal_origin origin = {
            .sender = end->sender, .epoch = end->epoch,
            .topic = end->positions[i].topic,
            .sequence = end->positions[i].sequence,
        };
        if (snapshot_covers(merge->snapshot, origin.topic)) {
            merge->error = goal_store_set_position(merge->agent->store,
                                                   &origin);
        }
    }
}

/* A snapshot of everything also makes good for messages that were stored in
 * part only, whatever their topic. */
static void
clear_incomplete(struct merge *merge)
{
    struct goal_store *store = merge->agent->store;
    char *sender, *topic;

    if (!sset_is_empty(&merge->scope)) {
        return;
    }
    for (int i = 0; i < MAX_INCOMPLETE && !merge->error
                    && goal_store_incomplete(store, &sender, &topic); i++) {
        struct goal_origin origin = { .sender = sender, .topic = topic };

        merge->error = goal_store_set_position(store, &origin);
        free(sender);
        free(topic);
    }
}

/* Writes everything, as one message. */
static void
merge_run(struct merge *merge, struct goal_changes *changes)
{
    struct goal_store *store = merge->agent->store;
    const struct publisher_positions *end = &merge->snapshot->end;
    struct goal_origin origin = {
        .sender = end->sender, .epoch = end->epoch, .topic = "", .hold = true,
    };

    merge->error = (FAULT_POINT_NOW(SNAPSHOT_BEFORE)
                    ? xstrdup("injected fault")
                    : goal_store_begin(store, &origin));
    if (!merge->error) {
        merge_messages(merge);
        if (!merge->error) {
            delete_lacking(merge);
            merge_waiting(merge);
        }
        if (merge->error) {
            goal_store_abort(store, changes);
        } else {
            merge->error = goal_store_commit(store, changes);
        }
    }
    if (!merge->error && FAULT_POINT_NOW(SNAPSHOT_AFTER)) {
        merge->error = xstrdup("injected fault");
    }
    set_positions(merge);
    clear_incomplete(merge);
    if (!merge->error && FAULT_POINT_NOW(SNAPSHOT_DONE)) {
        merge->error = xstrdup("injected fault");
    }
}

bool
agent_apply_snapshot(const struct snapshot *snapshot, void *agent_)
{
    struct agent *agent = agent_;
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    struct merge merge;
    char *error = check_messages(snapshot);

    if (error) {
        VLOG_INFO_RL(&rl, "snapshot from %s: %s", snapshot->end.sender,
                     error);
        free(error);
        agent->counters.unparsable++;
        agent_send_verdict(agent, snapshot->end_message_id,
                           GOAL_STATUS_INVALID_ARG);
        return false;
    }

    merge_init(&merge, agent, snapshot);
    merge_run(&merge, &changes);
    bool ok = !merge.error;
    if (!ok) {
        VLOG_WARN_RL(&rl, "snapshot from %s could not be taken in whole: %s",
                     snapshot->end.sender, merge.error);
        ack_fail(merge.ack);
    } else {
        VLOG_INFO_RL(&rl, "snapshot from %s: %"PRIuSIZE" resources, %"PRIuSIZE
                     " changes, %"PRIuSIZE" deleted, %"PRIuSIZE" newer kept",
                     snapshot->end.sender, merge.n_resources, changes.n,
                     merge.n_deleted, merge.n_newer);
    }
    agent_take_changes(agent, &changes);
    ack_stored(agent->ack, merge.ack);
    merge_destroy(&merge);
    return ok;
}

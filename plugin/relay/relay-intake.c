/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-intake: goal state of controllers, into the store. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/goal-decode.h"
#include "ingest/host-lists.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "store/goal-admission.h"
#include "store/goal-merge.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_intake);

COVERAGE_DEFINE(relay_intake);
COVERAGE_DEFINE(relay_intake_full);

/* Messages taken in one round, and the time after which no other is begun: the
 * rest waits, so that hosts are not kept waiting. */
#define MAX_MESSAGES 64
#define MAX_MSEC 100

/* No message is taken while so many resources wait for answers of hosts. */
#define MAX_REQUESTS 4096

LIMIT_DEFINE(inbox_KB, TRANSPORT_MAX_QUEUE / 1024, 1024, LIMIT_REFUSED)
LIMIT_DEFINE(unanswered_messages, MAX_REQUESTS, 1, LIMIT_WAITS)

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* A message that waits. */
struct inbox_message {
    struct ovs_list list_node;  /* In struct relay's 'inbox'. */
    struct server_message *msg;
    struct envelope envelope;
    struct intake_upstream up;  /* 'topic' null: of a controller. */
};

/* A message being stored. */
struct intake {
    struct relay *relay;
    const struct envelope *envelope;
    struct ack_request *request;
    struct goal_admission admission;
    struct host_lists *lists;   /* Null: of no message. */
    struct place_host **hosts;  /* By number in 'lists'; null: not yet. */
    struct host_list listed;    /* Of the entry under way. */
    char *error;                /* Of the store, which ends it. */
    bool replayed;              /* Something newer may be stored. */
    const struct snapshot *snapshot; /* Being merged; null: a message. */
    struct sset present;        /* Then: "KIND ID" of what is in it. */
};

/* Inbox. */

static void
inbox_message_destroy(struct relay *relay, struct inbox_message *im)
{
    ovs_list_remove(&im->list_node);
    relay->inbox_bytes -= im->msg->payload_len;
    server_message_destroy(im->msg);
    envelope_destroy(&im->envelope);
    free(im->up.topic);
    free(im);
}

/* Takes ownership of 'msg' and of what is in 'envelope' and '*up', which is
 * null if it is from a controller. */
void
relay_intake_put(struct relay *relay, struct server_message *msg,
                 struct envelope *envelope, struct intake_upstream *up)
{
    /* Who puts in what comes from upstream has asked for room. */
    if (!up && limit_reached(&limit_inbox_KB, (relay->inbox_bytes
                                               + msg->payload_len) / 1024)) {
        COVERAGE_INC(relay_intake_full);
        VLOG_WARN_RL(&rl, "message %s of %s refused: too much is waiting",
                     envelope->message_id, msg->peer);
        relay_send_verdict(relay, msg->peer, envelope->message_id,
                           GOAL_STATUS_FAILURE);
        server_message_destroy(msg);
        envelope_destroy(envelope);
        return;
    }
    struct inbox_message *im = xzalloc(sizeof *im);

    im->msg = msg;
    im->envelope = *envelope;
    if (up) {
        im->up = *up;
    }
    relay->inbox_bytes += msg->payload_len;
    ovs_list_push_back(&relay->inbox, &im->list_node);
}

void
relay_intake_destroy(struct relay *relay)
{
    struct inbox_message *im, *next;

    LIST_FOR_EACH_SAFE (im, next, list_node, &relay->inbox) {
        inbox_message_destroy(relay, im);
    }
}

/* Entries. */

static void
add_listed(size_t i, void *intake_)
{
    struct intake *intake = intake_;
    struct relay *relay = intake->relay;

    if (!intake->hosts[i]) {
        intake->hosts[i] = placement_get_host(
            relay->placement, host_lists_host(intake->lists, i));
    }
    host_list_add(relay, &intake->listed, intake->hosts[i]);
}

/* Finds the hosts for which an entry is listed: by its key or its id. */
static void
find_listed(struct intake *intake, const struct goal_entry *entry)
{
    intake->listed.n = 0;
    intake->relay->stamp++;
    if (!intake->lists) {
        return;
    }
    host_lists_find(intake->lists, entry->kind, entry->id, add_listed,
                    intake);
    if (strcmp(entry->key, entry->id)) {
        host_lists_find(intake->lists, entry->kind, entry->key, add_listed,
                        intake);
    }
}

static void
refuse_entry(struct intake *intake, const struct goal_entry *entry,
             uint32_t index, enum goal_status status, const char *error)
{
    intake->relay->counters.invalid++;
    VLOG_INFO_RL(&rl, "message %s from %s: %s %s: %s",
                 intake->envelope->message_id, intake->envelope->sender,
                 entry->kind < GOAL_N_KINDS ? goal_kinds[entry->kind].name
                 : "resource", entry->id, error);
    relay_ack_set(intake->request, index, status);
}

/* True if all hosts for which the resource is listed hold it: neighbours of a
 * VPC are held by those in the VPC. */
static bool
all_hold(const struct intake *intake, const struct goal_key *key)
{
    for (size_t i = 0; i < intake->listed.n; i++) {
        if (key->kind != GOAL_NEIGHBOR
            && !placement_has(intake->relay->placement,
                              intake->listed.hosts[i], key)) {
            return false;
        }
    }
    return true;
}

static void
put_entry(struct intake *intake, const struct goal_entry *entry,
          uint32_t index)
{
    struct relay *relay = intake->relay;
    struct goal_resource *stored = NULL, *old = NULL;
    struct goal_key key;
    enum goal_write result;
    char *error = goal_admission_check(&intake->admission, entry->resource,
                                       entry->full);

    if (error) {
        refuse_entry(intake, entry, index, GOAL_STATUS_INVALID_ARG, error);
        free(error);
        return;
    }
    if (entry->kind == GOAL_PORT) {
        old = goal_store_get(relay->store, GOAL_PORT, entry->id);
    }
    intake->error = goal_store_put(relay->store, entry->resource,
                                   (intake->snapshot ? GOAL_FORCE
                                    : entry->created ? GOAL_CREATE
                                    : entry->full ? GOAL_REPLACE
                                    : GOAL_MERGE),
                                   &key, &result);
    if (!intake->error && result == GOAL_STALE) {
        relay->counters.stale++;
        relay_ack_set(intake->request, index, GOAL_STATUS_OUT_OF_ORDER);
    } else if (!intake->error) {
        bool as_sent = (entry->full && !entry->created
                        && goal_is_normal(entry->resource));

        if (!as_sent) {
            stored = goal_store_get_key(relay->store, &key);
        }
        find_listed(intake, entry);
        if (!(intake->snapshot && result == GOAL_SAME
              && all_hold(intake, &key))) {
            relay_distribute(relay, intake->request, index, &key,
                             stored ? stored : entry->resource, old,
                             &intake->listed);
        }
        goal_resource_destroy(stored);
    }
    goal_resource_destroy(old);
}

static void
delete_entry(struct intake *intake, const struct goal_entry *entry,
             uint32_t index)
{
    struct relay *relay = intake->relay;
    struct goal_resource *old = goal_store_get(relay->store, entry->kind,
                                               entry->id);
    uint32_t revision = entry->resource->revision;
    struct goal_key key;
    enum goal_write result;

    goal_admission_forget(&intake->admission);
    intake->error = goal_store_delete(relay->store, entry->kind, entry->id,
                                      revision, &key, &result);
    if (intake->error) {
        /* Said below. */
    } else if (result == GOAL_STALE) {
        relay->counters.stale++;
        relay_ack_set(intake->request, index, GOAL_STATUS_OUT_OF_ORDER);
    } else {
        find_listed(intake, entry);
        relay_distribute_delete(relay, intake->request, index, &key,
                                entry->id, revision, old);
    }
    goal_resource_destroy(old);
}

static void
take_entry(const struct goal_entry *entry, void *intake_)
{
    struct intake *intake = intake_;
    uint32_t index = relay_ack_add(intake->request, entry->kind, entry->id,
                                   entry->operation, GOAL_STATUS_SUCCESS);

    intake->relay->counters.resources++;
    if (intake->error) {
        /* Said below. */
    } else if (entry->error) {
        refuse_entry(intake, entry, index, entry->status, entry->error);
    } else if (intake->replayed
               && relay_upstream_is_overtaken(intake->relay->upstream,
                                              entry->kind, entry->id)) {
        /* It stays. */
    } else if (entry->operation == GOAL_OP_DELETE) {
        delete_entry(intake, entry, index);
    } else if (entry->operation != GOAL_OP_GET) {
        put_entry(intake, entry, index);
    }
    if (intake->error) {
        relay_ack_set(intake->request, index, GOAL_STATUS_FAILURE);
    }
    goal_resource_destroy(entry->resource);
}

/* Gives hosts what is listed for them but came earlier. */
static void
give_listed(uint32_t kind, const char *id, size_t id_len, size_t host,
            void *intake_)
{
    struct intake *intake = intake_;

    if (kind < GOAL_N_KINDS && kind != GOAL_PORT && id_len <= 255) {
        char *name = xmemdup0(id, id_len);

        intake->relay->stamp++;
        intake->listed.n = 0;
        add_listed(host, intake);
        relay_distribute_give(intake->relay, intake->request,
                              intake->hosts[host], kind, name);
        free(name);
    }
}

/* Messages. */

/* The first goal state ever begins an epoch: hosts that were told that there
 * is none may ask again. */
static void
begin_state(struct relay *relay)
{
    if (!placement_epoch(relay->placement)) {
        placement_set_epoch(relay->placement,
                            time_wall_msec() * UINT64_C(1000));
    }
}

/* Ends what goal_store_begin() has begun, if it has. */
static void
finish_write(struct intake *intake, bool began, struct goal_changes *changes)
{
    struct relay *relay = intake->relay;

    if (began && !intake->error) {
        intake->error = goal_store_commit(relay->store, changes);
    } else if (began) {
        goal_store_abort(relay->store, changes);
    }
    if (intake->error && !relay->round_error) {
        relay->round_error = xstrdup(intake->error);
    }
    goal_changes_destroy(changes);
    relay_outbox_close(relay);
    free(intake->listed.hosts);
    goal_admission_forget(&intake->admission);
}

static void
store_message(struct intake *intake, const struct server_message *msg,
              const struct intake_upstream *up)
{
    struct relay *relay = intake->relay;
    const struct goal_origin origin = {
        .sender = up->topic ? intake->envelope->sender : "",
        .topic = up->topic ? up->topic : "",
        .epoch = up->topic ? intake->envelope->epoch : 0,
        .sequence = up->topic ? intake->envelope->sequence : 0,
        .hold = true,
    };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;

    relay_begin(relay);
    begin_state(relay);
    intake->request = relay_ack_begin(relay, msg->peer,
                                      intake->envelope->message_id,
                                      msg->received_usec);
    intake->hosts = xcalloc(host_lists_n_hosts(intake->lists),
                            sizeof *intake->hosts);
    intake->error = goal_store_begin(relay->store, &origin);
    bool began = !intake->error;
    char *error = goal_decode(2, msg->payload, msg->payload_len,
                              goal_decode_all_hosts, take_entry, intake);
    if (error) {
        /* Cannot happen: goal_decode_check() has passed. */
        VLOG_WARN_RL(&rl, "message %s: %s", intake->envelope->message_id,
                     error);
        free(error);
    }
    if (began && !intake->error) {
        host_lists_for_each_unfound(intake->lists, give_listed, intake);
    }
    finish_write(intake, began, &changes);
    free(intake->error);
    free(intake->hosts);
}

static void
take_message(struct relay *relay, const struct inbox_message *im)
{
    const struct server_message *msg = im->msg;
    const struct envelope *envelope = &im->envelope;
    struct intake intake = {
        .relay = relay,
        .envelope = envelope,
        .replayed = im->up.replayed,
        .admission = { .store = relay->store, .check = goal_resource_check },
    };

    if (im->up.counts) {
        relay_begin(relay);
        relay_upstream_taken(relay->upstream, envelope, im->up.topic);
    }
    if (im->up.replayed) {
        relay_begin(relay);
        relay_upstream_replayed(relay->upstream);
    }
    if (relay_ack_repeat(relay, msg->peer, envelope->message_id)) {
        relay->counters.repeated++;
        return;
    }
    char *error = goal_decode_check(2, msg->payload, msg->payload_len);
    if (!error) {
        error = host_lists_create(msg->payload, msg->payload_len,
                                  &intake.lists);
    }
    if (error) {
        VLOG_INFO_RL(&rl, "message %s from %s: %s", envelope->message_id,
                     envelope->sender, error);
        free(error);
        relay->counters.unparsable++;
        relay_send_verdict(relay, msg->peer, envelope->message_id,
                           GOAL_STATUS_INVALID_ARG);
        return;
    }
    COVERAGE_INC(relay_intake);
    relay->counters.messages++;
    store_message(&intake, msg, &im->up);
    host_lists_destroy(intake.lists);
}

/* Snapshots. */

/* A resource of 'kind' in the snapshot, or not. */
static char *
present_name(enum goal_kind kind, const char *id)
{
    return xasprintf("%d %s", kind, id);
}

/* True if a message past the snapshot has written what is stored. */
static bool
is_past_snapshot(const struct snapshot *snapshot, const char *sender,
                 const char *topic, uint64_t epoch, uint64_t sequence)
{
    const struct publisher_positions *end = &snapshot->end;

    if (epoch != end->epoch || strcmp(sender, end->sender)) {
        return false;
    }
    for (size_t i = 0; i < end->n_positions; i++) {
        if (!strcmp(end->positions[i].topic, topic)) {
            return sequence > end->positions[i].sequence;
        }
    }
    return false;
}

struct doomed {
    struct intake *intake;
    struct sset ids;
};

static bool
judge(const struct goal_key *key, const char *id, void *doomed_)
{
    struct doomed *doomed = doomed_;
    struct intake *intake = doomed->intake;
    char *name = present_name(key->kind, id);
    char *sender, *topic;
    uint64_t epoch, sequence;

    if (!sset_contains(&intake->present, name)
        && goal_store_origin(intake->relay->store, key, &sender, &topic,
                             &epoch, &sequence)) {
        /* What our own controllers have said stays. */
        if (sender[0] && snapshot_covers(intake->snapshot, topic)
            && !is_past_snapshot(intake->snapshot, sender, topic, epoch,
                                 sequence)) {
            sset_add(&doomed->ids, id);
        }
        free(sender);
        free(topic);
    }
    free(name);
    return true;
}

/* Deletes what the snapshot lacks. */
static void
delete_lacking(struct intake *intake)
{
    for (int kind = GOAL_N_KINDS - 1; kind >= 0; kind--) {
        struct doomed doomed = { .intake = intake };
        const char *id;

        sset_init(&doomed.ids);
        goal_store_for_each(intake->relay->store, kind, judge, &doomed);
        SSET_FOR_EACH (id, &doomed.ids) {
            struct goal_resource *r = goal_resource_create(kind, id);
            const struct goal_entry entry = {
                .kind = kind, .id = CONST_CAST(char *, id),
                .key = CONST_CAST(char *, id), .resource = r,
            };

            if (!intake->error) {
                delete_entry(intake, &entry, relay_ack_add(
                    intake->request, kind, id, GOAL_OP_DELETE,
                    GOAL_STATUS_SUCCESS));
            }
            goal_resource_destroy(r);
        }
        sset_destroy(&doomed.ids);
    }
}

static void
take_snapshot_entry(const struct goal_entry *entry, void *intake_)
{
    struct intake *intake = intake_;
    char *sender, *topic;
    uint64_t epoch, sequence;
    struct goal_key key;
    bool newer = false;

    if (entry->kind < GOAL_N_KINDS) {
        sset_add_and_free(&intake->present,
                          present_name(entry->kind, entry->id));
        if (goal_store_lookup(intake->relay->store, entry->kind, entry->id,
                              &key)
            ? goal_store_origin(intake->relay->store, &key, &sender, &topic,
                                &epoch, &sequence)
            : goal_store_grave_origin(intake->relay->store, entry->kind,
                                      entry->id, &sender, &topic, &epoch,
                                      &sequence)) {
            newer = is_past_snapshot(intake->snapshot, sender, topic, epoch,
                                     sequence);
            free(sender);
            free(topic);
        }
    }
    if (newer) {
        goal_resource_destroy(entry->resource);
    } else {
        take_entry(entry, intake);
    }
}

static void
merge_message(struct intake *intake, const struct transport_message *msg)
{
    char *error = host_lists_create(msg->payload, msg->payload_len,
                                    &intake->lists);

    if (!error) {
        intake->hosts = xcalloc(host_lists_n_hosts(intake->lists),
                                sizeof *intake->hosts);
        error = goal_decode(2, msg->payload, msg->payload_len,
                            goal_decode_all_hosts, take_snapshot_entry,
                            intake);
        if (!error) {
            host_lists_for_each_unfound(intake->lists, give_listed, intake);
        }
        free(intake->hosts);
        host_lists_destroy(intake->lists);
        intake->lists = NULL;
    }
    if (!intake->error) {
        intake->error = error;
    } else {
        free(error);
    }
}

/* Makes 'snapshot' the state that the server above has given us.  Returns
 * false if nothing of it, or not all, could be taken. */
bool
relay_intake_snapshot(struct relay *relay, const struct snapshot *snapshot)
{
    const struct goal_origin origin = {
        .sender = snapshot->end.sender, .epoch = snapshot->end.epoch,
        .topic = "", .hold = true,
    };
    const struct envelope envelope = {
        .message_id = snapshot->end_message_id,
        .sender = snapshot->end.sender,
    };
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    struct intake intake = {
        .relay = relay,
        .envelope = &envelope,
        .snapshot = snapshot,
        .admission = { .store = relay->store, .check = goal_resource_check },
    };

    relay_begin(relay);
    begin_state(relay);
    sset_init(&intake.present);
    intake.request = relay_ack_begin(relay, "", snapshot->end_message_id,
                                     time_usec());
    relay_ack_exceptions_only(intake.request);
    intake.error = goal_store_begin(relay->store, &origin);
    bool began = !intake.error;
    for (size_t i = 0; i < snapshot->n_messages && !intake.error; i++) {
        merge_message(&intake, snapshot->messages[i]);
    }
    if (!intake.error) {
        delete_lacking(&intake);
    }
    finish_write(&intake, began, &changes);
    sset_destroy(&intake.present);

    bool ok = !intake.error;
    for (size_t i = 0; ok && i < snapshot->end.n_positions; i++) {
        const struct topic_position *p = &snapshot->end.positions[i];
        const struct envelope at = {
            .sender = snapshot->end.sender, .epoch = snapshot->end.epoch,
            .sequence = p->sequence,
        };

        if (snapshot_covers(snapshot, p->topic)) {
            relay_upstream_taken(relay->upstream, &at, p->topic);
        }
    }
    free(intake.error);
    return ok;
}

bool
relay_intake_has_room(const struct relay *relay)
{
    return relay->inbox_bytes / 1024 < limit_max(&limit_inbox_KB) / 2;
}

static bool
has_room(const struct relay *relay)
{
    return (!ovs_list_is_empty(&relay->inbox)
            && !limit_reached(&limit_unanswered_messages,
                              hmap_count(&relay->requests) - relay->n_answered)
            && !zmq_server_is_congested(relay->server));
}

void
relay_intake_run(struct relay *relay)
{
    long long int deadline = time_msec() + MAX_MSEC;

    for (int i = 0; i < MAX_MESSAGES && has_room(relay); i++) {
        struct inbox_message *im = CONTAINER_OF(
            ovs_list_front(&relay->inbox), struct inbox_message, list_node);

        take_message(relay, im);
        inbox_message_destroy(relay, im);
        if (time_msec() >= deadline) {
            break;
        }
    }
}

void
relay_intake_wait(struct relay *relay)
{
    if (has_room(relay)) {
        poll_immediate_wake();
    } else if (!ovs_list_is_empty(&relay->inbox)) {
        zmq_server_wait_congested(relay->server);
    }
}

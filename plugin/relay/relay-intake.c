/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-intake: goal state of controllers, into the store. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "coverage.h"
#include "ingest/goal-decode.h"
#include "ingest/host-lists.h"
#include "ingest/transport-provider.h"
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

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* A message that waits. */
struct inbox_message {
    struct ovs_list list_node;  /* In struct relay's 'inbox'. */
    struct server_message *msg;
    struct envelope envelope;
};

/* A message being stored. */
struct intake {
    struct relay *relay;
    const struct envelope *envelope;
    struct ack_request *request;
    struct goal_admission admission;
    struct host_lists *lists;
    struct place_host **hosts;  /* By number in 'lists'; null: not yet. */
    struct host_list listed;    /* Of the entry under way. */
    char *error;                /* Of the store, which ends it. */
};

/* Inbox. */

static void
inbox_message_destroy(struct relay *relay, struct inbox_message *im)
{
    ovs_list_remove(&im->list_node);
    relay->inbox_bytes -= im->msg->payload_len;
    server_message_destroy(im->msg);
    envelope_destroy(&im->envelope);
    free(im);
}

/* Takes ownership of 'msg' and of what is in 'envelope'. */
void
relay_intake_put(struct relay *relay, struct server_message *msg,
                 struct envelope *envelope)
{
    if (relay->inbox_bytes + msg->payload_len > TRANSPORT_MAX_QUEUE) {
        COVERAGE_INC(relay_intake_full);
        VLOG_WARN_RL(&rl, "message %s of %s refused: too much is waiting",
                     envelope->message_id, msg->peer);
        relay_send_verdict(relay, msg->peer, envelope->message_id,
                           GOAL_STATUS_FAILURE);
        server_message_destroy(msg);
        envelope_destroy(envelope);
        return;
    }
    struct inbox_message *im = xmalloc(sizeof *im);

    im->msg = msg;
    im->envelope = *envelope;
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
                                   (entry->created ? GOAL_CREATE
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
        relay_distribute(relay, intake->request, index, &key,
                         stored ? stored : entry->resource, old,
                         &intake->listed);
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

static void
store_message(struct intake *intake, const struct server_message *msg)
{
    struct relay *relay = intake->relay;
    const struct goal_origin origin = { .sender = "", .topic = "" };
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
        intake->error = goal_store_commit(relay->store, &changes);
    } else if (began) {
        goal_store_abort(relay->store, &changes);
    }
    if (intake->error && !relay->round_error) {
        relay->round_error = xstrdup(intake->error);
    }
    goal_changes_destroy(&changes);
    relay_outbox_close(relay);
    free(intake->error);
    free(intake->hosts);
    free(intake->listed.hosts);
    goal_admission_forget(&intake->admission);
}

static void
take_message(struct relay *relay, const struct inbox_message *im)
{
    const struct server_message *msg = im->msg;
    const struct envelope *envelope = &im->envelope;
    struct intake intake = {
        .relay = relay,
        .envelope = envelope,
        .admission = { .store = relay->store, .check = goal_resource_check },
    };

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
    store_message(&intake, msg);
    host_lists_destroy(intake.lists);
}

static bool
has_room(const struct relay *relay)
{
    return (!ovs_list_is_empty(&relay->inbox)
            && hmap_count(&relay->requests) - relay->n_answered
               < MAX_REQUESTS);
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
    }
}

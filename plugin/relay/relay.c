/* SPDX-License-Identifier: Apache-2.0
 *
 * relay: goal state for many hosts. */

#include <config.h>

#include "relay/relay-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "dirs.h"
#include "ingest/curve-key.h"
#include "ingest/zap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(relay);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Rounds. */

/* Something durable is about to change: the round ends with a sync. */
void
relay_begin(struct relay *relay)
{
    if (!relay->changing) {
        relay->changing = true;
        placement_begin(relay->placement);
    }
}

/* Ends the round: what changed is made durable, then what follows from it goes
 * out. */
static void
relay_commit(struct relay *relay)
{
    if (!relay->changing) {
        return;
    }
    relay->changing = false;
    relay_outbox_save(relay);

    char *error = placement_commit(relay->placement);
    if (!error) {
        error = goal_store_sync(relay->store);
    }
    if (!relay->round_error) {
        relay->round_error = error;
    } else {
        free(error);
    }
    if (relay->round_error) {
        VLOG_ERR_RL(&rl, "nothing is sent, since it cannot be stored: %s",
                    relay->round_error);
    }
    relay_outbox_send(relay, relay->round_error != NULL);
    relay_ack_round_done(relay, relay->round_error != NULL);
    relay_upstream_round_done(relay->upstream, relay->round_error != NULL);
    free(relay->round_error);
    relay->round_error = NULL;
}

/* Sending. */

/* Returns an envelope without sequence; not to be destroyed. */
struct envelope
relay_envelope(const struct relay *relay, enum envelope_kind kind,
               const char *message_id, const char *correlation_id)
{
    return (struct envelope) {
        .version = ENVELOPE_VERSION,
        .kind = kind,
        .message_id = CONST_CAST(char *, message_id),
        .correlation_id = CONST_CAST(char *, correlation_id),
        .sender = CONST_CAST(char *, relay->options.sender),
        .epoch = placement_epoch(relay->placement),
        .sent_at = time_wall_msec() * UINT64_C(1000),
    };
}

/* Returns a new message id, owned by the caller. */
char *
relay_new_id(void)
{
    struct uuid uuid;

    uuid_generate(&uuid);
    return xasprintf(UUID_FMT, UUID_ARGS(&uuid));
}

/* Sends on the control channel; to 'peer' "", upstream.  'payload' may be
 * null.  Returns what
 * zmq_server_send() does. */
int
relay_send(struct relay *relay, const char *peer,
           const struct envelope *envelope, const struct ofpbuf *payload)
{
    if (!peer[0]) {
        return (relay->upstream
                ? relay_upstream_send(relay->upstream, envelope, payload)
                : EHOSTUNREACH);
    }
    struct server_payload *copy
        = (payload ? server_payload_create(payload->data, payload->size)
           : NULL);
    int error = zmq_server_send(relay->server, peer, envelope, copy);

    server_payload_unref(copy);
    return error;
}

/* Answers a message as a whole. */
void
relay_send_verdict(struct relay *relay, const char *peer,
                   const char *message_id, enum goal_status verdict)
{
    struct resource_status status = { .id = "", .status = verdict };
    struct ofpbuf payload;

    if (message_id[0]) {
        char *id = relay_new_id();
        struct envelope e = relay_envelope(relay, MSG_GOAL_STATE_REPLY, id,
                                           message_id);

        ofpbuf_init(&payload, 64);
        reply_encode(&status, 1, 0, &payload);
        relay_send(relay, peer, &e, &payload);
        ofpbuf_uninit(&payload);
        free(id);
    }
}

/* Opening. */

static char *
open_server(struct relay *relay)
{
    struct server_config config = {
        .publish = relay->options.publish,
        .control = relay->options.control,
        .max_published = relay->options.max_waiting,
    };
    struct curve_keys own;
    char *error = NULL;

    if (relay->options.curve_key) {
        error = curve_keys_read_pair(relay->options.curve_key, &own);
        if (!error) {
            error = zap_keys_open(relay->options.curve_clients,
                                  &relay->zap_keys);
        }
        config.own = &own;
        config.allowed = relay->zap_keys;
    }
    return error ? error : zmq_server_open(&config, &relay->server);
}

static char *
open_state(struct relay *relay)
{
    const char *dir = relay->options.state_dir;

    if (mkdir(dir, 0755) && errno != EEXIST) {
        return xasprintf("%s: cannot create directory (%s)", dir,
                         ovs_strerror(errno));
    }
    char *name = xasprintf("%s/goals", dir);
    char *error = goal_store_open(name, &relay->store);
    free(name);
    if (!error) {
        name = xasprintf("%s/placement", dir);
        error = placement_open(name, &relay->placement);
        free(name);
    }
    return error;
}

/* Begins a new epoch unless all is as it was when we ended. */
static char *
choose_epoch(struct relay *relay)
{
    bool empty = goal_store_is_new(relay->store);

    if (!empty && placement_epoch(relay->placement)
        && !placement_is_unclean(relay->placement)
        && !goal_store_was_restored(relay->store)) {
        VLOG_INFO("going on with epoch %"PRIu64,
                  placement_epoch(relay->placement));
        return NULL;
    }
    if (empty && !placement_epoch(relay->placement)) {
        return NULL;            /* Begun when there is something to tell. */
    }
    placement_begin(relay->placement);
    placement_set_epoch(relay->placement,
                        empty ? 0 : time_wall_msec() * UINT64_C(1000));
    VLOG_INFO("epoch %"PRIu64" begins: hosts will ask for their state",
              placement_epoch(relay->placement));
    return placement_commit(relay->placement);
}

char *
relay_open(const struct relay_options *options, struct relay **relayp)
{
    struct relay *relay = xzalloc(sizeof *relay);

    relay->options = *options;
    ovs_list_init(&relay->inbox);
    ovs_list_init(&relay->snapshots);
    shash_init(&relay->snapshot_ends);
    *relayp = NULL;

    char *error = open_state(relay);
    if (!error) {
        error = choose_epoch(relay);
    }
    if (!error) {
        error = open_server(relay);
    }
    if (error) {
        zmq_server_close(relay->server);
        zap_keys_destroy(relay->zap_keys);
        placement_close(relay->placement);
        goal_store_close(relay->store);
        free(relay);
        return error;
    }
    relay_nodes_init(relay);
    relay_replays_init(relay);
    relay_outbox_init(relay);
    relay_acks_init(relay);
    relay_distribute_init(relay);
    relay_commands_init(relay);
    if (options->db_remote) {
        relay->db = relay_db_create(relay, options->db_remote);
    }
    error = relay_upstream_open(relay);
    if (error) {
        relay_close(relay);
        return error;
    }
    *relayp = relay;
    return NULL;
}

void
relay_close(struct relay *relay)
{
    relay_commit(relay);
    relay_upstream_close(relay);
    relay_db_destroy(relay->db);
    relay_snapshots_destroy(relay);
    relay_intake_destroy(relay);
    relay_replays_destroy(relay);
    relay_outbox_destroy(relay);
    relay_acks_destroy(relay);
    relay_nodes_destroy(relay);
    zmq_server_close(relay->server);
    zap_keys_destroy(relay->zap_keys);
    placement_close(relay->placement);
    goal_store_close(relay->store);
    if (relay->exit_conn) {
        unixctl_command_reply(relay->exit_conn, NULL);
    }
    free(relay);
}

/* Running. */

void
relay_run(struct relay *relay)
{
    relay_peers_run(relay);
    relay_upstream_run(relay->upstream);
    relay_intake_run(relay);
    relay_acks_run(relay);
    relay_db_run(relay->db);
    relay_commit(relay);
    relay_replays_run(relay);
    relay_snapshots_run(relay);
    relay_heartbeats_run(relay);
    goal_store_run(relay->store, time_msec());
}

void
relay_wait(struct relay *relay)
{
    relay_peers_wait(relay);
    relay_upstream_wait(relay->upstream);
    relay_intake_wait(relay);
    relay_acks_wait(relay);
    relay_replays_wait(relay);
    relay_snapshots_wait(relay);
    relay_heartbeats_wait(relay);
    relay_db_wait(relay->db);
    goal_store_wait(relay->store);
    if (relay->changing || relay->exiting) {
        poll_immediate_wake();
    }
}

bool
relay_should_exit(const struct relay *relay)
{
    return relay->exiting;
}

void
relay_get_memory_usage(const struct relay *relay, struct simap *usage)
{
    goal_store_get_memory_usage(relay->store, usage);
    placement_get_memory_usage(relay->placement, usage);
    simap_increase(usage, "nodes", hmap_count(&relay->nodes));
    simap_increase(usage, "topics", hmap_count(&relay->topics));
    simap_increase(usage, "requests", hmap_count(&relay->requests));
    simap_increase(usage, "messages-to-hosts", hmap_count(&relay->outs));
    simap_increase(usage, "snapshots", relay->n_snapshots);
    relay_replays_get_memory_usage(relay, usage);
    zmq_server_get_memory_usage(relay->server, usage);
    relay_upstream_get_memory_usage(relay->upstream, usage);
    simap_increase(usage, "inbox-KB", relay->inbox_bytes / 1024);
    simap_increase(usage, "unanswered-messages",
                   hmap_count(&relay->requests) - relay->n_answered);
    simap_increase(usage, "pending-resources", relay->n_pending);
    simap_increase(usage, "reply-history", shash_count(&relay->history_ids));
    simap_increase(usage, "reply-history-KB", relay->history_bytes / 1024);
    simap_increase(usage, "snapshot-ends", shash_count(&relay->snapshot_ends));
}

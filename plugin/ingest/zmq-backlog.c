/* SPDX-License-Identifier: Apache-2.0
 *
 * zmq-backlog: what a socket was given to send and has not sent yet. */

#include <config.h>

#include "ingest/zmq-backlog.h"

#include <string.h>

#include "hash.h"
#include "ingest/server-payload.h"
#include "openvswitch/util.h"
#include "util.h"

/* Idle peers that are not worth a sweep. */
#define MIN_SWEEP 64

struct backlog_peer {
    struct hmap_node node;      /* In struct zmq_backlog's 'peers'. */
    struct ovs_refcount refs;   /* By that, and by messages. */
    atomic_uint64_t bytes;
    char name[];
};

/* A message that libzmq has. */
struct lent {
    struct zmq_backlog *backlog;
    struct backlog_peer *peer;  /* Null: published. */
    struct server_payload *payload;
    size_t bytes;
};

/* Counting. */

static void
count(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t orig;

    atomic_add_relaxed(counter, n, &orig);
}

static void
discount(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t orig;

    atomic_sub_relaxed(counter, n, &orig);
}

static uint64_t
read_counter(const atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, counter), &value);
    return value;
}

/* Peers. */

static struct backlog_peer *
find_peer(const struct zmq_backlog *backlog, const char *name)
{
    struct backlog_peer *peer;

    HMAP_FOR_EACH_WITH_HASH (peer, node, hash_string(name, 0),
                             &backlog->peers) {
        if (!strcmp(peer->name, name)) {
            return peer;
        }
    }
    return NULL;
}

static void
peer_unref(struct backlog_peer *peer)
{
    if (peer && ovs_refcount_unref(&peer->refs) == 1) {
        free(peer);
    }
}

static void
forget_peer(struct zmq_backlog *backlog, struct backlog_peer *peer)
{
    hmap_remove(&backlog->peers, &peer->node);
    peer_unref(peer);
}

/* Forgets peers for which nothing waits, if there are many. */
static void
sweep(struct zmq_backlog *backlog)
{
    struct backlog_peer *peer, *next;

    if (hmap_count(&backlog->peers) < backlog->sweep_at) {
        return;
    }
    HMAP_FOR_EACH_SAFE (peer, next, node, &backlog->peers) {
        if (!read_counter(&peer->bytes)) {
            forget_peer(backlog, peer);
        }
    }
    backlog->sweep_at = MIN_SWEEP + 2 * hmap_count(&backlog->peers);
}

static struct backlog_peer *
get_peer(struct zmq_backlog *backlog, const char *name)
{
    struct backlog_peer *peer = find_peer(backlog, name);

    if (!peer) {
        size_t size = strlen(name) + 1;

        sweep(backlog);
        peer = xmalloc(sizeof *peer + size);
        ovs_refcount_init(&peer->refs);
        atomic_init(&peer->bytes, 0);
        memcpy(peer->name, name, size);
        hmap_insert(&backlog->peers, &peer->node, hash_string(name, 0));
    }
    return peer;
}

/* Backlogs. */

void
zmq_backlog_init(struct zmq_backlog *backlog)
{
    atomic_init(&backlog->bytes, 0);
    atomic_init(&backlog->messages, 0);
    hmap_init(&backlog->peers);
    backlog->sweep_at = MIN_SWEEP;
}

void
zmq_backlog_destroy(struct zmq_backlog *backlog)
{
    struct backlog_peer *peer, *next;

    HMAP_FOR_EACH_SAFE (peer, next, node, &backlog->peers) {
        forget_peer(backlog, peer);
    }
    hmap_destroy(&backlog->peers);
}

/* A frame comes back; called by any thread. */
static void
give_back(void *data OVS_UNUSED, void *lent_)
{
    struct lent *lent = lent_;

    discount(&lent->backlog->bytes, lent->bytes);
    discount(&lent->backlog->messages, 1);
    if (lent->peer) {
        discount(&lent->peer->bytes, lent->bytes);
        peer_unref(lent->peer);
    }
    server_payload_unref(lent->payload);
    free(lent);
}

void
zmq_backlog_lend(struct zmq_backlog *backlog, const char *peer,
                 zmq_msg_t *frame, struct server_payload *payload)
{
    struct lent *lent = xmalloc(sizeof *lent);

    lent->backlog = backlog;
    lent->payload = server_payload_ref(payload);
    lent->bytes = payload->size + ZMQ_BACKLOG_OVERHEAD;
    lent->peer = peer ? get_peer(backlog, peer) : NULL;
    count(&backlog->bytes, lent->bytes);
    count(&backlog->messages, 1);
    if (lent->peer) {
        ovs_refcount_ref(&lent->peer->refs);
        count(&lent->peer->bytes, lent->bytes);
    }
    if (zmq_msg_init_data(frame, payload->data, payload->size, give_back,
                          lent)) {
        out_of_memory();
    }
}

uint64_t
zmq_backlog_bytes(const struct zmq_backlog *backlog)
{
    return read_counter(&backlog->bytes);
}

uint64_t
zmq_backlog_messages(const struct zmq_backlog *backlog)
{
    return read_counter(&backlog->messages);
}

uint64_t
zmq_backlog_peer_bytes(const struct zmq_backlog *backlog, const char *name)
{
    const struct backlog_peer *peer = find_peer(backlog, name);

    return peer ? read_counter(&peer->bytes) : 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * ack: answers to goal-state messages, once they are in effect. */

#include <config.h>

#include "feedback/ack.h"

#include <string.h>
#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ack);

LIMIT_DEFINE(pending_resources, ACK_MAX_PENDING, 16, LIMIT_FORGETS)
LIMIT_DEFINE(reply_history, ACK_MAX_HISTORY, 16, LIMIT_FORGETS)
LIMIT_DEFINE(reply_history_KB, ACK_MAX_HISTORY_BYTES / 1024, 64,
             LIMIT_FORGETS)

COVERAGE_DEFINE(ack_reply);
COVERAGE_DEFINE(ack_repeated);
COVERAGE_DEFINE(ack_timeout);
COVERAGE_DEFINE(ack_pending_overflow);

enum message_state {
    S_OPEN,                     /* Being stored. */
    S_TRANSLATING,
    S_COMMITTING,
};

struct ack_message {
    struct ovs_list list_node;  /* In struct ack's 'messages'. */
    struct hmap_node id_node;   /* In struct ack's 'by_id' or, if 'healing',
                                 * 'healing_by_id'. */
    char *id;
    bool healing;               /* A second reply. */
    bool exceptions_only;       /* List only what is not SUCCESS. */
    enum message_state state;
    struct ack_mark mark;       /* S_TRANSLATING. */
    struct ds_mark commit_mark; /* S_COMMITTING. */
    uint64_t seqno;             /* Of the states when last looked at. */
    bool partial;               /* Some resource is ACK_PARTIAL. */
    long long int received;     /* Times in µs. */
    long long int translated;
    long long int deadline;     /* In ms. */
    struct resource_status *statuses;
    struct goal_key *keys;      /* By status; kind GOAL_N_KINDS: final. */
    size_t n, allocated;
    size_t n_followed;          /* Those not final. */
    size_t n_counted;           /* In struct ack's 'n_waiting'. */
};

/* A resource that was answered PENDING. */
struct ack_pending {
    struct hmap_node hmap_node; /* In struct ack's 'pending', by key. */
    struct ovs_list list_node;  /* In struct ack's 'pending_list'. */
    struct goal_key key;
    char *message_id;
    char *id;
    uint32_t operation;
    long long int received;
};

/* The replies to a message: the first, and those about what has healed. */
struct ack_sent {
    struct hmap_node hmap_node; /* In struct ack's 'history', by id. */
    struct ovs_list list_node;  /* In struct ack's 'history_list'. */
    char *message_id;
    struct ack_payload {
        void *data;
        size_t len;
    } *payloads;
    size_t n;
};

struct ack {
    const struct ack_class *class;
    void *aux;
    struct ovs_list messages;   /* Contains "struct ack_message"s. */
    struct hmap by_id;          /* Same, by id, but for... */
    struct hmap healing_by_id;  /* ...second replies, also by id. */
    size_t n_waiting;           /* Statuses in messages, about. */
    struct hmap pending;        /* Contains "struct ack_pending"s. */
    struct ovs_list pending_list;
    struct hmap history;        /* Contains "struct ack_sent"s. */
    struct ovs_list history_list;
    size_t history_bytes;
};

struct ack *
ack_create(const struct ack_class *class, void *aux)
{
    struct ack *ack = xzalloc(sizeof *ack);

    ack->class = class;
    ack->aux = aux;
    ovs_list_init(&ack->messages);
    hmap_init(&ack->by_id);
    hmap_init(&ack->healing_by_id);
    hmap_init(&ack->pending);
    ovs_list_init(&ack->pending_list);
    hmap_init(&ack->history);
    ovs_list_init(&ack->history_list);
    return ack;
}

static void
message_destroy(struct ack *ack, struct ack_message *msg)
{
    ovs_list_remove(&msg->list_node);
    hmap_remove(msg->healing ? &ack->healing_by_id : &ack->by_id,
                &msg->id_node);
    ack->n_waiting -= msg->n_counted;
    for (size_t i = 0; i < msg->n; i++) {
        free(msg->statuses[i].id);
    }
    free(msg->statuses);
    free(msg->keys);
    free(msg->id);
    free(msg);
}

static void
pending_destroy(struct ack *ack, struct ack_pending *p)
{
    hmap_remove(&ack->pending, &p->hmap_node);
    ovs_list_remove(&p->list_node);
    free(p->message_id);
    free(p->id);
    free(p);
}

static void
sent_destroy(struct ack *ack, struct ack_sent *sent)
{
    for (size_t i = 0; i < sent->n; i++) {
        ack->history_bytes -= sent->payloads[i].len;
        free(sent->payloads[i].data);
    }
    hmap_remove(&ack->history, &sent->hmap_node);
    ovs_list_remove(&sent->list_node);
    free(sent->message_id);
    free(sent->payloads);
    free(sent);
}

void
ack_destroy(struct ack *ack)
{
    struct ack_message *msg;
    struct ack_pending *p;
    struct ack_sent *sent;

    if (!ack) {
        return;
    }
    LIST_FOR_EACH_SAFE (msg, list_node, &ack->messages) {
        message_destroy(ack, msg);
    }
    LIST_FOR_EACH_SAFE (p, list_node, &ack->pending_list) {
        pending_destroy(ack, p);
    }
    LIST_FOR_EACH_SAFE (sent, list_node, &ack->history_list) {
        sent_destroy(ack, sent);
    }
    hmap_destroy(&ack->by_id);
    hmap_destroy(&ack->healing_by_id);
    hmap_destroy(&ack->pending);
    hmap_destroy(&ack->history);
    free(ack);
}

/* History. */

static struct ack_sent *
sent_find(const struct ack *ack, const char *message_id)
{
    struct ack_sent *sent;

    HMAP_FOR_EACH_WITH_HASH (sent, hmap_node, hash_string(message_id, 0),
                             &ack->history) {
        if (!strcmp(sent->message_id, message_id)) {
            return sent;
        }
    }
    return NULL;
}

static bool
history_is_full(const struct ack *ack)
{
    bool full = true;

    if (hmap_count(&ack->history) > limit_max(&limit_reply_history)) {
        limit_hit(&limit_reply_history);
    } else if (ack->history_bytes / 1024
               >= limit_max(&limit_reply_history_KB)) {
        limit_hit(&limit_reply_history_KB);
    } else {
        full = false;
    }
    return full && hmap_count(&ack->history);
}

/* Adds a reply to those of 'sent', and takes ownership of 'data'.  If there
 * are too many now, forgets those to other messages, 'sent' last. */
static void
sent_append(struct ack *ack, struct ack_sent *sent, void *data, size_t len)
{
    sent->payloads = xrealloc(sent->payloads,
                              (sent->n + 1) * sizeof *sent->payloads);
    sent->payloads[sent->n++] = (struct ack_payload) { data, len };
    ack->history_bytes += len;
    ovs_list_remove(&sent->list_node);
    ovs_list_push_back(&ack->history_list, &sent->list_node);

    while (history_is_full(ack)) {
        sent_destroy(ack, CONTAINER_OF(ovs_list_front(&ack->history_list),
                                       struct ack_sent, list_node));
    }
}

/* Remembers a reply; one that is already remembered for the same message is
 * replaced.  Takes ownership of 'data'. */
static void
sent_add(struct ack *ack, const char *message_id, void *data, size_t len)
{
    struct ack_sent *sent = sent_find(ack, message_id);

    if (sent) {
        sent_destroy(ack, sent);
    }
    sent = xzalloc(sizeof *sent);
    sent->message_id = xstrdup(message_id);
    hmap_insert(&ack->history, &sent->hmap_node, hash_string(message_id, 0));
    ovs_list_push_back(&ack->history_list, &sent->list_node);
    sent_append(ack, sent, data, len);
}

void
ack_remember(struct ack *ack, const char *message_id, const void *payload,
             size_t len)
{
    if (message_id[0]) {
        sent_add(ack, message_id, xmemdup(payload, len), len);
    }
}

bool
ack_repeat(struct ack *ack, const char *message_id)
{
    const struct ack_message *msg;
    const struct ack_sent *sent;

    if (!message_id[0]) {
        return false;
    }
    HMAP_FOR_EACH_WITH_HASH (msg, id_node, hash_string(message_id, 0),
                             &ack->by_id) {
        if (!strcmp(msg->id, message_id)) {
            return true;
        }
    }
    sent = sent_find(ack, message_id);
    if (sent) {
        COVERAGE_INC(ack_repeated);
        for (size_t i = 0; i < sent->n; i++) {
            ack->class->send(message_id, sent->payloads[i].data,
                             sent->payloads[i].len, ack->aux);
        }
    }
    return sent != NULL;
}

/* Messages. */

static struct ack_message *
message_create(struct ack *ack, const char *message_id,
               long long int received_usec, bool healing)
{
    struct ack_message *msg = xzalloc(sizeof *msg);

    msg->id = xstrdup(message_id);
    msg->received = received_usec;
    msg->deadline = time_msec() + ACK_TIMEOUT_MSEC;
    msg->healing = healing;
    ovs_list_push_back(&ack->messages, &msg->list_node);
    hmap_insert(healing ? &ack->healing_by_id : &ack->by_id, &msg->id_node,
                hash_string(message_id, 0));
    return msg;
}

struct ack_message *
ack_begin(struct ack *ack, const char *message_id,
          long long int received_usec)
{
    return message_create(ack, message_id, received_usec, false);
}

void
ack_set_exceptions_only(struct ack_message *msg)
{
    msg->exceptions_only = true;
}

static void
add(struct ack_message *msg, const struct goal_key *key, enum goal_kind kind,
    const char *id, uint32_t operation, enum goal_status status)
{
    if (msg->n >= msg->allocated) {
        msg->statuses = x2nrealloc(msg->statuses, &msg->allocated,
                                   sizeof *msg->statuses);
        msg->keys = xrealloc(msg->keys, msg->allocated * sizeof *msg->keys);
    }
    msg->n_followed += key != NULL;
    msg->keys[msg->n] = key ? *key : (struct goal_key) { GOAL_N_KINDS, 0 };
    msg->statuses[msg->n++] = (struct resource_status) {
        .id = xstrdup(id), .kind = kind, .operation = operation,
        .status = status,
    };
}

void
ack_add_final(struct ack_message *msg, enum goal_kind kind, const char *id,
              uint32_t operation, enum goal_status status)
{
    add(msg, NULL, kind, id, operation, status);
}

void
ack_add(struct ack_message *msg, const struct goal_key *key, const char *id,
        uint32_t operation)
{
    add(msg, key, key->kind, id, operation, GOAL_STATUS_SUCCESS);
}

void
ack_fail(struct ack_message *msg)
{
    for (size_t i = 0; i < msg->n; i++) {
        if (msg->keys[i].kind < GOAL_N_KINDS) {
            msg->keys[i].kind = GOAL_N_KINDS;
            msg->statuses[i].status = GOAL_STATUS_FAILURE;
        }
    }
    msg->n_followed = 0;
}

void
ack_stored(struct ack *ack, struct ack_message *msg)
{
    msg->mark = ack->class->mark(ack->aux);
    msg->state = S_TRANSLATING;
    msg->n_counted = 1 + msg->n;
    ack->n_waiting += msg->n_counted;
}

/* Pending resources. */

static uint32_t
key_hash(const struct goal_key *key)
{
    return hash_uint64_basis(key->sid, key->kind);
}

static void
pending_add(struct ack *ack, const struct ack_message *msg, size_t i)
{
    struct ack_pending *p = xmalloc(sizeof *p);

    if (limit_reached(&limit_pending_resources, hmap_count(&ack->pending))) {
        COVERAGE_INC(ack_pending_overflow);
        pending_destroy(ack, CONTAINER_OF(ovs_list_front(&ack->pending_list),
                                          struct ack_pending, list_node));
    }
    *p = (struct ack_pending) {
        .key = msg->keys[i],
        .message_id = xstrdup(msg->id),
        .id = xstrdup(msg->statuses[i].id),
        .operation = msg->statuses[i].operation,
        .received = msg->received,
    };
    hmap_insert(&ack->pending, &p->hmap_node, key_hash(&p->key));
    ovs_list_push_back(&ack->pending_list, &p->list_node);
}

/* Returns the second reply to message 'id' that is being put together. */
static struct ack_message *
healing_message(struct ack *ack, const struct ack_pending *p)
{
    struct ack_message *msg;

    HMAP_FOR_EACH_WITH_HASH (msg, id_node, hash_string(p->message_id, 0),
                             &ack->healing_by_id) {
        if (msg->state == S_TRANSLATING && !strcmp(msg->id, p->message_id)) {
            return msg;
        }
    }
    msg = message_create(ack, p->message_id, p->received, true);
    ack_stored(ack, msg);
    return msg;
}

static struct ack_pending *
pending_find(const struct ack *ack, const struct goal_key *key)
{
    struct ack_pending *p;

    HMAP_FOR_EACH_WITH_HASH (p, hmap_node, key_hash(key), &ack->pending) {
        if (p->key.sid == key->sid && p->key.kind == key->kind) {
            return p;
        }
    }
    return NULL;
}

void
ack_healed(struct ack *ack, const struct goal_key *key)
{
    struct ack_pending *p;

    while ((p = pending_find(ack, key)) != NULL) {
        ack_add(healing_message(ack, p), key, p->id, p->operation);
        pending_destroy(ack, p);
    }
}

void
ack_forget(struct ack *ack, const struct goal_key *key)
{
    struct ack_pending *p;

    while ((p = pending_find(ack, key)) != NULL) {
        pending_destroy(ack, p);
    }
}

/* Following. */

/* Returns the state of resource 'i' of 'msg', which is not final.  One that
 * was deleted and is there again is none of the deletion's business. */
static enum ack_state
message_state(struct ack *ack, const struct ack_message *msg, size_t i)
{
    return (msg->statuses[i].operation == GOAL_OP_DELETE
            ? ACK_DONE
            : ack->class->state(&msg->keys[i], ack->aux));
}

/* Looks at the states of all resources of 'msg' that are not final. */
static bool
any_partial(struct ack *ack, const struct ack_message *msg)
{
    for (size_t i = 0; i < msg->n; i++) {
        if (msg->keys[i].kind < GOAL_N_KINDS
            && message_state(ack, msg, i) == ACK_PARTIAL) {
            return true;
        }
    }
    return false;
}

static enum goal_status
state_to_status(enum ack_state state, bool timed_out)
{
    switch (state) {
    case ACK_PENDING: return GOAL_STATUS_PENDING;
    case ACK_INVALID: return GOAL_STATUS_INVALID_ARG;
    case ACK_FAILED: return GOAL_STATUS_FAILURE;
    case ACK_PARTIAL: return GOAL_STATUS_FAILURE;
    case ACK_DONE: break;
    }
    return timed_out ? GOAL_STATUS_FAILURE : GOAL_STATUS_SUCCESS;
}

static uint32_t
duration(long long int from, long long int to)
{
    return MIN(MAX(to - from, 0), UINT32_MAX);
}

static void
drop_successes(struct ack_message *msg)
{
    size_t n = 0;

    for (size_t i = 0; i < msg->n; i++) {
        if (msg->statuses[i].status == GOAL_STATUS_SUCCESS) {
            free(msg->statuses[i].id);
        } else {
            msg->keys[n] = msg->keys[i];
            msg->statuses[n++] = msg->statuses[i];
        }
    }
    msg->n = n;
}

/* Answers 'msg' and forgets it. */
static void
message_reply(struct ack *ack, struct ack_message *msg, bool timed_out)
{
    long long int now = time_usec();
    long long int translated = msg->translated ? msg->translated : now;
    struct ofpbuf payload;

    for (size_t i = 0; i < msg->n; i++) {
        struct resource_status *s = &msg->statuses[i];

        s->configuration_usec = duration(msg->received, translated);
        s->programming_usec = duration(translated, now);
        s->elapsed_usec = duration(msg->received, now);
        if (msg->keys[i].kind < GOAL_N_KINDS) {
            s->status = state_to_status(message_state(ack, msg, i),
                                        timed_out);
            if (s->status == GOAL_STATUS_PENDING && msg->id[0]) {
                pending_add(ack, msg, i);
            }
        }
    }

    if (msg->exceptions_only) {
        drop_successes(msg);
    }
    if (msg->id[0]) {
        COVERAGE_INC(ack_reply);
        ofpbuf_init(&payload, 64 + msg->n * 64);
        reply_encode(msg->statuses, msg->n, duration(msg->received, now),
                     &payload);
        ack->class->send(msg->id, payload.data, payload.size, ack->aux);
        size_t len = payload.size;
        struct ack_sent *sent = (msg->healing ? sent_find(ack, msg->id)
                                 : NULL);
        if (sent) {
            sent_append(ack, sent, ofpbuf_steal_data(&payload), len);
        } else if (!msg->healing) {
            sent_add(ack, msg->id, ofpbuf_steal_data(&payload), len);
        } else {
            ofpbuf_uninit(&payload);
        }
    }
    message_destroy(ack, msg);
}

/* Takes 'msg' as far as it gets.  Returns false if it is still there. */
static bool
message_run(struct ack *ack, struct ack_message *msg)
{
    if (msg->state == S_OPEN) {
        return false;
    }
    if (msg->state == S_TRANSLATING
        && ack->class->reached(&msg->mark, ack->aux)) {
        msg->state = S_COMMITTING;
        msg->translated = time_usec();
        msg->seqno = ack->class->seqno(ack->aux);
        msg->partial = any_partial(ack, msg);
        msg->commit_mark = ack->class->commit_mark(ack->aux);
    }
    if (msg->state == S_COMMITTING && msg->partial
        && msg->seqno != ack->class->seqno(ack->aux)) {
        msg->seqno = ack->class->seqno(ack->aux);
        msg->partial = any_partial(ack, msg);
        msg->commit_mark = ack->class->commit_mark(ack->aux);
    }

    bool done = (!msg->n_followed
                 || (msg->state == S_COMMITTING && !msg->partial
                     && ack->class->commit_reached(&msg->commit_mark,
                                                   ack->aux)));
    if (!done && time_msec() >= msg->deadline) {
        COVERAGE_INC(ack_timeout);
        message_reply(ack, msg, true);
        return true;
    }
    if (done) {
        message_reply(ack, msg, false);
    }
    return done;
}

void
ack_run(struct ack *ack)
{
    struct ack_message *msg;

    LIST_FOR_EACH_SAFE (msg, list_node, &ack->messages) {
        message_run(ack, msg);
    }
}

void
ack_wait(struct ack *ack)
{
    if (!ovs_list_is_empty(&ack->messages)) {
        const struct ack_message *msg
            = CONTAINER_OF(ovs_list_front(&ack->messages),
                           struct ack_message, list_node);
        poll_timer_wait_until(msg->deadline);
    }
}

size_t
ack_n_open(const struct ack *ack)
{
    return hmap_count(&ack->by_id) + hmap_count(&ack->healing_by_id);
}

size_t
ack_n_waiting(const struct ack *ack)
{
    return ack->n_waiting;
}

void
ack_get_memory_usage(const struct ack *ack, struct simap *usage)
{
    simap_increase(usage, "unanswered-messages", ack_n_open(ack));
    simap_increase(usage, "pending-resources", hmap_count(&ack->pending));
    simap_increase(usage, "unanswered-resources", ack->n_waiting);
    simap_increase(usage, "reply-history", hmap_count(&ack->history));
    simap_increase(usage, "reply-history-KB", ack->history_bytes / 1024);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * ack: answers to goal-state messages, once they are in effect. */

#ifndef FEEDBACK_ACK_H
#define FEEDBACK_ACK_H 1

/* Acknowledgements
 * ================
 *
 * What?
 * -----
 *
 * Every goal-state message is answered with one status for each resource in
 * it, and a SUCCESS means that the data plane has confirmed.  This module
 * follows messages from receipt to answer:
 *
 *   ack_begin   ack_stored        all translated     commit reached
 *      |            |                   |                  |
 *      v            v                   v                  v
 *   S_OPEN ----> S_TRANSLATING ----> S_COMMITTING ------> reply
 *
 * It rests on two kinds of marks: where the work queues of the translator end
 * when the message has been stored, and where the queues of the desired state
 * end when that work has been done.  So following a message costs nothing per
 * resource until its answer is made.
 *
 * A resource whose parent is missing is answered PENDING.  When that heals, a
 * second reply with the same correlation id carries it.  At most
 * ACK_MAX_PENDING such resources are remembered.
 *
 * If the answer is not possible within ACK_TIMEOUT_MSEC (the switch is away),
 * what is not confirmed by then is answered FAILURE.
 *
 * A message id that was seen before is answered again with the same reply (of
 * the last ACK_MAX_HISTORY messages, in at most ACK_MAX_HISTORY_BYTES).
 *
 * Times in the reply, in µs: state_elapse_time from receipt to confirmation;
 * network_configuration_time from receipt until everything was stored and
 * translated; dataplane_programming_time from then to confirmation.
 *
 * The module knows neither the store nor the translator: what it needs of
 * them comes through struct ack_class, which the agent fills in.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "apply/commit.h"
#include "ingest/envelope.h"
#include "store/goal-types.h"

struct ack;
struct ack_message;
struct simap;

#define ACK_TIMEOUT_MSEC (30 * 1000)
#define ACK_MAX_PENDING 65536
#define ACK_MAX_HISTORY 1024
#define ACK_MAX_HISTORY_BYTES (16 * 1024 * 1024)

/* Position in the translator's work; opaque here. */
struct ack_mark {
    uint64_t positions[2];
};

/* How a resource fares at the moment. */
enum ack_state {
    ACK_DONE,                   /* Output, as far as translation goes. */
    ACK_PENDING,                /* A parent is missing. */
    ACK_PARTIAL,                /* The host still has to make something. */
    ACK_INVALID,
    ACK_FAILED,                 /* The data plane refused it. */
};

struct ack_class {
    struct ack_mark (*mark)(void *aux);
    bool (*reached)(const struct ack_mark *, void *aux);
    /* Changes whenever a state may have changed. */
    uint64_t (*seqno)(void *aux);
    enum ack_state (*state)(const struct goal_key *, void *aux);
    struct ds_mark (*commit_mark)(void *aux);
    bool (*commit_reached)(const struct ds_mark *, void *aux);
    /* Sends a GOAL_STATE_REPLY with the given payload. */
    void (*send)(const char *correlation_id, const void *payload, size_t len,
                 void *aux);
};

struct ack *ack_create(const struct ack_class *, void *aux);
void ack_destroy(struct ack *);

/* If the message with this id has been seen before, answers it again (or, if
 * it is still being worked on, lets that answer do) and returns true.  What
 * has healed since is in another reply, as it was then. */
bool ack_repeat(struct ack *, const char *message_id);

/* The message has been answered by somebody else with 'payload', of 'len'
 * bytes: if it is seen again, it will be answered so. */
void ack_remember(struct ack *, const char *message_id, const void *payload,
                  size_t len);

/* Starts to follow a message.  An empty 'message_id' gets no answer. */
struct ack_message *ack_begin(struct ack *, const char *message_id,
                              long long int received_usec);

/* The reply is to list only what is not SUCCESS. */
void ack_set_exceptions_only(struct ack_message *);

/* Adds a resource whose status is known already. */
void ack_add_final(struct ack_message *, enum goal_kind, const char *id,
                   uint32_t operation, enum goal_status);

/* Adds a resource to follow. */
void ack_add(struct ack_message *, const struct goal_key *, const char *id,
             uint32_t operation);

/* The message could not be stored after all: everything added with ack_add()
 * becomes FAILURE. */
void ack_fail(struct ack_message *);

/* Everything of the message is stored and queued for translation. */
void ack_stored(struct ack *, struct ack_message *);

/* A resource that was PENDING is so no longer. */
void ack_healed(struct ack *, const struct goal_key *);

/* The resource is gone: if it was PENDING, it will not heal. */
void ack_forget(struct ack *, const struct goal_key *);

void ack_run(struct ack *);
void ack_wait(struct ack *);

/* Messages not answered yet, and statuses in them. */
size_t ack_n_open(const struct ack *);
size_t ack_n_waiting(const struct ack *);
void ack_get_memory_usage(const struct ack *, struct simap *);

#endif /* feedback/ack.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-acks-private: requests of controllers and answers of hosts. */

#ifndef RELAY_RELAY_ACKS_PRIVATE_H
#define RELAY_RELAY_ACKS_PRIVATE_H 1

/* Acknowledgements
 * ================
 *
 * A request is one message of a controller.  What became of it are outs,
 * messages to hosts, each with the hosts that are to answer it:
 *
 *                answer                         second answer
 *    WAITING -------------> DONE <------------------------------- PENDING
 *      |  \                  ^                                       ^
 *      |   \ answer, PENDING |                                       |
 *      |    `----------------+---------------------------------------'
 *      | not connected       | answer, or a snapshot
 *      v                     |
 *    AWAY -------------------'
 *
 * When no host is WAITING any more the controller gets its reply, in which the
 * status of a resource is the worst of any host, and PENDING if it still has
 * to reach one.  When the last such host has it, a second reply says so.
 *
 * relay-acks.c keeps requests and talks to controllers; relay-answers.c keeps
 * outs and listens to hosts; relay-verdicts.c tells people who has said what.
 *
 * Thread-safety: main thread only. */

#include "openvswitch/dynamic-string.h"
#include "relay/relay-private.h"

#define ACK_RUN_INTERVAL 500    /* ms between looks for late hosts. */

enum ack_host_state { ACK_HOST_WAITING, ACK_HOST_DONE, ACK_HOST_PENDING,
                      ACK_HOST_AWAY };

struct ack_host {
    struct ovs_list owed_node;  /* In 'host->owed'; unless DONE. */
    struct ack_out *out;
    struct place_host *host;
    enum ack_host_state state;
    uint8_t n_retries;
    uint32_t *pending;          /* PENDING: entries. */
    size_t n_pending, allocated;
};

struct ack_entry {
    uint32_t resource;          /* In the request, or ACK_CONTEXT. */
    struct goal_key key;
};

/* A message to hosts. */
struct ack_out {
    struct hmap_node node;      /* In struct relay's 'outs', by 'id'. */
    struct ovs_list list_node;  /* In 'request->outs'. */
    struct ack_request *request;
    char *id;                   /* Null until it was sent. */
    long long int sent_at;      /* time_msec(). */
    uint64_t number;            /* It was the so many'th that was sent. */
    const struct relay_topic *topic; /* By which it was sent; null: none. */
    uint64_t sequence;          /* There. */
    const struct place_vpc *vpc; /* By whose topic it was sent; or null. */
    struct ack_host *hosts;
    size_t n_hosts, allocated_hosts;
    bool sorted;                /* 'hosts' are, by 'host'. */
    size_t n_waiting;           /* Hosts that are. */
    size_t n_away;              /* The same; if there is any, all resources
                                 * are pending. */
    struct ack_entry *entries;
    size_t n_entries, allocated_entries;
};

struct ack_resource {
    char *id;
    uint32_t kind, operation;
    enum goal_status status;    /* Worst of those hosts that have it. */
    uint32_t n_pending;         /* Hosts, and messages to hosts that are away,
                                 * by which it is still to come. */
    bool reported_pending;
};

/* A message of a controller. */
struct ack_request {
    struct hmap_node node;      /* In struct relay's 'requests', by id. */
    struct ovs_list fresh_node; /* In struct relay's 'fresh', until sent. */
    bool fresh;
    struct relay *relay;
    char *peer;
    char *id;                   /* Empty: wants no answer. */
    bool exceptions_only;       /* Wants to hear of what is not SUCCESS. */
    long long int received_usec;
    struct ovs_list outs;       /* Contains "struct ack_out"s. */
    size_t n_waiting;           /* Pairs of out and host. */
    struct ack_resource *resources;
    size_t n_resources, allocated_resources;
    struct resource_status worst; /* Largest times. */
    bool answered;
    size_t n_pending;           /* Resources reported so. */
    struct ds verdicts;         /* Of hosts, as lines... */
    size_t n_verdicts;          /* ...of which there would be so many. */
};

/* relay-acks.c. */
void relay_ack_request_check(struct ack_request *);

/* relay-verdicts.c. */
void relay_ack_verdict(struct ack_host *, size_t entry, enum goal_status);
void relay_ack_request_show(const struct ack_request *, struct ds *);

/* relay-answers.c. */

/* The resource that an entry of 'out' is about; null: not the controller's. */
static inline struct ack_resource *
ack_entry_resource(const struct ack_out *out, uint32_t entry)
{
    uint32_t i = out->entries[entry].resource;

    return i == ACK_CONTEXT ? NULL : &out->request->resources[i];
}

#endif /* relay/relay-acks-private.h */

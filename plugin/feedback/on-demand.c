/* SPDX-License-Identifier: Apache-2.0
 *
 * on-demand: packets to unknown destinations wait while they are found. */

#include <config.h>

#include "feedback/on-demand.h"

#include <stdlib.h>
#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "simap.h"
#include "translate/flow-actions.h"
#include "translate/on-demand.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(on_demand);

LIMIT_DEFINE(on_demand_questions, ON_DEMAND_MAX_QUESTIONS, 1, LIMIT_DROPPED)
LIMIT_DEFINE(on_demand_port_questions, ON_DEMAND_MAX_PORT_QUESTIONS, 1,
             LIMIT_DROPPED)
LIMIT_DEFINE(on_demand_packets, ON_DEMAND_MAX_PACKETS, 1, LIMIT_DROPPED)
LIMIT_DEFINE(on_demand_packets_KB, ON_DEMAND_MAX_BYTES / 1024, 16,
             LIMIT_DROPPED)
LIMIT_DEFINE(on_demand_port_packets, ON_DEMAND_MAX_PORT_PACKETS, 1,
             LIMIT_DROPPED)
LIMIT_DEFINE(on_demand_refused, ON_DEMAND_MAX_REFUSED, 1, LIMIT_FORGETS)

COVERAGE_DEFINE(on_demand_asked);
COVERAGE_DEFINE(on_demand_parked);
COVERAGE_DEFINE(on_demand_released);
COVERAGE_DEFINE(on_demand_dropped);

/* Questions in one HOST_REQUEST. */
#define MAX_BATCH 64

enum state {
    Q_NEW,                      /* To be asked in this round. */
    Q_ASKED,                    /* Awaiting the answer. */
    Q_PROMISED,                 /* Awaiting goal state. */
    Q_TRANSLATING,              /* Awaiting the translator. */
    Q_COMMITTING,               /* Awaiting the data plane. */
};

static const char *const state_names[] = {
    [Q_NEW] = "new",
    [Q_ASKED] = "asked",
    [Q_PROMISED] = "promised",
    [Q_TRANSLATING] = "translating",
    [Q_COMMITTING] = "committing",
};

/* A port that has asked. */
struct port {
    struct hmap_node hmap_node; /* In struct on_demand's 'ports'. */
    uint32_t in_port;
    size_t n_questions;
    size_t n_packets;
    struct ovs_list packets;    /* Contains "struct parked"s, oldest first. */
};

struct question {
    struct hmap_node hmap_node; /* In struct on_demand's 'questions'. */
    struct ovs_list age_node;   /* In struct on_demand's 'by_age'. */
    uint64_t tag;
    struct in6_addr dst;
    struct port *port;          /* Who asked first. */
    enum state state;
    struct uuid request_id;
    struct on_demand_question *asked; /* Its first packet's. */
    struct ack_mark mark;       /* In Q_TRANSLATING. */
    struct ds_mark commit_mark; /* In Q_COMMITTING. */
    long long int deadline;
    struct ovs_list packets;    /* Contains "struct parked"s, oldest first. */
    size_t n_packets;
};

struct parked {
    struct ovs_list question_node; /* In struct question's 'packets'. */
    struct ovs_list port_node;  /* In struct port's 'packets'. */
    struct ovs_list age_node;   /* In struct on_demand's 'packets'. */
    struct question *question;
    struct port *port;
    struct packet_order *order;
    size_t size;
};

struct refused {
    struct hmap_node hmap_node; /* In struct on_demand's 'refused'. */
    struct ovs_list age_node;   /* In struct on_demand's 'refused_by_age'. */
    uint64_t tag;
    struct in6_addr dst;
    long long int deadline;
};

struct on_demand {
    const struct on_demand_class *class;
    void *aux;
    bool enabled;

    struct hmap questions;      /* Contains "struct question"s. */
    struct ovs_list by_age;     /* Same, those that end first, first. */
    size_t n_new;               /* In Q_NEW. */
    size_t n_working;           /* In Q_TRANSLATING or Q_COMMITTING. */
    struct hmap ports;          /* Contains "struct port"s. */
    struct ovs_list packets;    /* Contains "struct parked"s, oldest first. */
    size_t n_packets, n_bytes;
    struct hmap refused;        /* Contains "struct refused"s. */
    struct ovs_list refused_by_age; /* Same, oldest first. */
    uint64_t counters[ON_DEMAND_N_COUNTERS];
};

const char *
on_demand_counter_to_string(enum on_demand_counter counter)
{
    static const char *const names[] = {
#define ON_DEMAND_COUNTER(NAME, STRING) [ON_DEMAND_##NAME] = STRING,
        ON_DEMAND_COUNTERS
#undef ON_DEMAND_COUNTER
    };
    return names[counter];
}

static uint32_t
dst_hash(uint64_t tag, const struct in6_addr *dst)
{
    return hash_bytes(dst, sizeof *dst, hash_uint64(tag));
}

/* Ports. */

static struct port *
port_get(struct on_demand *od, uint32_t in_port)
{
    struct port *port;

    HMAP_FOR_EACH_WITH_HASH (port, hmap_node, hash_int(in_port, 0),
                             &od->ports) {
        if (port->in_port == in_port) {
            return port;
        }
    }
    port = xzalloc(sizeof *port);
    port->in_port = in_port;
    ovs_list_init(&port->packets);
    hmap_insert(&od->ports, &port->hmap_node, hash_int(in_port, 0));
    return port;
}

/* Forgets the port if nothing is left of it. */
static void
port_put(struct on_demand *od, struct port *port)
{
    if (!port->n_questions && !port->n_packets) {
        hmap_remove(&od->ports, &port->hmap_node);
        free(port);
    }
}

/* Packets. */

static void
parked_remove(struct on_demand *od, struct parked *parked)
{
    ovs_list_remove(&parked->question_node);
    ovs_list_remove(&parked->port_node);
    ovs_list_remove(&parked->age_node);
    parked->question->n_packets--;
    od->n_packets--;
    od->n_bytes -= parked->size;
    parked->port->n_packets--;
    port_put(od, parked->port);
    free(parked);
}

static void
parked_release(struct on_demand *od, struct parked *parked)
{
    COVERAGE_INC(on_demand_released);
    od->counters[ON_DEMAND_RELEASED]++;
    od->class->send(parked->order, od->aux);
    parked_remove(od, parked);
}

/* A packet of 'in_port' to 'dst' is dropped for 'reason'. */
static void
count_drop(struct on_demand *od, enum on_demand_counter reason,
           uint32_t in_port, const struct in6_addr *dst)
{
    COVERAGE_INC(on_demand_dropped);
    od->counters[reason]++;
    if (od->class->dropped) {
        od->class->dropped(in_port, dst, od->aux);
    }
}

/* Takes 'order', whose packet is dropped for 'reason'.  If nobody has its
 * destination, one that was being routed goes back, for its router to say so.
 */
static void
give_up(struct on_demand *od, struct packet_order *order,
        enum on_demand_counter reason)
{
    if (order->context.regs[MFF_ALCOR_FROM - MFF_REG0]
        && (reason == ON_DEMAND_DROP_REFUSED
            || reason == ON_DEMAND_DROP_TIMEOUT
            || reason == ON_DEMAND_DROP_NO_SERVER)) {
        od->class->send(order, od->aux);
    } else {
        packet_order_destroy(order);
    }
}

static void
parked_drop(struct on_demand *od, struct parked *parked,
            enum on_demand_counter reason)
{
    count_drop(od, reason, parked->port->in_port, &parked->question->dst);
    give_up(od, parked->order, reason);
    parked_remove(od, parked);
}

/* Returns what makes the packet of 'event' go on in 'stage'. */
static struct packet_order *
make_order(const struct packet_event *event, enum of_stage stage)
{
    struct packet_context context = event->context;
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;

    context.regs[MFF_ALCOR_FLAGS - MFF_REG0] |= OF_FLAG_RELEASED;
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_resubmit(&ofpacts, stage);
    struct packet_order *order = packet_order_create(
        &context, &ofpacts, event->packet, event->packet_len);
    ofpbuf_uninit(&ofpacts);
    return order;
}

/* Makes room for a packet of 'size' bytes of 'port'. */
static void
make_room(struct on_demand *od, struct port *port, size_t size)
{
    /* 'port' keeps its question, or is about to get one. */
    if (limit_reached(&limit_on_demand_port_packets, port->n_packets)) {
        parked_drop(od, CONTAINER_OF(ovs_list_front(&port->packets),
                                     struct parked, port_node),
                    ON_DEMAND_DROP_PORT_PACKETS);
    }
    while (od->n_packets
           && (limit_reached(&limit_on_demand_packets, od->n_packets)
               || limit_reached(&limit_on_demand_packets_KB,
                                (od->n_bytes + size) / 1024))) {
        parked_drop(od, CONTAINER_OF(ovs_list_front(&od->packets),
                                     struct parked, age_node),
                    ON_DEMAND_DROP_ALL_PACKETS);
    }
}

static void
park(struct on_demand *od, struct question *q,
     const struct packet_event *event, enum of_stage stage)
{
    struct packet_order *order = make_order(event, stage);
    struct parked *parked = xmalloc(sizeof *parked);
    struct port *port = port_get(od, event->context.in_port);

    COVERAGE_INC(on_demand_parked);
    od->counters[ON_DEMAND_PARKED]++;
    port->n_questions++;        /* Lest make_room() forget it. */
    make_room(od, port, packet_order_size(order));
    port->n_questions--;

    parked->question = q;
    parked->port = port;
    parked->order = order;
    parked->size = packet_order_size(order);
    ovs_list_push_back(&q->packets, &parked->question_node);
    ovs_list_push_back(&port->packets, &parked->port_node);
    ovs_list_push_back(&od->packets, &parked->age_node);
    q->n_packets++;
    port->n_packets++;
    od->n_packets++;
    od->n_bytes += parked->size;
}

/* Refused destinations. */

static struct refused *
refused_find(const struct on_demand *od, uint64_t tag,
             const struct in6_addr *dst)
{
    struct refused *refused;

    HMAP_FOR_EACH_WITH_HASH (refused, hmap_node, dst_hash(tag, dst),
                             &od->refused) {
        if (refused->tag == tag && ipv6_addr_equals(&refused->dst, dst)) {
            return refused;
        }
    }
    return NULL;
}

static void
refused_remove(struct on_demand *od, struct refused *refused)
{
    hmap_remove(&od->refused, &refused->hmap_node);
    ovs_list_remove(&refused->age_node);
    free(refused);
}

static void
refused_add(struct on_demand *od, const struct question *q,
            long long int now)
{
    struct refused *refused = xmalloc(sizeof *refused);

    if (limit_reached(&limit_on_demand_refused, hmap_count(&od->refused))) {
        refused_remove(od, CONTAINER_OF(ovs_list_front(&od->refused_by_age),
                                        struct refused, age_node));
    }
    refused->tag = q->tag;
    refused->dst = q->dst;
    refused->deadline = now + ON_DEMAND_REFUSED_MSEC;
    hmap_insert(&od->refused, &refused->hmap_node,
                dst_hash(q->tag, &q->dst));
    ovs_list_push_back(&od->refused_by_age, &refused->age_node);
}

/* Questions. */

static struct question *
question_find(const struct on_demand *od, uint64_t tag,
              const struct in6_addr *dst)
{
    struct question *q;

    HMAP_FOR_EACH_WITH_HASH (q, hmap_node, dst_hash(tag, dst),
                             &od->questions) {
        if (q->tag == tag && ipv6_addr_equals(&q->dst, dst)) {
            return q;
        }
    }
    return NULL;
}

static bool
is_working(enum state state)
{
    return state >= Q_TRANSLATING;
}

static void
set_state(struct on_demand *od, struct question *q, enum state state)
{
    od->n_new += (state == Q_NEW) - (q->state == Q_NEW);
    od->n_working += is_working(state) - is_working(q->state);
    q->state = state;
}

/* From now on it has ON_DEMAND_TIMEOUT_MSEC. */
static void
set_deadline(struct on_demand *od, struct question *q, long long int now)
{
    q->deadline = now + ON_DEMAND_TIMEOUT_MSEC;
    ovs_list_remove(&q->age_node);
    ovs_list_push_back(&od->by_age, &q->age_node);
}

static void
question_destroy(struct on_demand *od, struct question *q)
{
    od->n_new -= q->state == Q_NEW;
    od->n_working -= is_working(q->state);
    hmap_remove(&od->questions, &q->hmap_node);
    ovs_list_remove(&q->age_node);
    q->port->n_questions--;
    port_put(od, q->port);
    free(q->asked);
    free(q);
}

/* Ends 'q': drops its packets for 'reason'. */
static void
question_drop(struct on_demand *od, struct question *q,
              enum on_demand_counter reason)
{
    struct parked *parked;

    LIST_FOR_EACH_SAFE (parked, question_node, &q->packets) {
        parked_drop(od, parked, reason);
    }
    question_destroy(od, q);
}

/* Ends 'q': its destination can be reached. */
static void
question_release(struct on_demand *od, struct question *q)
{
    struct parked *parked;

    LIST_FOR_EACH_SAFE (parked, question_node, &q->packets) {
        parked_release(od, parked);
    }
    question_destroy(od, q);
}

/* If goal state knows the destination, 'q' waits only for it to be in effect.
 * Returns whether it does. */
static bool
question_lookup(struct on_demand *od, struct question *q)
{
    if (!od->class->lookup(q->asked->vpc_id, q->tag, &q->dst, od->aux)) {
        return false;
    }
    q->mark = od->class->mark(od->aux);
    set_state(od, q, Q_TRANSLATING);
    return true;
}

static struct question *
question_create(struct on_demand *od, struct port *port, uint64_t tag,
                const struct on_demand_question *asked, long long int now)
{
    struct question *q = xzalloc(sizeof *q);

    q->tag = tag;
    q->dst = asked->dst;
    q->asked = xmemdup(asked, sizeof *asked);
    q->port = port;
    port->n_questions++;
    q->state = Q_NEW;
    od->n_new++;
    uuid_generate(&q->request_id);
    ovs_list_init(&q->packets);
    ovs_list_init(&q->age_node);
    set_deadline(od, q, now);
    hmap_insert(&od->questions, &q->hmap_node, dst_hash(tag, &q->dst));
    return q;
}

/* Returns a new question, or null if there can be none. */
static struct question *
question_begin(struct on_demand *od, const struct on_demand_question *asked,
               const struct packet_event *event, long long int now)
{
    struct port *port = port_get(od, event->context.in_port);
    bool full = limit_reached(&limit_on_demand_questions,
                              hmap_count(&od->questions));

    if (full || limit_reached(&limit_on_demand_port_questions,
                              port->n_questions)) {
        count_drop(od, full ? ON_DEMAND_DROP_ALL_QUESTIONS
                   : ON_DEMAND_DROP_PORT_QUESTIONS, port->in_port,
                   &asked->dst);
        port_put(od, port);
        return NULL;
    }

    struct question *q = question_create(od, port, event->context.metadata,
                                         asked, now);
    if (question_lookup(od, q)) {
        od->counters[ON_DEMAND_ACTIVATED]++;
    } else if (!od->enabled) {
        count_drop(od, ON_DEMAND_DROP_NO_SERVER, port->in_port, &asked->dst);
        question_destroy(od, q);
        give_up(od, make_order(event, asked->stage),
                ON_DEMAND_DROP_NO_SERVER);
        return NULL;
    }
    return q;
}

void
on_demand_take(struct on_demand *od, const struct on_demand_question *asked,
               const struct packet_event *event, long long int now)
{
    uint64_t tag = event->context.metadata;
    struct question *q = question_find(od, tag, &asked->dst);

    if (!event->packet) {
        return;
    } else if (!q && refused_find(od, tag, &asked->dst)) {
        count_drop(od, ON_DEMAND_DROP_REFUSED, event->context.in_port,
                   &asked->dst);
        give_up(od, make_order(event, asked->stage), ON_DEMAND_DROP_REFUSED);
        return;
    }
    if (!q) {
        q = question_begin(od, asked, event, now);
    }
    if (q) {
        park(od, q, event, asked->stage);
    }
}

/* Asking. */

/* A question in the form of a HOST_REQUEST, with the texts that it needs. */
struct request {
    char id[UUID_LEN + 1];
    char src[INET6_ADDRSTRLEN];
    char dst[INET6_ADDRSTRLEN];
};

static void
format_ip(const struct in6_addr *ip, char text[INET6_ADDRSTRLEN])
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ipv6_format_mapped(ip, &s);
    ovs_strlcpy(text, ds_cstr(&s), INET6_ADDRSTRLEN);
    ds_destroy(&s);
}

static void
make_request(const struct question *q, struct request *texts,
             struct host_request *request)
{
    const struct on_demand_question *asked = q->asked;

    snprintf(texts->id, sizeof texts->id, UUID_FMT,
             UUID_ARGS(&q->request_id));
    format_ip(&asked->src, texts->src);
    format_ip(&asked->dst, texts->dst);
    *request = (struct host_request) {
        .type = HOST_REQUEST_ON_DEMAND,
        .request_id = texts->id,
        .tunnel_id = (q->tag & OF_TAG_VPC_MASK) >> OF_TAG_VNI_SHIFT
                     & 0xffffff,
        .source_ip = ipv6_addr_is_set(&asked->src) ? texts->src : "",
        .source_port = asked->src_port,
        .destination_ip = texts->dst,
        .destination_port = asked->dst_port,
        .ethertype = !IN6_IS_ADDR_V4MAPPED(&asked->dst),
        .protocol = asked->protocol,
    };
}

/* Asks the 'n' questions of 'batch' upstream. */
static void
ask_batch(struct on_demand *od, struct question **batch, size_t n)
{
    struct host_request requests[MAX_BATCH];
    struct request texts[MAX_BATCH];

    for (size_t i = 0; i < n; i++) {
        make_request(batch[i], &texts[i], &requests[i]);
    }
    bool sent = n && od->class->ask(requests, n, od->aux);
    for (size_t i = 0; i < n; i++) {
        if (sent) {
            COVERAGE_INC(on_demand_asked);
            od->counters[ON_DEMAND_ASKED]++;
            set_state(od, batch[i], Q_ASKED);
        } else {
            question_drop(od, batch[i], ON_DEMAND_DROP_NO_SERVER);
        }
    }
}

static void
ask_run(struct on_demand *od)
{
    struct question *batch[MAX_BATCH], *q;
    size_t n = 0;

    if (!od->n_new) {
        return;
    }
    LIST_FOR_EACH_SAFE (q, age_node, &od->by_age) {
        if (q->state == Q_NEW) {
            batch[n++] = q;
            if (n >= MAX_BATCH) {
                break;
            }
        }
    }
    ask_batch(od, batch, n);
}

static struct question *
find_request(const struct on_demand *od, const char *request_id)
{
    struct question *q;
    struct uuid uuid;

    if (!uuid_from_string(&uuid, request_id)) {
        return NULL;
    }
    LIST_FOR_EACH (q, age_node, &od->by_age) {
        if (uuid_equals(&q->request_id, &uuid)) {
            return q;
        }
    }
    return NULL;
}

void
on_demand_reply(struct on_demand *od, const char *request_id,
                enum goal_status status, long long int now)
{
    struct question *q = find_request(od, request_id);

    if (!q || q->state != Q_ASKED) {
        return;
    } else if (status == GOAL_STATUS_SUCCESS) {
        od->counters[ON_DEMAND_PROMISED]++;
        set_state(od, q, Q_PROMISED);
        set_deadline(od, q, now);
    } else {
        od->counters[ON_DEMAND_REFUSED]++;
        refused_add(od, q, now);
        question_drop(od, q, ON_DEMAND_DROP_REFUSED);
    }
}

void
on_demand_goal_changed(struct on_demand *od)
{
    struct question *q;

    LIST_FOR_EACH (q, age_node, &od->by_age) {
        if (!is_working(q->state)) {
            question_lookup(od, q);
        }
    }
}

/* Main loop. */

/* Goes on with 'q', which may end it. */
static void
question_run(struct on_demand *od, struct question *q)
{
    if (q->state == Q_TRANSLATING && od->class->reached(&q->mark, od->aux)) {
        q->commit_mark = od->class->commit_mark(od->aux);
        set_state(od, q, Q_COMMITTING);
    }
    if (q->state == Q_COMMITTING
        && od->class->commit_reached(&q->commit_mark, od->aux)) {
        question_release(od, q);
    }
}

static void
timeouts_run(struct on_demand *od, long long int now)
{
    struct refused *refused;
    struct question *q;

    LIST_FOR_EACH_SAFE (q, age_node, &od->by_age) {
        if (q->deadline > now) {
            break;
        }
        od->counters[ON_DEMAND_TIMED_OUT]++;
        question_drop(od, q, ON_DEMAND_DROP_TIMEOUT);
    }
    LIST_FOR_EACH_SAFE (refused, age_node, &od->refused_by_age) {
        if (refused->deadline > now) {
            break;
        }
        refused_remove(od, refused);
    }
}

void
on_demand_run(struct on_demand *od, long long int now)
{
    struct question *q;

    ask_run(od);
    if (od->n_working) {
        LIST_FOR_EACH_SAFE (q, age_node, &od->by_age) {
            question_run(od, q);
        }
    }
    timeouts_run(od, now);
}

void
on_demand_wait(struct on_demand *od)
{
    if (od->n_new) {
        poll_immediate_wake();
    } else if (!ovs_list_is_empty(&od->by_age)) {
        poll_timer_wait_until(CONTAINER_OF(ovs_list_front(&od->by_age),
                                           struct question,
                                           age_node)->deadline);
    }
}

/* Life cycle. */

struct on_demand *
on_demand_create(const struct on_demand_class *class, void *aux)
{
    struct on_demand *od = xzalloc(sizeof *od);

    od->class = class;
    od->aux = aux;
    od->enabled = true;
    hmap_init(&od->questions);
    ovs_list_init(&od->by_age);
    hmap_init(&od->ports);
    ovs_list_init(&od->packets);
    hmap_init(&od->refused);
    ovs_list_init(&od->refused_by_age);
    return od;
}

void
on_demand_destroy(struct on_demand *od)
{
    if (od) {
        while (od->n_packets) {
            parked_drop(od, CONTAINER_OF(ovs_list_front(&od->packets),
                                         struct parked, age_node),
                        ON_DEMAND_DROP_ALL_PACKETS);
        }
        timeouts_run(od, LLONG_MAX);
        hmap_destroy(&od->questions);
        hmap_destroy(&od->ports);
        hmap_destroy(&od->refused);
        free(od);
    }
}

void
on_demand_set_enabled(struct on_demand *od, bool enabled)
{
    struct question *q;

    od->enabled = enabled;
    LIST_FOR_EACH_SAFE (q, age_node, &od->by_age) {
        if (!enabled && !is_working(q->state)) {
            question_drop(od, q, ON_DEMAND_DROP_NO_SERVER);
        }
    }
}

/* Insight. */

uint64_t
on_demand_count(const struct on_demand *od, enum on_demand_counter counter)
{
    return od->counters[counter];
}

void
on_demand_for_each(const struct on_demand *od,
                   void (*cb)(const struct on_demand_entry *, void *aux),
                   void *aux)
{
    const struct refused *refused;
    const struct question *q;

    LIST_FOR_EACH (q, age_node, &od->by_age) {
        struct on_demand_entry entry = {
            .tag = q->tag, .dst = q->dst, .in_port = q->port->in_port,
            .state = state_names[q->state], .n_packets = q->n_packets,
            .deadline = q->deadline,
        };
        cb(&entry, aux);
    }
    LIST_FOR_EACH (refused, age_node, &od->refused_by_age) {
        struct on_demand_entry entry = {
            .tag = refused->tag, .dst = refused->dst, .state = "refused",
            .deadline = refused->deadline,
        };
        cb(&entry, aux);
    }
}

void
on_demand_get_memory_usage(const struct on_demand *od, struct simap *usage)
{
    size_t n_questions = 0, n_packets = 0;
    const struct port *port;

    HMAP_FOR_EACH (port, hmap_node, &od->ports) {
        n_questions = MAX(n_questions, port->n_questions);
        n_packets = MAX(n_packets, port->n_packets);
    }
    simap_increase(usage, "on-demand-questions", hmap_count(&od->questions));
    simap_increase(usage, "on-demand-port-questions", n_questions);
    simap_increase(usage, "on-demand-packets", od->n_packets);
    simap_increase(usage, "on-demand-packets-KB", od->n_bytes / 1024);
    simap_increase(usage, "on-demand-port-packets", n_packets);
    simap_increase(usage, "on-demand-refused", hmap_count(&od->refused));
}

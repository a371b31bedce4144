/* SPDX-License-Identifier: Apache-2.0
 *
 * liveness: which entrances of gateways are alive. */

#include <config.h>

#include "feedback/liveness.h"

#include <stdlib.h>
#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(liveness);

LIMIT_DEFINE(gateway_entrances, LIVENESS_MAX, LIMIT_FIXED, LIMIT_REFUSED)

COVERAGE_DEFINE(liveness_dead);

/* Answers to this many questions before the last one count, too. */
#define MAX_LATE 4

/* Of a dead one, every so many unanswered questions are told of. */
#define TELL_MISSES 10

struct entrance {
    struct hmap_node hmap_node; /* In struct liveness's 'entrances'. */
    ovs_be32 ip;
    bool wanted;
    enum vol_entrance_state state;
    enum vol_entrance_state published;
    unsigned int batch;         /* Those that are new together. */
    bool has_endpoint;
    size_t which;               /* Endpoint. */
    uint32_t vni;               /* As for it... */
    ovs_be32 endpoint;          /* ...likewise. */
    uint16_t number;            /* Of the last question. */
    bool open;                  /* It was not answered yet. */
    int misses;                 /* Unanswered, in succession. */
    long long int asked_at;
    struct liveness_entry seen;
};

struct liveness {
    const struct liveness_class *class;
    void *aux;
    struct hmap entrances;      /* Contains "struct entrance"s. */
    unsigned int batch;
    int interval;               /* Of questions, in milliseconds. */
    long long int next;         /* Time of the next questions. */
};

const char *
liveness_state_to_string(enum vol_entrance_state state)
{
    return (state == VOL_ENTRANCE_ALIVE ? "alive"
            : state == VOL_ENTRANCE_DEAD ? "dead" : "unknown");
}

struct liveness *
liveness_create(const struct liveness_class *class, void *aux)
{
    struct liveness *l = xzalloc(sizeof *l);

    l->class = class;
    l->aux = aux;
    l->interval = LIVENESS_MSEC;
    hmap_init(&l->entrances);
    return l;
}

void
liveness_destroy(struct liveness *l)
{
    struct entrance *e;

    if (l) {
        HMAP_FOR_EACH_POP (e, hmap_node, &l->entrances) {
            free(e);
        }
        hmap_destroy(&l->entrances);
        free(l);
    }
}

void
liveness_set_interval(struct liveness *l, int msec)
{
    l->interval = msec;
}

static uint32_t
ip_hash(ovs_be32 ip)
{
    return hash_int((OVS_FORCE uint32_t) ip, 0);
}

static struct entrance *
find_entrance(const struct liveness *l, ovs_be32 ip)
{
    struct entrance *e;

    HMAP_FOR_EACH_WITH_HASH (e, hmap_node, ip_hash(ip), &l->entrances) {
        if (e->ip == ip) {
            return e;
        }
    }
    return NULL;
}

static void
find_endpoint(struct liveness *l, struct entrance *e)
{
    e->has_endpoint = l->class->endpoint(e->ip, e->which, &e->vni,
                                         &e->endpoint, l->aux);
}

void
liveness_set(struct liveness *l, const ovs_be32 *ips, size_t n)
{
    struct entrance *e;

    HMAP_FOR_EACH (e, hmap_node, &l->entrances) {
        e->wanted = false;
    }
    l->batch++;
    for (size_t i = 0; i < n; i++) {
        e = find_entrance(l, ips[i]);
        if (!e) {
            if (limit_reached(&limit_gateway_entrances,
                              hmap_count(&l->entrances))) {
                continue;
            }
            e = xzalloc(sizeof *e);
            e->ip = e->seen.ip = ips[i];
            e->batch = l->batch;
            e->seen.rtt = -1;
            hmap_insert(&l->entrances, &e->hmap_node, ip_hash(ips[i]));
        }
        e->wanted = true;
        find_endpoint(l, e);
    }
    HMAP_FOR_EACH_SAFE (e, hmap_node, &l->entrances) {
        if (!e->wanted) {
            l->class->publish(e->ip, VOL_ENTRANCE_UNKNOWN, l->aux);
            hmap_remove(&l->entrances, &e->hmap_node);
            free(e);
        }
    }
}

static void
set_state(struct entrance *e, enum vol_entrance_state state,
          long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 20);

    if (e->state == state) {
        return;
    }
    if (state == VOL_ENTRANCE_DEAD) {
        COVERAGE_INC(liveness_dead);
        e->seen.deaths++;
    }
    if (state == VOL_ENTRANCE_DEAD || e->state == VOL_ENTRANCE_DEAD) {
        VLOG_INFO_RL(&rl, "entrance "IP_FMT" is %s", IP_ARGS(e->ip),
                     liveness_state_to_string(state));
    }
    e->state = e->seen.state = state;
    e->seen.since = now;
}

void
liveness_sign(struct liveness *l, ovs_be32 ip, uint16_t number,
              long long int now)
{
    struct entrance *e = find_entrance(l, ip);

    if (!e || !e->seen.asked
        || (uint16_t) (e->number - number) >= MAX_LATE) {
        return;
    }
    e->seen.answered++;
    e->misses = 0;
    if (e->number == number) {
        e->open = false;
        e->seen.rtt = now - e->asked_at;
    }
    set_state(e, VOL_ENTRANCE_ALIVE, now);
}

/* Draws the conclusion from the last question, if it was not answered. */
static void
conclude(struct liveness *l, struct entrance *e, long long int now)
{
    if (e->open) {
        /* Perhaps it just does not know this one. */
        e->which++;
        find_endpoint(l, e);
        if (++e->misses >= LIVENESS_MISSES) {
            set_state(e, VOL_ENTRANCE_DEAD, now);
        }
        if (l->class->missed && (e->misses < LIVENESS_MISSES
                                 || e->misses % TELL_MISSES == 0)) {
            l->class->missed(e->ip, l->aux);
        }
    }
}

static bool
batch_is_known(const struct liveness *l, unsigned int batch)
{
    const struct entrance *e;

    HMAP_FOR_EACH (e, hmap_node, &l->entrances) {
        if (e->batch == batch && e->state == VOL_ENTRANCE_UNKNOWN
            && e->has_endpoint) {
            return false;
        }
    }
    return true;
}

static void
publish_all(struct liveness *l)
{
    struct entrance *e;

    HMAP_FOR_EACH (e, hmap_node, &l->entrances) {
        if (e->state != e->published && batch_is_known(l, e->batch)) {
            e->published = e->state;
            l->class->publish(e->ip, e->state, l->aux);
        }
    }
}

static void
ask(struct liveness *l, struct entrance *e, long long int now)
{
    e->open = e->has_endpoint;
    if (e->has_endpoint) {
        e->number++;
        e->asked_at = now;
        e->seen.asked++;
        l->class->ask(e->ip, e->number, e->vni, e->endpoint, l->aux);
    }
}

void
liveness_run(struct liveness *l, long long int now)
{
    struct entrance *e;

    if (now < l->next || hmap_is_empty(&l->entrances)) {
        return;
    }
    l->next = now + l->interval;
    HMAP_FOR_EACH (e, hmap_node, &l->entrances) {
        conclude(l, e, now);
    }
    publish_all(l);
    HMAP_FOR_EACH (e, hmap_node, &l->entrances) {
        ask(l, e, now);
    }
}

void
liveness_wait(const struct liveness *l)
{
    if (!hmap_is_empty(&l->entrances)) {
        poll_timer_wait_until(l->next);
    }
}

bool
liveness_get(const struct liveness *l, ovs_be32 ip,
             struct liveness_entry *entry)
{
    const struct entrance *e = find_entrance(l, ip);

    if (e) {
        *entry = e->seen;
    }
    return e != NULL;
}

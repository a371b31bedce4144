/* SPDX-License-Identifier: Apache-2.0
 *
 * placement: which host holds which resources, durably. */

#include <config.h>

#include "relay/placement-private.h"

#include <string.h>

#include "hash.h"
#include "packets.h"
#include "simap.h"
#include "store/goal-store.h"

static void
member_key(uint8_t key[PAIR_LEN], const struct place_host *host, uint64_t sid)
{
    put_be32(key, host->number);
    put_be64(key + 4, sid);
}

static void
holder_key(uint8_t key[PAIR_LEN], uint64_t sid, uint32_t number)
{
    put_be64(key, sid);
    put_be32(key + 8, number);
}

/* Hosts and VPCs in memory. */

static uint32_t
hash_ip(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

struct place_host *
placement_load_host(struct placement *p, const struct in6_addr *ip,
                    uint32_t number)
{
    struct place_host *host = xzalloc(sizeof *host);

    host->number = number;
    host->ip = *ip;
    host->stored = true;
    ovs_list_init(&host->spans);
    ovs_list_init(&host->owed);
    hmap_insert(&p->hosts, &host->node, hash_ip(ip));
    while (number >= p->allocated_numbers) {
        size_t n = p->allocated_numbers;

        p->by_number = x2nrealloc(p->by_number, &p->allocated_numbers,
                                  sizeof *p->by_number);
        memset(p->by_number + n, 0,
               (p->allocated_numbers - n) * sizeof *p->by_number);
    }
    p->by_number[number] = host;
    return host;
}

struct place_vpc *
placement_load_vpc(struct placement *p, const char *id, uint32_t number)
{
    struct place_vpc *vpc = xzalloc(sizeof *vpc);

    vpc->number = number;
    vpc->id = xstrdup(id);
    vpc->topic = xasprintf("vpc/%s", id);
    vpc->stored = true;
    hmap_init(&vpc->spans);
    hmap_insert(&p->vpcs, &vpc->node, hash_string(id, 0));
    return vpc;
}

void
placement_load_span(struct place_vpc *vpc, struct place_host *host,
                    uint32_t n_ports)
{
    struct place_span *span = xmalloc(sizeof *span);

    span->vpc = vpc;
    span->host = host;
    span->n_ports = n_ports;
    hmap_insert(&vpc->spans, &span->vpc_node, hash_int(host->number, 0));
    ovs_list_push_back(&host->spans, &span->host_node);
}

struct place_host *
placement_find_host(const struct placement *p, const struct in6_addr *ip)
{
    struct place_host *host;

    HMAP_FOR_EACH_WITH_HASH (host, node, hash_ip(ip), &p->hosts) {
        if (ipv6_addr_equals(&host->ip, ip)) {
            return host;
        }
    }
    return NULL;
}

struct place_vpc *
placement_find_vpc(const struct placement *p, const char *id)
{
    struct place_vpc *vpc;

    HMAP_FOR_EACH_WITH_HASH (vpc, node, hash_string(id, 0), &p->vpcs) {
        if (!strcmp(vpc->id, id)) {
            return vpc;
        }
    }
    return NULL;
}

struct place_host *
placement_get_host(struct placement *p, const struct in6_addr *ip)
{
    struct place_host *host = placement_find_host(p, ip);

    if (!host) {
        host = placement_load_host(p, ip, p->meta.next_number++);
        host->stored = false;
    }
    if (!host->stored) {
        host->stored = true;
        placement_write(p, DB_HOSTS, make_val(&host->ip, sizeof host->ip),
                        make_val(&host->number, sizeof host->number), 0);
    }
    return host;
}

struct place_vpc *
placement_get_vpc(struct placement *p, const char *id)
{
    struct place_vpc *vpc = placement_find_vpc(p, id);

    if (!vpc) {
        vpc = placement_load_vpc(p, id, p->meta.next_number++);
        vpc->stored = false;
    }
    if (!vpc->stored) {
        vpc->stored = true;
        placement_write(p, DB_VPCS, make_val(vpc->id, strlen(vpc->id)),
                        make_val(&vpc->number, sizeof vpc->number), 0);
    }
    return vpc;
}

const struct hmap *
placement_hosts(const struct placement *p)
{
    return &p->hosts;
}

const struct hmap *
placement_vpcs(const struct placement *p)
{
    return &p->vpcs;
}

struct place_span *
placement_find_span(const struct place_vpc *vpc,
                    const struct place_host *host)
{
    struct place_span *span;

    HMAP_FOR_EACH_WITH_HASH (span, vpc_node, hash_int(host->number, 0),
                             &vpc->spans) {
        if (span->host == host) {
            return span;
        }
    }
    return NULL;
}

/* Sets the number of ports of 'vpc' on 'host', which the caller has found to
 * be 'span', or null. */
static void
set_span(struct placement *p, struct place_vpc *vpc, struct place_host *host,
         struct place_span *span, uint32_t n_ports)
{
    uint8_t key[8];

    put_be32(key, vpc->number);
    put_be32(key + 4, host->number);
    if (!n_ports) {
        if (span) {
            hmap_remove(&vpc->spans, &span->vpc_node);
            ovs_list_remove(&span->host_node);
            free(span);
            placement_erase(p, DB_SPANS, make_val(key, sizeof key));
        }
        return;
    }
    if (span) {
        span->n_ports = n_ports;
    } else {
        placement_load_span(vpc, host, n_ports);
    }
    placement_write(p, DB_SPANS, make_val(key, sizeof key),
                    make_val(&n_ports, sizeof n_ports), 0);
}

uint32_t
placement_change_span(struct placement *p, struct place_vpc *vpc,
                      struct place_host *host, int delta)
{
    struct place_span *span = placement_find_span(vpc, host);
    uint32_t n_ports = span ? span->n_ports : 0;

    n_ports = delta < 0 && n_ports < -delta ? 0 : n_ports + delta;
    set_span(p, vpc, host, span, n_ports);
    return n_ports;
}

/* Members. */

bool
placement_add(struct placement *p, struct place_host *host,
              const struct goal_key *key)
{
    uint8_t k[PAIR_LEN];

    member_key(k, host, key->sid);
    if (placement_write(p, DB_MEMBERS, make_val(k, sizeof k), make_val("", 0),
                     MDB_NOOVERWRITE)) {
        return false;
    }
    holder_key(k, key->sid, host->number);
    placement_write(p, DB_HOLDERS, make_val(k, sizeof k), make_val("", 0), 0);
    return true;
}

bool
placement_remove(struct placement *p, struct place_host *host,
                 const struct goal_key *key)
{
    uint8_t k[PAIR_LEN];

    member_key(k, host, key->sid);
    if (placement_erase(p, DB_MEMBERS, make_val(k, sizeof k))) {
        return false;
    }
    holder_key(k, key->sid, host->number);
    placement_erase(p, DB_HOLDERS, make_val(k, sizeof k));
    return true;
}

bool
placement_has(struct placement *p, const struct place_host *host,
              const struct goal_key *key)
{
    MDB_txn *txn = placement_read_begin(p);
    uint8_t k[PAIR_LEN];
    MDB_val key_val = make_val(k, sizeof k), value;

    member_key(k, host, key->sid);
    bool found = txn && !mdb_get(txn, p->dbis[DB_MEMBERS], &key_val, &value);
    placement_read_end(p);
    return found;
}

struct holder_walk {
    struct placement *p;
    void (*cb)(struct place_host *, void *aux);
    void *aux;
};

static bool
walk_holder(const MDB_val *key, const MDB_val *value OVS_UNUSED, void *walk_)
{
    struct holder_walk *walk = walk_;
    uint32_t number = (key->mv_size == PAIR_LEN
                       ? get_be32((const uint8_t *) key->mv_data + 8) : 0);

    if (number < walk->p->allocated_numbers && walk->p->by_number[number]) {
        walk->cb(walk->p->by_number[number], walk->aux);
    }
    return true;
}

void
placement_for_each_holder(struct placement *p, const struct goal_key *key,
                          void (*cb)(struct place_host *, void *aux),
                          void *aux)
{
    struct holder_walk walk = { p, cb, aux };
    uint8_t k[PAIR_LEN];

    holder_key(k, key->sid, 0);
    placement_scan(p, DB_HOLDERS, make_val(k, sizeof k), 8, walk_holder,
                   &walk);
}

struct member_walk {
    bool (*cb)(uint64_t sid, void *aux);
    void *aux;
};

static bool
walk_member(const MDB_val *key, const MDB_val *value OVS_UNUSED, void *walk_)
{
    struct member_walk *walk = walk_;

    return (key->mv_size != PAIR_LEN
            || walk->cb(get_be64((const uint8_t *) key->mv_data + 4),
                        walk->aux));
}

void
placement_for_each_member(struct placement *p, const struct place_host *host,
                          uint64_t after,
                          bool (*cb)(uint64_t sid, void *aux), void *aux)
{
    struct member_walk walk = { cb, aux };
    uint8_t k[PAIR_LEN];

    member_key(k, host, after + 1);
    placement_scan(p, DB_MEMBERS, make_val(k, sizeof k), 4, walk_member,
                   &walk);
}

/* Recounting. */

struct recount {
    struct placement *p;
    struct place_host *host;
    char *(*vpc_of)(uint64_t sid, void *aux);
    void *aux;
    struct simap ports;         /* By id of VPC. */
    uint64_t *gone;             /* Ports that are not. */
    size_t n_gone, allocated_gone;
};

static bool
recount_member(uint64_t sid, void *rc_)
{
    struct recount *rc = rc_;

    if (goal_store_sid_kind(sid) == GOAL_PORT) {
        char *id = rc->vpc_of(sid, rc->aux);

        if (id) {
            simap_increase(&rc->ports, id, 1);
            free(id);
            return true;
        }
        if (rc->n_gone >= rc->allocated_gone) {
            rc->gone = x2nrealloc(rc->gone, &rc->allocated_gone,
                                  sizeof *rc->gone);
        }
        rc->gone[rc->n_gone++] = sid;
    }
    return true;
}

void
placement_recount(struct placement *p, struct place_host *host,
                  char *(*vpc_of)(uint64_t sid, void *aux), void *aux)
{
    struct recount rc = { .p = p, .host = host, .vpc_of = vpc_of, .aux = aux };
    struct place_span *span, *next;
    const struct simap_node *node;

    simap_init(&rc.ports);
    placement_for_each_member(p, host, 0, recount_member, &rc);
    LIST_FOR_EACH_SAFE (span, next, host_node, &host->spans) {
        unsigned int n = simap_get(&rc.ports, span->vpc->id);

        if (n != span->n_ports) {
            set_span(p, span->vpc, host, span, n);
        }
    }
    SIMAP_FOR_EACH (node, &rc.ports) {
        struct place_vpc *vpc = placement_get_vpc(p, node->name);

        if (!placement_find_span(vpc, host)) {
            set_span(p, vpc, host, NULL, node->data);
        }
    }
    for (size_t i = 0; i < rc.n_gone; i++) {
        struct goal_key key = { GOAL_PORT, rc.gone[i] };

        placement_remove(p, host, &key);
    }
    simap_destroy(&rc.ports);
    free(rc.gone);
}

/* After a change that failed. */

static bool
has_key(struct placement *p, enum db db, MDB_val key)
{
    MDB_txn *txn = placement_read_begin(p);
    MDB_val value;
    bool found = txn && !mdb_get(txn, p->dbis[db], &key, &value);

    placement_read_end(p);
    return found;
}

/* Reads the spans of 'vpc' again. */
static void
rollback_vpc(struct placement *p, struct place_vpc *vpc)
{
    struct place_span *span;

    HMAP_FOR_EACH_POP (span, vpc_node, &vpc->spans) {
        ovs_list_remove(&span->host_node);
        free(span);
    }
    vpc->stored = has_key(p, DB_VPCS, make_val(vpc->id, strlen(vpc->id)));
}

struct span_load {
    struct placement *p;
    struct place_vpc *vpc;
};

static bool
rollback_span(const MDB_val *key, const MDB_val *value, void *load_)
{
    struct span_load *load = load_;
    uint32_t number = (key->mv_size == 8
                       ? get_be32((const uint8_t *) key->mv_data + 4) : 0);
    uint32_t n_ports;

    if (number < load->p->allocated_numbers && load->p->by_number[number]
        && value->mv_size == sizeof n_ports) {
        memcpy(&n_ports, value->mv_data, sizeof n_ports);
        placement_load_span(load->vpc, load->p->by_number[number], n_ports);
    }
    return true;
}

void
placement_rollback(struct placement *p)
{
    struct place_host *host;
    struct place_vpc *vpc;

    HMAP_FOR_EACH (host, node, &p->hosts) {
        host->stored = has_key(p, DB_HOSTS,
                               make_val(&host->ip, sizeof host->ip));
    }
    HMAP_FOR_EACH (vpc, node, &p->vpcs) {
        struct span_load load = { p, vpc };
        uint8_t key[8];

        rollback_vpc(p, vpc);
        put_be32(key, vpc->number);
        put_be32(key + 4, 0);
        placement_scan(p, DB_SPANS, make_val(key, sizeof key), 4,
                       rollback_span, &load);
    }
}

/* Topics and nodes. */

void
placement_set_position(struct placement *p, const char *topic,
                       uint64_t sequence)
{
    placement_write(p, DB_TOPICS, make_val(topic, strlen(topic)),
                 make_val(&sequence, sizeof sequence), 0);
}

struct position_walk {
    void (*cb)(const char *topic, uint64_t sequence, void *aux);
    void *aux;
};

static bool
walk_position(const MDB_val *key, const MDB_val *value, void *walk_)
{
    struct position_walk *walk = walk_;
    uint64_t sequence;

    if (value->mv_size == sizeof sequence) {
        char *topic = xmemdup0(key->mv_data, key->mv_size);

        memcpy(&sequence, value->mv_data, sizeof sequence);
        walk->cb(topic, sequence, walk->aux);
        free(topic);
    }
    return true;
}

void
placement_for_each_position(struct placement *p,
                            void (*cb)(const char *topic, uint64_t sequence,
                                       void *aux),
                            void *aux)
{
    struct position_walk walk = { cb, aux };

    placement_scan(p, DB_TOPICS, make_val("", 0), 0, walk_position, &walk);
}

void
placement_set_node(struct placement *p, const char *id,
                   const struct in6_addr *ip)
{
    placement_write(p, DB_NODES, make_val(id, strlen(id)),
                 make_val(ip, sizeof *ip), 0);
}

void
placement_delete_node(struct placement *p, const char *id)
{
    placement_erase(p, DB_NODES, make_val(id, strlen(id)));
}

struct node_walk {
    void (*cb)(const char *id, const struct in6_addr *, void *aux);
    void *aux;
};

static bool
walk_node(const MDB_val *key, const MDB_val *value, void *walk_)
{
    struct node_walk *walk = walk_;
    struct in6_addr ip;

    if (value->mv_size == sizeof ip) {
        char *id = xmemdup0(key->mv_data, key->mv_size);

        memcpy(&ip, value->mv_data, sizeof ip);
        walk->cb(id, &ip, walk->aux);
        free(id);
    }
    return true;
}

void
placement_for_each_node(struct placement *p,
                        void (*cb)(const char *id, const struct in6_addr *,
                                   void *aux),
                        void *aux)
{
    struct node_walk walk = { cb, aux };

    placement_scan(p, DB_NODES, make_val("", 0), 0, walk_node, &walk);
}

void
placement_unload(struct placement *p)
{
    struct place_host *host;
    struct place_vpc *vpc;

    HMAP_FOR_EACH_POP (vpc, node, &p->vpcs) {
        struct place_span *span;

        HMAP_FOR_EACH_POP (span, vpc_node, &vpc->spans) {
            free(span);
        }
        hmap_destroy(&vpc->spans);
        free(vpc->id);
        free(vpc->topic);
        free(vpc);
    }
    HMAP_FOR_EACH_POP (host, node, &p->hosts) {
        free(host);
    }
    hmap_destroy(&p->hosts);
    hmap_destroy(&p->vpcs);
    free(p->by_number);
}

void
placement_get_memory_usage(const struct placement *p, struct simap *usage)
{
    simap_increase(usage, "hosts", hmap_count(&p->hosts));
    simap_increase(usage, "vpcs", hmap_count(&p->vpcs));
}

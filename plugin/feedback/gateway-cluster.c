/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway-cluster: which member of a cluster has which entrance. */

#include <config.h>

#include "feedback/gateway-cluster.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "limit.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(gateway_cluster);

LIMIT_DEFINE(gateway_members, CLUSTER_MAX_MEMBERS - 1, LIMIT_FIXED,
             LIMIT_REFUSED)

#define HEADER_LEN 12
static const uint8_t magic[4] = { 'A', 'G', 'W', 'H' };

/* Anybody can make members come and go. */
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 60);

struct member {
    struct hmap_node hmap_node; /* In struct gateway_cluster's 'members'. */
    ovs_be32 ip;
    long long int heard;        /* Last heartbeat. */
    bool alive;
    ovs_be32 *home;             /* Entrances, as it said last... */
    size_t n_home;              /* ...while it lived. */
};

struct gateway_cluster {
    ovs_be32 self;
    bool ready;
    bool changed;               /* Owners are to be found anew. */
    bool met;                   /* Somebody lives who did not. */
    bool may_take;              /* What is at home with others. */
    long long int start;
    long long int next_beat;
    long long int last_beat;
    struct hmap members;        /* Contains "struct member"s; not us. */
    ovs_be32 *home;
    size_t n_home;
    struct cluster_entrance *entrances; /* Sorted by address. */
    size_t n_entrances;
    struct cluster_counters counters;
};

struct gateway_cluster *
gateway_cluster_create(ovs_be32 self, long long int now)
{
    struct gateway_cluster *c = xzalloc(sizeof *c);

    c->self = self;
    c->start = now;
    c->next_beat = now;
    c->last_beat = now - CLUSTER_HASTE_MSEC;
    hmap_init(&c->members);
    return c;
}

static void
remove_member(struct gateway_cluster *c, struct member *m)
{
    hmap_remove(&c->members, &m->hmap_node);
    free(m->home);
    free(m);
}

static void
free_entrances(struct cluster_entrance *entrances, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(entrances[i].cluster);
    }
    free(entrances);
}

void
gateway_cluster_destroy(struct gateway_cluster *c)
{
    struct member *m;

    if (!c) {
        return;
    }
    HMAP_FOR_EACH_SAFE (m, hmap_node, &c->members) {
        remove_member(c, m);
    }
    hmap_destroy(&c->members);
    free_entrances(c->entrances, c->n_entrances);
    free(c->home);
    free(c);
}

static bool
has_ip(const ovs_be32 *ips, size_t n, ovs_be32 ip)
{
    for (size_t i = 0; i < n; i++) {
        if (ips[i] == ip) {
            return true;
        }
    }
    return false;
}

void
gateway_cluster_set_home(struct gateway_cluster *c, const ovs_be32 *ips,
                         size_t n)
{
    n = MIN(n, CLUSTER_MAX_ENTRANCES);
    if (n != c->n_home || (n && memcmp(ips, c->home, n * sizeof *ips))) {
        free(c->home);
        c->home = n ? xmemdup(ips, n * sizeof *ips) : NULL;
        c->n_home = n;
        c->changed = true;
    }
}

static int
compare_entrances(const void *a_, const void *b_)
{
    const struct cluster_entrance *a = a_, *b = b_;
    uint32_t x = ntohl(a->ip), y = ntohl(b->ip);

    return x < y ? -1 : x > y;
}

/* Who has 'ip', of the entrances that were. */
static const struct cluster_entrance *
find_entrance(const struct cluster_entrance *entrances, size_t n, ovs_be32 ip)
{
    struct cluster_entrance key = { .ip = ip };

    return n ? bsearch(&key, entrances, n, sizeof *entrances,
                       compare_entrances) : NULL;
}

/* Has 'cluster' an entrance that is at home here? */
static bool
takes_part(const struct gateway_cluster *c,
           const struct cluster_entrance_config *configs, size_t n,
           const char *cluster)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(configs[i].cluster, cluster)
            && has_ip(c->home, c->n_home, configs[i].ip)) {
            return true;
        }
    }
    return false;
}

void
gateway_cluster_set_entrances(struct gateway_cluster *c,
                              const struct cluster_entrance_config *configs,
                              size_t n)
{
    struct cluster_entrance *old = c->entrances;
    size_t n_old = c->n_entrances;

    c->entrances = xcalloc(MAX(n, 1), sizeof *c->entrances);
    c->n_entrances = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cluster_entrance *before
            = find_entrance(old, n_old, configs[i].ip);

        if (takes_part(c, configs, n, configs[i].cluster)) {
            c->entrances[c->n_entrances++] = (struct cluster_entrance) {
                .ip = configs[i].ip,
                .mac = configs[i].mac,
                .cluster = xstrdup(configs[i].cluster),
                .owner = before ? before->owner : 0,
            };
        }
    }
    qsort(c->entrances, c->n_entrances, sizeof *c->entrances,
          compare_entrances);
    free_entrances(old, n_old);
    c->changed = true;
}

void
gateway_cluster_set_ready(struct gateway_cluster *c, bool ready)
{
    c->changed |= c->ready != ready;
    c->ready = ready;
}

/* Heartbeats. */

static struct member *
find_member(const struct gateway_cluster *c, ovs_be32 ip)
{
    struct member *m;

    HMAP_FOR_EACH_WITH_HASH (m, hmap_node,
                             hash_int((OVS_FORCE uint32_t) ip, 0),
                             &c->members) {
        if (m->ip == ip) {
            return m;
        }
    }
    return NULL;
}

/* Forgets the one of the dead that is silent for longest.  Returns false if
 * all live. */
static bool
forget_dead(struct gateway_cluster *c)
{
    struct member *m, *oldest = NULL;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        if (!m->alive && (!oldest || m->heard < oldest->heard)) {
            oldest = m;
        }
    }
    if (oldest) {
        remove_member(c, oldest);
    }
    return oldest != NULL;
}

/* Returns the new member, or null if there are too many. */
static struct member *
add_member(struct gateway_cluster *c, ovs_be32 ip)
{
    struct member *m;

    if (hmap_count(&c->members) >= limit_max(&limit_gateway_members)
        && !forget_dead(c)) {
        limit_hit(&limit_gateway_members);
        return NULL;
    }
    m = xzalloc(sizeof *m);
    m->ip = ip;
    hmap_insert(&c->members, &m->hmap_node,
                hash_int((OVS_FORCE uint32_t) ip, 0));
    return m;
}

static bool
is_heartbeat(const uint8_t *p, size_t size, ovs_be32 src)
{
    return (size >= HEADER_LEN && size <= CLUSTER_MAX_PACKET
            && !memcmp(p, magic, sizeof magic) && p[4] == 1 && !p[5]
            && size == HEADER_LEN + 4 * (p[6] * 256u + p[7])
            && src && !memcmp(p + 8, &src, sizeof src));
}

void
gateway_cluster_heard(struct gateway_cluster *c, const void *packet,
                      size_t size, ovs_be32 src, long long int now)
{
    const uint8_t *p = packet;
    struct member *m;
    size_t n;

    if (!is_heartbeat(p, size, src)) {
        c->counters.bad++;
        return;
    } else if (src == c->self) {
        return;
    }
    c->counters.heard++;
    m = find_member(c, src);
    m = m ? m : add_member(c, src);
    if (!m) {
        return;
    }
    m->heard = now;

    n = (size - HEADER_LEN) / 4;
    if (!n) {
        if (m->alive) {
            VLOG_INFO_RL(&rl, "member "IP_FMT" leaves", IP_ARGS(src));
        }
        c->changed |= m->alive;
        m->alive = false;
    } else if (!m->alive || n != m->n_home
               || memcmp(m->home, p + HEADER_LEN, 4 * n)) {
        if (!m->alive) {
            VLOG_INFO_RL(&rl, "member "IP_FMT" lives, entrances: %"PRIuSIZE,
                         IP_ARGS(src), n);
        }
        free(m->home);
        m->home = xmemdup(p + HEADER_LEN, 4 * n);
        m->n_home = n;
        if (!m->alive) {
            m->alive = true;
            c->met = true;
            c->next_beat = c->last_beat + CLUSTER_HASTE_MSEC;
        }
        c->changed = true;
    }
}

static size_t
make_heartbeat(const struct gateway_cluster *c, size_t n_home, uint8_t *packet)
{
    memcpy(packet, magic, sizeof magic);
    packet[4] = 1;
    packet[5] = 0;
    packet[6] = n_home >> 8;
    packet[7] = n_home;
    memcpy(packet + 8, &c->self, 4);
    if (n_home) {
        memcpy(packet + HEADER_LEN, c->home, 4 * n_home);
    }
    return HEADER_LEN + 4 * n_home;
}

size_t
gateway_cluster_beat(struct gateway_cluster *c, long long int now,
                     uint8_t packet[CLUSTER_MAX_PACKET])
{
    if (now < c->next_beat || !c->ready || !c->n_home) {
        return 0;
    }
    c->next_beat = now + CLUSTER_BEAT_MSEC;
    c->last_beat = now;
    return make_heartbeat(c, c->n_home, packet);
}

size_t
gateway_cluster_farewell(const struct gateway_cluster *c,
                         uint8_t packet[CLUSTER_MAX_PACKET])
{
    return make_heartbeat(c, 0, packet);
}

/* Owners. */

/* The same on every machine, which OVS's hashes are not.  (The finalizer of
 * MurmurHash3.) */
static uint64_t
rendezvous(ovs_be32 entrance, ovs_be32 member)
{
    uint64_t x = (uint64_t) ntohl(entrance) << 32 | ntohl(member);

    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* Is one of 'ips' an entrance of 'cluster'? */
static bool
is_in_cluster(const struct gateway_cluster *c, const char *cluster,
              const ovs_be32 *ips, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cluster_entrance *e
            = find_entrance(c->entrances, c->n_entrances, ips[i]);

        if (e && !strcmp(e->cluster, cluster)) {
            return true;
        }
    }
    return false;
}

/* The living member to which 'e' goes when it is not at home. */
static ovs_be32
refuge(const struct gateway_cluster *c, const struct cluster_entrance *e)
{
    ovs_be32 best = c->ready && c->may_take ? c->self : 0;
    const struct member *m;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        uint64_t a = rendezvous(e->ip, m->ip);
        uint64_t b = rendezvous(e->ip, best);

        if (m->alive && is_in_cluster(c, e->cluster, m->home, m->n_home)
            && (!best || a > b || (a == b && ntohl(m->ip) < ntohl(best)))) {
            best = m->ip;
        }
    }
    return best;
}

static void
find_owner(const struct gateway_cluster *c, struct cluster_entrance *e)
{
    bool ours = has_ip(c->home, c->n_home, e->ip);
    ovs_be32 alive = ours && c->ready ? c->self : 0;
    ovs_be32 dead = ours ? c->self : 0;
    const struct member *m;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        if (has_ip(m->home, m->n_home, e->ip)) {
            ovs_be32 *home = m->alive ? &alive : &dead;

            if (!*home || ntohl(m->ip) < ntohl(*home)) {
                *home = m->ip;
            }
        }
    }
    e->home = alive ? alive : dead;
    e->owner = alive ? alive : refuge(c, e);
}

/* Notices who has fallen silent, and that our own grace is over. */
static void
check_time(struct gateway_cluster *c, long long int now)
{
    struct member *m;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        if (m->alive && now >= m->heard + CLUSTER_DEAD_MSEC) {
            VLOG_WARN_RL(&rl, "member "IP_FMT" has not been heard for %lld ms",
                         IP_ARGS(m->ip), now - m->heard);
            m->alive = false;
            c->counters.deaths++;
            c->changed = true;
        }
    }
    if (!c->may_take && now >= c->start + CLUSTER_GRACE_MSEC) {
        c->may_take = true;
        c->changed = true;
    }
}

bool
gateway_cluster_run(struct gateway_cluster *c, long long int now)
{
    bool ours_changed;

    check_time(c, now);
    if (!c->changed) {
        return false;
    }
    ours_changed = c->met;
    c->changed = c->met = false;
    for (size_t i = 0; i < c->n_entrances; i++) {
        struct cluster_entrance *e = &c->entrances[i];
        ovs_be32 before = e->owner;

        find_owner(c, e);
        if (before != e->owner) {
            VLOG_INFO_RL(&rl, "entrance "IP_FMT" is with "IP_FMT,
                         IP_ARGS(e->ip), IP_ARGS(e->owner));
            c->counters.taken += e->owner == c->self;
            c->counters.given += before == c->self;
            ours_changed |= e->owner == c->self || before == c->self;
        }
    }
    return ours_changed;
}

long long int
gateway_cluster_next(const struct gateway_cluster *c)
{
    long long int next = c->ready && c->n_home ? c->next_beat : LLONG_MAX;
    const struct member *m;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        if (m->alive) {
            next = MIN(next, m->heard + CLUSTER_DEAD_MSEC);
        }
    }
    if (!c->may_take) {
        next = MIN(next, c->start + CLUSTER_GRACE_MSEC);
    }
    return c->changed ? LLONG_MIN : next;
}

const struct cluster_entrance *
gateway_cluster_entrances(const struct gateway_cluster *c, size_t *n)
{
    *n = c->n_entrances;
    return c->entrances;
}

bool
gateway_cluster_is_ours(const struct gateway_cluster *c,
                        const struct cluster_entrance *e)
{
    return e->owner == c->self;
}

static int
compare_members(const void *a_, const void *b_)
{
    const struct cluster_member *a = a_, *b = b_;
    uint32_t x = ntohl(a->ip), y = ntohl(b->ip);

    return x < y ? -1 : x > y;
}

size_t
gateway_cluster_members(const struct gateway_cluster *c,
                        struct cluster_member members[CLUSTER_MAX_MEMBERS])
{
    const struct member *m;
    size_t n = 0;

    HMAP_FOR_EACH (m, hmap_node, &c->members) {
        members[n++] = (struct cluster_member) {
            .ip = m->ip,
            .heard = m->heard,
            .alive = m->alive,
            .n_home = m->n_home,
        };
    }
    qsort(members, n, sizeof *members, compare_members);
    return n;
}

const struct cluster_counters *
gateway_cluster_counters(const struct gateway_cluster *c)
{
    return &c->counters;
}

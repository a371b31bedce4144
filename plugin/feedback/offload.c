/* SPDX-License-Identifier: Apache-2.0
 *
 * offload: which verdicts of OVS the eBPF fast path repeats, and how long. */

#include <config.h>

#include "feedback/offload.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "byte-order.h"
#include "feedback/offload-private.h"
#include "hash.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload);

/* Between two looks at leases. */
#define TICK_MSEC 1000

/* With so many changes at once, and no entries, they are not looked at one by
 * one. */
#define MANY_CHANGES 256

struct offload *
offload_create(void)
{
    struct offload *o = xzalloc(sizeof *o);

    hmap_init(&o->entries);
    offload_told_init(o);
    return o;
}

static void
forget(struct offload *o, struct offload_entry *entry)
{
    hmap_remove(&o->entries, &entry->hmap_node);
    offload_told_forget(o, entry);
    free(entry);
}

static void
forget_all(struct offload *o)
{
    struct offload_entry *entry;

    HMAP_FOR_EACH_SAFE (entry, hmap_node, &o->entries) {
        forget(o, entry);
    }
}

void
offload_destroy(struct offload *o)
{
    if (o) {
        offload_set_tables(o, NULL);
        offload_told_clear(o);
        hmap_destroy(&o->waiting);
        hmap_destroy(&o->direct);
        hmap_destroy(&o->entries);
        free(o);
    }
}

/* Entries. */

static uint32_t
key_hash(enum apply_bpf_table table, const struct fp_key *key)
{
    return hash_bytes(key, sizeof *key, table);
}

static struct offload_entry *
find(const struct offload *o, enum apply_bpf_table table,
     const struct fp_key *key)
{
    struct offload_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, hmap_node, key_hash(table, key),
                             &o->entries) {
        if (entry->table == table && !memcmp(&entry->key, key, sizeof *key)) {
            return entry;
        }
    }
    return NULL;
}

static struct offload_entry *
add(struct offload *o, enum apply_bpf_table table, const struct fp_key *key)
{
    struct offload_entry *entry = xzalloc(sizeof *entry);

    entry->table = table;
    entry->key = *key;
    ovs_list_init(&entry->told_node);
    hmap_insert(&o->entries, &entry->hmap_node, key_hash(table, key));
    return entry;
}

/* What an entry that was there before says of its verdict. */
static void
restore(struct offload_entry *entry)
{
    struct fast_path_sighting *s = &entry->verdict.seen;
    const struct fp_encap *encap = &entry->flow.encap;

    s->arrival = entry->table == APPLY_BPF_UPLINK;
    s->proto = entry->key.scope & 0xff;
    s->tracked = s->proto != 0;
    s->src = (OVS_FORCE ovs_be32) entry->key.src;
    s->dst = (OVS_FORCE ovs_be32) entry->key.dst;
    s->sport = (OVS_FORCE ovs_be16) entry->key.sport;
    s->dport = (OVS_FORCE ovs_be16) entry->key.dport;
    memcpy(&s->dmac, entry->key.dmac, sizeof s->dmac);
    memcpy(&s->smac, entry->key.smac, sizeof s->smac);
    s->new_dmac = s->dmac;
    s->new_smac = s->smac;
    if (s->arrival) {
        s->host = (OVS_FORCE ovs_be32) entry->key.peer;
        s->vni = entry->key.scope >> 8;
    } else {
        memcpy(&s->new_dmac, encap->dmac, sizeof s->new_dmac);
        memcpy(&s->new_smac, encap->smac, sizeof s->new_smac);
        s->host = (OVS_FORCE ovs_be32) encap->host_ip;
        s->vni = ntohl((OVS_FORCE ovs_be32) encap->vni_flags) >> 8;
        s->routed = (ntohl((OVS_FORCE ovs_be32) encap->vni_flags)
                     & FP_ENCAP_ROUTED) != 0;
    }
}

static void
take_table(struct offload *o, enum apply_bpf_table table)
{
    size_t n;
    struct apply_bpf_entry *found = apply_bpf_list_entries(o->ab, table, &n);

    for (size_t i = 0; i < n; i++) {
        struct offload_entry *entry = add(o, table, &found[i].key);

        entry->flow = found[i].flow;
        entry->lease = time_msec() + OFFLOAD_LEASE_MSEC;
        restore(entry);
    }
    free(found);
}

void
offload_set_tables(struct offload *o, struct apply_bpf *ab)
{
    if (o->ab) {
        forget_all(o);
        offload_told_clear(o);
        offload_changes_uninit(&o->changes);
    }
    o->ab = ab;
    if (ab) {
        offload_changes_init(&o->changes);
        /* What a commit under way changes has not been noted. */
        o->changes.all = time_msec();
        take_table(o, APPLY_BPF_TENANT);
        take_table(o, APPLY_BPF_UPLINK);
        o->n_evicted = apply_bpf_n_evicted(ab);
        o->next_tick = time_msec() + TICK_MSEC;
        if (!hmap_is_empty(&o->entries)) {
            VLOG_INFO("%"PRIuSIZE" entries of the fast path are taken over",
                      hmap_count(&o->entries));
        }
    }
}

void
offload_resync(struct offload *o)
{
    struct offload_entry *entry;

    if (o->ab && apply_bpf_n_entries(o->ab) == hmap_count(&o->entries)) {
        return;
    }
    for (int table = 0; o->ab && table < 2; table++) {
        size_t n;
        struct apply_bpf_entry *found = apply_bpf_list_entries(o->ab, table,
                                                               &n);
        for (size_t i = 0; i < n; i++) {
            entry = find(o, table, &found[i].key);
            if (entry) {
                entry->present = true;
            }
        }
        free(found);
    }
    HMAP_FOR_EACH_SAFE (entry, hmap_node, &o->entries) {
        if (!entry->present) {
            forget(o, entry);
        } else {
            entry->present = false;
        }
    }
}

size_t
offload_remove(struct offload *o,
               bool (*is_meant)(const struct offload_entry *, void *aux),
               void *aux)
{
    size_t n[2] = { 0, 0 };
    struct fp_key *keys[2];
    struct offload_entry *entry;

    for (int i = 0; i < 2; i++) {
        keys[i] = xmalloc((hmap_count(&o->entries) + 1) * sizeof *keys[i]);
    }
    HMAP_FOR_EACH_SAFE (entry, hmap_node, &o->entries) {
        if (is_meant(entry, aux)) {
            keys[entry->table][n[entry->table]++] = entry->key;
            forget(o, entry);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (n[i]) {
            apply_bpf_delete_entries(o->ab, i, keys[i], n[i]);
        }
        free(keys[i]);
    }
    return n[0] + n[1];
}

void
offload_flush(struct offload *o)
{
    if (o->ab) {
        forget_all(o);
        apply_bpf_flush(o->ab);
    }
}

/* Sightings. */

static void
make_key(const struct fast_path_sighting *s, const struct offload_target *to,
         struct fp_key *key)
{
    memset(key, 0, sizeof *key);
    key->scope = (s->arrival ? s->vni : to->port) << 8;
    key->peer = s->arrival ? (OVS_FORCE uint32_t) s->host : 0;
    key->src = (OVS_FORCE uint32_t) s->src;
    key->dst = (OVS_FORCE uint32_t) s->dst;
    if (s->tracked) {
        key->scope |= s->proto;
        key->sport = (OVS_FORCE uint16_t) s->sport;
        key->dport = (OVS_FORCE uint16_t) s->dport;
    }
    memcpy(key->dmac, &s->dmac, sizeof key->dmac);
    memcpy(key->smac, &s->smac, sizeof key->smac);
}

static void
make_flow(const struct fast_path_sighting *s, const struct offload_target *to,
          struct fp_flow *flow)
{
    memset(flow, 0, sizeof *flow);
    if (s->arrival) {
        flow->deliver.ifindex = to->ifindex;
        flow->deliver.port = to->port;
        flow->deliver.flags = to->to_peer ? FP_DELIVER_PEER : 0;
    } else {
        struct fp_encap *encap = &flow->encap;

        memcpy(encap->dmac, &s->new_dmac, sizeof encap->dmac);
        memcpy(encap->smac, &s->new_smac, sizeof encap->smac);
        memcpy(encap->host_mac, &to->host_mac, sizeof encap->host_mac);
        encap->mtu = to->mtu;
        encap->host_ip = (OVS_FORCE uint32_t) s->host;
        encap->vni_flags = (OVS_FORCE uint32_t) htonl(
            s->vni << 8 | (s->routed ? FP_ENCAP_ROUTED : 0));
    }
}

/* True if an entry can say what was sighted. */
static bool
is_fit(const struct fast_path_sighting *s, const struct offload_target *to)
{
    bool connection = s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP;

    return (s->host && s->tracked == to->by_connection
            && (!s->tracked || connection)
            && !eth_addr_is_multicast(s->new_dmac)
            && (s->arrival || !eth_addr_is_zero(to->host_mac))
            /* Without ports in the key, another connection could have taken
             * another of several ways. */
            && (s->tracked || !s->routed || htonl(s->hop4) == s->dst));
}

/* Returns when the first of those commits began that what was seen at 'when'
 * may not know of, LLONG_MAX if there are none.  (If a commit fails, its
 * changes are looked at anew with the next.) */
static long long int
unsettled_since(const struct offload *o, long long int when)
{
    long long int since = o->busy ? o->begun : LLONG_MAX;

    for (size_t i = 0; i < MIN(o->n_periods, OFFLOAD_PERIODS); i++) {
        const struct offload_period *p = &o->periods[i];

        if (p->confirmed + OFFLOAD_PERIOD_MSEC + OFFLOAD_SETTLE_MSEC > when) {
            since = MIN(since, p->begun);
        }
    }
    return since;
}

/* True if no change that may be about it is under way. */
static bool
is_settled(const struct offload *o, const struct offload_verdict *verdict)
{
    long long int since = unsettled_since(o, verdict->seen.when);

    return (since == LLONG_MAX
            || !offload_changes_concern(&o->changes, verdict, since));
}

/* Writes 'entry', on trial. */
static bool
install(struct offload *o, struct offload_entry *entry)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct apply_bpf_entry e = {
        .key = entry->key, .flow = entry->flow,
        .through_msec = OFFLOAD_TRIAL_MSEC,
    };
    char *error = apply_bpf_set_entries(o->ab, entry->table, &e, 1);

    if (error) {
        VLOG_WARN_RL(&rl, "%s", error);
        free(error);
        o->stats.failed++;
        return false;
    }
    entry->lease = time_msec() + OFFLOAD_TRIAL_LEASE_MSEC;
    o->stats.installed++;
    return true;
}

/* The same verdict as before: 'flow' is as it was. */
static bool
is_same(const struct offload_entry *entry, const struct fp_flow *flow)
{
    return !memcmp(&entry->flow.encap, &flow->encap, sizeof flow->encap);
}

void
offload_take(struct offload *o, const struct fast_path_sighting *s,
             const struct offload_target *to, uint64_t told)
{
    const struct offload_verdict verdict = {
        .seen = *s, .known = true, .told = told, .host_mac = to->host_mac,
    };
    enum apply_bpf_table table = s->arrival ? APPLY_BPF_UPLINK
                                            : APPLY_BPF_TENANT;
    struct offload_entry *entry;
    struct fp_flow flow;
    struct fp_key key;

    if (!o->ab || !is_fit(s, to)) {
        o->stats.unfit++;
        return;
    } else if (!is_settled(o, &verdict)) {
        o->stats.unsettled++;
        return;
    }
    make_key(s, to, &key);
    make_flow(s, to, &flow);
    entry = find(o, table, &key);
    if (entry && is_same(entry, &flow)) {
        if (told) {
            return;             /* That is nothing that OVS has said. */
        }
        entry->lease = time_msec() + OFFLOAD_LEASE_MSEC;
        o->stats.renewed++;
    } else {
        o->stats.changed += entry != NULL;
        entry = entry ? entry : add(o, table, &key);
        entry->flow = flow;
        if (!install(o, entry)) {
            forget(o, entry);
            return;
        }
    }
    entry->verdict = verdict;
    offload_told_judged(o, entry);
    o->stats.told += told != 0;
    if (apply_bpf_n_evicted(o->ab) != o->n_evicted) {
        o->n_evicted = apply_bpf_n_evicted(o->ab);
        offload_resync(o);
    }
}

void
offload_sight(struct offload *o, const struct fast_path_sighting *s,
              const struct offload_target *to)
{
    offload_take(o, s, to, 0);
}

/* Changes. */

void
offload_changes_begin(struct offload *o)
{
    o->n_noted = 0;
    o->busy = true;
    o->begun = time_msec();
}

void
offload_change(struct offload *o, const struct ds_output *output)
{
    if (o->ab) {
        bool thorough = (!hmap_is_empty(&o->entries)
                         || o->n_noted < MANY_CHANGES);

        o->n_noted++;
        offload_changes_note(&o->changes, output, thorough, o->begun);
    }
}

static bool
is_concerned(const struct offload_entry *entry, void *o_)
{
    const struct offload *o = o_;

    return offload_changes_concern(&o->changes, &entry->verdict, o->begun);
}

void
offload_changes_end(struct offload *o)
{
    if (o->ab && o->n_noted && !hmap_is_empty(&o->entries)) {
        o->stats.invalidated += offload_remove(o, is_concerned, o);
    }
}

void
offload_changes_confirmed(struct offload *o)
{
    if (o->busy) {
        long long int now = time_msec();
        const struct offload_period *last
            = &o->periods[(o->n_periods + OFFLOAD_PERIODS - 1)
                          % OFFLOAD_PERIODS];

        o->busy = false;
        if (!o->n_periods || now > last->confirmed + OFFLOAD_PERIOD_MSEC) {
            o->periods[o->n_periods++ % OFFLOAD_PERIODS]
                = (struct offload_period) { o->begun, now };
        }
    }
}

/* Hosts. */

struct host_test {
    bool (*is_meant)(ovs_be32 host, const struct eth_addr *mac, void *aux);
    void *aux;
};

static bool
is_host_meant(const struct offload_entry *entry, void *test_)
{
    const struct host_test *test = test_;
    struct eth_addr mac = eth_addr_zero;

    if (entry->table == APPLY_BPF_TENANT) {
        memcpy(&mac, entry->flow.encap.host_mac, sizeof mac);
    }
    return test->is_meant(entry->verdict.seen.host, &mac, test->aux);
}

void
offload_remove_if(struct offload *o,
                  bool (*is_meant)(ovs_be32 host, const struct eth_addr *mac,
                                   void *aux),
                  void *aux)
{
    struct host_test test = { is_meant, aux };

    if (o->ab) {
        o->stats.invalidated += offload_remove(o, is_host_meant, &test);
    }
}

/* Leases. */

static bool
has_expired(const struct offload_entry *entry, void *now)
{
    return *(const long long int *) now >= entry->lease;
}

void
offload_run(struct offload *o)
{
    long long int now = time_msec();

    if (o->ab && now >= o->next_tick) {
        o->next_tick = now + TICK_MSEC;
        if (!hmap_is_empty(&o->entries)) {
            o->stats.expired += offload_remove(o, has_expired, &now);
        }
    }
}

void
offload_wait(const struct offload *o)
{
    if (o->ab && !hmap_is_empty(&o->entries)) {
        poll_timer_wait_until(o->next_tick);
    }
}

const struct offload_stats *
offload_get_stats(const struct offload *o)
{
    return &o->stats;
}

size_t
offload_count(const struct offload *o)
{
    return hmap_count(&o->entries);
}

void
offload_get_memory_usage(const struct offload *o, struct simap *usage)
{
    simap_increase(usage, "fast-path-entries", hmap_count(&o->entries));
    simap_increase(usage, "fast-path-waiting", hmap_count(&o->waiting));
}

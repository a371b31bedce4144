/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-entry: entries of the two tables of flows. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "apply/bpf-clock.h"
#include "coverage.h"
#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_entry);

COVERAGE_DEFINE(apply_bpf_evict);

#define BATCH 4096
#define EVICT (FP_MAX_FLOWS / 16) /* At a time. */

/* How arrivals are keyed. */

/* Counts an entry from the uplink that is new ('delta' 1) or gone (-1). */
static void
count_arrival(struct apply_bpf *ab, const struct fp_key *key, int delta)
{
    uint32_t slot = fp_arrival_slot(key->scope >> 8, key->dst);
    bool by_connection = key->scope & 0xff;
    volatile uint8_t *keyed = &ab->arrival->keyed[slot];
    uint8_t bit = by_connection ? FP_BY_CONNECTION : FP_BY_DESTINATION;
    uint32_t *n = &ab->n_arrivals[by_connection][slot];

    *n += delta;
    *keyed = *n ? *keyed | bit : *keyed & ~bit;
}

static void
count_entry(struct apply_bpf *ab, enum apply_bpf_table table,
            const struct fp_key *key, int delta)
{
    ab->n_entries[table] += delta;
    if (table == APPLY_BPF_UPLINK) {
        count_arrival(ab, key, delta);
    }
}

/* What is left over from a former agent is counted anew. */
char *
apply_bpf_entries_init(struct apply_bpf *ab)
{
    struct apply_bpf_entry *entries;
    size_t n;

    ab->arrival = mmap(NULL, sizeof *ab->arrival, PROT_READ | PROT_WRITE,
                       MAP_SHARED, ab->arrival_fd, 0);
    if (ab->arrival == MAP_FAILED) {
        ab->arrival = NULL;
        return xasprintf("fp_arrival: cannot map: %s", ovs_strerror(errno));
    }
    for (int i = 0; i < 2; i++) {
        ab->n_arrivals[i] = xcalloc(FP_ARRIVAL_SLOTS,
                                    sizeof *ab->n_arrivals[i]);
    }

    entries = apply_bpf_list_entries(ab, APPLY_BPF_TENANT, &n);
    free(entries);
    ab->n_entries[APPLY_BPF_TENANT] = n;
    entries = apply_bpf_list_entries(ab, APPLY_BPF_UPLINK, &n);
    for (size_t i = 0; i < n; i++) {
        count_entry(ab, APPLY_BPF_UPLINK, &entries[i].key, 1);
    }
    free(entries);
    for (size_t i = 0; i < FP_ARRIVAL_SLOTS; i++) {
        ab->arrival->keyed[i]
            = ((ab->n_arrivals[false][i] ? FP_BY_DESTINATION : 0)
               | (ab->n_arrivals[true][i] ? FP_BY_CONNECTION : 0));
    }
    return NULL;
}

void
apply_bpf_entries_uninit(struct apply_bpf *ab)
{
    if (ab->arrival) {
        munmap(ab->arrival, sizeof *ab->arrival);
    }
    free(ab->n_arrivals[0]);
    free(ab->n_arrivals[1]);
    free(ab->doomed[0].keys);
    free(ab->doomed[1].keys);
}

/* Reading. */

struct apply_bpf_entry *
apply_bpf_list_entries(const struct apply_bpf *ab, enum apply_bpf_table table,
                       size_t *np)
{
    struct fp_key *keys = xmalloc(BATCH * sizeof *keys);
    struct fp_flow *flows = xmalloc(BATCH * sizeof *flows);
    struct apply_bpf_entry *entries = NULL;
    size_t n = 0, allocated = 0;
    uint32_t position;
    bool first = true;
    int error;

    do {
        uint32_t count = BATCH;

        error = (bpf_map_lookup_batch(ab->flows_fds[table],
                                      first ? NULL : &position, &position,
                                      keys, flows, &count, NULL)
                 ? errno : 0);
        if (error && error != ENOENT) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            if (n >= allocated) {
                entries = x2nrealloc(entries, &allocated, sizeof *entries);
            }
            entries[n++] = (struct apply_bpf_entry) {
                .key = keys[i], .flow = flows[i],
            };
        }
        first = false;
    } while (!error);
    free(keys);
    free(flows);
    *np = n;
    return entries;
}

long long int
apply_bpf_idle_msec(const struct apply_bpf *ab,
                    const struct apply_bpf_entry *entry)
{
    int32_t ticks = bpf_clock_now(ab->clock) - entry->flow.last_used;

    return bpf_clock_msec(ab->clock, MAX(ticks, 0));
}

/* Removing.
 *
 * What cannot be removed is doomed: it is tried again until it has gone, and
 * whoever has promised that it has must wait (apply_bpf_has_doomed()). */

COVERAGE_DEFINE(apply_bpf_doom);

static void
doom(struct apply_bpf *ab, enum apply_bpf_table table,
     const struct fp_key *keys, size_t n)
{
    struct doomed_entries *doomed = &ab->doomed[table];

    for (size_t i = 0; i < n; i++) {
        if (doomed->n >= doomed->allocated) {
            doomed->keys = x2nrealloc(doomed->keys, &doomed->allocated,
                                      sizeof *doomed->keys);
        }
        doomed->keys[doomed->n++] = keys[i];
    }
    COVERAGE_ADD(apply_bpf_doom, n);
}

/* The entry is about to be written anew. */
static void
pardon(struct apply_bpf *ab, enum apply_bpf_table table,
       const struct fp_key *key)
{
    struct doomed_entries *doomed = &ab->doomed[table];

    for (size_t i = 0; i < doomed->n; i++) {
        if (!memcmp(&doomed->keys[i], key, sizeof *key)) {
            doomed->keys[i--] = doomed->keys[--doomed->n];
        }
    }
}

bool
apply_bpf_has_doomed(const struct apply_bpf *ab)
{
    return ab->doomed[0].n || ab->doomed[1].n;
}

void
apply_bpf_retry_doomed(struct apply_bpf *ab)
{
    for (int table = 0; table < 2; table++) {
        struct doomed_entries doomed = ab->doomed[table];

        if (doomed.n) {
            ab->doomed[table] = (struct doomed_entries) { .n = 0 };
            apply_bpf_delete_entries(ab, table, doomed.keys, doomed.n);
            free(doomed.keys);
        }
    }
}

/* Removes 'keys', '*n' of them, and sets '*n' to how many have been removed
 * before the first that has not.  Returns 0 or a positive errno value. */
static int
delete_batch(struct apply_bpf *ab, enum apply_bpf_table table,
             const struct fp_key *keys, uint32_t *n)
{
    if (FAULT_POINT_NOW(BPF_DELETE_BEFORE)) {
        *n = 0;
        return EIO;
    }

    int error = (bpf_map_delete_batch(ab->flows_fds[table], keys, n, NULL)
                 ? errno : 0);

    for (uint32_t i = 0; i < *n; i++) {
        count_entry(ab, table, &keys[i], -1);
    }
    if (FAULT_POINT_NOW(BPF_DELETE_AFTER)) {
        *n = 0;
        return EIO;
    }
    return error;
}

void
apply_bpf_delete_entries(struct apply_bpf *ab, enum apply_bpf_table table,
                         const struct fp_key *keys, size_t n)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    size_t i = 0;

    while (i < n) {
        uint32_t count = MIN(n - i, BATCH);
        int error = delete_batch(ab, table, &keys[i], &count);

        i += count;
        if (error == ENOENT) {
            i++;
        } else if (error) {
            VLOG_WARN_RL(&rl, "cannot remove %"PRIuSIZE" entries of the fast "
                         "path yet: %s", n - i, ovs_strerror(error));
            doom(ab, table, &keys[i], n - i);
            break;
        }
    }
}

/* Removes those of 'entries' for which 'is_meant' is true. */
static size_t
delete_if(struct apply_bpf *ab, enum apply_bpf_table table,
          bool (*is_meant)(const struct apply_bpf_entry *, uint32_t aux),
          uint32_t aux)
{
    size_t n, n_keys = 0;
    struct apply_bpf_entry *entries = apply_bpf_list_entries(ab, table, &n);
    struct fp_key *keys = xmalloc((n + 1) * sizeof *keys);

    for (size_t i = 0; i < n; i++) {
        if (is_meant(&entries[i], aux)) {
            keys[n_keys++] = entries[i].key;
        }
    }
    apply_bpf_delete_entries(ab, table, keys, n_keys);
    free(keys);
    free(entries);
    return n_keys;
}

static bool
is_from_port(const struct apply_bpf_entry *entry, uint32_t port)
{
    return entry->key.scope >> 8 == port;
}

static bool
is_to_port(const struct apply_bpf_entry *entry, uint32_t port)
{
    return entry->flow.deliver.port == port;
}

void
apply_bpf_flush_port(struct apply_bpf *ab, uint32_t port)
{
    delete_if(ab, APPLY_BPF_TENANT, is_from_port, port);
    delete_if(ab, APPLY_BPF_UPLINK, is_to_port, port);
}

static bool
is_any(const struct apply_bpf_entry *entry OVS_UNUSED, uint32_t aux OVS_UNUSED)
{
    return true;
}

void
apply_bpf_flush(struct apply_bpf *ab)
{
    delete_if(ab, APPLY_BPF_TENANT, is_any, 0);
    delete_if(ab, APPLY_BPF_UPLINK, is_any, 0);
}

static bool
is_older(const struct apply_bpf_entry *entry, uint32_t since)
{
    return (int32_t) (entry->flow.last_used - since) < 0;
}

size_t
apply_bpf_age(struct apply_bpf *ab, enum apply_bpf_table table,
              long long int idle_msec)
{
    return delete_if(ab, table, is_older,
                     (bpf_clock_now(ab->clock)
                      - bpf_clock_ticks(ab->clock, idle_msec)));
}

/* Evicting. */

static int
compare_last_used(const void *a_, const void *b_)
{
    const struct apply_bpf_entry *a = a_;
    const struct apply_bpf_entry *b = b_;
    int32_t delta = a->flow.last_used - b->flow.last_used;

    return delta < 0 ? -1 : delta > 0;
}

static void
evict(struct apply_bpf *ab, enum apply_bpf_table table)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    size_t n, n_keys;
    struct apply_bpf_entry *entries = apply_bpf_list_entries(ab, table, &n);
    struct fp_key *keys = xmalloc((n + 1) * sizeof *keys);

    qsort(entries, n, sizeof *entries, compare_last_used);
    for (n_keys = 0; n_keys < MIN(n, EVICT); n_keys++) {
        keys[n_keys] = entries[n_keys].key;
    }
    apply_bpf_delete_entries(ab, table, keys, n_keys);
    ab->n_evicted += n_keys;
    COVERAGE_ADD(apply_bpf_evict, n_keys);
    VLOG_WARN_RL(&rl, "table of %d flows is full: evicted the %"PRIuSIZE" "
                 "least recently used, which go through OVS",
                 FP_MAX_FLOWS, n_keys);
    free(keys);
    free(entries);
}

size_t
apply_bpf_n_entries(const struct apply_bpf *ab)
{
    return ab->n_entries[0] + ab->n_entries[1];
}

unsigned long long int
apply_bpf_n_evicted(const struct apply_bpf *ab)
{
    return ab->n_evicted;
}

/* Adding. */

static int
set_entry(struct apply_bpf *ab, enum apply_bpf_table table,
          const struct apply_bpf_entry *entry)
{
    int fd = ab->flows_fds[table];
    int error = 0;

    if (FAULT_POINT_NOW(BPF_ENTRY_BEFORE)) {
        return EIO;
    }
    pardon(ab, table, &entry->key);
    if (!bpf_map_update_elem(fd, &entry->key, &entry->flow, BPF_NOEXIST)) {
        count_entry(ab, table, &entry->key, 1);
    } else if (errno != EEXIST
               || bpf_map_update_elem(fd, &entry->key, &entry->flow,
                                      BPF_EXIST)) {
        error = errno;
    }
    return FAULT_POINT_NOW(BPF_ENTRY_AFTER) ? EIO : error;
}

char *
apply_bpf_set_entries(struct apply_bpf *ab, enum apply_bpf_table table,
                      struct apply_bpf_entry *entries, size_t n)
{
    uint32_t now = bpf_clock_now(ab->clock);

    for (size_t i = 0; i < n; i++) {
        int error;

        entries[i].flow.last_used = now;
        entries[i].flow.through_at
            = now + (entries[i].through_msec
                     ? bpf_clock_ticks(ab->clock, entries[i].through_msec)
                     : ab->through_interval);
        error = set_entry(ab, table, &entries[i]);
        if (error == E2BIG) {
            evict(ab, table);
            error = set_entry(ab, table, &entries[i]);
        }
        if (error) {
            /* One that was there before may be of another verdict. */
            apply_bpf_delete_entries(ab, table, &entries[i].key, 1);
            return xasprintf("cannot add entry %"PRIuSIZE" of %"PRIuSIZE" to "
                             "the fast path: %s", i + 1, n,
                             ovs_strerror(error));
        }
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway-table: writes the endpoints that a gateway's program knows. */

#include <config.h>

#include "apply/bpf-gateway-table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bpf/fast-path-gateway.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "ovs-atomic.h"
#include "util.h"

/* A host, by its address. */
struct host {
    struct hmap_node hmap_node; /* In 'hosts' of struct gateway_table. */
    ovs_be32 ip;
    uint32_t index;
    unsigned int n_endpoints;
};

/* An endpoint in the spill, by its bucket. */
struct spilt {
    struct hmap_node hmap_node; /* In 'spill' of struct gateway_table. */
    struct fp_gw_endpoint endpoint;
};

struct gateway_table {
    struct fp_gw_bucket *buckets;   /* Shared with the program. */
    size_t n_buckets;
    struct fp_gw_host *host_slots;  /* Shared too; index 0 is not used. */
    int spill_fd;
    uint64_t seed;
    struct hmap hosts;          /* Contains "struct host"s. */
    struct host **by_index;     /* FP_GW_MAX_HOSTS; null: free. */
    uint32_t next_host;         /* Where to look for a free one. */
    struct hmap spill;          /* Contains "struct spilt"s. */
    struct gateway_table_stats stats;
};

/* Buckets. */

static uint32_t
bucket_of(const struct gateway_table *table, uint32_t vni, ovs_be32 ip)
{
    return (fp_gw_hash(vni, (OVS_FORCE uint32_t) ip, table->seed)
            & (table->n_buckets - 1));
}

static bool
is_endpoint(const struct fp_gw_endpoint *e, uint32_t vni, ovs_be32 ip)
{
    return e->vni == vni && e->ip == (OVS_FORCE uint32_t) ip;
}

static struct fp_gw_endpoint *
bucket_find(struct fp_gw_bucket *bucket, uint32_t vni, ovs_be32 ip)
{
    for (int i = 0; i < FP_GW_SLOTS; i++) {
        if (is_endpoint(&bucket->slots[i], vni, ip)) {
            return &bucket->slots[i];
        }
    }
    return NULL;
}

static struct fp_gw_endpoint *
bucket_find_free(struct fp_gw_bucket *bucket)
{
    return bucket_find(bucket, FP_GW_NONE, 0);
}

/* Writes 'slot' of 'bucket' such that readers see all or nothing. */
static void
bucket_write(struct fp_gw_bucket *bucket, struct fp_gw_endpoint *slot,
             const struct fp_gw_endpoint *endpoint)
{
    volatile uint32_t *head = &bucket->head;

    *head += FP_GW_WRITING;
    atomic_thread_fence(memory_order_seq_cst);
    *slot = *endpoint;
    atomic_thread_fence(memory_order_seq_cst);
    *head += FP_GW_WRITING;
}

static void
bucket_clear(struct fp_gw_bucket *bucket, struct fp_gw_endpoint *slot)
{
    struct fp_gw_endpoint none = { .vni = FP_GW_NONE };

    bucket_write(bucket, slot, &none);
}

static void
bucket_set_flag(struct fp_gw_bucket *bucket, uint32_t flag, bool on)
{
    volatile uint32_t *head = &bucket->head;

    *head = on ? *head | flag : *head & ~flag;
}

/* True if 'index' has an endpoint in its partner. */
static bool
uses_partner(const struct gateway_table *table, uint32_t index)
{
    const struct fp_gw_bucket *partner = &table->buckets[index ^ 1];

    for (int i = 0; i < FP_GW_SLOTS; i++) {
        const struct fp_gw_endpoint *e = &partner->slots[i];

        if (e->vni != FP_GW_NONE && bucket_of(table, e->vni, e->ip) == index) {
            return true;
        }
    }
    return false;
}

/* The spill. */

static struct spilt *
spill_find(const struct gateway_table *table, uint32_t index, uint32_t vni,
           ovs_be32 ip)
{
    struct spilt *spilt;

    HMAP_FOR_EACH_WITH_HASH (spilt, hmap_node, index, &table->spill) {
        if (is_endpoint(&spilt->endpoint, vni, ip)) {
            return spilt;
        }
    }
    return NULL;
}

static bool
uses_spill(const struct gateway_table *table, uint32_t index)
{
    return hmap_first_with_hash(&table->spill, index) != NULL;
}

static int
spill_write(struct gateway_table *table, const struct fp_gw_endpoint *endpoint)
{
    struct fp_gw_key key = { .ip = endpoint->ip, .vni = endpoint->vni };

    return (bpf_map_update_elem(table->spill_fd, &key, endpoint, BPF_ANY)
            ? (errno == E2BIG ? ENOSPC : errno) : 0);
}

static struct spilt *
spill_remember(struct gateway_table *table,
               const struct fp_gw_endpoint *endpoint)
{
    struct spilt *spilt = xmalloc(sizeof *spilt);

    spilt->endpoint = *endpoint;
    hmap_insert(&table->spill, &spilt->hmap_node,
                bucket_of(table, endpoint->vni, endpoint->ip));
    return spilt;
}

static void
spill_remove(struct gateway_table *table, struct spilt *spilt)
{
    struct fp_gw_key key = {
        .ip = spilt->endpoint.ip, .vni = spilt->endpoint.vni,
    };
    uint32_t index = bucket_of(table, key.vni, key.ip);

    bpf_map_delete_elem(table->spill_fd, &key);
    hmap_remove(&table->spill, &spilt->hmap_node);
    free(spilt);
    if (!uses_spill(table, index)) {
        bucket_set_flag(&table->buckets[index], FP_GW_SPILL, false);
    }
}

/* Hosts. */

static struct host *
host_find(const struct gateway_table *table, ovs_be32 ip)
{
    struct host *host;

    HMAP_FOR_EACH_WITH_HASH (host, hmap_node,
                             hash_int((OVS_FORCE uint32_t) ip, 0),
                             &table->hosts) {
        if (host->ip == ip) {
            return host;
        }
    }
    return NULL;
}

static struct host *
host_insert(struct gateway_table *table, ovs_be32 ip, uint32_t index)
{
    struct host *host = xmalloc(sizeof *host);

    *host = (struct host) { .ip = ip, .index = index };
    hmap_insert(&table->hosts, &host->hmap_node,
                hash_int((OVS_FORCE uint32_t) ip, 0));
    table->by_index[index] = host;
    return host;
}

/* The host of address 'ip', with 'mac', new if need be; null if there is no
 * room. */
static struct host *
host_get(struct gateway_table *table, ovs_be32 ip, struct eth_addr mac)
{
    struct host *host = host_find(table, ip);

    if (!host) {
        uint32_t index = table->next_host;

        for (int i = 0; i < FP_GW_MAX_HOSTS && (!index
                                                || table->by_index[index]);
             i++) {
            index = (index + 1) % FP_GW_MAX_HOSTS;
        }
        if (!index || table->by_index[index]) {
            return NULL;
        }
        table->next_host = (index + 1) % FP_GW_MAX_HOSTS;
        host = host_insert(table, ip, index);
        table->host_slots[index].ip = (OVS_FORCE uint32_t) ip;
    }
    memcpy(table->host_slots[host->index].mac, &mac, sizeof mac);
    return host;
}

/* An endpoint of the host with 'index' has gone. */
static void
host_put(struct gateway_table *table, uint32_t index)
{
    struct host *host = table->by_index[index];

    if (host && !--host->n_endpoints) {
        table->by_index[index] = NULL;
        hmap_remove(&table->hosts, &host->hmap_node);
        free(host);
    }
}

/* Counts an endpoint that is in the maps already. */
static void
adopt(struct gateway_table *table, const struct fp_gw_endpoint *endpoint)
{
    uint32_t index = endpoint->host % FP_GW_MAX_HOSTS;
    struct host *host = table->by_index[index];

    if (!host) {
        host = host_insert(table, ((OVS_FORCE ovs_be32)
                                   table->host_slots[index].ip), index);
    }
    host->n_endpoints++;
    table->stats.n_endpoints++;
}

/* Creation. */

static void *
map_memory(int fd, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void
clear_buckets(struct gateway_table *table)
{
    for (size_t i = 0; i < table->n_buckets; i++) {
        table->buckets[i].head = 0;
        for (int j = 0; j < FP_GW_SLOTS; j++) {
            table->buckets[i].slots[j] = (struct fp_gw_endpoint) {
                .vni = FP_GW_NONE,
            };
        }
    }
}

/* Finds out what is there. */
static void
read_back(struct gateway_table *table)
{
    struct fp_gw_key key, *last = NULL;

    for (size_t i = 0; i < table->n_buckets; i++) {
        struct fp_gw_bucket *bucket = &table->buckets[i];

        if (bucket->head & FP_GW_WRITING) {
            /* Whoever wrote it has died in between. */
            bucket->head += FP_GW_WRITING;
        }
        for (int j = 0; j < FP_GW_SLOTS; j++) {
            const struct fp_gw_endpoint *e = &bucket->slots[j];

            if (e->vni != FP_GW_NONE) {
                adopt(table, e);
                table->stats.n_partner += bucket_of(table, e->vni, e->ip) != i;
            }
        }
    }
    while (!bpf_map_get_next_key(table->spill_fd, last, &key)) {
        struct fp_gw_endpoint e;

        if (!bpf_map_lookup_elem(table->spill_fd, &key, &e)) {
            adopt(table, &e);
            spill_remember(table, &e);
        }
        last = &key;
    }
}

int
gateway_table_create(const struct gateway_table_maps *maps, bool is_new,
                     struct gateway_table **tablep)
{
    struct gateway_table *table;

    *tablep = NULL;
    if (!is_pow2(maps->n_buckets) || maps->n_buckets < 2) {
        return EINVAL;
    }

    table = xmalloc(sizeof *table);
    *table = (struct gateway_table) {
        .n_buckets = maps->n_buckets,
        .buckets = map_memory(maps->endpoints_fd, (maps->n_buckets
                                                   * sizeof *table->buckets)),
        .host_slots = map_memory(maps->hosts_fd, (FP_GW_MAX_HOSTS
                                                  * sizeof(struct fp_gw_host))
                                 ),
        .spill_fd = dup(maps->spill_fd),
        .seed = maps->seed,
        .hosts = HMAP_INITIALIZER(&table->hosts),
        .spill = HMAP_INITIALIZER(&table->spill),
        .by_index = xcalloc(FP_GW_MAX_HOSTS, sizeof *table->by_index),
    };
    if (!table->buckets || !table->host_slots || table->spill_fd < 0) {
        int error = errno;

        gateway_table_destroy(table);
        return error;
    }
    if (is_new) {
        clear_buckets(table);
    } else {
        read_back(table);
    }
    *tablep = table;
    return 0;
}

void
gateway_table_destroy(struct gateway_table *table)
{
    struct spilt *spilt;
    struct host *host;

    if (!table) {
        return;
    }
    HMAP_FOR_EACH_POP (host, hmap_node, &table->hosts) {
        free(host);
    }
    HMAP_FOR_EACH_POP (spilt, hmap_node, &table->spill) {
        free(spilt);
    }
    hmap_destroy(&table->hosts);
    hmap_destroy(&table->spill);
    free(table->by_index);
    if (table->buckets) {
        munmap(table->buckets, table->n_buckets * sizeof *table->buckets);
    }
    if (table->host_slots) {
        munmap(table->host_slots,
               FP_GW_MAX_HOSTS * sizeof *table->host_slots);
    }
    if (table->spill_fd >= 0) {
        close(table->spill_fd);
    }
    free(table);
}

/* Changes. */

/* Where an endpoint is: exactly one of 'slot' and 'spilt', or neither. */
struct place {
    uint32_t index;             /* Its bucket. */
    struct fp_gw_bucket *bucket; /* That it is in: it, or its partner. */
    struct fp_gw_endpoint *slot;
    struct spilt *spilt;
};

static struct place
find_place(const struct gateway_table *table, uint32_t vni, ovs_be32 ip)
{
    struct place p = { .index = bucket_of(table, vni, ip) };

    p.bucket = &table->buckets[p.index];
    p.slot = bucket_find(p.bucket, vni, ip);
    if (!p.slot) {
        p.bucket = &table->buckets[p.index ^ 1];
        p.slot = bucket_find(p.bucket, vni, ip);
    }
    if (!p.slot) {
        p.spilt = spill_find(table, p.index, vni, ip);
    }
    return p;
}

/* Puts a new endpoint where there is room in 'index' or its partner.  Returns
 * false if there is none. */
static bool
insert_in_bucket(struct gateway_table *table, uint32_t index,
                 const struct fp_gw_endpoint *endpoint)
{
    struct fp_gw_bucket *bucket = &table->buckets[index];
    struct fp_gw_bucket *partner = &table->buckets[index ^ 1];
    struct fp_gw_endpoint *slot = bucket_find_free(bucket);

    if (slot) {
        bucket_write(bucket, slot, endpoint);
        return true;
    }
    slot = bucket_find_free(partner);
    if (!slot) {
        return false;
    }
    bucket_write(partner, slot, endpoint);
    bucket_set_flag(bucket, FP_GW_PARTNER, true);
    table->stats.n_partner++;
    return true;
}

static int
insert(struct gateway_table *table, uint32_t index,
       const struct fp_gw_endpoint *endpoint)
{
    if (!insert_in_bucket(table, index, endpoint)) {
        int error = spill_write(table, endpoint);

        if (error) {
            return error;
        }
        spill_remember(table, endpoint);
        bucket_set_flag(&table->buckets[index], FP_GW_SPILL, true);
    }
    table->stats.n_endpoints++;
    return 0;
}

/* Writes 'endpoint' where it is already. */
static int
replace(struct gateway_table *table, const struct place *p,
        const struct fp_gw_endpoint *endpoint)
{
    uint32_t old_host = p->slot ? p->slot->host : p->spilt->endpoint.host;

    if (p->slot) {
        bucket_write(p->bucket, p->slot, endpoint);
    } else {
        int error = spill_write(table, endpoint);

        if (error) {
            return error;
        }
        p->spilt->endpoint = *endpoint;
    }
    host_put(table, old_host);
    return 0;
}

int
gateway_table_set(struct gateway_table *table,
                  const struct gateway_endpoint *e)
{
    struct place p = find_place(table, e->vni, e->ip);
    struct host *host = host_get(table, e->host_ip, e->host_mac);
    int error;

    if (!host) {
        return ENOSPC;
    }

    struct fp_gw_endpoint endpoint = {
        .ip = (OVS_FORCE uint32_t) e->ip,
        .vni = e->vni,
        .vpc = e->vpc,
        .host = host->index,
    };
    memcpy(endpoint.mac, &e->mac, sizeof endpoint.mac);
    host->n_endpoints++;
    error = (p.slot || p.spilt ? replace(table, &p, &endpoint)
             : insert(table, p.index, &endpoint));
    if (error) {
        host_put(table, host->index);
    }
    return error;
}

/* There is room in bucket 'index' again: for one that was spilt. */
static void
unspill(struct gateway_table *table, uint32_t index)
{
    struct hmap_node *node = hmap_first_with_hash(&table->spill, index);

    if (node) {
        struct spilt *spilt = CONTAINER_OF(node, struct spilt, hmap_node);

        if (insert_in_bucket(table, index, &spilt->endpoint)) {
            spill_remove(table, spilt);
        }
    }
}

int
gateway_table_remove(struct gateway_table *table, uint32_t vni, ovs_be32 ip)
{
    struct place p = find_place(table, vni, ip);

    if (p.slot) {
        uint32_t host = p.slot->host;

        bucket_clear(p.bucket, p.slot);
        host_put(table, host);
        if (p.bucket != &table->buckets[p.index]) {
            table->stats.n_partner--;
            bucket_set_flag(&table->buckets[p.index], FP_GW_PARTNER,
                            uses_partner(table, p.index));
        }
        unspill(table, p.index);
        unspill(table, p.index ^ 1);
    } else if (p.spilt) {
        uint32_t host = p.spilt->endpoint.host;

        spill_remove(table, p.spilt);
        host_put(table, host);
    } else {
        return ENOENT;
    }
    table->stats.n_endpoints--;
    return 0;
}

/* Looking. */

static struct gateway_endpoint
endpoint_describe(const struct gateway_table *table,
                  const struct fp_gw_endpoint *e)
{
    const struct fp_gw_host *host
        = &table->host_slots[e->host % FP_GW_MAX_HOSTS];
    struct gateway_endpoint out = {
        .vni = e->vni,
        .ip = (OVS_FORCE ovs_be32) e->ip,
        .host_ip = (OVS_FORCE ovs_be32) host->ip,
        .vpc = e->vpc,
    };

    memcpy(&out.mac, e->mac, sizeof out.mac);
    memcpy(&out.host_mac, host->mac, sizeof out.host_mac);
    return out;
}

bool
gateway_table_get(const struct gateway_table *table, uint32_t vni, ovs_be32 ip,
                  struct gateway_endpoint *endpoint)
{
    struct place p = find_place(table, vni, ip);

    if (!p.slot && !p.spilt) {
        return false;
    }
    *endpoint = endpoint_describe(table, (p.slot ? p.slot
                                          : &p.spilt->endpoint));
    return true;
}

void
gateway_table_for_each(const struct gateway_table *table,
                       void (*cb)(const struct gateway_endpoint *, void *),
                       void *aux)
{
    const struct spilt *spilt;
    struct gateway_endpoint e;

    for (size_t i = 0; i < table->n_buckets; i++) {
        for (int j = 0; j < FP_GW_SLOTS; j++) {
            if (table->buckets[i].slots[j].vni != FP_GW_NONE) {
                e = endpoint_describe(table, &table->buckets[i].slots[j]);
                cb(&e, aux);
            }
        }
    }
    HMAP_FOR_EACH (spilt, hmap_node, &table->spill) {
        e = endpoint_describe(table, &spilt->endpoint);
        cb(&e, aux);
    }
}

void
gateway_table_get_stats(const struct gateway_table *table,
                        struct gateway_table_stats *stats)
{
    *stats = table->stats;
    stats->n_spill = hmap_count(&table->spill);
    stats->n_hosts = hmap_count(&table->hosts);
}

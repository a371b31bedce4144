/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-endpoints: which endpoints a gateway knows. */

#include <config.h>

#include "agent-gateway-endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent-gateway-claims.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "store/goal-store.h"
#include "timeval.h"
#include "util.h"

/* Resources looked at between two looks at the clock. */
#define SLICE 64

/* Children of a resource that are to be looked at. */
struct scan {
    struct ovs_list list_node;  /* In 'scans'. */
    enum goal_index index;
    char *parent;
    struct goal_key after;      /* Behind this one... */
    bool begun;                 /* ...if true. */
};

struct gateway_endpoints {
    struct goal_store *store;
    struct gateway_claims *claims;
    struct sset served;         /* Ids of gateways. */

    struct goal_key *queue;     /* Ports and neighbours to be looked at. */
    size_t queue_head, queue_n, queue_allocated;
    struct ovs_list scans;      /* Contains "struct scan"s. */
    struct shash scan_index;    /* Same, by index and parent. */
    bool begun;                 /* Are gateways known? */
    bool complete;
};

struct gateway_endpoints *
gateway_endpoints_create(struct goal_store *store, struct gateway_table *table,
                         const struct gateway_endpoints_class *class,
                         void *aux)
{
    struct gateway_endpoints *ge = xzalloc(sizeof *ge);

    ge->store = store;
    ge->claims = gateway_claims_create(store, table, class, aux);
    sset_init(&ge->served);
    ovs_list_init(&ge->scans);
    shash_init(&ge->scan_index);
    return ge;
}

static void
scan_key(enum goal_index index, const char *parent, char *key, size_t size)
{
    snprintf(key, size, "%d %s", index, parent);
}

static void
remove_scan(struct gateway_endpoints *ge, struct scan *scan)
{
    char key[300];

    scan_key(scan->index, scan->parent, key, sizeof key);
    shash_find_and_delete(&ge->scan_index, key);
    ovs_list_remove(&scan->list_node);
    free(scan->parent);
    free(scan);
}

void
gateway_endpoints_destroy(struct gateway_endpoints *ge)
{
    struct scan *scan;

    if (!ge) {
        return;
    }
    gateway_claims_destroy(ge->claims);
    LIST_FOR_EACH_SAFE (scan, list_node, &ge->scans) {
        remove_scan(ge, scan);
    }
    shash_destroy(&ge->scan_index);
    sset_destroy(&ge->served);
    free(ge->queue);
    free(ge);
}

/* What to look at. */

static void
push(struct gateway_endpoints *ge, const struct goal_key *key)
{
    if (ge->queue_n >= ge->queue_allocated) {
        ge->queue = x2nrealloc(ge->queue, &ge->queue_allocated,
                               sizeof *ge->queue);
    }
    ge->queue[ge->queue_n++] = *key;
}

static void
add_scan(struct gateway_endpoints *ge, enum goal_index index,
         const char *parent)
{
    struct scan *scan;
    char key[300];

    scan_key(index, parent, key, sizeof key);
    scan = shash_find_data(&ge->scan_index, key);
    if (scan) {
        scan->begun = false;
        return;
    }
    scan = xzalloc(sizeof *scan);
    scan->index = index;
    scan->parent = xstrdup(parent);
    ovs_list_push_back(&ge->scans, &scan->list_node);
    shash_add(&ge->scan_index, key, scan);
}

static bool
scan_vpc(const struct goal_key *key, void *ge_)
{
    struct gateway_endpoints *ge = ge_;
    struct goal_resource *r = goal_store_get_key(ge->store, key);

    if (r && r->kind == GOAL_VPC) {
        add_scan(ge, GOAL_BY_VPC, r->id);
    }
    goal_resource_destroy(r);
    return true;
}

/* Looks at everything that gateway 'id' is there for, or was. */
static void
scan_gateway(struct gateway_endpoints *ge, const char *id)
{
    struct goal_resource *r = goal_store_get(ge->store, GOAL_GATEWAY, id);
    const char *subnet = gateway_claims_get_arion(ge->claims, id);

    if (subnet) {
        add_scan(ge, GOAL_BY_SUBNET, subnet);
    }
    subnet = (r && GOAL_GATEWAY_CAST(r)->type == GOAL_GATEWAY_ARION
              ? GOAL_GATEWAY_CAST(r)->subnet_id : NULL);
    gateway_claims_set_arion(ge->claims, id, subnet);
    if (subnet) {
        add_scan(ge, GOAL_BY_SUBNET, subnet);
    } else {
        goal_store_index(ge->store, GOAL_BY_GATEWAY, id, NULL, scan_vpc, ge);
    }
    goal_resource_destroy(r);
}

void
gateway_endpoints_set_served(struct gateway_endpoints *ge,
                             const struct sset *gateways)
{
    struct sset old;
    const char *id;

    if (ge->begun && sset_equals(&ge->served, gateways)) {
        return;
    }
    ge->begun = true;
    sset_init(&old);
    sset_swap(&old, &ge->served);
    sset_clone(&ge->served, gateways);
    gateway_claims_set_served(ge->claims, gateways);
    SSET_FOR_EACH (id, &ge->served) {
        if (!sset_contains(&old, id)) {
            scan_gateway(ge, id);
        }
    }
    SSET_FOR_EACH (id, &old) {
        if (!sset_contains(&ge->served, id)) {
            scan_gateway(ge, id);
        }
    }
    sset_destroy(&old);
}

void
gateway_endpoints_changes(struct gateway_endpoints *ge,
                          const struct goal_changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        const struct goal_change *change = &changes->changes[i];

        switch (change->key.kind) {
        case GOAL_PORT:
        case GOAL_NEIGHBOR:
            push(ge, &change->key);
            break;
        case GOAL_SUBNET:
            gateway_claims_forget_parents(ge->claims);
            add_scan(ge, GOAL_BY_SUBNET, change->id);
            break;
        case GOAL_VPC:
            gateway_claims_forget_parents(ge->claims);
            add_scan(ge, GOAL_BY_VPC, change->id);
            break;
        case GOAL_GATEWAY:
            gateway_claims_forget_parents(ge->claims);
            if (sset_contains(&ge->served, change->id)) {
                scan_gateway(ge, change->id);
            }
            break;
        case GOAL_SECURITY_GROUP:
        case GOAL_DHCP:
        case GOAL_ROUTER:
        case GOAL_N_KINDS:
            break;
        }
    }
}

/* Work. */

struct slice {
    struct goal_key keys[SLICE];
    size_t n;
};

static bool
add_to_slice(const struct goal_key *key, void *slice_)
{
    struct slice *slice = slice_;

    slice->keys[slice->n++] = *key;
    return slice->n < SLICE;
}

/* Looks at the next children of the first scan. */
static void
run_scan(struct gateway_endpoints *ge)
{
    struct scan *scan = CONTAINER_OF(ovs_list_front(&ge->scans), struct scan,
                                     list_node);
    struct slice slice = { .n = 0 };

    goal_store_index_after(ge->store, scan->index, scan->parent, NULL,
                           scan->begun ? &scan->after : NULL, add_to_slice,
                           &slice);
    for (size_t i = 0; i < slice.n; i++) {
        if (slice.keys[i].kind == GOAL_PORT
            || slice.keys[i].kind == GOAL_NEIGHBOR) {
            gateway_claims_update(ge->claims, &slice.keys[i]);
        }
    }
    if (slice.n < SLICE) {
        remove_scan(ge, scan);
    } else {
        scan->begun = true;
        scan->after = slice.keys[slice.n - 1];
    }
}

static void
run_queue(struct gateway_endpoints *ge)
{
    for (int i = 0; i < SLICE && ge->queue_head < ge->queue_n; i++) {
        struct goal_key key = ge->queue[ge->queue_head++];

        gateway_claims_update(ge->claims, &key);
    }
    if (ge->queue_head >= ge->queue_n) {
        free(ge->queue);
        ge->queue = NULL;
        ge->queue_head = ge->queue_n = ge->queue_allocated = 0;
    }
}

static bool
has_work(const struct gateway_endpoints *ge)
{
    return ge->queue_head < ge->queue_n || !ovs_list_is_empty(&ge->scans);
}

void
gateway_endpoints_run(struct gateway_endpoints *ge, unsigned int msec)
{
    long long int end = time_msec() + msec;

    while (has_work(ge)) {
        if (ge->queue_head < ge->queue_n) {
            run_queue(ge);
        } else {
            run_scan(ge);
        }
        if (time_msec() >= end) {
            return;
        }
    }
    if (ge->begun && !ge->complete) {
        gateway_claims_sweep(ge->claims);
        ge->complete = true;
    }
}

void
gateway_endpoints_wait(const struct gateway_endpoints *ge)
{
    if (has_work(ge) || (ge->begun && !ge->complete)) {
        poll_immediate_wake();
    }
}

bool
gateway_endpoints_is_complete(const struct gateway_endpoints *ge)
{
    return ge->complete;
}

bool
gateway_endpoints_is_settled(const struct gateway_endpoints *ge)
{
    return ge->complete ? !has_work(ge) : ge->queue_head >= ge->queue_n;
}

/* What there is. */

struct vpc_collector {
    const struct gateway_endpoints *ge;
    struct sset *vpcs;
};

static bool
collect_vpc(const struct goal_key *key, void *collector_)
{
    struct vpc_collector *collector = collector_;
    struct goal_resource *r = goal_store_get_key(collector->ge->store, key);

    if (r && r->kind == GOAL_VPC) {
        sset_add(collector->vpcs, r->id);
    }
    goal_resource_destroy(r);
    return true;
}

void
gateway_endpoints_get_vpcs(const struct gateway_endpoints *ge,
                           struct sset *vpcs)
{
    struct vpc_collector collector = { ge, vpcs };
    const char *id;

    SSET_FOR_EACH (id, &ge->served) {
        struct goal_resource *r = goal_store_get(ge->store, GOAL_GATEWAY, id);

        if (r && GOAL_GATEWAY_CAST(r)->type == GOAL_GATEWAY_ARION) {
            sset_add(vpcs, GOAL_GATEWAY_CAST(r)->vpc_id);
        } else {
            goal_store_index(ge->store, GOAL_BY_GATEWAY, id, NULL,
                             collect_vpc, &collector);
        }
        goal_resource_destroy(r);
    }
}

struct gateway_vpc *
gateway_endpoints_list_vpcs(const struct gateway_endpoints *ge, size_t *n)
{
    return gateway_claims_list_vpcs(ge->claims, n);
}

void
gateway_endpoints_get_stats(const struct gateway_endpoints *ge,
                            struct gateway_endpoints_stats *stats)
{
    gateway_claims_get_stats(ge->claims, stats);
    stats->n_waiting = (ge->queue_n - ge->queue_head
                        + ovs_list_size(&ge->scans));
}

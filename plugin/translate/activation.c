/* SPDX-License-Identifier: Apache-2.0
 *
 * activation: which stored resources are to be in effect on this host. */

#include <config.h>

#include "translate/activation.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "util.h"

void
activation_init(struct activation *activation, struct goal_store *store,
                struct vol_store *vol)
{
    activation->store = store;
    activation->vol = vol;
    activation->threshold = UINT64_MAX;
    hmap_init(&activation->neighbors);
    ovs_list_init(&activation->by_use);
}

static void
active_destroy(struct activation *activation, struct active_neighbor *active)
{
    hmap_remove(&activation->neighbors, &active->hmap_node);
    ovs_list_remove(&active->use_node);
    free(active->vpc_id);
    free(active);
}

void
activation_destroy(struct activation *activation)
{
    struct active_neighbor *active;

    LIST_FOR_EACH_SAFE (active, use_node, &activation->by_use) {
        active_destroy(activation, active);
    }
    hmap_destroy(&activation->neighbors);
}

/* VPCs. */

bool
activation_is_lazy(const struct activation *activation, const char *vpc_id)
{
    return vol_get(activation->vol, VOL_LAZY_VPC, vpc_id) != NULL;
}

bool
activation_any_lazy(const struct activation *activation)
{
    return vol_count(activation->vol, VOL_LAZY_VPC) > 0;
}

/* Makes no neighbour of 'vpc_id' an exception any more. */
static void
forget_vpc(struct activation *activation, const char *vpc_id)
{
    struct active_neighbor *active;

    LIST_FOR_EACH_SAFE (active, use_node, &activation->by_use) {
        if (!strcmp(active->vpc_id, vpc_id)) {
            active_destroy(activation, active);
        }
    }
}

/* Notes whether a VPC with 'n' neighbours is crowded. */
static void
check_crowded(struct activation *activation, const char *vpc_id, uint64_t n)
{
    struct vol_crowded_vpc record;

    if (n > ACTIVATION_MAX_UNCROWDED) {
        memset(&record, 0, sizeof record);
        record.crowded = 1;
        vol_set(activation->vol, VOL_CROWDED_VPC, vpc_id, &record);
    } else {
        vol_remove(activation->vol, VOL_CROWDED_VPC, vpc_id);
    }
}

bool
activation_check_vpc(struct activation *activation, const char *vpc_id)
{
    uint64_t n = goal_store_count_index(activation->store, GOAL_BY_VPC,
                                        vpc_id, GOAL_NEIGHBOR);
    struct vol_lazy_vpc record;

    check_crowded(activation, vpc_id, n);
    if (n > activation->threshold) {
        memset(&record, 0, sizeof record);
        record.lazy = 1;
        return vol_set(activation->vol, VOL_LAZY_VPC, vpc_id, &record);
    } else if (vol_remove(activation->vol, VOL_LAZY_VPC, vpc_id)) {
        forget_vpc(activation, vpc_id);
        return true;
    }
    return false;
}

/* Neighbours. */

struct active_neighbor *
activation_find(const struct activation *activation,
                const struct goal_key *key)
{
    struct active_neighbor *active;

    HMAP_FOR_EACH_WITH_HASH (active, hmap_node, hash_uint64(key->sid),
                             &activation->neighbors) {
        if (active->key.sid == key->sid) {
            return active;
        }
    }
    return NULL;
}

void
activation_used(struct activation *activation, struct active_neighbor *active,
                long long int now)
{
    active->used = now;
    active->asked = LLONG_MIN;
    ovs_list_remove(&active->use_node);
    ovs_list_push_back(&activation->by_use, &active->use_node);
}

bool
activation_add(struct activation *activation, const struct goal_key *key,
               const char *vpc_id, uint64_t cookie, long long int now)
{
    struct active_neighbor *active = activation_find(activation, key);

    if (active) {
        activation_used(activation, active, now);
        return false;
    }
    active = xzalloc(sizeof *active);
    active->key = *key;
    active->cookie = cookie;
    active->used = now;
    active->asked = LLONG_MIN;
    active->vpc_id = xstrdup(vpc_id);
    hmap_insert(&activation->neighbors, &active->hmap_node,
                hash_uint64(key->sid));
    ovs_list_push_back(&activation->by_use, &active->use_node);
    return true;
}

bool
activation_remove(struct activation *activation, const struct goal_key *key)
{
    struct active_neighbor *active = activation_find(activation, key);

    if (active) {
        active_destroy(activation, active);
    }
    return active != NULL;
}

struct active_neighbor *
activation_oldest(const struct activation *activation)
{
    return (ovs_list_is_empty(&activation->by_use) ? NULL
            : CONTAINER_OF(ovs_list_front(&activation->by_use),
                           struct active_neighbor, use_node));
}

size_t
activation_count(const struct activation *activation)
{
    return hmap_count(&activation->neighbors);
}

bool
activation_is_active(const struct activation *activation,
                     const struct goal_key *key,
                     const struct goal_resource *resource)
{
    return (key->kind != GOAL_NEIGHBOR
            || !activation_any_lazy(activation)
            || !activation_is_lazy(activation,
                                   GOAL_NEIGHBOR_CAST(resource)->vpc_id)
            || activation_find(activation, key));
}

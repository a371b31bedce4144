/* SPDX-License-Identifier: Apache-2.0
 *
 * activation: which stored resources are to be in effect on this host. */

#include <config.h>

#include "translate/activation.h"

#include "hash.h"
#include "util.h"

struct active_neighbor {
    struct hmap_node hmap_node; /* In struct activation's 'neighbors'. */
    uint64_t sid;
};

void
activation_init(struct activation *activation)
{
    sset_init(&activation->lazy_vpcs);
    hmap_init(&activation->neighbors);
}

void
activation_destroy(struct activation *activation)
{
    struct active_neighbor *neighbor;

    HMAP_FOR_EACH_POP (neighbor, hmap_node, &activation->neighbors) {
        free(neighbor);
    }
    hmap_destroy(&activation->neighbors);
    sset_destroy(&activation->lazy_vpcs);
}

/* Makes the VPC lazy or eager.  Returns true if that is a change. */
bool
activation_set_lazy(struct activation *activation, const char *vpc_id,
                    bool lazy)
{
    return (lazy ? sset_add(&activation->lazy_vpcs, vpc_id) != NULL
            : sset_find_and_delete(&activation->lazy_vpcs, vpc_id));
}

static struct active_neighbor *
find(const struct activation *activation, uint64_t sid)
{
    struct active_neighbor *neighbor;

    HMAP_FOR_EACH_WITH_HASH (neighbor, hmap_node, hash_uint64(sid),
                             &activation->neighbors) {
        if (neighbor->sid == sid) {
            return neighbor;
        }
    }
    return NULL;
}

bool
activation_add(struct activation *activation, const struct goal_key *key)
{
    if (find(activation, key->sid)) {
        return false;
    }

    struct active_neighbor *neighbor = xmalloc(sizeof *neighbor);
    neighbor->sid = key->sid;
    hmap_insert(&activation->neighbors, &neighbor->hmap_node,
                hash_uint64(key->sid));
    return true;
}

bool
activation_remove(struct activation *activation, const struct goal_key *key)
{
    struct active_neighbor *neighbor = find(activation, key->sid);

    if (neighbor) {
        hmap_remove(&activation->neighbors, &neighbor->hmap_node);
        free(neighbor);
    }
    return neighbor != NULL;
}

bool
activation_is_active(const struct activation *activation,
                     const struct goal_key *key,
                     const struct goal_resource *resource)
{
    return (key->kind != GOAL_NEIGHBOR
            || sset_is_empty(&activation->lazy_vpcs)
            || !sset_contains(&activation->lazy_vpcs,
                              GOAL_NEIGHBOR_CAST(resource)->vpc_id)
            || find(activation, key->sid));
}

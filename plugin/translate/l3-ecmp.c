/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-ecmp: plugin "l3-routing": several next hops share flows. */

#include <config.h>

#include "translate/l3-router.h"

#include <stdlib.h>
#include <string.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "translate/group-hash.h"
#include "translate/plugin-provider.h"
#include "util.h"

/* Who has the address of a next hop. */
struct hop_owner {
    struct eth_addr mac;        /* Zeros: nobody. */
    enum goal_kind kind;
    bool down;                  /* A port that may not take anything. */
    char *id;
};

/* Of several, a local port wins, then the smaller id. */
static void
take_owner(const struct goal_resource *resource, void *owner_)
{
    struct hop_owner *owner = owner_;
    bool is_port = resource->kind == GOAL_PORT;

    if (owner->id && (owner->kind == resource->kind
                      ? strcmp(owner->id, resource->id) < 0
                      : owner->kind == GOAL_PORT)) {
        return;
    }
    free(owner->id);
    *owner = (struct hop_owner) {
        .mac = (is_port ? GOAL_PORT_CAST(resource)->mac
                : GOAL_NEIGHBOR_CAST(resource)->mac),
        .kind = resource->kind,
        .down = is_port && !GOAL_PORT_CAST(resource)->admin_state_up,
        .id = xstrdup(resource->id),
    };
}

bool
l3_find_next_hop(struct goal_view *view, const struct goal_network *net,
                 const struct in6_addr *ip, struct eth_addr *mac)
{
    bool given = !eth_addr_is_zero(*mac);
    struct hop_owner owner = { .id = NULL };
    bool found;

    goal_view_index(view, GOAL_BY_ADDRESS, net->subnet->up.id, ip, take_owner,
                    &owner);
    if (!owner.id) {
        found = given || goal_view_gateway(view, net);
    } else {
        *mac = given ? *mac : owner.mac;
        found = (owner.kind != GOAL_PORT
                 || (!owner.down && goal_view_volatile(view, VOL_BINDING,
                                                       owner.id)));
    }
    free(owner.id);
    return found;
}

/* Gives each bucket the number that its name has, whatever the others are; two
 * of the same get different ones. */
static void
number_buckets(struct ofputil_bucket *all, const struct l3_ecmp_leg *legs,
               size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t id = hash_string(legs[i].name, 0) % OFPG15_BUCKET_MAX;

        for (size_t j = 0; j < i; j++) {
            if (all[j].bucket_id == id) {
                id = (id + 1) % OFPG15_BUCKET_MAX;
                j = -1;
            }
        }
        all[i].bucket_id = id;
    }
}

uint32_t
l3_ecmp_group(struct plugin_output *out, const char *name,
              const struct l3_ecmp_leg *legs, size_t n)
{
    struct ofputil_bucket *all = xcalloc(n, sizeof *all);
    struct ofputil_group_mod gm;

    memset(&gm, 0, sizeof gm);
    gm.type = OFPGT11_SELECT;
    gm.group_id = output_id(out, ID_GROUP, name);
    group_hash_init(&gm.props);
    ovs_list_init(&gm.buckets);
    number_buckets(all, legs, n);
    for (size_t i = 0; i < n; i++) {
        all[i].weight = 1;
        all[i].watch_port = OFPP_ANY;
        all[i].watch_group = OFPG_ANY;
        all[i].ofpacts = legs[i].acts.data;
        all[i].ofpacts_len = legs[i].acts.size;
        ovs_list_push_back(&gm.buckets, &all[i].list_node);
    }
    if (gm.group_id) {
        output_group(out, &gm);
    }
    free(gm.props.fields.values);
    free(all);
    return gm.group_id;
}

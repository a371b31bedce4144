/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-ecmp: plugin "l3-routing": several next hops share flows. */

#include <config.h>

#include "translate/l3-router.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "translate/group-hash.h"
#include "translate/plugin-provider.h"
#include "util.h"

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

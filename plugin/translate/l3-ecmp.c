/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-ecmp: plugin "l3-routing": several next hops share flows. */

#include <config.h>

#include "translate/l3-router.h"

#include <string.h>
#include "openvswitch/list.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "translate/plugin-provider.h"
#include "util.h"

/* Packets of one flow take the same way: the switch hashes addresses,
 * protocol and ports, and keeps to that when buckets come or go, as far as it
 * can. */
uint32_t
l3_ecmp_group(struct plugin_output *out, const char *name,
              const struct ofpbuf *buckets, size_t n)
{
    struct ofputil_bucket *all = xcalloc(n, sizeof *all);
    struct ofputil_group_mod gm;

    memset(&gm, 0, sizeof gm);
    gm.type = OFPGT11_SELECT;
    gm.group_id = output_id(out, ID_GROUP, name);
    ovs_strlcpy(gm.props.selection_method, "hash",
                sizeof gm.props.selection_method);
    ovs_list_init(&gm.buckets);
    for (size_t i = 0; i < n; i++) {
        all[i].weight = 1;
        all[i].watch_port = OFPP_ANY;
        all[i].watch_group = OFPG_ANY;
        all[i].bucket_id = i;
        all[i].ofpacts = buckets[i].data;
        all[i].ofpacts_len = buckets[i].size;
        ovs_list_push_back(&gm.buckets, &all[i].list_node);
    }
    if (gm.group_id) {
        output_group(out, &gm);
    }
    free(all);
    return gm.group_id;
}

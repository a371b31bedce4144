/* SPDX-License-Identifier: Apache-2.0
 *
 * again-group: has the datapath look a packet up once more. */

#include <config.h>

#include "translate/again-group.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/list.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/plugin-provider.h"
#include "util.h"

uint32_t
again_group(struct plugin_output *out, enum of_stage stage)
{
    char *name = xasprintf("again %s", of_stage_to_string(stage));
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts;
    struct ofputil_bucket bucket;
    struct ofputil_group_mod gm;

    memset(&gm, 0, sizeof gm);
    gm.type = OFPGT11_SELECT;
    gm.group_id = output_id(out, ID_GROUP, name);
    free(name);
    if (!gm.group_id) {
        return 0;
    }
    ovs_strlcpy(gm.props.selection_method, "dp_hash",
                sizeof gm.props.selection_method);
    ovs_list_init(&gm.buckets);

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    act_resubmit(&ofpacts, stage);
    memset(&bucket, 0, sizeof bucket);
    bucket.weight = 1;
    bucket.watch_port = OFPP_ANY;
    bucket.watch_group = OFPG_ANY;
    bucket.ofpacts = ofpacts.data;
    bucket.ofpacts_len = ofpacts.size;
    ovs_list_push_back(&gm.buckets, &bucket.list_node);
    output_group(out, &gm);
    ofpbuf_uninit(&ofpacts);
    return gm.group_id;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * group-hash: what a group that spreads flows looks at. */

#include <config.h>

#include "translate/group-hash.h"

#include <string.h>
#include "openvswitch/ofp-group.h"
#include "util.h"

/* Fields that a packet does not have are skipped. */
static const enum mf_field_id hash_fields[] = {
    MFF_IPV4_SRC, MFF_IPV4_DST, MFF_IPV6_SRC, MFF_IPV6_DST, MFF_IP_PROTO,
    MFF_TCP_SRC, MFF_TCP_DST, MFF_UDP_SRC, MFF_UDP_DST,
    MFF_ARP_SPA, MFF_ARP_TPA,
};

void
group_hash_init(struct ofputil_group_props *props)
{
    union mf_value ones;

    memset(&ones, 0xff, sizeof ones);
    ovs_strlcpy(props->selection_method, "hash",
                sizeof props->selection_method);
    for (size_t i = 0; i < ARRAY_SIZE(hash_fields); i++) {
        field_array_set(hash_fields[i], &ones, &props->fields);
    }
}

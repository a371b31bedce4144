/* SPDX-License-Identifier: Apache-2.0
 *
 * group-encode: groups as the bytes that are kept, compared and sent. */

#include <config.h>

#include "apply/group-encode.h"

#include <string.h>
#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/of-pipeline.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(group_encode);

#define OFPT15_GROUP_MOD 15     /* OpenFlow 1.5, section 7.1. */

struct group_key {
    uint8_t mark;               /* GROUP_KEY_MARK. */
    uint8_t zero[3];
    ovs_be32 number;
};

static struct group_key
make_key(uint32_t number)
{
    return (struct group_key) {
        .mark = GROUP_KEY_MARK, .number = htonl(number),
    };
}

bool
output_is_group(const struct ds_output *output)
{
    return output->sink == DS_OPENFLOW && output->key[0] == GROUP_KEY_MARK;
}

uint32_t
group_key_number(const void *key)
{
    return ntohl(((const struct group_key *) key)->number);
}

/* Returns a whole group_mod that adds or replaces the group 'gm', in which it
 * sets the command. */
static struct ofpbuf *
encode_whole(struct ofputil_group_mod *gm)
{
    gm->command = OFPGC11_ADD_OR_MOD;
    gm->command_bucket_id = OFPG15_BUCKET_ALL;

    struct ofpbuf *msg = ofputil_encode_group_mod(OFP15_VERSION, gm, NULL,
                                                  -1);
    ofpmsg_update_length(msg);
    return msg;
}

/* What decoding and encoding once more gives: what the switch will report. */
static struct ofpbuf *
encode_normal(struct ofputil_group_mod *gm)
{
    struct ofpbuf *msg = encode_whole(gm);
    struct ofputil_group_mod decoded;

    if (ofputil_decode_group_mod(msg->data, &decoded)) {
        ofpbuf_delete(msg);
        return NULL;
    }
    ofpbuf_delete(msg);
    msg = encode_whole(&decoded);
    ofputil_uninit_group_mod(&decoded);
    ofpbuf_pull(msg, sizeof(struct ofp_header));
    return msg;
}

bool
ds_contribute_group(struct desired_state *ds, struct ds_unit *unit,
                    struct ofputil_group_mod *gm)
{
    struct group_key key = make_key(gm->group_id);
    struct ofpbuf *value = encode_normal(gm);

    if (!value || value->size > FLOW_MAX_LEN) {
        ofpbuf_delete(value);
        return false;
    }
    ds_contribute(ds, unit, DS_OPENFLOW, DS_EXCLUSIVE, 0, &key, sizeof key,
                  value->data, value->size);
    ofpbuf_delete(value);
    return true;
}

struct ofpbuf *
group_mod_encode(const void *key, const struct ofpbuf *value, bool add,
                 uint32_t bundle_id, uint16_t flags, ovs_be32 xid)
{
    struct ofpbuf *msg = bundle_add_begin(
        OFPT15_GROUP_MOD, value->size + sizeof(struct ofp15_group_mod) + 64,
        bundle_id, flags, xid);

    if (add) {
        ofpbuf_put(msg, value->data, value->size);
    } else {
        struct ofp15_group_mod *ogm = ofpbuf_put_zeros(msg, sizeof *ogm);

        ogm->command = htons(OFPGC11_DELETE);
        ogm->group_id = htonl(group_key_number(key));
        ogm->command_bucket_id = htonl(OFPG15_BUCKET_ALL);
    }
    bundle_add_end(msg);
    return msg;
}

/* Read-back. */

struct ofpbuf *
group_readback_request(void)
{
    return ofputil_encode_group_desc_request(OFP15_VERSION, OFPG_ALL);
}

static void
report_group(struct desired_state *ds, struct ds_audit *audit,
             struct ofputil_group_desc *gd)
{
    struct ofputil_group_mod gm = {
        .type = gd->type, .group_id = gd->group_id, .props = gd->props,
    };
    struct group_key key = make_key(gd->group_id);

    if (gd->group_id - OF_GROUP_BASE >= OF_N_GROUPS) {
        return;
    }
    ovs_list_init(&gm.buckets);
    ovs_list_push_back_all(&gm.buckets, &gd->buckets);
    struct ofpbuf *value = encode_normal(&gm);
    ovs_list_push_back_all(&gd->buckets, &gm.buckets);
    uint64_t hash = value ? ds_value_hash(0, value->data, value->size) : 0;
    if (audit) {
        ds_audit(ds, audit, DS_OPENFLOW, &key, sizeof key, hash, false);
    } else {
        ds_readback(ds, DS_OPENFLOW, &key, sizeof key, hash, false);
    }
    ofpbuf_delete(value);
}

void
group_readback_reply(struct desired_state *ds, struct ds_audit *audit,
                     const struct ofp_header *oh)
{
    struct ofputil_group_desc gd;
    struct ofpbuf msg;
    int retval;

    ofpbuf_use_const(&msg, oh, ntohs(oh->length));
    while (!(retval = ofputil_decode_group_desc_reply(&gd, &msg,
                                                      OFP15_VERSION))) {
        report_group(ds, audit, &gd);
        ofputil_uninit_group_desc(&gd);
    }
    if (retval != EOF) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

        VLOG_WARN_RL(&rl, "cannot parse a group description");
    }
}

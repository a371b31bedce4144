/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-encode: flows as the bytes that are kept, compared and sent. */

#include <config.h>

#include "apply/flow-encode.h"

#include <string.h>
#include "apply/desired-state.h"
#include "byte-order.h"
#include "nx-match.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* Key: table, padding, priority, OXM without its header. */
#define OFPT15_FLOW_MOD 14       /* OpenFlow 1.5, section 7.1. */

struct flow_key {
    uint8_t table;
    uint8_t zero;
    ovs_be16 priority;
};
BUILD_ASSERT_DECL(sizeof(struct flow_key) == 4);

void
flow_key_from_oxm(uint8_t table, uint16_t priority, const void *oxm,
                  size_t len, struct ofpbuf *key)
{
    struct flow_key *header = ofpbuf_put_zeros(key, sizeof *header);

    header->table = table;
    header->priority = htons(priority);
    if (len) {
        ofpbuf_put(key, oxm, len);
    }
}

void
flow_key_encode(uint8_t table, uint16_t priority, const struct match *match,
                struct ofpbuf *key)
{
    flow_key_from_oxm(table, priority, NULL, 0, key);
    oxm_put_raw(key, match, OFP15_VERSION);
}

uint8_t
flow_key_table(const void *key)
{
    return ((const struct flow_key *) key)->table;
}

uint16_t
flow_key_priority(const void *key)
{
    return ntohs(((const struct flow_key *) key)->priority);
}

enum ofperr
flow_key_match(const void *key, size_t key_len, struct match *match)
{
    return oxm_decode_match((const char *) key + sizeof(struct flow_key),
                            key_len - sizeof(struct flow_key), false, NULL,
                            NULL, match);
}

void
ds_contribute_flow(struct desired_state *ds, struct ds_unit *unit,
                   enum ds_mode mode, uint64_t cookie, uint8_t table,
                   uint16_t priority, const struct match *match,
                   const struct ofpbuf *ofpacts)
{
    uint64_t key_stub[512 / 8], part_stub[1024 / 8];
    struct ofpbuf key, part;

    ofpbuf_use_stub(&key, key_stub, sizeof key_stub);
    ofpbuf_use_stub(&part, part_stub, sizeof part_stub);
    flow_key_encode(table, priority, match, &key);
    flow_part_encode(ofpacts, mode == DS_UNION, &part);
    ds_contribute(ds, unit, DS_OPENFLOW, mode, cookie, key.data, key.size,
                  part.data, part.size);
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&part);
}

/* Appends the part for a flow with the given actions: its instructions or, if
 * 'actions_only', just its actions, which must then include none that becomes
 * an instruction (goto_table, write_metadata and so on). */
void
flow_part_encode(const struct ofpbuf *ofpacts, bool actions_only,
                 struct ofpbuf *part)
{
    if (actions_only) {
        ofpacts_put_openflow_actions(ofpacts->data, ofpacts->size, part,
                                     OFP15_VERSION);
    } else {
        ofpacts_put_openflow_instructions(ofpacts->data, ofpacts->size, part,
                                          OFP15_VERSION);
    }
}

void
flow_value(const struct ds_output *output, struct ofpbuf *value)
{
    if (output->mode == DS_UNION) {
        size_t start = value->size;
        struct ofp11_instruction_actions *oia
            = ofpbuf_put_zeros(value, sizeof *oia);

        ds_output_value(output, value);
        oia = ofpbuf_at_assert(value, start, sizeof *oia);
        oia->type = htons(OFPIT11_APPLY_ACTIONS);
        oia->len = htons(MIN(value->size - start, UINT16_MAX));
    } else {
        ds_output_value(output, value);
    }
}

/* Appends to 'normal' what encoding gives after decoding the 'len' bytes of
 * instructions at 'value'. */
enum ofperr
flow_value_normalize(const void *value, size_t len, struct ofpbuf *normal)
{
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts, in;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    ofpbuf_use_const(&in, value, len);
    enum ofperr error = ofpacts_pull_openflow_instructions(
        &in, len, OFP15_VERSION, NULL, NULL, &ofpacts);
    if (!error) {
        ofpacts_put_openflow_instructions(ofpacts.data, ofpacts.size, normal,
                                          OFP15_VERSION);
    }
    ofpbuf_uninit(&ofpacts);
    return error;
}

/* Appends an OpenFlow match with the OXM of 'key'. */
static void
put_match(const void *key, size_t key_len, struct ofpbuf *msg)
{
    size_t oxm_len = key_len - sizeof(struct flow_key);
    struct ofp11_match_header *omh = ofpbuf_put_uninit(msg, sizeof *omh);

    omh->type = htons(OFPMT_OXM);
    omh->length = htons(sizeof *omh + oxm_len);
    ofpbuf_put(msg, (const char *) key + sizeof(struct flow_key), oxm_len);
    ofpbuf_put_zeros(msg, PAD_SIZE(sizeof *omh + oxm_len, 8));
}

/* Where the inner message of a bundle add message begins. */
#define BUNDLE_INNER_OFS (sizeof(struct ofp_header) \
                          + sizeof(struct ofp14_bundle_ctrl_msg))

struct ofpbuf *
bundle_add_begin(uint8_t type, size_t inner_len, uint32_t bundle_id,
                 uint16_t flags, ovs_be32 xid)
{
    struct ofpbuf *msg = ofpraw_alloc_xid(
        OFPRAW_OFPT14_BUNDLE_ADD_MESSAGE, OFP15_VERSION, xid,
        sizeof(struct ofp14_bundle_ctrl_msg) + inner_len);
    struct ofp14_bundle_ctrl_msg *bundle
        = ofpbuf_put_zeros(msg, sizeof *bundle);
    bundle->bundle_id = htonl(bundle_id);
    bundle->flags = htons(flags);

    struct ofp_header *oh = ofpbuf_put_zeros(msg, sizeof *oh);
    oh->version = OFP15_VERSION;
    oh->type = type;
    oh->xid = xid;
    return msg;
}

void
bundle_add_end(struct ofpbuf *msg)
{
    struct ofp_header *oh = ofpbuf_at_assert(msg, BUNDLE_INNER_OFS,
                                             sizeof *oh);

    oh->length = htons(msg->size - BUNDLE_INNER_OFS);
    ofpmsg_update_length(msg);
}

struct ofpbuf *
flow_mod_encode(const void *key, size_t key_len, uint64_t cookie,
                const struct ofpbuf *value, bool add, uint32_t bundle_id,
                uint16_t flags, ovs_be32 xid)
{
    size_t value_len = add ? value->size : 0;
    size_t inner_len = sizeof(struct ofp_header)
                       + sizeof(struct ofp11_flow_mod)
                       + ROUND_UP(key_len, 8) + 8 + value_len;

    if (inner_len > FLOW_MAX_LEN) {
        return NULL;
    }

    struct ofpbuf *msg = bundle_add_begin(OFPT15_FLOW_MOD, inner_len,
                                          bundle_id, flags, xid);
    struct ofp11_flow_mod *ofm = ofpbuf_put_zeros(msg, sizeof *ofm);
    const struct flow_key *fk = key;
    ofm->cookie = add ? htonll(cookie) : 0;
    ofm->table_id = fk->table;
    ofm->command = add ? OFPFC_ADD : OFPFC_DELETE_STRICT;
    ofm->priority = fk->priority;
    ofm->buffer_id = OVS_BE32_MAX;
    ofm->out_port = OVS_BE32_MAX;
    ofm->out_group = OVS_BE32_MAX;
    put_match(key, key_len, msg);
    if (add) {
        ofpbuf_put(msg, value->data, value->size);
    }
    bundle_add_end(msg);
    return msg;
}

struct ofpbuf *
zone_flush_encode(uint16_t zone)
{
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_CT_FLUSH_ZONE,
                                      OFP15_VERSION, 0);
    struct nx_zone_id *nzi = ofpbuf_put_zeros(msg, sizeof *nzi);

    nzi->zone_id = htons(zone);
    return msg;
}

void
flow_describe(const void *key, size_t key_len, uint64_t cookie,
            const struct ofpbuf *value, struct ds *ds)
{
    struct ofpbuf *msg = flow_mod_encode(key, key_len, cookie, value, true,
                                         0, 0, 0);
    if (!msg) {
        return;
    }

    char *s = ofp_to_string((const char *) msg->data + BUNDLE_INNER_OFS,
                            msg->size - BUNDLE_INNER_OFS, NULL, NULL, 0);
    ds_put_cstr(ds, s);
    free(s);
    ofpbuf_delete(msg);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-actions: short forms for the actions that plugins compose. */

#include <config.h>

#include "translate/flow-actions.h"

#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"

void
act_goto(struct ofpbuf *ofpacts, enum of_stage stage)
{
    ofpact_put_GOTO_TABLE(ofpacts)->table_id = of_stage_to_table(stage);
}

void
act_output(struct ofpbuf *ofpacts, uint32_t ofport)
{
    ofpact_put_OUTPUT(ofpacts)->port = u16_to_ofp(ofport);
}

void
act_encap(struct ofpbuf *ofpacts, uint32_t ofport)
{
    act_move(ofpacts, MFF_METADATA, OF_TAG_VNI_SHIFT, MFF_TUN_ID, 0, 24);
    act_output(ofpacts, ofport);
}

void
act_output_in_port(struct ofpbuf *ofpacts)
{
    ofpact_put_OUTPUT(ofpacts)->port = OFPP_IN_PORT;
}

void
act_resubmit(struct ofpbuf *ofpacts, enum of_stage stage)
{
    struct ofpact_resubmit *resubmit = ofpact_put_RESUBMIT(ofpacts);

    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = of_stage_to_table(stage);
}

size_t
act_clone_begin(struct ofpbuf *ofpacts)
{
    size_t offset = ofpacts->size;

    ofpact_put_CLONE(ofpacts);
    return offset;
}

void
act_clone_end(struct ofpbuf *ofpacts, size_t offset)
{
    struct ofpact_nest *clone = ofpbuf_at_assert(ofpacts, offset,
                                                 sizeof *clone);

    ofpacts->header = clone;
    ofpact_finish_CLONE(ofpacts, &clone);
}

static void
set_field(struct ofpbuf *ofpacts, enum mf_field_id field, const void *value)
{
    ofpact_put_set_field(ofpacts, mf_from_id(field), value, NULL);
}

void
act_set_metadata(struct ofpbuf *ofpacts, uint64_t value, uint64_t mask)
{
    ovs_be64 v = htonll(value & mask), m = htonll(mask);

    ofpact_put_set_field(ofpacts, mf_from_id(MFF_METADATA), &v, &m);
}

void
act_set_u32(struct ofpbuf *ofpacts, enum mf_field_id field, uint32_t value)
{
    ovs_be32 v = htonl(value);

    set_field(ofpacts, field, &v);
}

/* Sets one or more of OF_FLAG_* and leaves the others as they are. */
void
act_set_flag(struct ofpbuf *ofpacts, uint32_t of_flag)
{
    ovs_be32 v = htonl(of_flag);

    ofpact_put_set_field(ofpacts, mf_from_id(MFF_ALCOR_FLAGS), &v, &v);
}

void
act_set_u64(struct ofpbuf *ofpacts, enum mf_field_id field, uint64_t value)
{
    ovs_be64 v = htonll(value);

    set_field(ofpacts, field, &v);
}

void
act_set_u8(struct ofpbuf *ofpacts, enum mf_field_id field, uint8_t value)
{
    set_field(ofpacts, field, &value);
}

void
act_set_mac_bit(struct ofpbuf *ofpacts, enum mf_field_id field, int bit,
                bool value)
{
    struct eth_addr v = eth_addr_zero, m = eth_addr_zero;

    m.ea[5 - bit / 8] = 1 << bit % 8;
    if (value) {
        v = m;
    }
    ofpact_put_set_field(ofpacts, mf_from_id(field), &v, &m);
}

void
act_check_larger(struct ofpbuf *ofpacts, uint16_t len, enum mf_field_id field)
{
    struct ofpact_check_pkt_larger *check
        = ofpact_put_CHECK_PKT_LARGER(ofpacts);

    check->pkt_len = len;
    check->dst = (struct mf_subfield) { mf_from_id(field), 0, 1 };
}

/* Packets whose TTL must not be decremented have to be caught before: the
 * switch would send them to controllers. */
void
act_meter(struct ofpbuf *ofpacts, uint32_t meter_id)
{
    struct ofpact_meter *om = ofpact_put_METER(ofpacts);

    om->meter_id = meter_id;
    om->provider_meter_id = UINT32_MAX;
}

void
act_dec_ttl(struct ofpbuf *ofpacts)
{
    struct ofpact_cnt_ids *ids = ofpact_put_DEC_TTL(ofpacts);
    uint16_t id = 0;

    ids->n_controllers = 1;
    ofpbuf_put(ofpacts, &id, sizeof id);
    ids = ofpacts->header;
    ofpact_finish_DEC_TTL(ofpacts, &ids);
}

void
act_set_u16(struct ofpbuf *ofpacts, enum mf_field_id field, uint16_t value)
{
    ovs_be16 v = htons(value);

    set_field(ofpacts, field, &v);
}

void
act_set_mac(struct ofpbuf *ofpacts, enum mf_field_id field,
            const struct eth_addr *mac)
{
    set_field(ofpacts, field, mac);
}

static void
put_ct(struct ofpbuf *ofpacts, enum mf_field_id zone, uint8_t recirc_table,
       uint16_t flags)
{
    struct ofpact_conntrack *ct = ofpact_put_CT(ofpacts);

    ct->flags = flags;
    ct->zone_src = (struct mf_subfield) { mf_from_id(zone), 0, 16 };
    ct->recirc_table = recirc_table;
    ofpact_finish(ofpacts, &ct->ofpact);
}

void
act_ct(struct ofpbuf *ofpacts, enum mf_field_id zone, enum of_stage next)
{
    put_ct(ofpacts, zone, of_stage_to_table(next), 0);
}

void
act_ct_commit(struct ofpbuf *ofpacts, enum mf_field_id zone)
{
    put_ct(ofpacts, zone, NX_CT_RECIRC_NONE, NX_CT_F_COMMIT);
}

void
act_conjunction(struct ofpbuf *ofpacts, uint32_t id, uint8_t clause,
                uint8_t n_clauses)
{
    struct ofpact_conjunction *conj = ofpact_put_CONJUNCTION(ofpacts);

    conj->id = id;
    conj->clause = clause;
    conj->n_clauses = n_clauses;
}

void
act_drop(struct ofpbuf *ofpacts, enum of_drop reason)
{
    act_set_u32(ofpacts, MFF_ALCOR_REASON, reason);
    act_goto(ofpacts, OFS_DROP);
}

void
act_set_ip(struct ofpbuf *ofpacts, enum mf_field_id v4, enum mf_field_id v6,
           const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);

        set_field(ofpacts, v4, &ip4);
    } else {
        set_field(ofpacts, v6, ip);
    }
}

void
act_move(struct ofpbuf *ofpacts, enum mf_field_id src, int src_ofs,
         enum mf_field_id dst, int dst_ofs, int n)
{
    struct ofpact_reg_move *move = ofpact_put_REG_MOVE(ofpacts);

    move->src = (struct mf_subfield) { mf_from_id(src), src_ofs, n };
    move->dst = (struct mf_subfield) { mf_from_id(dst), dst_ofs, n };
}

void
act_copy(struct ofpbuf *ofpacts, enum mf_field_id src, enum mf_field_id dst)
{
    act_move(ofpacts, src, 0, dst, 0, mf_from_id(src)->n_bits);
}

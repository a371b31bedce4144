/* SPDX-License-Identifier: Apache-2.0
 *
 * flow-actions: short forms for the actions that plugins compose. */

#ifndef TRANSLATE_FLOW_ACTIONS_H
#define TRANSLATE_FLOW_ACTIONS_H 1

/* Each appends one action to 'ofpacts'.  Thread-safety: no state. */

#include <stddef.h>
#include <stdint.h>
#include "apply/of-pipeline.h"
#include "openvswitch/types.h"
#include "packets.h"

struct in6_addr;
struct ofpbuf;

void act_goto(struct ofpbuf *ofpacts, enum of_stage);
void act_resubmit(struct ofpbuf *ofpacts, enum of_stage);
/* Sends the packet through the conntrack zone in register 'zone', and on to
 * stage 'next'. */
void act_ct(struct ofpbuf *ofpacts, enum mf_field_id zone,
            enum of_stage next);
/* Makes conntrack remember the packet's connection. */
void act_ct_commit(struct ofpbuf *ofpacts, enum mf_field_id zone);
/* The flow is part of clause 'clause' (from 0) of 'n_clauses'. */
void act_conjunction(struct ofpbuf *ofpacts, uint32_t id, uint8_t clause,
                     uint8_t n_clauses);
/* Ends in stage DROP, where the reason is counted. */
void act_drop(struct ofpbuf *ofpacts, enum of_drop);
void act_output(struct ofpbuf *ofpacts, uint32_t ofport);
void act_output_in_port(struct ofpbuf *ofpacts);
/* Sends the packet through the tunnel port, with the VNI of its tag. */
void act_encap(struct ofpbuf *ofpacts, uint32_t ofport);
/* What is put between the two is done to a copy of the packet.  The first
 * returns what the second needs. */
size_t act_clone_begin(struct ofpbuf *ofpacts);
void act_clone_end(struct ofpbuf *ofpacts, size_t offset);
void act_set_metadata(struct ofpbuf *ofpacts, uint64_t value, uint64_t mask);
void act_set_u32(struct ofpbuf *ofpacts, enum mf_field_id, uint32_t value);
void act_set_flag(struct ofpbuf *ofpacts, uint32_t of_flag);
void act_set_u64(struct ofpbuf *ofpacts, enum mf_field_id, uint64_t value);
void act_set_u16(struct ofpbuf *ofpacts, enum mf_field_id, uint16_t value);
void act_set_u8(struct ofpbuf *ofpacts, enum mf_field_id, uint8_t value);
/* Sets bit 'bit' (0 is the last one) of a MAC. */
void act_set_mac_bit(struct ofpbuf *ofpacts, enum mf_field_id, int bit,
                     bool value);
/* The packet is dropped if the meter says so. */
void act_meter(struct ofpbuf *ofpacts, uint32_t meter_id);
void act_dec_ttl(struct ofpbuf *ofpacts);
/* Sets bit 0 of 'field' to whether the frame is longer than 'len' bytes. */
void act_check_larger(struct ofpbuf *ofpacts, uint16_t len,
                      enum mf_field_id field);
void act_set_mac(struct ofpbuf *ofpacts, enum mf_field_id,
                 const struct eth_addr *);

/* Sets an IPv4 field, or its IPv6 counterpart, to 'ip' (IPv4-mapped: IPv4). */
void act_set_ip(struct ofpbuf *ofpacts, enum mf_field_id v4,
                enum mf_field_id v6, const struct in6_addr *ip);

/* Copies 'n' bits from bit 'src_ofs' of 'src' to bit 'dst_ofs' of 'dst'. */
void act_move(struct ofpbuf *ofpacts, enum mf_field_id src, int src_ofs,
              enum mf_field_id dst, int dst_ofs, int n);

/* Copies a whole field to another of the same size. */
void act_copy(struct ofpbuf *ofpacts, enum mf_field_id src,
              enum mf_field_id dst);

#endif /* translate/flow-actions.h */

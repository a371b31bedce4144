/* SPDX-License-Identifier: Apache-2.0
 *
 * neighbor-advert: how a neighbour solicitation becomes the answer. */

#ifndef TRANSLATE_NEIGHBOR_ADVERT_H
#define TRANSLATE_NEIGHBOR_ADVERT_H 1

/* Neighbour advertisements
 * ========================
 *
 * What?
 * -----
 *
 * The second half of answering a neighbour solicitation (RFC 4861), after the
 * flow of the address that is asked for.  That flow, in RESPOND, has put the
 * address's MAC into eth_src and who asks into eth_dst; it ends with
 * neighbor_advert_goto(), which leads to RESPOND_ND.  There are two ways to go
 * on there, depending on the datapath (struct vol_datapath):
 *
 *    - It sets the fields of ND (the userspace datapath): a few flows that all
 *      addresses share make the answer, according to what the solicitation
 *      was: one of duplicate address detection (from ::, answered to all
 *      nodes), one with a link-layer address option, which becomes that of
 *      the answer, or one without.
 *
 *    - It does not (the kernel's), and vswitchd refuses such flows: a flow for
 *      each local port punts, at the port's own rate, and the packet thread
 *      composes the answer from what the registers say.
 *
 * Thread-safety: no state. */

#include <stdbool.h>
#include <stdint.h>

struct ofpbuf;
struct packet_reply;
struct packet_view;
struct plugin_output;

/* Ends the actions of an address's flow.  'nd_fields' is that of struct
 * vol_datapath; 'router': the answer is to say so. */
void neighbor_advert_goto(struct ofpbuf *ofpacts, bool nd_fields, bool router);

/* Outputs the flows that all addresses share, for datapaths with nd_fields. */
void neighbor_advert_flows(struct plugin_output *);

/* Outputs the flow of a local port, for datapaths without.  Returns NULL or a
 * malloc()'d message. */
char *neighbor_advert_punt(struct plugin_output *, const char *port_id,
                           uint32_t ofport);

/* Handles the punt. */
bool neighbor_advert_packet_in(const struct packet_view *,
                               struct packet_reply *);

#endif /* translate/neighbor-advert.h */

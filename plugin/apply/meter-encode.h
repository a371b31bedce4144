/* SPDX-License-Identifier: Apache-2.0
 *
 * meter-encode: meters as the bytes that are kept, compared and sent. */

#ifndef APPLY_METER_ENCODE_H
#define APPLY_METER_ENCODE_H 1

/* A meter is a limit in packets per second with a burst; more is dropped.  As
 * an output (desired-state.h, DS_METER) its key is the meter's number and its
 * part is rate and burst (ds_contribute_meter() is declared there).  Only
 * numbers from OF_METER_BASE on are ours.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stdint.h>

struct desired_state;
struct ds_audit;
struct ds_output;
struct ofp_header;
struct ofpbuf;

/* Returns the message that makes 'output' what is wanted. */
struct ofpbuf *meter_mod_encode(struct ds_output *);

/* Reports the meters in a reply to a request for the configuration of all as
 * installed: to the audit, if it is not null. */
struct ofpbuf *meter_readback_request(void);
void meter_readback_reply(struct desired_state *, struct ds_audit *,
                         const struct ofp_header *);

#endif /* apply/meter-encode.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * oam: in-band operation packets of gateways, as they are on the wire. */

#ifndef FEEDBACK_OAM_H
#define FEEDBACK_OAM_H 1

/* In-band operation (OAM)
 * =======================
 *
 * What?
 * -----
 *
 * When a gateway has forwarded a packet, it tells the packet's sender, a host,
 * by a UDP packet where the destination is: so that what follows goes there
 * directly.  This module knows the payload:
 *
 *     injection: 44 bytes                deletion: the first 20
 *
 *      0  4  operation: 0, injection; 1, deletion
 *      4  4  matcher: inner source address
 *      8  4           inner destination address
 *     12  2           inner source port
 *     14  2           inner destination port
 *     16  1           inner protocol
 *     17  3           VNI
 *     20  4  destination: address
 *     24  4               address of its host
 *     28  6               MAC
 *     34  6               MAC of its host
 *     40  2  idle timeout, in seconds
 *     42  2  reserved
 *
 * all in network byte order.  Parsing is a pure function of these bytes,
 * whichever way they came: by a socket (oam-socket.h) or from eBPF.  Nothing
 * authenticates them: whether they are believed is for others to say.
 *
 * Thread-safety: no state. */

#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"

#define OAM_INJECTION_LEN 44
#define OAM_DELETION_LEN 20

enum oam_op { OAM_INJECT, OAM_DELETE };

struct oam_message {
    enum oam_op op;
    ovs_be32 src, dst;          /* Matcher... */
    ovs_be16 sport, dport;
    uint8_t protocol;
    uint32_t vni;

    /* Injection only. */
    ovs_be32 instance_ip;
    ovs_be32 host_ip;
    struct eth_addr instance_mac;
    struct eth_addr host_mac;
    uint16_t idle_secs;
};

/* What becomes of a packet: OAM_VERDICT(NAME, "name", "what").  Each is
 * counted in one of them. */
#define OAM_VERDICTS                                                       \
    OAM_VERDICT(NEW, "new", "new direct paths")                            \
    OAM_VERDICT(RENEWED, "renewed", "direct paths looked at again")        \
    OAM_VERDICT(MOVED, "moved", "destinations that are somewhere else")    \
    OAM_VERDICT(DUPLICATE, "duplicate", "known already")                   \
    OAM_VERDICT(DELETED, "deleted", "direct paths deleted")                \
    OAM_VERDICT(ABSENT, "absent", "deletions of what is not there")        \
    OAM_VERDICT(BAD_LENGTH, "bad-length", "neither 44 nor 20 bytes")       \
    OAM_VERDICT(BAD_OPERATION, "bad-operation",                            \
                "unknown operation, or of the other's length")             \
    OAM_VERDICT(BAD_ADDRESS, "bad-address",                                \
                "addresses that no station has, or another destination")   \
    OAM_VERDICT(UNKNOWN_VNI, "unknown-vni",                                \
                "no local port in that VNI, or no gateway for it")         \
    OAM_VERDICT(BAD_SOURCE, "bad-source",                                  \
                "not from an entrance of that VNI's gateway, or its port") \
    OAM_VERDICT(NOT_LOCAL, "not-local", "flows of no local port")          \
    OAM_VERDICT(OWN_HOST, "own-host", "destinations on this host")         \
    OAM_VERDICT(FORBIDDEN, "forbidden",                                    \
                "flows that security groups do not allow")                 \
    OAM_VERDICT(OVER_BUDGET, "over-budget", "more than is taken in a second")

enum oam_verdict {
#define OAM_VERDICT(NAME, STRING, WHAT) OAM_##NAME,
    OAM_VERDICTS
#undef OAM_VERDICT
    OAM_N_VERDICTS
};
const char *oam_verdict_to_string(enum oam_verdict);

/* Parses a payload into '*m'.  Returns OAM_NEW if it is well-formed, else what
 * is wrong with it. */
enum oam_verdict oam_parse(const void *data, size_t len,
                           struct oam_message *m);

#endif /* feedback/oam.h */

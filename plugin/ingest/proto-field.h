/* SPDX-License-Identifier: Apache-2.0
 *
 * proto-field: table-driven conversion of protobuf messages to plain structs.
 */

#ifndef INGEST_PROTO_FIELD_H
#define INGEST_PROTO_FIELD_H 1

/* Protobuf fields
 * ===============
 *
 * What?
 * -----
 *
 * struct proto_plan says how a protobuf-c message type becomes a struct that a
 * table of store/goal-types.h describes.  Names are resolved to offsets once,
 * when the plan is made; conversion compares no strings.  Each value is
 * checked as the flags of its field say.
 *
 * Messages must have been unpacked into an arena (wire-walk.h).
 *
 * Names in tables
 * ---------------
 *
 *    "cidr"                 a field of the message;
 *    "gateway.ip_address"   a field of a nested message, "not given" when
 *                           that message is missing;
 *    "dns_entry_list.entry" for GF_STRINGS, where "dns_entry_list" is a
 *                           repeated message: that field of each;
 *    "a.x|b.x"              the first that is present, for members of a oneof.
 *
 * Conversion
 * ----------
 *
 * Every member of the struct that the table lists is set, also when conversion
 * fails (then to "not given"), so that the struct can be destroyed by the
 * table.
 *
 * Required members of the elements of lists are enforced here, as elements are
 * always whole; an element whose own operation is DELETE or GET needs only the
 * members of its key, and only these are converted.  Required members of the
 * struct itself are not: whether something is missing may be known only after
 * merging (goal_resource_check()).
 *
 * Thread-safety: plans are constant. */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "store/goal-types.h"

/* Longest id, in bytes. */
#define PROTO_ID_MAX_LEN 255

/* Plans. */

struct proto_plan *proto_plan_create(const ProtobufCMessageDescriptor *,
                                     const struct goal_struct *);
char *proto_plan_convert(const struct proto_plan *, const ProtobufCMessage *,
                         void *dst) OVS_WARN_UNUSED_RESULT;
char *proto_field_missing(const struct goal_field *) OVS_WARN_UNUSED_RESULT;

/* Single values. */

bool proto_parse_mac(const char *, struct eth_addr *);
bool proto_parse_ip(const char *, struct in6_addr *);
bool proto_parse_prefix(const char *, bool keep_host_bits,
                        struct goal_prefix *);
bool proto_is_utf8(const char *, size_t len);
char *proto_check_string(const char *, size_t len, size_t max_len)
    OVS_WARN_UNUSED_RESULT;
char *proto_quote(const char *, size_t len);

#endif /* ingest/proto-field.h */

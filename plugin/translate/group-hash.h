/* SPDX-License-Identifier: Apache-2.0
 *
 * group-hash: what a group that spreads flows looks at. */

#ifndef TRANSLATE_GROUP_HASH_H
#define TRANSLATE_GROUP_HASH_H 1

/* What?
 * -----
 *
 * Packets of one flow are to take the same bucket of a group of type select,
 * and to keep to it when other buckets come or go.  That takes a hash over
 * named fields, addresses, protocol and ports, and a bucket id of its own for
 * each bucket: left to itself, Open vSwitch looks at no ports of UDP, and
 * numbers buckets anew.
 *
 * Thread-safety: no state. */

struct ofputil_group_props;

/* Has the group hash.  The caller frees 'fields.values' of the properties,
 * which must be all zeros before. */
void group_hash_init(struct ofputil_group_props *);

#endif /* translate/group-hash.h */

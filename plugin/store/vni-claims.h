/* SPDX-License-Identifier: Apache-2.0
 *
 * vni-claims: which VPC has which VNI. */

#ifndef STORE_VNI_CLAIMS_H
#define STORE_VNI_CLAIMS_H 1

/* VNI claims
 * ==========
 *
 * What?
 * -----
 *
 * Packets of one VPC must not be taken for those of another, so no two VPCs
 * may have one VNI with the same encapsulation.  A subnet claims for its VPC
 * the pair of its network_type and its effective VNI: the VPC's tunnel_id, or
 * the subnet's own when that is 0.  Subnets of one VPC may claim the same.
 * Without its VPC a subnet claims nothing, as its VNI is not known.
 *
 * Usage
 * -----
 *
 * vni_claims_put() and vni_claims_delete() say what is stored.  Whoever is
 * about to store a VPC or a subnet asks vni_claims_check() first, and does not
 * store what it objects to.  So what is stored is never in conflict, whatever
 * came first: the change that would make a conflict is what is refused.
 * (What was stored without asking may be in conflict; that does no harm here.)
 *
 * The goal store keeps one (goal_store_vni_claims()).
 *
 * Cost
 * ----
 *
 * A few hundred bytes of memory for each VPC and subnet.  Time: constant for a
 * subnet, proportional to the number of its subnets for a VPC.
 *
 * Thread-safety: none. */

#include "openvswitch/compiler.h"
#include "store/goal-types.h"

struct vni_claims;

struct vni_claims *vni_claims_create(void);
void vni_claims_destroy(struct vni_claims *); /* Accepts null. */

/* Notes that 'resource', of any kind, is stored as it is; or that what has
 * 'kind' and 'id' is not stored. */
void vni_claims_put(struct vni_claims *, const struct goal_resource *);
void vni_claims_delete(struct vni_claims *, enum goal_kind, const char *id);

/* Returns NULL if 'resource', of any kind, may be stored, or a malloc()'d
 * message "FIELD: WHAT" that names the VPC that has the VNI already. */
char *vni_claims_check(const struct vni_claims *,
                       const struct goal_resource *) OVS_WARN_UNUSED_RESULT;

/* The id of the VPC that has 'vni', of whatever network type, or NULL. */
const char *vni_claims_find(const struct vni_claims *, uint32_t vni);

/* Calls 'cb' for each subnet of the VPC called 'vpc_id', until it returns
 * false. */
void vni_claims_for_each_subnet(const struct vni_claims *, const char *vpc_id,
                                bool (*cb)(const char *subnet_id, void *aux),
                                void *aux);

#endif /* store/vni-claims.h */

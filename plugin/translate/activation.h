/* SPDX-License-Identifier: Apache-2.0
 *
 * activation: which stored resources are to be in effect on this host. */

#ifndef TRANSLATE_ACTIVATION_H
#define TRANSLATE_ACTIVATION_H 1

/* Activation set
 * ==============
 *
 * What?
 * -----
 *
 * Translation runs on an activation set between the store's change sets and
 * the plugins: what is stored but not active makes no output and takes no
 * memory.  All kinds are always active except neighbours, which depend on
 * their VPC:
 *
 *    - In an eager VPC every neighbour is active.
 *
 *    - In a lazy VPC a neighbour is active from activation_add() (the first
 *      packet for it) to activation_remove() (it has been idle).
 *
 * The set holds only the exceptions: lazy VPCs, by id, and the active
 * neighbours in them, by key.  Adding and removing say whether anything
 * changed; the caller then has the neighbours concerned translated.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include "openvswitch/hmap.h"
#include "sset.h"
#include "store/goal-types.h"

struct activation {
    struct sset lazy_vpcs;      /* Ids. */
    struct hmap neighbors;      /* Contains "struct active_neighbor"s. */
};

void activation_init(struct activation *);
void activation_destroy(struct activation *);

bool activation_set_lazy(struct activation *, const char *vpc_id, bool lazy);
bool activation_add(struct activation *, const struct goal_key *);
bool activation_remove(struct activation *, const struct goal_key *);

bool activation_is_active(const struct activation *, const struct goal_key *,
                          const struct goal_resource *);

#endif /* translate/activation.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-admission: whether a resource may be stored beside what is there. */

#ifndef STORE_GOAL_ADMISSION_H
#define STORE_GOAL_ADMISSION_H 1

/* Admission
 * =========
 *
 * A resource that is well-formed by itself may still not fit what is stored:
 * an address outside of its subnet, a subnet outside of its VPC, a VNI that
 * another VPC has, a delta that leaves something required out.  Who is about
 * to store resources of one message asks here first.
 *
 * The last subnet looked up is kept: a message is most often about one.  So
 * goal_admission_forget() is to be called when something was deleted, and the
 * whole must not outlive the message.
 *
 * Thread-safety: one user at a time. */

#include <stdbool.h>
#include "openvswitch/compiler.h"
#include "store/goal-types.h"

struct goal_store;

struct goal_admission {
    struct goal_store *store;
    /* Checks what can only be known of a whole resource by itself. */
    char *(*check)(const struct goal_resource *);
    struct goal_resource *subnet; /* Looked up last; null: none. */
};

/* Returns NULL if 'resource' (whole if 'full', else a delta) may be stored, or
 * a malloc()'d message "FIELD: WHAT". */
char *goal_admission_check(struct goal_admission *,
                           const struct goal_resource *, bool full)
    OVS_WARN_UNUSED_RESULT;
void goal_admission_forget(struct goal_admission *);

#endif /* store/goal-admission.h */

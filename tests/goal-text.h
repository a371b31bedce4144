/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-text: resources from words, for tests. */

#ifndef GOAL_TEXT_H
#define GOAL_TEXT_H 1

/* A resource is written in words: KIND ID MEMBER=VALUE..., with the names of
 * goal-kinds.c (up to a dot or bar, where that is enough).  A list member is
 * given once for each element; a struct is its members in the order of the
 * table, separated by commas, trailing ones may be left out; a list in it is
 * [ELEMENT]... .  For example:
 *
 *    NEIGHBOR n1 revision=1 vpc_id=v1 fixed_ips=L2,s1,10.0.0.2
 *    ROUTER r1 subnet_routing_tables=s1,[CREATE,rule1,,10.1.0.0/16]
 *
 * What is wrong ends the process: this is for tests. */

#include "store/goal-types.h"

struct goal_resource *goal_text_resource(int n, char *words[]);
enum goal_kind goal_text_kind(const char *);
void goal_text_ip(const char *, struct in6_addr *);

#endif /* goal-text.h */

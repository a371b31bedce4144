/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-claims: who claims which address, and who has it. */

#ifndef AGENT_GATEWAY_CLAIMS_H
#define AGENT_GATEWAY_CLAIMS_H 1

/* What?
 * -----
 *
 * The half of agent-gateway-endpoints.h, whose essay has the rules, that looks
 * at one port or neighbour: which addresses it claims, who of several wins,
 * and what has to be written to the gateway's table because of it.  The other
 * half knows which ones to look at, and when.
 *
 * Usage
 * -----
 *
 * gateway_claims_update() with a port or neighbour that is new, changed or
 * gone, or whose subnet, VPC or gateways are; before, the latter are told by
 * gateway_claims_forget_parents() and those below.  When all have been looked
 * at once, gateway_claims_sweep() removes the rest of the table.
 *
 * Cost: a claim is 64 bytes.
 *
 * Thread-safety: main thread only. */

#include <stddef.h>
#include "agent-gateway-endpoints.h"

struct gateway_claims;
struct goal_key;

struct gateway_claims *gateway_claims_create(
    struct goal_store *, struct gateway_table *,
    const struct gateway_endpoints_class *, void *aux);
void gateway_claims_destroy(struct gateway_claims *); /* Accepts null. */

void gateway_claims_update(struct gateway_claims *, const struct goal_key *);
void gateway_claims_sweep(struct gateway_claims *);

/* Ids of the gateways that are served. */
void gateway_claims_set_served(struct gateway_claims *,
                               const struct sset *gateways);

/* The subnet that an ARION gateway is for; null if it is none. */
void gateway_claims_set_arion(struct gateway_claims *, const char *gateway,
                              const char *subnet);
const char *gateway_claims_get_arion(const struct gateway_claims *,
                                     const char *gateway);

/* A subnet or a VPC has changed. */
void gateway_claims_forget_parents(struct gateway_claims *);

struct gateway_vpc *gateway_claims_list_vpcs(const struct gateway_claims *,
                                             size_t *n);
void gateway_claims_get_stats(const struct gateway_claims *,
                              struct gateway_endpoints_stats *);

#endif /* agent-gateway-claims.h */

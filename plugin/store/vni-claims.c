/* SPDX-License-Identifier: Apache-2.0
 *
 * vni-claims: which VPC has which VNI. */

#include <config.h>

#include "store/vni-claims.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "util.h"

struct vni_claims {
    struct hmap vpcs;           /* Contains "struct claim_vpc"s, by id. */
    struct hmap subnets;        /* Contains "struct claim_subnet"s, by id. */
    struct hmap claims;         /* Contains "struct claim"s, by type, VNI. */
};

/* A VPC that is stored, or that has subnets. */
struct claim_vpc {
    struct hmap_node node;      /* In struct vni_claims's 'vpcs'. */
    char *id;
    bool stored;
    uint32_t tunnel_id;         /* 0 unless 'stored'. */
    struct ovs_list subnets;    /* Contains "struct claim_subnet"s. */
};

/* A subnet that is stored. */
struct claim_subnet {
    struct hmap_node node;      /* In struct vni_claims's 'subnets'. */
    struct ovs_list vpc_node;   /* In 'subnets' of 'vpc'. */
    char *id;
    struct claim_vpc *vpc;
    uint32_t type;              /* enum goal_network_type. */
    uint64_t tunnel_id;
    struct claim *claim;        /* What it claims; may be null. */
};

/* What some subnets of a VPC claim. */
struct claim {
    struct hmap_node node;      /* In struct vni_claims's 'claims'. */
    struct claim_vpc *vpc;
    uint32_t type;
    uint64_t vni;
    size_t n;                   /* Number of those subnets. */
};

struct vni_claims *
vni_claims_create(void)
{
    struct vni_claims *claims = xmalloc(sizeof *claims);

    hmap_init(&claims->vpcs);
    hmap_init(&claims->subnets);
    hmap_init(&claims->claims);
    return claims;
}

void
vni_claims_destroy(struct vni_claims *claims)
{
    struct claim_subnet *subnet;
    struct claim_vpc *vpc;
    struct claim *claim;

    if (!claims) {
        return;
    }
    HMAP_FOR_EACH_POP (claim, node, &claims->claims) {
        free(claim);
    }
    HMAP_FOR_EACH_POP (subnet, node, &claims->subnets) {
        free(subnet->id);
        free(subnet);
    }
    HMAP_FOR_EACH_POP (vpc, node, &claims->vpcs) {
        free(vpc->id);
        free(vpc);
    }
    hmap_destroy(&claims->claims);
    hmap_destroy(&claims->subnets);
    hmap_destroy(&claims->vpcs);
    free(claims);
}

/* VPCs. */

static struct claim_vpc *
find_vpc(const struct vni_claims *claims, const char *id)
{
    struct claim_vpc *vpc;

    HMAP_FOR_EACH_WITH_HASH (vpc, node, hash_string(id, 0), &claims->vpcs) {
        if (!strcmp(vpc->id, id)) {
            return vpc;
        }
    }
    return NULL;
}

static struct claim_vpc *
get_vpc(struct vni_claims *claims, const char *id)
{
    struct claim_vpc *vpc = find_vpc(claims, id);

    if (!vpc) {
        vpc = xzalloc(sizeof *vpc);
        vpc->id = xstrdup(id);
        ovs_list_init(&vpc->subnets);
        hmap_insert(&claims->vpcs, &vpc->node, hash_string(id, 0));
    }
    return vpc;
}

/* Frees 'vpc' unless there is something to remember of it. */
static void
release_vpc(struct vni_claims *claims, struct claim_vpc *vpc)
{
    if (!vpc->stored && ovs_list_is_empty(&vpc->subnets)) {
        hmap_remove(&claims->vpcs, &vpc->node);
        free(vpc->id);
        free(vpc);
    }
}

/* Claims. */

static uint32_t
hash_claim(uint32_t type, uint64_t vni)
{
    return hash_add(hash_uint64(vni), type);
}

/* The VNI of a subnet with 'tunnel_id' in a VPC with 'vpc_tunnel_id'. */
static uint64_t
effective_vni(uint32_t vpc_tunnel_id, uint64_t tunnel_id)
{
    return vpc_tunnel_id ? vpc_tunnel_id : tunnel_id;
}

static void
unclaim(struct vni_claims *claims, struct claim_subnet *subnet)
{
    struct claim *claim = subnet->claim;

    if (claim && !--claim->n) {
        hmap_remove(&claims->claims, &claim->node);
        free(claim);
    }
    subnet->claim = NULL;
}

/* Makes 'subnet' claim what it is entitled to. */
static void
reclaim(struct vni_claims *claims, struct claim_subnet *subnet)
{
    struct claim_vpc *vpc = subnet->vpc;
    uint64_t vni = effective_vni(vpc->tunnel_id, subnet->tunnel_id);
    uint32_t hash = hash_claim(subnet->type, vni);
    struct claim *claim;

    unclaim(claims, subnet);
    if (!vpc->stored || !vni) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (claim, node, hash, &claims->claims) {
        if (claim->vpc == vpc && claim->type == subnet->type
            && claim->vni == vni) {
            break;
        }
    }
    if (!claim) {
        claim = xzalloc(sizeof *claim);
        claim->vpc = vpc;
        claim->type = subnet->type;
        claim->vni = vni;
        hmap_insert(&claims->claims, &claim->node, hash);
    }
    claim->n++;
    subnet->claim = claim;
}

static void
reclaim_all(struct vni_claims *claims, struct claim_vpc *vpc)
{
    struct claim_subnet *subnet;

    LIST_FOR_EACH (subnet, vpc_node, &vpc->subnets) {
        reclaim(claims, subnet);
    }
}

/* Returns the VPC other than 'vpc_id' that claims 'type' and 'vni', or NULL if
 * there is none.  What 'except', which may be null, alone claims does not
 * count. */
static const struct claim_vpc *
find_rival(const struct vni_claims *claims, uint32_t type, uint64_t vni,
           const char *vpc_id, const struct claim_subnet *except)
{
    struct claim *claim;

    if (!vni) {
        return NULL;
    }
    HMAP_FOR_EACH_WITH_HASH (claim, node, hash_claim(type, vni),
                             &claims->claims) {
        if (claim->type == type && claim->vni == vni
            && strcmp(claim->vpc->id, vpc_id)
            && !(except && except->claim == claim && claim->n == 1)) {
            return claim->vpc;
        }
    }
    return NULL;
}

/* Subnets. */

static struct claim_subnet *
find_subnet(const struct vni_claims *claims, const char *id)
{
    struct claim_subnet *subnet;

    HMAP_FOR_EACH_WITH_HASH (subnet, node, hash_string(id, 0),
                             &claims->subnets) {
        if (!strcmp(subnet->id, id)) {
            return subnet;
        }
    }
    return NULL;
}

/* Takes 'subnet' out of its VPC. */
static void
leave_vpc(struct vni_claims *claims, struct claim_subnet *subnet)
{
    unclaim(claims, subnet);
    ovs_list_remove(&subnet->vpc_node);
    release_vpc(claims, subnet->vpc);
    subnet->vpc = NULL;
}

static void
put_subnet(struct vni_claims *claims, const struct goal_subnet *r)
{
    struct claim_subnet *subnet = find_subnet(claims, r->up.id);

    if (!subnet) {
        subnet = xzalloc(sizeof *subnet);
        subnet->id = xstrdup(r->up.id);
        hmap_insert(&claims->subnets, &subnet->node,
                    hash_string(subnet->id, 0));
    } else if (strcmp(subnet->vpc->id, r->vpc_id)) {
        leave_vpc(claims, subnet);
    }
    if (!subnet->vpc) {
        subnet->vpc = get_vpc(claims, r->vpc_id);
        ovs_list_push_back(&subnet->vpc->subnets, &subnet->vpc_node);
    }
    subnet->type = r->network_type;
    subnet->tunnel_id = r->tunnel_id;
    reclaim(claims, subnet);
}

/* Changes. */

void
vni_claims_put(struct vni_claims *claims, const struct goal_resource *r)
{
    if (r->kind == GOAL_VPC) {
        struct claim_vpc *vpc = get_vpc(claims, r->id);
        uint32_t tunnel_id = GOAL_VPC_CAST(r)->tunnel_id;

        if (!vpc->stored || vpc->tunnel_id != tunnel_id) {
            vpc->stored = true;
            vpc->tunnel_id = tunnel_id;
            reclaim_all(claims, vpc);
        }
    } else if (r->kind == GOAL_SUBNET) {
        put_subnet(claims, GOAL_SUBNET_CAST(r));
    }
}

void
vni_claims_delete(struct vni_claims *claims, enum goal_kind kind,
                  const char *id)
{
    if (kind == GOAL_VPC) {
        struct claim_vpc *vpc = find_vpc(claims, id);

        if (vpc) {
            vpc->stored = false;
            vpc->tunnel_id = 0;
            reclaim_all(claims, vpc);
            release_vpc(claims, vpc);
        }
    } else if (kind == GOAL_SUBNET) {
        struct claim_subnet *subnet = find_subnet(claims, id);

        if (subnet) {
            leave_vpc(claims, subnet);
            hmap_remove(&claims->subnets, &subnet->node);
            free(subnet->id);
            free(subnet);
        }
    }
}

/* Checking. */

static char *
check_vpc(const struct vni_claims *claims, const struct goal_vpc *r)
{
    const struct claim_vpc *vpc = find_vpc(claims, r->up.id);
    const struct claim_subnet *subnet;

    if (!vpc || (vpc->stored && vpc->tunnel_id == r->tunnel_id)) {
        return NULL;
    }
    LIST_FOR_EACH (subnet, vpc_node, &vpc->subnets) {
        uint64_t vni = effective_vni(r->tunnel_id, subnet->tunnel_id);
        const struct claim_vpc *rival = find_rival(claims, subnet->type, vni,
                                                   r->up.id, NULL);

        if (rival) {
            return xasprintf("tunnel_id: subnet %s would have VNI %"PRIu64" "
                             "in VPC %s, but VPC %s has it with the same "
                             "encapsulation", subnet->id, vni, r->up.id,
                             rival->id);
        }
    }
    return NULL;
}

static char *
check_subnet(const struct vni_claims *claims, const struct goal_subnet *r)
{
    const struct claim_vpc *vpc = find_vpc(claims, r->vpc_id);
    const struct claim_vpc *rival;
    uint64_t vni;

    if (!vpc || !vpc->stored) {
        return NULL;
    }
    vni = effective_vni(vpc->tunnel_id, r->tunnel_id);
    rival = find_rival(claims, r->network_type, vni, r->vpc_id,
                       find_subnet(claims, r->up.id));
    return (rival
            ? xasprintf("tunnel_id: the VNI would be %"PRIu64" in VPC %s, but "
                        "VPC %s has it with the same encapsulation", vni,
                        r->vpc_id, rival->id)
            : NULL);
}

char *
vni_claims_check(const struct vni_claims *claims,
                 const struct goal_resource *r)
{
    return (r->kind == GOAL_VPC ? check_vpc(claims, GOAL_VPC_CAST(r))
            : r->kind == GOAL_SUBNET ? check_subnet(claims,
                                                    GOAL_SUBNET_CAST(r))
            : NULL);
}

const char *
vni_claims_find(const struct vni_claims *claims, uint32_t vni)
{
    for (uint32_t type = GOAL_NET_VXLAN; vni && type <= GOAL_NET_VXLAN_GPE;
         type++) {
        const struct claim *claim;

        HMAP_FOR_EACH_WITH_HASH (claim, node, hash_claim(type, vni),
                                 &claims->claims) {
            if (claim->type == type && claim->vni == vni) {
                return claim->vpc->id;
            }
        }
    }
    return NULL;
}

void
vni_claims_for_each_subnet(const struct vni_claims *claims,
                           const char *vpc_id,
                           bool (*cb)(const char *subnet_id, void *aux),
                           void *aux)
{
    const struct claim_vpc *vpc = find_vpc(claims, vpc_id);
    const struct claim_subnet *subnet;

    if (vpc) {
        LIST_FOR_EACH (subnet, vpc_node, &vpc->subnets) {
            if (!cb(subnet->id, aux)) {
                break;
            }
        }
    }
}

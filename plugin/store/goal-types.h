/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-types: what a controller can say, as plain C structs. */

#ifndef STORE_GOAL_TYPES_H
#define STORE_GOAL_TYPES_H 1

/* Goal resources
 * ==============
 *
 * What?
 * -----
 *
 * Eight kinds of resource make up goal state.  Each kind is one plain struct
 * that starts with "struct goal_resource" and one table, "struct goal_struct",
 * that describes the members.  Everything generic is driven by those tables:
 * decoding and validation (ingest/), merging, packing into the store, equality
 * and printing.  A new member of a resource is one line in its struct and one
 * line in its table (goal-kinds.c); a new kind is a struct, a table and a line
 * in goal_kinds[].
 *
 * The names in the tables are those of Alcor's schema, in snake case, so that
 * they serve as keys for protobuf reflection and for people.
 *
 * Units and representations
 * -------------------------
 *
 * Addresses are "struct in6_addr"; an IPv4 address is IPv4-mapped; all zeros
 * means "not given".  A prefix has a length in terms of its own family (0...32
 * for IPv4) and says whether it is given, since ::/0 may be.  A MAC of all
 * zeros means "not given".  Strings are never null: "not given" is the empty
 * string.
 *
 * Ownership
 * ---------
 *
 * A resource owns everything its members point to.  goal_resource_create()
 * makes an empty one, goal_resource_destroy() frees it.  A list member is a
 * pointer to an array plus a count of type size_t that directly follows the
 * pointer in the struct (the table relies on it).
 *
 * Thread-safety
 * -------------
 *
 * Plain data, no locking.  The tables are constant. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"
#include "packets.h"

struct ds;
struct json;

/* Kinds of resource.  The values are those of Alcor's ResourceType, which
 * ingest/ checks at build time. */
enum goal_kind {
    GOAL_VPC,
    GOAL_SUBNET,
    GOAL_PORT,
    GOAL_NEIGHBOR,
    GOAL_SECURITY_GROUP,
    GOAL_DHCP,
    GOAL_ROUTER,
    GOAL_GATEWAY,
    GOAL_N_KINDS
};

/* Names one resource in the store: its kind and its surrogate id, which the
 * store assigns to an id when it first hears of it and keeps from then on. */
struct goal_key {
    enum goal_kind kind;
    uint64_t sid;
};

enum goal_network_type {        /* Alcor's NetworkType. */
    GOAL_NET_VXLAN,
    GOAL_NET_VLAN,
    GOAL_NET_GRE,
    GOAL_NET_GENEVE,
    GOAL_NET_VXLAN_GPE,
};

enum goal_neighbor_type {       /* Alcor's NeighborType. */
    GOAL_NEIGHBOR_L2,
    GOAL_NEIGHBOR_L3,
};

struct goal_prefix {            /* All zeros: not given. */
    struct in6_addr addr;       /* Network address. */
    uint32_t plen;              /* 0...32 for IPv4, 0...128 for IPv6. */
    uint32_t given;             /* 1, or 0 if it is not given: ::/0 is. */
};

/* A list of strings. */
struct goal_strings {
    char **names;
    size_t n;
};

bool goal_strings_equal(const struct goal_strings *,
                        const struct goal_strings *);

/* What every resource has. */
struct goal_resource {
    enum goal_kind kind;
    char *id;                   /* 1 to 255 bytes of UTF-8. */
    uint32_t revision;          /* 0: not versioned. */
    char *request_id;
};

struct goal_vpc {
    struct goal_resource up;
    char *project_id;
    char *name;
    struct goal_prefix cidr;
    uint32_t tunnel_id;         /* 0: each subnet has its own. */
    struct goal_strings gateway_ids;
};

struct goal_dhcp_option {
    char *name;
    char *value;
};

struct goal_subnet {
    struct goal_resource up;
    uint32_t network_type;      /* enum goal_network_type. */
    char *vpc_id;
    char *name;
    struct goal_prefix cidr;
    uint64_t tunnel_id;         /* Used only when the VPC's is 0. */
    struct in6_addr gateway_ip;
    struct eth_addr gateway_mac;
    bool dhcp_enable;
    struct goal_dhcp_option *dhcp_options;
    size_t n_dhcp_options;
    struct goal_strings dns;
    char *availability_zone;
};

struct goal_fixed_ip {          /* Of a port. */
    char *subnet_id;
    struct in6_addr ip;
};

struct goal_address_pair {
    struct goal_prefix ip;      /* May be a CIDR. */
    struct eth_addr mac;        /* Not given: the owner's. */
};

struct goal_port {
    struct goal_resource up;
    char *vpc_id;
    char *name;
    char *device_id;
    char *device_owner;
    struct eth_addr mac;
    bool admin_state_up;
    struct in6_addr host_ip;
    struct eth_addr host_mac;
    struct goal_fixed_ip *fixed_ips;
    size_t n_fixed_ips;
    struct goal_address_pair *allowed;
    size_t n_allowed;
    struct goal_strings security_groups;
};

struct goal_neighbor_ip {
    uint32_t type;              /* enum goal_neighbor_type. */
    char *subnet_id;
    struct in6_addr ip;
    char *arion_group;
    uint32_t tunnel_id;         /* A hint, while the subnet is unknown. */
};

struct goal_neighbor {
    struct goal_resource up;
    char *vpc_id;
    char *name;
    struct eth_addr mac;
    struct eth_addr host_mac;
    struct in6_addr host_ip;
    struct goal_neighbor_ip *fixed_ips;
    size_t n_fixed_ips;
    struct goal_address_pair *allowed;
    size_t n_allowed;
    struct goal_strings security_groups;
};

struct goal_sg_rule {
    uint32_t operation;         /* Alcor's OperationType; only while merging:
                                 * 0 in anything stored. */
    char *security_group_id;
    char *id;
    uint32_t direction;         /* 0: egress, 1: ingress. */
    uint32_t ethertype;         /* 0: IPv4, 1: IPv6. */
    uint32_t protocol;          /* Alcor's Protocol, or 255: any. */
    uint32_t port_range_min;
    uint32_t port_range_max;
    struct goal_prefix remote_prefix;
    char *remote_group_id;
};

struct goal_security_group {
    struct goal_resource up;
    char *vpc_id;
    char *name;
    struct goal_sg_rule *rules;
    size_t n_rules;
};

struct goal_dhcp {
    struct goal_resource up;
    char *subnet_id;
    struct eth_addr mac;
    struct in6_addr ipv4;
    struct in6_addr ipv6;
    char *host_name;
};

struct goal_route {
    uint32_t operation;         /* As in struct goal_sg_rule. */
    char *id;
    char *name;
    struct goal_prefix destination;
    struct in6_addr next_hop;
    uint32_t priority;
    uint32_t destination_type;  /* 0: INTERNET, 1: VPC_GW. */
    struct eth_addr next_hop_mac;
};

struct goal_route_table {
    char *subnet_id;
    struct goal_route *routes;
    size_t n_routes;
};

struct goal_router {
    struct goal_resource up;
    struct eth_addr dvr_mac;
    struct goal_route_table *tables;
    size_t n_tables;
};

struct goal_gateway_destination {
    struct in6_addr ip;
    struct eth_addr mac;
};

enum goal_gateway_type {        /* Alcor's GatewayType. */
    GOAL_GATEWAY_DEFAULT,
    GOAL_GATEWAY_ZETA,
    GOAL_GATEWAY_TGW,
    GOAL_GATEWAY_IGW,
    GOAL_GATEWAY_NGW,
    GOAL_GATEWAY_ARION,
};

struct goal_gateway {
    struct goal_resource up;
    uint32_t type;              /* enum goal_gateway_type. */
    struct goal_gateway_destination *destinations;
    size_t n_destinations;
    uint32_t oam_port;          /* Zeta's or ARION's; 0: not given. */
    char *vpc_id;               /* ARION only, as what follows. */
    uint32_t vni;
    char *subnet_id;
};

/* Tables. */

enum goal_field_type {
    GF_BOOL,                    /* bool. */
    GF_U32,                     /* uint32_t. */
    GF_U64,                     /* uint64_t. */
    GF_ENUM,                    /* uint32_t, with names. */
    GF_STRING,                  /* char *. */
    GF_MAC,                     /* struct eth_addr. */
    GF_IP,                      /* struct in6_addr. */
    GF_PREFIX,                  /* struct goal_prefix. */
    GF_STRINGS,                 /* struct goal_strings. */
    GF_STRUCTS,                 /* Array pointer, then size_t count. */
};

/* Properties of a field, for validation and for merging. */
enum goal_field_flags {
    GFF_REQUIRED  = 1 << 0,     /* Must be given. */
    GFF_ID        = 1 << 1,     /* A string that names something: at most 255
                                 * bytes. */
    GFF_STATION   = 1 << 2,     /* MAC or address of one station: neither
                                 * multicast, broadcast nor zero. */
    GFF_V4        = 1 << 3,     /* IPv4 only. */
    GFF_V6        = 1 << 4,     /* IPv6 only. */
    GFF_VNI       = 1 << 5,     /* At most 2^24-1. */
    GFF_L4PORT    = 1 << 6,     /* At most 65535. */
    GFF_HOST_BITS = 1 << 7,     /* A prefix that may have host bits set (they
                                 * are kept), e.g. 10.0.0.5/24. */
    GFF_WINS      = 1 << 8,     /* Wins in a DELTA even when it has the
                                 * default value. */
    GFF_MERGE     = 1 << 9,     /* A list merged by key in a DELTA, instead of
                                 * being replaced when not empty. */
    GFF_KEY       = 1 << 10,    /* Part of the key by which the list that this
                                 * struct is an element of is merged. */
    GFF_OPERATION = 1 << 11,    /* The element's own operation. */
    GFF_OPEN_ENUM = 1 << 12,    /* 255 is accepted besides the names. */
    GFF_HALVES    = 1 << 13,    /* A GFF_MERGE list that is merged also when
                                 * the resource is created, since controllers
                                 * send it in halves; only FULL replaces it. */
};

struct goal_field {
    const char *name;           /* Name in Alcor's schema; members of a nested
                                 * message that has no struct of its own are
                                 * written as a path, "gateway.ip_address". */
    enum goal_field_type type;
    uint32_t flags;             /* Bitmap of enum goal_field_flags. */
    size_t offset;              /* In the struct that holds it. */
    const struct goal_struct *sub; /* GF_STRUCTS: the element. */
    const char *const *names;   /* GF_ENUM: null-terminated names, by value;
                                 * also decides what is a listed value. */
};

struct goal_struct {
    const char *name;
    size_t size;                /* sizeof the struct. */
    const struct goal_field *fields;
    size_t n_fields;
};

/* Kinds, by enum goal_kind. */
struct goal_kind_info {
    const char *name;           /* As in enum ResourceType: "VPC". */
    const struct goal_struct *layout; /* Whole struct, without "up". */
    bool keeps_deltas;          /* False: every update is a replacement. */
};
extern const struct goal_kind_info goal_kinds[GOAL_N_KINDS];

/* Accepts the names of enum ResourceType in any case.  Returns false if
 * 'name' is none. */
bool goal_kind_from_string(const char *name, enum goal_kind *);

struct goal_resource *goal_resource_create(enum goal_kind, const char *id);
void goal_resource_destroy(struct goal_resource *); /* Accepts null. */
struct goal_resource *goal_resource_clone(const struct goal_resource *);
bool goal_resource_equal(const struct goal_resource *,
                         const struct goal_resource *);

/* Returns 'resource' as a JSON object (keys in table order, members that are
 * not given left out), owned by the caller. */
struct json *goal_resource_to_json(const struct goal_resource *);

/* Appends 'resource' to 'ds' for people: one "name: value" line a member. */
void goal_resource_format(const struct goal_resource *, struct ds *);

/* Generic operations on a struct described by a table; they underlie those on
 * resources.  goal_struct_init() sets every member to "not given". */
void goal_struct_init(const struct goal_struct *, void *);
void goal_struct_uninit(const struct goal_struct *, void *);
void goal_struct_clone(const struct goal_struct *, void *dst,
                       const void *src);
bool goal_struct_equal(const struct goal_struct *, const void *,
                       const void *);
bool goal_field_is_default(const struct goal_field *, const void *base);

/* The strings of a resource that name other resources, for the indexes: an
 * empty string or null where a kind has none. */
const char *goal_resource_vpc_id(const struct goal_resource *);

/* Down-casts; the kind is checked. */
#define GOAL_CAST(RESOURCE, KIND, MEMBER)                               \
    (ovs_assert((RESOURCE)->kind == KIND),                              \
     CONTAINER_OF(RESOURCE, struct MEMBER, up))
#define GOAL_VPC_CAST(R) GOAL_CAST(R, GOAL_VPC, goal_vpc)
#define GOAL_SUBNET_CAST(R) GOAL_CAST(R, GOAL_SUBNET, goal_subnet)
#define GOAL_PORT_CAST(R) GOAL_CAST(R, GOAL_PORT, goal_port)
#define GOAL_NEIGHBOR_CAST(R) GOAL_CAST(R, GOAL_NEIGHBOR, goal_neighbor)
#define GOAL_ROUTER_CAST(R) GOAL_CAST(R, GOAL_ROUTER, goal_router)
#define GOAL_DHCP_CAST(R) GOAL_CAST(R, GOAL_DHCP, goal_dhcp)
#define GOAL_SECURITY_GROUP_CAST(R) \
    GOAL_CAST(R, GOAL_SECURITY_GROUP, goal_security_group)
#define GOAL_GATEWAY_CAST(R) GOAL_CAST(R, GOAL_GATEWAY, goal_gateway)

#endif /* store/goal-types.h */

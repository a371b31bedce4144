/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-index: the indexes of the goal store. */

#include <config.h>

#include "store/goal-store-private.h"

#include <stdlib.h>
#include <string.h>

#include "store/dep-key.h"
#include "store/goal-fields.h"
#include "unaligned.h"
#include "util.h"

/* Up to this many entries are sorted by insertion. */
#define MAX_INSERTION 16

/* Where the members that an index is made of are in a struct. */
struct index_rule {
    enum goal_kind kind;        /* Child's. */
    enum goal_index index;
    enum {
        RULE_STRING,            /* char *. */
        RULE_STRINGS,           /* struct goal_strings. */
        RULE_LIST,              /* struct goal_list with a char * in each. */
        RULE_ADDRESS,           /* Likewise, and a struct in6_addr. */
    } shape;
    size_t offset;              /* In the resource, of the parent's id or of
                                 * the list. */
    size_t elem_size;           /* Lists: size of an element. */
    size_t elem_id;             /* Lists: offset in it of the parent's id. */
    size_t elem_ip;             /* RULE_ADDRESS: offset in it of the ip. */
};

#define BY_STRING(KIND, INDEX, STRUCT, MEMBER)                      \
    { GOAL_##KIND, GOAL_BY_##INDEX, RULE_STRING,                    \
      offsetof(struct STRUCT, MEMBER), 0, 0, 0 }
#define BY_STRINGS(KIND, INDEX, STRUCT, MEMBER)                     \
    { GOAL_##KIND, GOAL_BY_##INDEX, RULE_STRINGS,                   \
      offsetof(struct STRUCT, MEMBER), 0, 0, 0 }
#define BY_LIST(KIND, INDEX, STRUCT, MEMBER, ELEM, ELEM_ID)         \
    { GOAL_##KIND, GOAL_BY_##INDEX, RULE_LIST,                      \
      offsetof(struct STRUCT, MEMBER), sizeof(struct ELEM),         \
      offsetof(struct ELEM, ELEM_ID), 0 }
#define BY_IP(KIND, STRUCT, ELEM)                                   \
    { GOAL_##KIND, GOAL_BY_ADDRESS, RULE_ADDRESS,                   \
      offsetof(struct STRUCT, fixed_ips), sizeof(struct ELEM),      \
      offsetof(struct ELEM, subnet_id), offsetof(struct ELEM, ip) }

static const struct index_rule rules[] = {
    BY_STRINGS(VPC, GATEWAY, goal_vpc, gateway_ids),
    BY_STRING(SUBNET, VPC, goal_subnet, vpc_id),
    { GOAL_SUBNET, GOAL_SUBNETS_OF_VPC, RULE_STRING,
      offsetof(struct goal_subnet, vpc_id), 0, 0, 0 },
    BY_STRING(PORT, VPC, goal_port, vpc_id),
    BY_LIST(PORT, SUBNET, goal_port, fixed_ips, goal_fixed_ip, subnet_id),
    BY_STRINGS(PORT, GROUP, goal_port, security_groups),
    BY_IP(PORT, goal_port, goal_fixed_ip),
    BY_STRING(NEIGHBOR, VPC, goal_neighbor, vpc_id),
    BY_LIST(NEIGHBOR, SUBNET, goal_neighbor, fixed_ips, goal_neighbor_ip,
            subnet_id),
    BY_STRINGS(NEIGHBOR, GROUP, goal_neighbor, security_groups),
    BY_IP(NEIGHBOR, goal_neighbor, goal_neighbor_ip),
    BY_STRING(SECURITY_GROUP, VPC, goal_security_group, vpc_id),
    BY_LIST(SECURITY_GROUP, REMOTE_GROUP, goal_security_group, rules,
            goal_sg_rule, remote_group_id),
    BY_STRING(DHCP, SUBNET, goal_dhcp, subnet_id),
    BY_LIST(ROUTER, SUBNET, goal_router, tables, goal_route_table, subnet_id),
    BY_STRING(GATEWAY, SUBNET, goal_gateway, subnet_id),
    { GOAL_GATEWAY, GOAL_GATEWAYS_OF_SUBNET, RULE_STRING,
      offsetof(struct goal_gateway, subnet_id), 0, 0, 0 },
};

/* Returns the kind of what 'index' has as parents. */
enum goal_kind
goal_index_parent_kind(enum goal_index index)
{
    static const enum goal_kind kinds[GOAL_N_INDEXES] = {
        [GOAL_BY_VPC] = GOAL_VPC,
        [GOAL_BY_SUBNET] = GOAL_SUBNET,
        [GOAL_BY_GROUP] = GOAL_SECURITY_GROUP,
        [GOAL_BY_ADDRESS] = GOAL_SUBNET,
        [GOAL_BY_GATEWAY] = GOAL_GATEWAY,
        [GOAL_SUBNETS_OF_VPC] = GOAL_VPC,
        [GOAL_BY_REMOTE_GROUP] = GOAL_SECURITY_GROUP,
        [GOAL_GATEWAYS_OF_SUBNET] = GOAL_SUBNET,
    };

    return kinds[index];
}

/* For GOAL_BY_ADDRESS, 'address' must be nonnull. */
uint64_t
goal_index_dep_key(enum goal_index index, const char *parent,
                   const struct in6_addr *address)
{
    uint8_t name[GOAL_MAX_ID + 1 + sizeof *address];
    size_t len = strlen(parent);

    if (index != GOAL_BY_ADDRESS || len > GOAL_MAX_ID) {
        return dep_key(DEP_INDEX + index, parent, len);
    }
    memcpy(name, parent, len + 1);
    memcpy(name + len + 1, address, sizeof *address);
    return dep_key(DEP_INDEX + index, name, len + 1 + sizeof *address);
}

/* Stores the key of the range of 'index' under 'parent' (and 'address') in
 * 'key' and returns its length. */
static size_t
range_key(uint8_t *key, enum goal_index index, uint64_t parent,
          const struct in6_addr *address)
{
    key[0] = index;
    put_unaligned_be64(ALIGNED_CAST(ovs_be64 *, &key[1]), htonll(parent));
    if (index != GOAL_BY_ADDRESS) {
        return 9;
    }
    memcpy(&key[9], address, sizeof *address);
    return 9 + sizeof *address;
}

/* Building entries. */

void
goal_refs_uninit(struct goal_refs *refs)
{
    free(refs->refs);
}

/* Adds to 'refs' the entry of 'key' under 'parent' (and 'address').  An id
 * that cannot be names nothing. */
static int
refs_add(struct goal_store *store, const struct index_rule *rule,
         const char *parent, const struct in6_addr *address, uint64_t sid,
         struct goal_refs *refs)
{
    enum goal_kind kind = goal_index_parent_kind(rule->index);
    struct goal_ref *ref;
    uint64_t parent_sid;
    int error;

    if (!parent[0] || strlen(parent) > GOAL_MAX_ID) {
        return 0;
    }
    if (refs->n >= refs->allocated) {
        refs->refs = x2nrealloc(refs->refs, &refs->allocated,
                                sizeof *refs->refs);
    }
    ref = &refs->refs[refs->n];
    error = goal_id_intern_parent(store, kind, parent, &parent_sid,
                                  &ref->dep);
    if (error) {
        return error;
    }
    if (rule->index == GOAL_BY_ADDRESS
        || rule->index == GOAL_SUBNETS_OF_VPC
        || rule->index == GOAL_BY_REMOTE_GROUP
        || rule->index == GOAL_GATEWAYS_OF_SUBNET) {
        /* 'dep' is that of the parent's other index. */
        ref->dep = goal_index_dep_key(rule->index, parent, address);
    }
    ref->len = range_key(ref->key, rule->index, parent_sid, address);
    ref->key[ref->len++] = rule->kind;
    put_unaligned_be64(ALIGNED_CAST(ovs_be64 *, &ref->key[ref->len]),
                       htonll(sid));
    ref->len += sizeof sid;
    refs->n++;
    return 0;
}

static int
refs_add_rule(struct goal_store *store, const struct index_rule *rule,
              const void *base, uint64_t sid, struct goal_refs *refs)
{
    const char *member = (const char *) base + rule->offset;
    const struct goal_strings *strings = (const void *) member;
    const struct goal_list *list = (const void *) member;
    size_t n = rule->shape == RULE_STRING ? 1 : list->n;
    int error = 0;

    for (size_t i = 0; i < n && !error; i++) {
        const char *elem = list->elems + i * rule->elem_size;
        const char *parent
            = (rule->shape == RULE_STRING ? *ALIGNED_CAST(char **, member)
               : rule->shape == RULE_STRINGS ? strings->names[i]
               : *ALIGNED_CAST(char **, elem + rule->elem_id));

        error = refs_add(store, rule, parent,
                         ALIGNED_CAST(const struct in6_addr *,
                                      elem + rule->elem_ip),
                         sid, refs);
    }
    return error;
}

static int
compare_refs(const void *a_, const void *b_)
{
    const struct goal_ref *a = a_;
    const struct goal_ref *b = b_;
    int cmp = memcmp(a->key, b->key, MIN(a->len, b->len));

    return cmp ? cmp : (int) a->len - b->len;
}

/* Puts 'refs' in order and removes duplicates. */
static void
refs_sort(struct goal_refs *refs)
{
    struct goal_ref *r = refs->refs;
    size_t n = 0;

    if (refs->n > MAX_INSERTION) {
        qsort(r, refs->n, sizeof *r, compare_refs);
    } else {
        for (size_t i = 1; i < refs->n; i++) {
            for (size_t j = i; j > 0 && compare_refs(&r[j - 1], &r[j]) > 0;
                 j--) {
                struct goal_ref tmp = r[j];

                r[j] = r[j - 1];
                r[j - 1] = tmp;
            }
        }
    }
    for (size_t i = 0; i < refs->n; i++) {
        if (!n || compare_refs(&r[n - 1], &r[i])) {
            r[n++] = r[i];
        }
    }
    refs->n = n;
}

/* Replaces 'refs' by the entries of 'resource', whose surrogate is 'sid', in
 * all indexes. */
int
goal_refs_build(struct goal_store *store, const struct goal_resource *resource,
                uint64_t sid, struct goal_refs *refs)
{
    refs->n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].kind == resource->kind) {
            int error = refs_add_rule(store, &rules[i], resource, sid, refs);

            if (error) {
                return error;
            }
        }
    }
    refs_sort(refs);
    return 0;
}

/* Writing. */

static int
ref_write(struct goal_store *store, const struct goal_ref *ref, bool add)
{
    MDB_cursor *cursor = goal_write_cursor(store, GOAL_N_DBS + ref->key[0]);
    MDB_val k = goal_val(ref->key, ref->len);
    MDB_val v = goal_val("", 0);
    int error;

    if (!cursor) {
        return MDB_BAD_TXN;
    }
    store->write.dirty = true;
    if (ref->key[0] != GOAL_BY_ADDRESS) {
        const ovs_be64 *parent = ALIGNED_CAST(const ovs_be64 *, &ref->key[1]);

        goal_counted_change(store, ref->key[0],
                            ntohll(get_unaligned_be64(parent)), ref->key[9],
                            add);
    }
    if (add) {
        return mdb_cursor_put(cursor, &k, &v, 0);
    }
    goal_sweep_want(store);
    error = mdb_cursor_get(cursor, &k, &v, MDB_SET);
    if (!error) {
        error = mdb_cursor_del(cursor, 0);
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Makes the indexes have 'new' instead of 'old'. */
int
goal_refs_update(struct goal_store *store, const struct goal_refs *old,
                 const struct goal_refs *new)
{
    size_t i = 0, j = 0;
    int error = 0;

    while (!error && (i < old->n || j < new->n)) {
        int cmp = (i >= old->n ? 1
                   : j >= new->n ? -1
                   : compare_refs(&old->refs[i], &new->refs[j]));

        if (cmp < 0) {
            error = ref_write(store, &old->refs[i++], false);
        } else if (cmp > 0) {
            error = ref_write(store, &new->refs[j++], true);
        } else {
            i++;
            j++;
        }
    }
    return error;
}

/* Reading. */

void
goal_store_index(struct goal_store *store, enum goal_index index,
                 const char *parent, const struct in6_addr *address,
                 bool (*cb)(const struct goal_key *, void *aux), void *aux)
{
    goal_store_index_after(store, index, parent, address, NULL, cb, aux);
}

void
goal_store_index_after(struct goal_store *store, enum goal_index index,
                       const char *parent, const struct in6_addr *address,
                       const struct goal_key *after,
                       bool (*cb)(const struct goal_key *, void *aux),
                       void *aux)
{
    size_t len = index == GOAL_BY_ADDRESS ? 25 : 9;
    MDB_txn *txn = goal_store_txn(store);
    uint8_t prefix[34];
    MDB_cursor *cursor;
    uint64_t entry;
    MDB_val k, v;

    if (!txn
        || goal_id_find(store, goal_index_parent_kind(index), parent, &entry,
                        &v)
        || mdb_cursor_open(txn, store->dbis[GOAL_DB_INDEX], &cursor)) {
        return;
    }
    k = goal_val(prefix, range_key(prefix, index, entry & ~GOAL_ID_STORED,
                                   address));
    if (after) {
        prefix[len] = after->kind;
        put_unaligned_be64(ALIGNED_CAST(ovs_be64 *, &prefix[len + 1]),
                           htonll(after->sid + 1));
        k.mv_size = len + 9;
    }
    for (int error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); !error;
         error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        const uint8_t *p = k.mv_data;
        struct goal_key key;

        if (k.mv_size != len + 9 || memcmp(p, prefix, len)) {
            break;
        }
        key.kind = p[len];
        key.sid = ntohll(get_unaligned_be64(
                             ALIGNED_CAST(const ovs_be64 *, &p[len + 1])));
        if (key.kind < GOAL_N_KINDS && !cb(&key, aux)) {
            break;
        }
    }
    mdb_cursor_close(cursor);
}

/* Stores in '*is_parent' whether any index has an entry under 'sid', of
 * 'kind'. */
int
goal_index_is_parent(const struct goal_store *store, enum goal_kind kind,
                     uint64_t sid, bool *is_parent)
{
    MDB_txn *txn = goal_store_txn(store);
    MDB_cursor *cursor;
    int error;

    *is_parent = false;
    error = (txn ? mdb_cursor_open(txn, store->dbis[GOAL_DB_INDEX], &cursor)
             : MDB_BAD_TXN);
    if (error) {
        return error;
    }
    for (enum goal_index i = 0; i < GOAL_N_INDEXES && !*is_parent; i++) {
        uint8_t prefix[34];
        MDB_val k, v;

        /* Behind GOAL_BY_ADDRESS there is GOAL_BY_SUBNET. */
        if (goal_index_parent_kind(i) != kind || i == GOAL_BY_ADDRESS) {
            continue;
        }
        k = goal_val(prefix, range_key(prefix, i, sid, NULL));
        error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (!error) {
            *is_parent = k.mv_size >= 9 && !memcmp(k.mv_data, prefix, 9);
        } else if (error != MDB_NOTFOUND) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
}

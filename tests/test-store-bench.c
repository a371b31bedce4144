/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store-bench: how fast the goal store is.
 *
 * Usage: alcortest store-bench DIR [N [PER_WRITE]]
 *
 * Not part of the suite: prints figures. */

#include <config.h>
#undef NDEBUG

#include "store/goal-store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alcortest.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

/* What is measured. */
struct bench {
    struct goal_store *store;
    struct goal_neighbor **neighbors;
    size_t n;                   /* Number of 'neighbors'. */
    size_t per_write;           /* Of them in one message. */
    uint64_t sequence;          /* Of the last message. */
    struct goal_changes changes;
};

static void
check(char *error)
{
    if (error) {
        ovs_fatal(0, "%s", error);
    }
}

static char *
random_uuid(void)
{
    return xasprintf("%08x-%04x-4%03x-8%03x-%04x%08x", random_uint32(),
                     random_uint32() & 0xffff, random_uint32() & 0xfff,
                     random_uint32() & 0xfff, random_uint32() & 0xffff,
                     random_uint32());
}

static void
set_string(char **s, const char *value)
{
    free(*s);
    *s = xstrdup(value);
}

static struct goal_neighbor *
make_neighbor(const char *id, size_t i)
{
    const char *vpc = "3dda2801-d675-4688-a63f-dcda8d327f50";
    const char *subnet = "27330ae4-b718-11ea-b3df-111111111112";
    struct goal_resource *r = goal_resource_create(GOAL_NEIGHBOR, id);
    struct goal_neighbor *n = GOAL_NEIGHBOR_CAST(r);

    r->revision = 1;
    set_string(&n->vpc_id, vpc);
    n->mac = (struct eth_addr) ETH_ADDR_C(fa,16,3e,00,00,00);
    put_unaligned_be32(ALIGNED_CAST(ovs_be32 *, &n->mac.ea[2]), htonl(i));
    n->host_mac = (struct eth_addr) ETH_ADDR_C(90,17,ac,c1,34,64);
    n->host_ip = in6_addr_mapped_ipv4(htonl(0xac103e00 + i / 100));
    n->fixed_ips = xmalloc(sizeof *n->fixed_ips);
    n->n_fixed_ips = 1;
    n->fixed_ips[0] = (struct goal_neighbor_ip) {
        .subnet_id = xstrdup(subnet),
        .ip = in6_addr_mapped_ipv4(htonl(0x0a000002 + i)),
        .arion_group = xstrdup(""),
    };
    return n;
}

/* Prints how long 'n' operations named 'what' took. */
static void
print_time(const char *what, size_t n, long long int start)
{
    long long int usec = time_usec() - start;

    printf("%-28s %9"PRIuSIZE" in %8.1f ms: %6.3f us each\n", what, n,
           usec / 1e3, (double) usec / n);
    fflush(stdout);
}

/* Puts all neighbours. */
static void
bench_put(struct bench *b, const char *what, enum goal_write expected)
{
    struct goal_origin origin = {
        .sender = "bench", .topic = "vpc/1", .epoch = 1,
    };
    long long int start = time_usec();

    for (size_t i = 0; i < b->n; i += b->per_write) {
        origin.sequence = ++b->sequence;
        check(goal_store_begin(b->store, &origin));
        for (size_t j = i; j < MIN(b->n, i + b->per_write); j++) {
            enum goal_write write;
            struct goal_key key;

            check(goal_store_put(b->store, &b->neighbors[j]->up,
                                 GOAL_REPLACE, &key, &write));
            ovs_assert(write == expected);
        }
        check(goal_store_commit(b->store, &b->changes));
        goal_changes_destroy(&b->changes);
    }
    print_time(what, b->n, start);
}

/* Gets neighbours in any order.  Their ids are side by side in memory, so that
 * finding them costs next to nothing. */
static void
bench_get(struct bench *b)
{
    size_t n = MIN(b->n, 100000);
    char (*ids)[40] = xmalloc(n * sizeof *ids);
    long long int start;

    for (size_t i = 0; i < n; i++) {
        ovs_strlcpy(ids[i], b->neighbors[random_range(b->n)]->up.id,
                    sizeof ids[i]);
    }
    start = time_usec();
    for (size_t i = 0; i < n; i++) {
        struct goal_resource *r;

        r = goal_store_get(b->store, GOAL_NEIGHBOR, ids[i]);
        ovs_assert(r);
        goal_resource_destroy(r);
    }
    print_time("get, any order", n, start);
    start = time_usec();
    for (size_t i = 0; i < n; i++) {
        struct goal_key key;

        ovs_assert(goal_store_lookup(b->store, GOAL_NEIGHBOR, ids[i], &key));
    }
    print_time("lookup, any order", n, start);
    free(ids);
}

static bool
count_cb(const struct goal_key *key OVS_UNUSED, void *n_)
{
    size_t *n = n_;

    ++*n;
    return true;
}

static void
bench_index(struct bench *b)
{
    size_t n = 0;
    long long int start = time_usec();

    goal_store_index(b->store, GOAL_BY_VPC, b->neighbors[0]->vpc_id, NULL,
                     count_cb, &n);
    ovs_assert(n == b->n);
    print_time("index by VPC", n, start);

    n = 0;
    start = time_usec();
    for (size_t i = 0; i < MIN(b->n, 100000); i++) {
        const struct goal_neighbor_ip *ip = b->neighbors[i]->fixed_ips;

        goal_store_index(b->store, GOAL_BY_ADDRESS, ip->subnet_id, &ip->ip,
                         count_cb, &n);
    }
    print_time("index by address", n, start);
}

static void
bench_one_by_one(struct bench *b)
{
    size_t n = b->n;
    size_t per_write = b->per_write;

    b->n = MIN(n, 10000);
    b->per_write = 1;
    for (size_t i = 0; i < b->n; i++) {
        b->neighbors[i]->host_mac.ea[0] ^= 4;
    }
    bench_put(b, "put, one a write", GOAL_WRITTEN);
    b->n = n;
    b->per_write = per_write;
}

static void
bench_delete(struct bench *b)
{
    struct goal_origin origin = {
        .sender = "bench", .topic = "vpc/1", .epoch = 1,
    };
    long long int start = time_usec();
    size_t n = MIN(b->n, 100000);

    for (size_t i = 0; i < n; i += b->per_write) {
        origin.sequence = ++b->sequence;
        check(goal_store_begin(b->store, &origin));
        for (size_t j = i; j < MIN(n, i + b->per_write); j++) {
            enum goal_write write;
            struct goal_key key;

            check(goal_store_delete(b->store, GOAL_NEIGHBOR,
                                    b->neighbors[j]->up.id, 2, &key, &write));
            ovs_assert(write == GOAL_WRITTEN);
        }
        check(goal_store_commit(b->store, &b->changes));
        goal_changes_destroy(&b->changes);
    }
    print_time("delete", n, start);
}

static void
remove_file(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);

    unlink(path);
    free(path);
}

static void
bench_reopen(struct bench *b, const char *dir)
{
    long long int start = time_usec();

    goal_store_close(b->store);
    print_time("close", 1, start);
    start = time_usec();
    check(goal_store_open(dir, &b->store));
    print_time("open", 1, start);

    /* As a process that was killed leaves it. */
    goal_store_close(b->store);
    remove_file(dir, "clean");
    remove_file(dir, "ids.map");
    start = time_usec();
    check(goal_store_open(dir, &b->store));
    print_time("open after a kill", 1, start);
}

/* Prints what the process takes. */
static void
print_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];

    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "RssAnon", 7) || !strncmp(line, "VmHWM", 5)) {
            fputs(line, stdout);
        }
    }
    if (file) {
        fclose(file);
    }
}

static void
store_bench(int argc, char *argv[])
{
    struct bench b = {
        .n = argc > 2 ? atoi(argv[2]) : 100000,
        .per_write = argc > 3 ? atoi(argv[3]) : 1000,
        .changes = GOAL_CHANGES_INITIALIZER,
    };

    if (argc < 2) {
        ovs_fatal(0, "usage: %s DIR [N [PER_WRITE]]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    random_set_seed(42);
    b.neighbors = xmalloc(b.n * sizeof *b.neighbors);
    for (size_t i = 0; i < b.n; i++) {
        char *id = random_uuid();

        b.neighbors[i] = make_neighbor(id, i);
        free(id);
    }
    print_memory();
    check(goal_store_open(argv[1], &b.store));
    bench_put(&b, "put, new", GOAL_WRITTEN);
    bench_put(&b, "put, same", GOAL_SAME);
    for (size_t i = 0; i < b.n; i++) {
        b.neighbors[i]->host_mac.ea[0] ^= 2;
    }
    bench_put(&b, "put, changed", GOAL_WRITTEN);
    bench_one_by_one(&b);
    print_memory();
    bench_get(&b);
    bench_index(&b);
    bench_reopen(&b, argv[1]);
    bench_delete(&b);
    goal_store_close(b.store);
    for (size_t i = 0; i < b.n; i++) {
        goal_resource_destroy(&b.neighbors[i]->up);
    }
    free(b.neighbors);
}

ALCORTEST_REGISTER("store-bench", store_bench);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-gateway-table: endpoints written by apply/bpf-gateway-table.
 *
 *     alcortest gateway-table
 *
 * Random changes of a table that is far too small, compared with a plain list
 * of what should be in it; also after a new start. */

#include <config.h>

#undef NDEBUG
#include "apply/bpf-gateway-table.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "bpf/fast-path-gateway.h"
#include "bpf/gateway.skel.h"
#include "packets.h"
#include "random.h"
#include "util.h"

#define N_BUCKETS 16            /* Room for 48. */
#define N_IPS 128
#define N_STEPS 20000
#define VNI 77

static struct gateway_endpoint expected[N_IPS]; /* 'vni' 0: not there. */

static void
check_one(const struct gateway_endpoint *e, void *n_)
{
    uint32_t i = ntohl(e->ip) - 0x0a000000;
    size_t *n = n_;

    ovs_assert(i < N_IPS);
    ovs_assert(e->vni == expected[i].vni);
    ovs_assert(e->host_ip == expected[i].host_ip);
    ovs_assert(e->vpc == expected[i].vpc);
    ovs_assert(eth_addr_equals(e->mac, expected[i].mac));
    ovs_assert(eth_addr_equals(e->host_mac, expected[i].host_mac));
    ++*n;
}

/* Flags of buckets tell exactly where else to look. */
static void
check_flags(struct fp_gateway *skel, const struct gateway_table_maps *maps,
            const struct gateway_table_stats *stats)
{
    size_t n_partner = 0;

    for (uint32_t i = 0; i < N_BUCKETS; i++) {
        struct fp_gw_bucket bucket, partner;
        uint32_t other = i ^ 1;
        size_t n = 0;

        bpf_map__lookup_elem(skel->maps.fp_gw_endpoints, &i, sizeof i,
                             &bucket, sizeof bucket, 0);
        bpf_map__lookup_elem(skel->maps.fp_gw_endpoints, &other, sizeof other,
                             &partner, sizeof partner, 0);
        ovs_assert(!(bucket.head & FP_GW_WRITING));
        for (int j = 0; j < FP_GW_SLOTS; j++) {
            const struct fp_gw_endpoint *e = &partner.slots[j];

            n += (e->vni != FP_GW_NONE
                  && (fp_gw_hash(e->vni, e->ip, maps->seed)
                      & (N_BUCKETS - 1)) == i);
        }
        ovs_assert(!!(bucket.head & FP_GW_PARTNER) == !!n);
        n_partner += n;
    }
    ovs_assert(n_partner == stats->n_partner);
}

static void
check(const struct gateway_table *table, struct fp_gateway *skel,
      const struct gateway_table_maps *maps)
{
    struct gateway_table_stats stats;
    size_t n = 0, n_expected = 0;

    for (size_t i = 0; i < N_IPS; i++) {
        struct gateway_endpoint e;

        n_expected += expected[i].vni != 0;
        ovs_assert(gateway_table_get(table, VNI, htonl(0x0a000000 + i), &e)
                   == (expected[i].vni != 0));
    }
    gateway_table_for_each(table, check_one, &n);
    gateway_table_get_stats(table, &stats);
    ovs_assert(n == n_expected && stats.n_endpoints == n);
    check_flags(skel, maps, &stats);
}

static void
step(struct gateway_table *table)
{
    uint32_t i = random_range(N_IPS);
    ovs_be32 ip = htonl(0x0a000000 + i);

    if (random_range(5) < 2) {
        int error = gateway_table_remove(table, VNI, ip);

        ovs_assert(error == (expected[i].vni ? 0 : ENOENT));
        expected[i].vni = 0;
    } else {
        uint32_t host = random_range(9);

        expected[i] = (struct gateway_endpoint) {
            .vni = VNI,
            .ip = ip,
            .mac = ETH_ADDR_C(02, 00, 00, 00, 00, 01),
            .host_ip = htonl(0xac100000 + host),
            .host_mac = ETH_ADDR_C(02, 00, 00, 00, 01, 00),
            .vpc = random_range(1000),
        };
        expected[i].mac.ea[5] = random_uint8();
        expected[i].host_mac.ea[5] = host;
        ovs_assert(!gateway_table_set(table, &expected[i]));
    }
}

static void
test_gateway_table(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct fp_gateway *skel = fp_gateway__open();
    struct gateway_table_maps maps = { .n_buckets = N_BUCKETS, .seed = 9 };
    struct gateway_table_stats stats;
    struct gateway_table *table;

    random_set_seed(1);
    bpf_map__set_max_entries(skel->maps.fp_gw_endpoints, N_BUCKETS);
    if (fp_gateway__load(skel)) {
        ovs_fatal(errno, "loading");
    }
    maps.endpoints_fd = bpf_map__fd(skel->maps.fp_gw_endpoints);
    maps.spill_fd = bpf_map__fd(skel->maps.fp_gw_spill);
    maps.hosts_fd = bpf_map__fd(skel->maps.fp_gw_hosts);
    ovs_assert(!gateway_table_create(&maps, true, &table));
    for (int i = 0; i < N_STEPS; i++) {
        step(table);
        if (i % 100 == 0) {
            check(table, skel, &maps);
        }
        if (i % 1000 == 0) {
            gateway_table_destroy(table);
            ovs_assert(!gateway_table_create(&maps, false, &table));
            check(table, skel, &maps);
        }
    }
    check(table, skel, &maps);
    gateway_table_get_stats(table, &stats);
    printf("partners used: %s, spill used: %s, hosts: %"PRIuSIZE"\n",
           stats.n_partner ? "yes" : "no", stats.n_spill ? "yes" : "no",
           stats.n_hosts);
    for (uint32_t i = 0; i < N_IPS; i++) {
        gateway_table_remove(table, VNI, htonl(0x0a000000 + i));
    }
    gateway_table_get_stats(table, &stats);
    printf("in the end: %"PRIuSIZE" endpoints, %"PRIuSIZE" in partners, "
           "%"PRIuSIZE" spilt, %"PRIuSIZE" hosts\n", stats.n_endpoints,
           stats.n_partner, stats.n_spill, stats.n_hosts);
    gateway_table_destroy(table);
    fp_gateway__destroy(skel);
}

ALCORTEST_REGISTER("gateway-table", test_gateway_table);

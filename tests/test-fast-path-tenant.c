/* SPDX-License-Identifier: Apache-2.0
 *
 * test-fast-path-tenant: frames from tenants through bpf/tenant.
 *
 *     alcortest fast-path-tenant */

#include <config.h>

#undef NDEBUG
#include "bpf/fast-path.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "bpf/tenant.skel.h"
#include "fast-path-frame.h"
#include "fast-path-run.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define PORT 2
#define MTU 1450
#define INTERVAL 8000
#define NEW_MAC 0x0b0b          /* Destination after routing. */
#define ROUTER_MAC 0x0b0c
#define HOST_MAC 0x0a02
#define LOCAL_MAC 0x0a01

/* A program, loaded, with the entries for the flows of struct fpf's defaults
 * and the same in TCP. */
struct fixture {
    struct fpr run;
    struct fp_tenant *skel;
    int flows_fd;
    bool by_connection;
    bool routed;
    bool tos_inherit;
};

static void
add_entry(struct fixture *fx, const char *changes)
{
    struct fp_flow flow = {
        .through_at = fpr_now() + INTERVAL,
        .encap = {
            .mtu = MTU,
            .host_ip = htonl(0xac100002),
            .vni_flags = htonl(0x123456 << 8
                               | (fx->routed ? FP_ENCAP_ROUTED : 0)),
        },
    };
    struct fp_key key;
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, changes);
    fpf_mac(fx->routed ? NEW_MAC : f.dmac, flow.encap.dmac);
    fpf_mac(fx->routed ? ROUTER_MAC : f.smac, flow.encap.smac);
    fpf_mac(HOST_MAC, flow.encap.host_mac);
    key = fpr_key(&f, PORT, fx->by_connection);
    if (bpf_map_update_elem(fx->flows_fd, &key, &flow, BPF_ANY)) {
        ovs_fatal(errno, "adding an entry");
    }
}

static void
fixture_init(struct fixture *fx, const char *name)
{
    struct fp_tenant *skel = fp_tenant__open();
    uint8_t mac[6];

    fx->skel = skel;
    skel->rodata->fp_config = (struct fp_tenant_config) {
        .port = PORT,
        .by_connection = fx->by_connection,
        .uplink_ifindex = 1,
        .through_interval = INTERVAL,
        .local_ip = htonl(0xac100001),
        .ttl = 64,
        .tos = 0x28,
        .tos_inherit = fx->tos_inherit,
        .vxlan_port = htons(4789),
    };
    fpf_mac(LOCAL_MAC, mac);
    memcpy(CONST_CAST(struct fp_tenant_config *,
                      &skel->rodata->fp_config)->local_mac, mac, 6);
    if (fp_tenant__load(skel)) {
        ovs_fatal(errno, "loading %s", name);
    }
    fx->run = (struct fpr) {
        .name = name,
        .prog_fd = bpf_program__fd(fx->run.tc ? skel->progs.alcor_tenant_tc
                                   : skel->progs.alcor_tenant_xdp),
        .counters_fd = bpf_map__fd(skel->maps.fp_counters),
        .tc = fx->run.tc,
    };
    fx->flows_fd = bpf_map__fd(skel->maps.fp_tenant_flows);
    add_entry(fx, "");
    add_entry(fx, "proto=6");
}

/* What a hit of 'f' must look like on the wire. */
static struct ofpbuf *
tunnelled(const struct fixture *fx, const struct fpf *f)
{
    struct fpf out = *f;

    out.o_dmac = HOST_MAC;
    out.o_smac = LOCAL_MAC;
    out.o_src = 0xac100001;
    out.o_dst = 0xac100002;
    out.o_tos = fx->tos_inherit ? f->tos : 0x28 | (f->tos & 3);
    if (fx->routed) {
        out.dmac = NEW_MAC;
        out.smac = ROUTER_MAC;
        out.ttl--;
    }
    return fpf_outer(&out);
}

static void
check(struct fixture *fx, const char *changes, enum fp_counter counter)
{
    bool hit = counter == FP_HITS;
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, changes);
    fpr_check(&fx->run, fpf_inner(&f), &(struct fpr_expect) {
        .name = changes,
        .counter = counter,
        .port = PORT,
        .verdict = (fx->run.tc ? (hit ? TC_ACT_REDIRECT : TC_ACT_OK)
                    : (hit ? XDP_REDIRECT : XDP_PASS)),
        .frame = hit ? tunnelled(fx, &f) : NULL,
        .any_source_port = hit,
    });
}

/* What comes of a frame if entries are per destination, and per connection. */
static const struct {
    const char *changes;
    enum fp_counter by_destination, by_connection;
} cases[] = {
    { "", FP_HITS, FP_HITS },
    { "proto=6", FP_HITS, FP_HITS },
    { "proto=6,doff=8", FP_HITS, FP_HITS },
    { "ttl=2", FP_HITS, FP_HITS },
    { "ttl=255", FP_HITS, FP_HITS },
    { "id=0xffff,ttl=2", FP_HITS, FP_HITS },
    { "frag=0", FP_HITS, FP_HITS },
    { "pad=7", FP_HITS, FP_HITS },
    { "payload=0", FP_HITS, FP_HITS },
    { "proto=6,payload=0", FP_HITS, FP_HITS },

    /* Other flows. */
    { "sport=1112", FP_HITS, FP_MISSES },
    { "dport=2223", FP_HITS, FP_MISSES },
    { "proto=6,sport=1112", FP_HITS, FP_MISSES },
    { "proto=1", FP_HITS, FP_MISSES },
    { "proto=132", FP_HITS, FP_MISSES },
    { "src=0x0a000003", FP_MISSES, FP_MISSES },
    { "dst=0x0a000003", FP_MISSES, FP_MISSES },
    { "smac=0x0003", FP_MISSES, FP_MISSES },
    { "dmac=0x0003", FP_MISSES, FP_MISSES },

    /* For OVS. */
    { "proto=6,flags=0x02", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x12", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x11", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x04", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0x14", FP_TCP_FLAGS, FP_TCP_FLAGS },
    { "proto=6,flags=0xf8", FP_HITS, FP_HITS },
    { "frag=0x2000", FP_FRAGMENTS, FP_FRAGMENTS },
    { "frag=0x0001", FP_FRAGMENTS, FP_FRAGMENTS },
    { "frag=0x6000", FP_FRAGMENTS, FP_FRAGMENTS },
    { "frag=0x8000", FP_FRAGMENTS, FP_FRAGMENTS },
    { "ihl=6", FP_IP_OPTIONS, FP_IP_OPTIONS },
    { "ihl=15", FP_IP_OPTIONS, FP_IP_OPTIONS },
    { "ihl=4", FP_OTHERS, FP_OTHERS },
    { "version=6", FP_OTHERS, FP_OTHERS },
    { "ttl=1", FP_TTL, FP_TTL },
    { "ttl=0", FP_TTL, FP_TTL },
    { "type=0x86dd", FP_IPV6, FP_IPV6 },
    { "type=0x0806", FP_OTHERS, FP_OTHERS },
    { "type=0x0026", FP_OTHERS, FP_OTHERS },
    { "vlan=5", FP_VLAN, FP_VLAN },
    { "vlan=0x88a80005", FP_VLAN, FP_VLAN },
    { "tot_delta=1", FP_MALFORMED, FP_MALFORMED },
    { "tot_delta=-31", FP_MALFORMED, FP_MALFORMED },
    { "tot_delta=-50", FP_MALFORMED, FP_MALFORMED },
    { "payload=0,tot_delta=-1,pad=9", FP_MALFORMED, FP_MALFORMED },
    { "proto=6,payload=0,tot_delta=-1,pad=9", FP_MALFORMED, FP_MALFORMED },

    /* DHCP: another connection, or not just a destination. */
    { "sport=67", FP_OTHERS, FP_MISSES },
    { "dport=67", FP_OTHERS, FP_MISSES },
    { "proto=6,sport=67,dport=67", FP_HITS, FP_MISSES },

    /* The path's MTU. */
    { "payload=1422", FP_HITS, FP_HITS },
    { "payload=1423", FP_TOO_BIG, FP_TOO_BIG },
    { "proto=6,payload=1410", FP_HITS, FP_HITS },
    { "proto=6,payload=1411", FP_TOO_BIG, FP_TOO_BIG },
    { "proto=6,doff=8,payload=1398", FP_HITS, FP_HITS },
    { "proto=6,doff=8,payload=1399", FP_TOO_BIG, FP_TOO_BIG },
    { "payload=1420,pad=3", FP_TOO_BIG, FP_TOO_BIG },
};

static void
check_cases(struct fixture *fx)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        check(fx, cases[i].changes, (fx->by_connection
                                     ? cases[i].by_connection
                                     : cases[i].by_destination));
    }
    for (int tos = 0; tos < 256; tos++) {
        char changes[32];

        snprintf(changes, sizeof changes, "tos=%d", tos);
        check(fx, changes, FP_HITS);
    }
}

/* Frames cut at every byte: as such, and with an IP length that fits.  (The
 * kernel refuses to run tc programs on less than Ethernet and IP headers.) */
static void
check_truncated(struct fixture *fx, const char *base, size_t headers)
{
    char changes[64];
    struct fpf f;

    fpf_init(&f);
    fpf_set(&f, base);
    struct ofpbuf *whole = fpf_inner(&f);
    for (size_t n = fx->run.tc ? 34 : 14; n < whole->size; n++) {
        snprintf(changes, sizeof changes, "%s,inner_len=%zu", base, n);
        check(fx, changes, FP_MALFORMED);
        if (n >= 34) {
            snprintf(changes, sizeof changes, "%s,inner_len=%zu,tot_delta=%d",
                     base, n, (int) n - (int) whole->size);
            check(fx, changes, n < headers ? FP_MALFORMED : FP_HITS);
        }
    }
    ofpbuf_delete(whole);
}

/* What an entry remembers, and when it lets a packet through. */
static void
check_use(struct fixture *fx)
{
    struct fp_flow flow;
    struct fp_key key;
    struct fpf f;

    fpf_init(&f);
    key = fpr_key(&f, PORT, fx->by_connection);
    add_entry(fx, "");
    check(fx, "payload=100", FP_HITS);
    check(fx, "payload=200", FP_HITS);
    bpf_map_lookup_elem(fx->flows_fd, &key, &flow);
    if (flow.packets != 2 || flow.bytes != 2 * 42 + 300
        || fpr_now() - flow.last_used > 1000) {
        fpr_failed(&fx->run, "use", "%u packets, %llu bytes, used %d ago",
                   flow.packets, flow.bytes, fpr_now() - flow.last_used);
    }

    flow.through_at = fpr_now() - 1;
    flow.last_used = 0;
    bpf_map_update_elem(fx->flows_fd, &key, &flow, BPF_ANY);
    check(fx, "payload=101", FP_THROUGH);
    check(fx, "payload=102", FP_HITS);
    bpf_map_lookup_elem(fx->flows_fd, &key, &flow);
    if (flow.packets != 3 || fpr_now() - flow.last_used > 1000
        || flow.through_at - fpr_now() > INTERVAL
        || flow.through_at - fpr_now() < INTERVAL - 1000) {
        fpr_failed(&fx->run, "through", "%u packets, used %d ago, again in %d",
                   flow.packets, fpr_now() - flow.last_used,
                   flow.through_at - fpr_now());
    }

    bpf_map_delete_elem(fx->flows_fd, &key);
    check(fx, "", FP_MISSES);
    add_entry(fx, "");
    check(fx, "", FP_HITS);
}

/* Superpackets (tc): what counts is what they are segmented into.  Here they
 * have no type of segmentation, which BPF_PROG_RUN cannot set, so that there
 * is no room for headers in those that are not too big: they go to OVS as they
 * are. */
static void
check_segments(struct fixture *fx)
{
    fx->run.gso_size = 1410;
    check(fx, "proto=6,payload=3000", FP_NO_ROOM);
    check(fx, "proto=6,payload=3000,doff=6", FP_TOO_BIG);
    fx->run.gso_size = 1411;
    check(fx, "proto=6,payload=3000", FP_TOO_BIG);
    fx->run.gso_size = 1422;
    check(fx, "payload=3000", FP_NO_ROOM);
    fx->run.gso_size = 1423;
    check(fx, "payload=3000", FP_TOO_BIG);
    fx->run.gso_size = 0;
}

/* Flows differ in their source ports, packets of a flow do not. */
static void
check_entropy(struct fixture *fx)
{
    uint16_t ports[64];
    unsigned int n_same = 0;
    struct fpf f;

    fpf_init(&f);
    f.proto = 6;
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        f.sport = fx->by_connection ? 1111 : 1000 + i;
        f.payload = i;

        struct ofpbuf *frame = fpf_inner(&f);
        struct fpr_result result = fpr_run(&fx->run, frame);

        memcpy(&ports[i], (char *) result.frame->data + 34, sizeof ports[i]);
        fpr_result_uninit(&result);
        ofpbuf_delete(frame);
        for (size_t j = 0; j < i; j++) {
            if (ports[j] == ports[i]) {
                n_same++;
                break;
            }
        }
    }
    if (n_same != (fx->by_connection ? 63 : 0) && n_same > 2) {
        fpr_failed(&fx->run, "entropy", "%u of 64 alike", n_same);
    }
}

static unsigned int
test_fixture(struct fixture *fx)
{
    char name[64];
    unsigned int n_failed;

    snprintf(name, sizeof name, "%s, per %s, %s, TOS %s",
             fx->run.tc ? "tc" : "xdp",
             fx->by_connection ? "connection" : "destination",
             fx->routed ? "routed" : "switched",
             fx->tos_inherit ? "inherited" : "set");
    fixture_init(fx, name);
    check_cases(fx);
    check_truncated(fx, "payload=4", 42);
    check_truncated(fx, "proto=6,payload=4", 54);
    check_use(fx);
    if (fx->run.tc) {
        check_segments(fx);
    }
    check_entropy(fx);
    n_failed = fpr_finish(&fx->run);
    fp_tenant__destroy(fx->skel);
    return n_failed;
}

static void
fast_path_tenant(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    unsigned int n_failed = 0;

    for (int i = 0; i < 16; i++) {
        struct fixture fx = {
            .run.tc = i & 8,
            .by_connection = i & 4,
            .routed = i & 2,
            .tos_inherit = i & 1,
        };

        n_failed += test_fixture(&fx);
    }
    exit(n_failed ? 1 : 0);
}

ALCORTEST_REGISTER("fast-path-tenant", fast_path_tenant);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-bpf-gateway: apply/bpf-gateway from the command line.
 *
 *     alcortest bpf-gateway DIR DEVICE [COMMAND...]
 *
 * Commands, each one argument; each run is a new start:
 *
 *     entrances:IP,MAC[,IP,MAC...]
 *     endpoint:VNI,IP,MAC,HOST-IP,HOST-MAC,VPC       remove:VNI,IP
 *     oam:PORT        prints the frames of what is to be told
 *     counters        vpc:VPC        table        uninstall
 *
 *     alcortest bpf-gateway oam PORT RECORD
 *
 * Prints the frames, injection and deletion, for a record in hexadecimal. */

#include <config.h>

#undef NDEBUG
#include "apply/bpf-gateway.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "apply/bpf-gateway-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

static struct bpf_gateway *gw;

static const char *const counter_names[] = {
#define FP_COUNTER(NAME, MEMBER, WHAT) #MEMBER,
    FP_GW_COUNTERS
    FP_GW_EVENTS
#undef FP_COUNTER
};

static void
check(char *error)
{
    if (error) {
        printf("%s\n", error);
        exit(1);
    }
}

static ovs_be32
next_ip(char **save)
{
    const char *s = strtok_r(NULL, ",", save);
    ovs_be32 ip;

    ovs_assert(s && ip_parse(s, &ip));
    return ip;
}

static struct eth_addr
next_mac(char **save)
{
    const char *s = strtok_r(NULL, ",", save);
    struct eth_addr mac;

    ovs_assert(s && eth_addr_from_string(s, &mac));
    return mac;
}

static void
set_entrances(char *args)
{
    struct bpf_gateway_entrance entrances[16];
    char *save = args;
    size_t n = 0;

    while (save && *save) {
        ovs_assert(n < ARRAY_SIZE(entrances));
        entrances[n].ip = next_ip(&save);
        entrances[n++].mac = next_mac(&save);
    }
    check(bpf_gateway_set_entrances(gw, entrances, n));
}

static void
set_endpoint(char *args)
{
    char *save = NULL;
    struct gateway_endpoint e = { .vni = atoi(strtok_r(args, ",", &save)) };

    e.ip = next_ip(&save);
    e.mac = next_mac(&save);
    e.host_ip = next_ip(&save);
    e.host_mac = next_mac(&save);
    e.vpc = atoi(strtok_r(NULL, ",", &save));
    ovs_assert(!gateway_table_set(bpf_gateway_table(gw), &e));
}

static void
print_hex(const char *name, const uint8_t *data, size_t size)
{
    printf("%s: ", name);
    for (size_t i = 0; i < size; i++) {
        printf("%02x", data[i]);
    }
    putchar('\n');
}

static void
print_oam(const struct fp_gw_oam *oam, void *port)
{
    uint8_t inject[GATEWAY_OAM_INJECT_LEN];
    uint8_t delete[GATEWAY_OAM_DELETE_LEN];

    gateway_oam_inject(oam, htons(*(int *) port), inject);
    gateway_oam_delete(oam, htons(*(int *) port), delete);
    print_hex("inject", inject, sizeof inject);
    print_hex("delete", delete, sizeof delete);
}

static void
print_counters(void)
{
    struct fp_gw_counters counters;

    bpf_gateway_get_counters(gw, &counters);
    for (int i = 0; i < FP_GW_N_COUNTERS; i++) {
        if (((uint64_t *) &counters)[i]) {
            printf("%s %"PRIu64"\n", counter_names[i],
                   ((uint64_t *) &counters)[i]);
        }
    }
}

static void
print_vpc(uint16_t vpc)
{
    struct fp_gw_vpc_counters c;

    bpf_gateway_get_vpc_counters(gw, vpc, &c);
    printf("packets %llu bytes %llu arp_replies %llu oam %llu\n", c.packets,
           c.bytes, c.arp_replies, c.oam);
}

static void
run_command(char *command)
{
    char *args = strchr(command, ':');

    if (args) {
        *args++ = '\0';
    }
    if (!strcmp(command, "entrances")) {
        set_entrances(args);
    } else if (!strcmp(command, "endpoint")) {
        set_endpoint(args);
    } else if (!strcmp(command, "remove")) {
        char *save = NULL;
        uint32_t vni = atoi(strtok_r(args, ",", &save));

        ovs_assert(!gateway_table_remove(bpf_gateway_table(gw), vni,
                                         next_ip(&save)));
    } else if (!strcmp(command, "oam")) {
        int port = atoi(args);

        bpf_gateway_run(gw, print_oam, &port);
    } else if (!strcmp(command, "counters")) {
        print_counters();
    } else if (!strcmp(command, "vpc")) {
        print_vpc(atoi(args));
    } else if (!strcmp(command, "table")) {
        struct gateway_table_stats stats;

        gateway_table_get_stats(bpf_gateway_table(gw), &stats);
        printf("%"PRIuSIZE" endpoints, %"PRIuSIZE" hosts\n",
               stats.n_endpoints, stats.n_hosts);
    } else if (!strcmp(command, "uninstall")) {
        bpf_gateway_uninstall(gw);
    } else {
        ovs_fatal(0, "%s: bad command", command);
    }
}

static void
print_record(const char *port_, const char *hex)
{
    struct ofpbuf b;
    int port = atoi(port_);

    ofpbuf_init(&b, 64);
    ofpbuf_put_hex(&b, hex, NULL);
    ovs_assert(b.size == sizeof(struct fp_gw_oam));
    print_oam(b.data, &port);
    ofpbuf_uninit(&b);
}

static void
test_bpf_gateway(int argc, char *argv[])
{
    struct bpf_gateway_config config = {
        .n_buckets = 1024, .vxlan_port = htons(4789), .oam_msec = 60000,
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    if (argc == 4 && !strcmp(argv[1], "oam")) {
        print_record(argv[2], argv[3]);
        return;
    }
    ovs_assert(argc >= 3);
    config.dir = argv[1];
    check(bpf_gateway_open(&config, argv[2], &gw));
    for (int i = 3; i < argc; i++) {
        run_command(argv[i]);
    }
    bpf_gateway_close(gw);
}

ALCORTEST_REGISTER("bpf-gateway", test_bpf_gateway);

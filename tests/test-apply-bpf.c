/* SPDX-License-Identifier: Apache-2.0
 *
 * test-apply-bpf: apply/apply-bpf from the command line.
 *
 *     alcortest apply-bpf SETTING=VALUE... [COMMAND...]
 *
 * Settings: dir, mode (auto native generic tc interpose), datapath (netdev
 * system), ip, mac, through (ms).  Commands, each one argument:
 *
 *     uplink:DEV            port:DEV[:connection]       sweep
 *     encap:DEV,FIELDS      deliver:DEV,FIELDS          delete:DEV,FIELDS
 *     list                  devices                     ovs-device:DEV
 *     counters:DEV          remove:DEV                  uninstall
 *     flush                 age:MSEC                    fill:DEV,N,FIELDS
 *
 * FIELDS are NAME=VALUE: src, dst, smac, dmac of the inner frame as received;
 * host, host_mac, vni; new_smac, new_dmac (routed); mtu; proto, sport, dport.
 *
 * Each run is a new start: what it finds was pinned by former ones.  Faults
 * (plugin/fault-point.h) are those of the agent. */

#include <config.h>

#undef NDEBUG
#include "apply/apply-bpf.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

static struct apply_bpf *ab;

static const char *const counter_names[] = {
#define FP_COUNTER(NAME, MEMBER, WHAT) #MEMBER,
    FP_COUNTERS
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

static uint32_t
find_port(const char *name)
{
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(ab, &n);

    for (size_t i = 0; i < n; i++) {
        if (!strcmp(devices[i].name, name)) {
            uint32_t port = devices[i].port;

            free(devices);
            return port;
        }
    }
    ovs_fatal(0, "%s: not in the fast path", name);
}

/* Reads FIELDS. */
struct fields {
    ovs_be32 src, dst, host;
    struct eth_addr smac, dmac, new_smac, new_dmac, host_mac;
    uint32_t vni, mtu, proto, sport, dport;
};

static void
parse_field(struct fields *f, const char *name, const char *value)
{
    const struct { const char *name; ovs_be32 *ip; } ips[] = {
        { "src", &f->src }, { "dst", &f->dst }, { "host", &f->host },
    };
    const struct { const char *name; struct eth_addr *mac; } macs[] = {
        { "smac", &f->smac }, { "dmac", &f->dmac },
        { "new_smac", &f->new_smac }, { "new_dmac", &f->new_dmac },
        { "host_mac", &f->host_mac },
    };
    const struct { const char *name; uint32_t *number; } numbers[] = {
        { "vni", &f->vni }, { "mtu", &f->mtu }, { "proto", &f->proto },
        { "sport", &f->sport }, { "dport", &f->dport },
    };

    for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
        if (!strcmp(name, ips[i].name) && ip_parse(value, ips[i].ip)) {
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
        if (!strcmp(name, macs[i].name)
            && eth_addr_from_string(value, macs[i].mac)) {
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (!strcmp(name, numbers[i].name)) {
            *numbers[i].number = strtoul(value, NULL, 0);
            return;
        }
    }
    ovs_fatal(0, "%s=%s: bad field", name, value);
}

static void
parse_fields(struct fields *f, char *save)
{
    *f = (struct fields) { .mtu = 1450 };
    for (char *name; (name = strtok_r(NULL, ",", &save)); ) {
        char *value = strchr(name, '=');

        ovs_assert(value);
        *value++ = '\0';
        parse_field(f, name, value);
    }
}

/* The key of 'f', from 'port' or from the uplink (0). */
static struct fp_key
make_key(const struct fields *f, uint32_t port)
{
    struct fp_key key = {
        .scope = (port ? port : f->vni) << 8 | f->proto,
        .peer = port ? 0 : f->host,
        .src = f->src, .dst = f->dst,
        .sport = htons(f->sport), .dport = htons(f->dport),
    };

    memcpy(key.smac, &f->smac, 6);
    memcpy(key.dmac, &f->dmac, 6);
    return key;
}

static struct apply_bpf_entry
make_encap(const struct fields *f, uint32_t port)
{
    bool routed = !eth_addr_is_zero(f->new_dmac);
    struct apply_bpf_entry e = {
        .key = make_key(f, port),
        .flow.encap = {
            .mtu = f->mtu, .host_ip = f->host,
            .vni_flags = htonl(f->vni << 8 | (routed ? FP_ENCAP_ROUTED : 0)),
        },
    };

    memcpy(e.flow.encap.dmac, routed ? &f->new_dmac : &f->dmac, 6);
    memcpy(e.flow.encap.smac, routed ? &f->new_smac : &f->smac, 6);
    memcpy(e.flow.encap.host_mac, &f->host_mac, 6);
    return e;
}

static void
run_entry(const char *command, char *args)
{
    char *save = NULL;
    const char *device = strtok_r(args, ",", &save);
    uint32_t port = find_port(device);
    struct fields f;

    if (!strcmp(command, "fill")) {
        uint32_t n = strtoul(strtok_r(NULL, ",", &save), NULL, 0);

        parse_fields(&f, save);
        for (uint32_t i = 0; i < n; i++) {
            struct apply_bpf_entry e = make_encap(&f, port);

            e.key.dst = htonl(ntohl(f.dst) + i);
            check(apply_bpf_set_entries(ab, APPLY_BPF_TENANT, &e, 1));
        }
        return;
    }
    parse_fields(&f, save);
    if (!strcmp(command, "encap")) {
        struct apply_bpf_entry e = make_encap(&f, port);

        check(apply_bpf_set_entries(ab, APPLY_BPF_TENANT, &e, 1));
    } else if (!strcmp(command, "deliver")) {
        struct apply_bpf_entry e = {
            .key = make_key(&f, 0),
            .flow.deliver = {
                .ifindex = if_nametoindex(device), .port = port,
            },
        };

        check(apply_bpf_set_entries(ab, APPLY_BPF_UPLINK, &e, 1));
    } else {
        struct fp_key key = make_key(&f, port);

        apply_bpf_delete_entries(ab, APPLY_BPF_TENANT, &key, 1);
    }
}

static void
list(enum apply_bpf_table table, const char *name)
{
    size_t n;
    struct apply_bpf_entry *entries = apply_bpf_list_entries(ab, table, &n);

    printf("%s: %"PRIuSIZE" entries\n", name, n);
    for (size_t i = 0; i < MIN(n, 10); i++) {
        const struct fp_key *key = &entries[i].key;

        printf("  "IP_FMT" > "IP_FMT,
               IP_ARGS((OVS_FORCE ovs_be32) key->src),
               IP_ARGS((OVS_FORCE ovs_be32) key->dst));
        if (key->scope & 0xff) {
            printf(" protocol %u ports %u > %u", key->scope & 0xff,
                   ntohs((OVS_FORCE ovs_be16) key->sport),
                   ntohs((OVS_FORCE ovs_be16) key->dport));
        }
        printf(" packets %u\n", entries[i].flow.packets);
    }
    free(entries);
}

static void
list_devices(void)
{
    size_t n;
    struct apply_bpf_device *devices = apply_bpf_list_devices(ab, &n);

    for (size_t i = 0; i < n; i++) {
        printf("%"PRIu32" %s: %s%s%s\n", devices[i].port, devices[i].name,
               apply_bpf_hook_to_string(devices[i].hook),
               devices[i].by_connection ? ", by connection" : "",
               devices[i].interposed ? ", interposed" : "");
    }
    free(devices);
}

static void
print_counters(const char *device)
{
    struct fp_counters counters;

    apply_bpf_get_counters(ab, find_port(device), &counters);
    for (int i = 0; i < FP_N_COUNTERS; i++) {
        uint64_t value = ((uint64_t *) &counters)[i];

        if (value) {
            printf("%s %"PRIu64"\n", counter_names[i], value);
        }
    }
}

static void
add_port(char *args)
{
    char *save = NULL;
    const char *device = strtok_r(args, ":", &save);
    const char *option = strtok_r(NULL, ":", &save);
    uint32_t port;

    check(apply_bpf_add_port(ab, device, (option
                                          && !strcmp(option, "connection")),
                             true, &port));
}

static void
run_command(char *command)
{
    char *args = strchr(command, ':');

    if (args) {
        *args++ = '\0';
    }
    if (!strcmp(command, "uplink")) {
        check(apply_bpf_set_uplink(ab, args, true));
    } else if (!strcmp(command, "port")) {
        add_port(args);
    } else if (!strcmp(command, "sweep")) {
        apply_bpf_sweep(ab);
    } else if (!strcmp(command, "list")) {
        list(APPLY_BPF_TENANT, "tenant");
        list(APPLY_BPF_UPLINK, "uplink");
        printf("evicted: %llu\n", apply_bpf_n_evicted(ab));
    } else if (!strcmp(command, "devices")) {
        list_devices();
    } else if (!strcmp(command, "ovs-device")) {
        char *device = apply_bpf_ovs_device(ab, args);

        printf("%s\n", device ? device : args);
        free(device);
    } else if (!strcmp(command, "counters")) {
        print_counters(args);
    } else if (!strcmp(command, "remove")) {
        apply_bpf_remove_port(ab, find_port(args));
    } else if (!strcmp(command, "flush")) {
        apply_bpf_flush(ab);
    } else if (!strcmp(command, "age")) {
        printf("aged: %"PRIuSIZE"\n", apply_bpf_age(ab, APPLY_BPF_TENANT,
                                                    atoi(args)));
    } else if (!strcmp(command, "uninstall")) {
        apply_bpf_uninstall(ab);
    } else {
        run_entry(command, args);
    }
}

static bool
set(struct apply_bpf_config *config, const char *name, const char *value)
{
    static const char *const modes[] = {
        [APPLY_BPF_AUTO] = "auto", [APPLY_BPF_NATIVE] = "native",
        [APPLY_BPF_GENERIC] = "generic", [APPLY_BPF_TC] = "tc",
        [APPLY_BPF_INTERPOSE] = "interpose",
    };

    if (!strcmp(name, "dir")) {
        config->dir = value;
    } else if (!strcmp(name, "datapath")) {
        config->userspace = !strcmp(value, "netdev");
    } else if (!strcmp(name, "ip")) {
        ovs_assert(ip_parse(value, &config->local_ip));
    } else if (!strcmp(name, "mac")) {
        ovs_assert(eth_addr_from_string(value, &config->local_mac));
    } else if (!strcmp(name, "through")) {
        config->through_msec = atoi(value);
    } else if (!strcmp(name, "mode")) {
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
            if (!strcmp(modes[i], value)) {
                config->mode = i;
            }
        }
    } else {
        return false;
    }
    return true;
}

static void
test_apply_bpf(int argc, char *argv[])
{
    struct apply_bpf_config config = {
        .ttl = 64, .tos_inherit = true, .vxlan_port = htons(4789),
    };
    int i;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    fault_init(FAULT_AGENT);
    for (i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value || strcspn(argv[i], ":") < strcspn(argv[i], "=")) {
            break;
        }
        *value++ = '\0';
        if (!set(&config, argv[i], value)) {
            ovs_fatal(0, "%s: bad setting", argv[i]);
        }
    }
    check(apply_bpf_open(&config, &ab));
    for (; i < argc; i++) {
        run_command(argv[i]);
    }
    apply_bpf_close(ab);
}

ALCORTEST_REGISTER("apply-bpf", test_apply_bpf);

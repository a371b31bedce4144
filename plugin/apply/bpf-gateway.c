/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway: the gateway's program on its device, its entrances and OAM. */

#include <config.h>

#include "apply/bpf-gateway.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apply/apply-bpf-private.h"
#include "apply/bpf-clock.h"
#include "apply/bpf-gateway-table.h"
#include "bpf/gateway.skel.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bpf_gateway);

#define VERSIONS "gateway-v"    /* Its directories. */
#define N_BUCKETS (1u << 20)
#define OAM_MSEC 5000
#define TOLD_MSEC 128           /* Unit of time of what was told, about. */

/* What must stay the same as long as the table does. */
struct seed_record {
    uint64_t seed;
};

struct bpf_gateway {
    struct apply_bpf host;      /* The directory, and how to attach. */
    struct device_record device;
    bool waits;                 /* Another version's program still serves. */
    struct fp_gateway *skel;
    struct gateway_table *table;
    struct ring_buffer *ring;
    void (*cb)(const struct fp_gw_oam *, void *aux); /* While it runs. */
    void *aux;
};

/* The seed of the table that is there; a new one if there is none. */
static char *
get_seed(const char *dir, struct seed_record *record, bool *is_new)
{
    char *path = xasprintf("%s/fp_gw_seed", dir);
    char *error = NULL;
    uint32_t zero = 0;
    int fd = bpf_obj_get(path);

    *is_new = fd < 0;
    if (*is_new) {
        record->seed = random_uint64();
    } else if (bpf_map_lookup_elem(fd, &zero, record)) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return error;
}

/* Writes the seed down when the table has been made: if it is there, the table
 * is, too. */
static char *
save_seed(const char *dir, const struct seed_record *record)
{
    char *path = xasprintf("%s/fp_gw_seed", dir);
    uint32_t zero = 0;
    char *error = NULL;
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fp_gw_seed", sizeof zero,
                            sizeof *record, 1, NULL);

    if (fd < 0 || bpf_map_update_elem(fd, &zero, record, BPF_ANY)
        || bpf_obj_pin(fd, path)) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return error;
}

/* How many elements pinned map 'name' has; 'otherwise' if there is none. */
static uint32_t
pinned_size(const char *dir, const char *name, uint32_t otherwise)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct bpf_map_info info = { .max_entries = otherwise };
    uint32_t len = sizeof info;
    int fd = bpf_obj_get(path);

    if (fd >= 0) {
        bpf_obj_get_info_by_fd(fd, &info, &len);
        close(fd);
    }
    free(path);
    return info.max_entries;
}

/* Loads the program for tables of 'n_buckets'. */
static char *
load_gateway(struct bpf_gateway *gw, const struct bpf_gateway_config *config,
             uint64_t seed, uint32_t n_buckets)
{
    struct fp_gateway *skel = gw->skel = fp_gateway__open();
    struct bpf_clock *clock = gw->host.clock;
    unsigned int oam_msec = config->oam_msec ? config->oam_msec : OAM_MSEC;
    uint32_t shift = 0;

    if (!skel) {
        return xasprintf("cannot open the gateway: %s", ovs_strerror(errno));
    }
    while (bpf_clock_msec(clock, 1u << (shift + 1)) <= TOLD_MSEC) {
        shift++;
    }
    skel->rodata->fp_config = (struct fp_gw_config) {
        .seed = seed,
        .n_buckets = n_buckets,
        .n_told_sets = MAX(n_buckets / 4, 1),
        .told_shift = shift,
        .oam_interval = MAX(MIN(bpf_clock_ticks(clock, oam_msec) >> shift,
                                2047), 1),
        .vxlan_port = (OVS_FORCE uint16_t) config->vxlan_port,
    };
    bpf_map__set_max_entries(skel->maps.fp_gw_endpoints, n_buckets);
    bpf_map__set_max_entries(skel->maps.fp_gw_told, MAX(n_buckets / 4, 1));
    return apply_bpf_load(&gw->host, skel->obj, "alcor_gateway_xdp");
}

static char *
open_table(struct bpf_gateway *gw, uint64_t seed, uint32_t n_buckets,
           bool is_new)
{
    struct gateway_table_maps maps = {
        .endpoints_fd = bpf_map__fd(gw->skel->maps.fp_gw_endpoints),
        .spill_fd = bpf_map__fd(gw->skel->maps.fp_gw_spill),
        .hosts_fd = bpf_map__fd(gw->skel->maps.fp_gw_hosts),
        .n_buckets = n_buckets,
        .seed = seed,
    };
    int error = gateway_table_create(&maps, is_new, &gw->table);

    return error ? xasprintf("table of endpoints: %s", ovs_strerror(error))
                 : NULL;
}

static int
ring_cb(void *gw_, void *data, size_t size)
{
    struct bpf_gateway *gw = gw_;

    if (size >= sizeof(struct fp_gw_oam) && gw->cb) {
        gw->cb(data, gw->aux);
    }
    return 0;
}

static char *
open_ring(struct bpf_gateway *gw)
{
    gw->ring = ring_buffer__new(bpf_map__fd(gw->skel->maps.fp_gw_oam), ring_cb,
                                gw, NULL);
    return gw->ring ? NULL : xasprintf("ring buffer: %s", ovs_strerror(errno));
}

static char *
attach(struct bpf_gateway *gw)
{
    struct device_record *device = &gw->device;
    char *error = apply_bpf_attach(&gw->host, device,
                                   gw->skel->progs.alcor_gateway_xdp);
    uint32_t zero = 0;

    if (!error && bpf_map_update_elem(gw->host.devices_fd, &zero, device,
                                      BPF_ANY)) {
        error = xasprintf("%s: cannot be written down: %s", device->name,
                          ovs_strerror(errno));
    }
    if (!error) {
        VLOG_INFO("%s: gateway, %s", device->name,
                  apply_bpf_hook_to_string(device->hook));
    }
    return error;
}

/* Finds the device, and what an agent before us has done with it or another
 * one. */
static char *
find_device(struct bpf_gateway *gw, const char *name)
{
    struct device_record *device = &gw->device, old = { .ifindex = 0 };
    uint32_t zero = 0;
    char *error;

    device->ifindex = apply_bpf_ifindex(name);
    if (!device->ifindex) {
        return xasprintf("%s: no such device", name);
    }
    ovs_strlcpy(device->name, name, sizeof device->name);
    device->hook = APPLY_BPF_HOOK_XDP_NATIVE;
    error = apply_bpf_open_devices(&gw->host, 1, &gw->host.devices_fd);
    if (error) {
        return error;
    }
    bpf_map_lookup_elem(gw->host.devices_fd, &zero, &old);
    if (old.ifindex == device->ifindex && !strcmp(old.name, device->name)) {
        device->gro = old.gro;
        return NULL;
    } else if (old.ifindex) {
        apply_bpf_detach(&gw->host, &old);
    }
    device->gro = apply_bpf_inherit_gro(&gw->host, device);
    return NULL;
}

/* Attaches the program, unless that of another version is there. */
static char *
attach_or_wait(struct bpf_gateway *gw)
{
    int fd = (apply_bpf_has_link(&gw->host, &gw->device) ? -1
              : apply_bpf_inherit_link(&gw->host, gw->device.ifindex));

    gw->waits = fd >= 0;
    if (!gw->waits) {
        return attach(gw);
    }
    close(fd);
    VLOG_INFO("%s: the gateway of another version goes on until the table is "
              "complete", gw->device.name);
    return NULL;
}

char *
bpf_gateway_take_over(struct bpf_gateway *gw)
{
    char *error = gw->waits ? attach(gw) : NULL;

    if (!error) {
        gw->waits = false;
        apply_bpf_remove_others(gw->host.dir);
    }
    return error;
}

/* Finds or makes all that the program needs, and loads it. */
static char *
open_tables(struct bpf_gateway *gw, const struct bpf_gateway_config *config)
{
    uint32_t n_buckets = config->n_buckets ? config->n_buckets : N_BUCKETS;
    struct seed_record record;
    bool is_new = false;
    int retval;
    char *error = get_seed(gw->host.dir, &record, &is_new);

    if (error) {
        return error;
    }
    retval = bpf_clock_create(&gw->host.clock);
    if (retval) {
        return xasprintf("cannot load eBPF programs: %s",
                         ovs_strerror(retval));
    }
    n_buckets = pinned_size(gw->host.dir, "fp_gw_endpoints", n_buckets);
    error = load_gateway(gw, config, record.seed, n_buckets);
    error = error ? error : open_table(gw, record.seed, n_buckets, is_new);
    if (!error && is_new) {
        error = save_seed(gw->host.dir, &record);
    }
    return error ? error : open_ring(gw);
}

char *
bpf_gateway_open(const struct bpf_gateway_config *config, const char *device,
                 struct bpf_gateway **gwp)
{
    struct bpf_gateway *gw = xmalloc(sizeof *gw);
    char *error;

    *gwp = NULL;
    *gw = (struct bpf_gateway) {
        .host.config = { .dir = config->dir, .userspace = true },
        .host.devices_fd = -1,
    };
    error = apply_bpf_make_dir(&gw->host, VERSIONS);
    error = error ? error : open_tables(gw, config);
    error = error ? error : find_device(gw, device);
    error = error ? error : attach_or_wait(gw);
    if (error) {
        bpf_gateway_close(gw);
        return error;
    }
    *gwp = gw;
    return NULL;
}

void
bpf_gateway_close(struct bpf_gateway *gw)
{
    if (gw) {
        gateway_table_destroy(gw->table);
        ring_buffer__free(gw->ring);
        fp_gateway__destroy(gw->skel);
        bpf_clock_destroy(gw->host.clock);
        if (gw->host.devices_fd >= 0) {
            close(gw->host.devices_fd);
        }
        free(gw->host.dir);
        free(gw);
    }
}

void
bpf_gateway_uninstall(struct bpf_gateway *gw)
{
    apply_bpf_detach(&gw->host, &gw->device);
    apply_bpf_remove_others(gw->host.dir);
    apply_bpf_remove_dir(gw->host.dir);
}

bool
bpf_gateway_uninstall_left(void)
{
    struct apply_bpf host = { .dir = apply_bpf_find_dir(VERSIONS) };

    if (!host.dir) {
        return false;
    }
    host.devices = xcalloc(FP_MAX_PORTS + 1, sizeof *host.devices);
    apply_bpf_remove_versions(&host);
    free(host.devices);
    free(host.dir);
    return true;
}

struct gateway_table *
bpf_gateway_table(struct bpf_gateway *gw)
{
    return gw->table;
}

const char *
bpf_gateway_dir(const struct bpf_gateway *gw)
{
    return gw->host.dir;
}

/* Entrances. */

char *
bpf_gateway_set_entrances(struct bpf_gateway *gw,
                          const struct bpf_gateway_entrance *entrances,
                          size_t n)
{
    struct fp_gw_entrance_set *sets = xcalloc(FP_GW_ENTRANCE_SETS,
                                              sizeof *sets);
    int fd = bpf_map__fd(gw->skel->maps.fp_gw_entrances);
    char *error = NULL;

    for (size_t i = 0; i < n; i++) {
        uint32_t ip = (OVS_FORCE uint32_t) entrances[i].ip;
        struct fp_gw_entrance_set *set = &sets[fp_gw_entrance_slot(ip)];
        int slot = 0;

        while (slot < FP_GW_ENTRANCE_SLOTS && set->slots[slot].ip
               && set->slots[slot].ip != ip) {
            slot++;
        }
        if (slot < FP_GW_ENTRANCE_SLOTS) {
            set->slots[slot].ip = ip;
            memcpy(set->slots[slot].mac, &entrances[i].mac, 6);
        } else if (!error) {
            error = xasprintf("entrance "IP_FMT" does not fit: too many "
                              "addresses have its hash",
                              IP_ARGS(entrances[i].ip));
        }
    }
    for (uint32_t i = 0; i < FP_GW_ENTRANCE_SETS; i++) {
        if (bpf_map_update_elem(fd, &i, &sets[i], BPF_ANY) && !error) {
            error = xasprintf("entrances: %s", ovs_strerror(errno));
        }
    }
    free(sets);
    return error;
}

/* OAM. */

size_t
bpf_gateway_run(struct bpf_gateway *gw,
                void (*cb)(const struct fp_gw_oam *, void *), void *aux)
{
    int n;

    gw->cb = cb;
    gw->aux = aux;
    n = ring_buffer__consume(gw->ring);
    gw->cb = NULL;
    return MAX(n, 0);
}

void
bpf_gateway_wait(struct bpf_gateway *gw)
{
    poll_fd_wait(ring_buffer__epoll_fd(gw->ring), POLLIN);
}

/* Counters. */

/* Adds up the 64-bit words of the element 'index' over processors. */
static void
read_counters(const struct bpf_map *map, uint32_t index, uint64_t *sums,
              size_t size)
{
    int n_cpus = libbpf_num_possible_cpus();
    uint64_t *per_cpu = xcalloc(MAX(n_cpus, 1), size);

    memset(sums, 0, size);
    if (n_cpus > 0
        && !bpf_map_lookup_elem(bpf_map__fd(map), &index, per_cpu)) {
        for (int cpu = 0; cpu < n_cpus; cpu++) {
            for (size_t i = 0; i < size / 8; i++) {
                sums[i] += per_cpu[cpu * (size / 8) + i];
            }
        }
    }
    free(per_cpu);
}

void
bpf_gateway_get_counters(const struct bpf_gateway *gw,
                         struct fp_gw_counters *counters)
{
    read_counters(gw->skel->maps.fp_gw_counters, 0, (uint64_t *) counters,
                  sizeof *counters);
}

void
bpf_gateway_get_vpc_counters(const struct bpf_gateway *gw, uint16_t vpc,
                             struct fp_gw_vpc_counters *counters)
{
    read_counters(gw->skel->maps.fp_gw_vpcs, vpc, (uint64_t *) counters,
                  sizeof *counters);
}

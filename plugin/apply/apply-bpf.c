/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf: loads the eBPF fast path, attaches it, and fills its tables. */

#include <config.h>

#include "apply/apply-bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "apply/apply-bpf-private.h"
#include "apply/bpf-clock.h"
#include "bpf/patch.skel.h"
#include "bpf/tenant.skel.h"
#include "bpf/uplink.skel.h"
#include "fault-point.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf);

#define UPLINK 0                /* Its port. */
#define THROUGH_MSEC 8000

const char *
apply_bpf_hook_to_string(enum apply_bpf_hook hook)
{
    switch (hook) {
    case APPLY_BPF_HOOK_NONE: return "none";
    case APPLY_BPF_HOOK_XDP_NATIVE: return "native XDP";
    case APPLY_BPF_HOOK_XDP_GENERIC: return "generic XDP";
    case APPLY_BPF_HOOK_TC: return "tc";
    default: OVS_NOT_REACHED();
    }
}

/* What libbpf says.  The caller's error says what failed. */
static int
log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    char *text;

    if (level != LIBBPF_DEBUG && !VLOG_DROP_INFO(&rl)) {
        text = xvasprintf(format, args);
        text[strcspn(text, "\n")] = '\0';
        VLOG_INFO("%s", text);
        free(text);
    }
    return 0;
}

/* Objects. */

char *
apply_bpf_load(const struct apply_bpf *ab, struct bpf_object *obj,
               const char *program)
{
    struct bpf_program *prog;
    struct bpf_map *map;

    bpf_object__for_each_map (map, obj) {
        if (!bpf_map__is_internal(map)) {
            char *path = xasprintf("%s/%s", ab->dir, bpf_map__name(map));

            bpf_map__set_pin_path(map, path);
            free(path);
        }
    }
    bpf_object__for_each_program (prog, obj) {
        bpf_program__set_autoload(prog, (program
                                         && !strcmp(bpf_program__name(prog),
                                                    program)));
    }
    if ((program && FAULT_POINT_NOW(BPF_LOAD_BEFORE))
        || bpf_object__load(obj)) {
        return xasprintf("cannot load %s: %s",
                         program ? program : "the maps of the fast path",
                         ovs_strerror(errno));
    }
    return NULL;
}

/* The program of 'name' for 'hook', which the caller must free. */
static char *
name_program(const char *name, enum apply_bpf_hook hook)
{
    return xasprintf("alcor_%s_%s", name,
                     hook == APPLY_BPF_HOOK_TC ? "tc" : "xdp");
}

/* The pinned map 'name', opened. */
static char *
open_map(const struct apply_bpf *ab, const char *name, int *fd)
{
    char *path = xasprintf("%s/%s", ab->dir, name);
    char *error = NULL;

    *fd = bpf_obj_get(path);
    if (*fd < 0) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    free(path);
    return error;
}

char *
apply_bpf_open_devices(const struct apply_bpf *ab, uint32_t n, int *fd)
{
    char *path = xasprintf("%s/fp_devices", ab->dir);
    char *error = NULL;

    *fd = bpf_obj_get(path);
    if (*fd < 0) {
        *fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "fp_devices",
                             sizeof(uint32_t), sizeof(struct device_record),
                             n, NULL);
        if (*fd < 0 || bpf_obj_pin(*fd, path)) {
            error = xasprintf("%s: %s", path, ovs_strerror(errno));
        }
    }
    free(path);
    return error;
}

/* Creates the maps that are not there, and opens all. */
static char *
open_maps(struct apply_bpf *ab)
{
    struct fp_tenant *tenant = fp_tenant__open();
    struct fp_uplink *uplink = fp_uplink__open();
    char *error = NULL;

    if (!tenant || !uplink) {
        error = xasprintf("cannot open the programs: %s", ovs_strerror(errno));
    }
    error = error ? error : apply_bpf_load(ab, tenant->obj, NULL);
    error = error ? error : apply_bpf_load(ab, uplink->obj, NULL);
    error = error ? error : open_map(ab, "fp_tenant_flows",
                                     &ab->flows_fds[APPLY_BPF_TENANT]);
    error = error ? error : open_map(ab, "fp_uplink_flows",
                                     &ab->flows_fds[APPLY_BPF_UPLINK]);
    error = error ? error : open_map(ab, "fp_arrival", &ab->arrival_fd);
    error = error ? error : open_map(ab, "fp_counters", &ab->counters_fd);
    error = error ? error : open_map(ab, "fp_oam_sources",
                                     &ab->oam_sources_fd);
    error = error ? error : open_map(ab, "fp_oam_sockets",
                                     &ab->oam_sockets_fd);
    error = error ? error : apply_bpf_open_devices(ab, FP_MAX_PORTS + 1,
                                                   &ab->devices_fd);
    fp_tenant__destroy(tenant);
    fp_uplink__destroy(uplink);
    return error;
}

static void
read_devices(struct apply_bpf *ab)
{
    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        bpf_map_lookup_elem(ab->devices_fd, &port, &ab->devices[port]);
    }
}

char *
apply_bpf_open(const struct apply_bpf_config *config, struct apply_bpf **abp)
{
    struct apply_bpf *ab = xmalloc(sizeof *ab);
    bool is_there;
    char *error;
    int retval;

    libbpf_set_print(log_libbpf);
    *ab = (struct apply_bpf) {
        .config = *config,
        .flows_fds = { -1, -1 },
        .arrival_fd = -1,
        .counters_fd = -1,
        .oam_sources_fd = -1,
        .oam_sockets_fd = -1,
        .devices_fd = -1,
        .devices = xcalloc(FP_MAX_PORTS + 1, sizeof *ab->devices),
        .added = xcalloc(FP_MAX_PORTS + 1, sizeof *ab->added),
    };
    error = apply_bpf_make_dir(ab, APPLY_BPF_VERSIONS);
    is_there = !error;
    retval = error ? 0 : bpf_clock_create(&ab->clock);
    if (retval) {
        error = xasprintf("cannot load eBPF programs: %s",
                          ovs_strerror(retval));
    }
    if (!error && FAULT_POINT_NOW(BPF_OPEN_BEFORE)) {
        error = xstrdup("the tables are not opened");
    }
    error = error ? error : open_maps(ab);
    error = error ? error : apply_bpf_entries_init(ab);
    if (!error && FAULT_POINT_NOW(BPF_OPEN_AFTER)) {
        error = xstrdup("the tables have been opened in vain");
    }
    if (error) {
        if (is_there) {
            apply_bpf_abandon(ab);
        }
        apply_bpf_close(ab);
        *abp = NULL;
        return error;
    }
    ab->through_interval = bpf_clock_ticks(ab->clock, (config->through_msec
                                                       ? config->through_msec
                                                       : THROUGH_MSEC));
    read_devices(ab);
    *abp = ab;
    return NULL;
}

static void
close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void
apply_bpf_close(struct apply_bpf *ab)
{
    if (!ab) {
        return;
    }
    apply_bpf_release(ab);
    apply_bpf_entries_uninit(ab);
    bpf_clock_destroy(ab->clock);
    close_fd(ab->flows_fds[0]);
    close_fd(ab->flows_fds[1]);
    close_fd(ab->arrival_fd);
    close_fd(ab->counters_fd);
    close_fd(ab->oam_sources_fd);
    close_fd(ab->oam_sockets_fd);
    close_fd(ab->devices_fd);
    free(ab->devices);
    free(ab->added);
    free(ab->dir);
    free(ab);
}

/* Returns true if that is so of all devices. */
static bool
remove_ports(struct apply_bpf *ab)
{
    bool gone = true;

    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        apply_bpf_remove_port(ab, port);
        gone = gone && !ab->devices[port].ifindex;
    }
    return gone;
}

bool
apply_bpf_uninstall(struct apply_bpf *ab)
{
    bool gone = remove_ports(ab) || remove_ports(ab);

    apply_bpf_end_upgrade(ab);
    apply_bpf_sweep_pairs(ab);
    if (gone) {
        apply_bpf_remove_dir(ab->dir);
    }
    return gone;
}

/* Devices. */

/* Writes 'device' down as 'port', or that there is none.  That comes before a
 * program does, and after it has gone, so that none is forgotten. */
static char *
save_device(struct apply_bpf *ab, uint32_t port,
            const struct device_record *device)
{
    int error = (FAULT_POINT_NOW(BPF_DEVICE_BEFORE) ? EIO
                 : bpf_map_update_elem(ab->devices_fd, &port, device, BPF_ANY)
                 ? errno : 0);

    if (FAULT_POINT_NOW(BPF_DEVICE_AFTER)) {
        error = EIO;
    }
    return (error
            ? xasprintf("%s%scannot be written down: %s", device->name,
                        device->name[0] ? ": " : " ", ovs_strerror(error))
            : NULL);
}

/* Has everything that comes to a device go to that with 'ifindex'. */
static char *
put_patch(struct apply_bpf *ab, const struct device_record *device,
          uint32_t ifindex)
{
    struct fp_patch *skel = fp_patch__open();
    char *error;

    if (!skel) {
        return xasprintf("cannot open the patch: %s", ovs_strerror(errno));
    }
    skel->rodata->fp_config.ifindex = ifindex;
    error = apply_bpf_load(ab, skel->obj, "alcor_patch_tc");
    error = error ? error : apply_bpf_attach_tc(device,
                                                skel->progs.alcor_patch_tc);
    fp_patch__destroy(skel);
    return error;
}

/* Interposes a pair of veths on 'device', if the mode is so. */
static char *
interpose(struct apply_bpf *ab, struct device_record *device)
{
    struct device_record end = { .hook = APPLY_BPF_HOOK_TC };
    char ovs_name[16];
    char *error;

    if (ab->config.mode != APPLY_BPF_INTERPOSE) {
        return NULL;
    }
    error = apply_bpf_make_pair(device->name, &end.ifindex);
    if (error) {
        return error;
    }
    apply_bpf_pair_names(device->name, end.name, ovs_name);
    error = put_patch(ab, &end, device->ifindex);
    device->interposed = error ? 0 : end.ifindex;
    return error;
}

/* Starts a record of 'name'. */
static char *
find_device(const char *name, struct device_record *device)
{
    *device = (struct device_record) { .ifindex = apply_bpf_ifindex(name) };
    ovs_strlcpy(device->name, name, sizeof device->name);
    return device->ifindex ? NULL : xasprintf("%s: no such device", name);
}

/* Attaches 'program' to 'device', which is written down first if it is new. */
static char *
attach(struct apply_bpf *ab, const struct bpf_program *program,
       struct device_record *device, uint32_t port, enum apply_bpf_hook hook)
{
    static const struct device_record none;
    bool is_new = !device->hook;
    char *error = NULL;

    if (is_new) {
        struct device_record intended = *device;

        intended.hook = hook;
        error = save_device(ab, port, &intended);
    }
    error = error ? error : apply_bpf_attach(ab, device, program);
    if (error && is_new) {
        free(save_device(ab, port, &none));
    }
    return error;
}

/* Loads the program 'name' of 'obj' for 'device', which is to be 'port', and
 * attaches it. */
static char *
load_and_attach(struct apply_bpf *ab, struct bpf_object *obj,
                const char *name, struct device_record *device, uint32_t port)
{
    enum apply_bpf_hook hook;
    char *error = apply_bpf_choose_hook(ab, device, &hook);
    char *program = error ? NULL : name_program(name, hook);

    error = error ? error : apply_bpf_load(ab, obj, program);
    error = error ? error : attach(
        ab, bpf_object__find_program_by_name(obj, program), device, port,
        hook);
    free(program);
    return error;
}

/* The device has just been interposed, but is still Open vSwitch's port: an
 * XDP program stays, and what it passes goes both ways, of which one ends. */
static char *
enter(struct apply_bpf *ab, struct device_record *device, uint32_t port)
{
    char *error = NULL;

    if (!device->hook) {
        device->hook = APPLY_BPF_HOOK_TC;
        error = save_device(ab, port, device);
    }
    return error ? error : put_patch(ab, device, device->interposed);
}

/* The device is not to be interposed, but Open vSwitch's port is still the
 * other end of 'pair': an XDP program comes before the tc program, which does
 * not look into tables any more. */
static char *
leave(struct apply_bpf *ab, struct bpf_object *obj, const char *name,
      struct device_record *device, uint32_t port, uint32_t pair)
{
    bool is_xdp = device->hook && device->hook != APPLY_BPF_HOOK_TC;
    char *error, *patch_error;

    device->interposed = pair;
    if (!is_xdp) {
        device->hook = APPLY_BPF_HOOK_NONE;
    }
    error = load_and_attach(ab, obj, name, device, port);
    patch_error = put_patch(ab, device, pair);
    if (error) {
        free(patch_error);
    }
    return error ? error : patch_error;
}

static char *
put_program(struct apply_bpf *ab, struct bpf_object *obj, const char *name,
            struct device_record *device, uint32_t port, bool exchanged)
{
    uint32_t pair = ab->devices[port].interposed;
    char *error = (device->interposed && !exchanged
                   ? enter(ab, device, port)
                   : !device->interposed && pair && exchanged
                   ? leave(ab, obj, name, device, port, pair)
                   : load_and_attach(ab, obj, name, device, port));

    error = error ? error : save_device(ab, port, device);
    if (pair && !device->interposed) {
        apply_bpf_detach_tc(device->ifindex);
        apply_bpf_delete_device(pair);
        ab->devices[port].interposed = 0;
    }
    if (!error) {
        ab->devices[port] = *device;
        ab->added[port] = true;
        VLOG_INFO("%s: %s, %s", device->name, name,
                  apply_bpf_hook_to_string(device->hook));
    } else if (device->gro && !ab->devices[port].gro) {
        apply_bpf_restore_peer(device->name);
    }
    return error;
}

/* What was at 'port' goes, unless it is 'device'; an error if it does not. */
static char *
replace_device(struct apply_bpf *ab, uint32_t port,
               struct device_record *device)
{
    const struct device_record *old = &ab->devices[port];

    if (old->ifindex == device->ifindex && !strcmp(old->name, device->name)) {
        device->hook = old->hook;
        device->gro = old->gro;
        device->no_native = old->no_native;
    } else {
        apply_bpf_remove_port(ab, port);
        if (old->ifindex) {
            return xasprintf("%s: the program of %s cannot be removed yet",
                             device->name, old->name);
        }
        device->gro = apply_bpf_inherit_gro(ab, device);
    }
    return NULL;
}

char *
apply_bpf_set_uplink(struct apply_bpf *ab, const char *name, bool exchanged)
{
    struct device_record device;
    struct fp_uplink *skel;
    char *error = find_device(name, &device);

    if (error) {
        return error;
    }
    error = replace_device(ab, UPLINK, &device);
    error = error ? error : interpose(ab, &device);
    if (error) {
        return error;
    }
    skel = fp_uplink__open();
    if (!skel) {
        return xasprintf("cannot open the uplink: %s", ovs_strerror(errno));
    }
    skel->rodata->fp_config = (struct fp_uplink_config) {
        .miss_ifindex = device.interposed,
        .through_interval = ab->through_interval,
        .local_ip = (OVS_FORCE uint32_t) ab->config.local_ip,
        .vxlan_port = (OVS_FORCE uint16_t) ab->config.vxlan_port,
    };
    memcpy(skel->rodata->fp_config.local_mac, &ab->config.local_mac, 6);
    error = put_program(ab, skel->obj, "uplink", &device, UPLINK, exchanged);
    fp_uplink__destroy(skel);
    return error;
}

/* The number may have been another device's. */
static void
clear_counters(struct apply_bpf *ab, uint32_t port)
{
    int n_cpus = libbpf_num_possible_cpus();
    struct fp_counters *zeros = xcalloc(MAX(n_cpus, 1), sizeof *zeros);

    bpf_map_update_elem(ab->counters_fd, &port, zeros, BPF_ANY);
    free(zeros);
}

/* The port that 'name' has, or else a free one; 0 if there is none. */
static uint32_t
choose_port(const struct apply_bpf *ab, const char *name)
{
    uint32_t unused = 0;

    for (uint32_t port = FP_MAX_PORTS; port > 0; port--) {
        if (!strcmp(ab->devices[port].name, name)) {
            return port;
        } else if (!ab->devices[port].ifindex) {
            unused = port;
        }
    }
    return unused;
}

static char *
put_tenant(struct apply_bpf *ab, struct device_record *device, uint32_t port,
           bool exchanged)
{
    struct fp_tenant *skel = fp_tenant__open();
    char *error;

    if (!skel) {
        return xasprintf("cannot open the tenant: %s", ovs_strerror(errno));
    }
    skel->rodata->fp_config = (struct fp_tenant_config) {
        .port = port,
        .by_connection = device->by_connection,
        .uplink_ifindex = ab->devices[UPLINK].ifindex,
        .miss_ifindex = device->interposed,
        .through_interval = ab->through_interval,
        .local_ip = (OVS_FORCE uint32_t) ab->config.local_ip,
        .ttl = ab->config.ttl,
        .tos = ab->config.tos,
        .tos_inherit = ab->config.tos_inherit,
        .vxlan_port = (OVS_FORCE uint16_t) ab->config.vxlan_port,
    };
    memcpy(skel->rodata->fp_config.local_mac, &ab->config.local_mac, 6);
    error = put_program(ab, skel->obj, "tenant", device, port, exchanged);
    fp_tenant__destroy(skel);
    return error;
}

char *
apply_bpf_add_port(struct apply_bpf *ab, const char *name, bool by_connection,
                   bool exchanged, uint32_t *portp)
{
    struct device_record device;
    uint32_t port = choose_port(ab, name);
    char *error = find_device(name, &device);
    bool rekeyed;

    if (!error && !ab->devices[UPLINK].ifindex) {
        error = xasprintf("%s: there is no uplink yet", name);
    } else if (!error && !port) {
        error = xasprintf("%s: there are %d devices already", name,
                          FP_MAX_PORTS);
    }
    if (error) {
        return error;
    }
    device.by_connection = by_connection;
    error = replace_device(ab, port, &device);
    if (!ab->devices[port].ifindex) {
        clear_counters(ab, port);
    }
    rekeyed = (ab->devices[port].ifindex
               && ab->devices[port].by_connection != by_connection);
    error = error ? error : interpose(ab, &device);
    error = error ? error : put_tenant(ab, &device, port, exchanged);
    if (!error && rekeyed) {
        apply_bpf_flush_port(ab, port);
    } else if (error && !ab->devices[port].interposed) {
        ab->added[port] = false; /* A program that is not as it is to be. */
    }
    *portp = error ? 0 : port;
    return error;
}

/* Has 'port' forward by XDP what there are entries for. */
static char *
retreat(struct apply_bpf *ab, uint32_t port)
{
    const struct device_record device = ab->devices[port];
    uint32_t same;

    /* Others may hand over what generic XDP would spoil: several segments in
     * one, or what lacks its checksum. */
    return (!apply_bpf_is_veth(device.ifindex)
            ? put_patch(ab, &device, device.interposed)
            : port == UPLINK
            ? apply_bpf_set_uplink(ab, device.name, true)
            : apply_bpf_add_port(ab, device.name, device.by_connection, true,
                                 &same));
}

void
apply_bpf_retreat(struct apply_bpf *ab)
{
    /* Native XDP would cost packets: a veth's ring is dropped when it comes,
     * and when it goes. */
    ab->config.mode = APPLY_BPF_GENERIC;
    apply_bpf_release(ab);
    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        char *error = ab->devices[port].interposed ? retreat(ab, port) : NULL;

        if (error) {
            VLOG_INFO("%s", error);
            free(error);
        }
    }
}

/* If its program cannot be removed, the device stays where it is, until the
 * next sweep: the program does not find an entry any more. */
void
apply_bpf_remove_port(struct apply_bpf *ab, uint32_t port)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    static const struct device_record none;
    struct device_record *device = &ab->devices[port];
    bool gone;

    if (!device->ifindex) {
        return;
    }
    gone = apply_bpf_detach(ab, device);
    if (gone && device->interposed) {
        apply_bpf_detach_tc(device->ifindex);
        apply_bpf_delete_device(device->interposed);
    }
    if (port == UPLINK) {
        apply_bpf_flush(ab);
    } else {
        apply_bpf_flush_port(ab, port);
    }
    ab->added[port] = false;
    if (gone) {
        char *error = save_device(ab, port, &none);

        if (error) {
            VLOG_WARN_RL(&rl, "%s: that it is no port%s", device->name, error);
            free(error);
        }
        *device = none;
    } else {
        VLOG_WARN_RL(&rl, "%s: its program cannot be removed yet",
                     device->name);
    }
}

bool
apply_bpf_sweep(struct apply_bpf *ab)
{
    bool gone = true;

    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        if (!ab->added[port]) {
            apply_bpf_remove_port(ab, port);
            gone = gone && !ab->devices[port].ifindex;
        }
    }
    apply_bpf_end_upgrade(ab);
    apply_bpf_sweep_pairs(ab);
    return gone;
}

char *
apply_bpf_ovs_device(const struct apply_bpf *ab, const char *name)
{
    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        const struct device_record *device = &ab->devices[port];

        if (device->interposed && !strcmp(device->name, name)) {
            char ours[16], ovs[16];

            apply_bpf_pair_names(name, ours, ovs);
            return xstrdup(ovs);
        }
    }
    return NULL;
}

struct apply_bpf_device *
apply_bpf_list_devices(const struct apply_bpf *ab, size_t *np)
{
    struct apply_bpf_device *devices = NULL;
    size_t n = 0, allocated = 0;

    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        const struct device_record *record = &ab->devices[port];

        if (record->ifindex) {
            if (n >= allocated) {
                devices = x2nrealloc(devices, &allocated, sizeof *devices);
            }
            devices[n] = (struct apply_bpf_device) {
                .ifindex = record->ifindex,
                .port = port,
                .hook = record->hook,
                .by_connection = record->by_connection,
                .interposed = record->interposed != 0,
                .to_peer = (ab->devices[UPLINK].hook == APPLY_BPF_HOOK_TC
                            && apply_bpf_is_veth(record->ifindex)),
            };
            ovs_strlcpy(devices[n++].name, record->name, 16);
        }
    }
    *np = n;
    return devices;
}

/* Others. */

static bool
is_oam_source(const struct fp_oam_source *source,
              const struct fp_oam_source *sources, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(source, &sources[i], sizeof *source)) {
            return true;
        }
    }
    return false;
}

void
apply_bpf_set_oam_sources(struct apply_bpf *ab,
                          const struct fp_oam_source *sources, size_t n)
{
    struct fp_oam_source source, *next = NULL;
    uint32_t one = 1;

    for (size_t i = 0; i < n; i++) {
        bpf_map_update_elem(ab->oam_sources_fd, &sources[i], &one, BPF_ANY);
    }

    /* After a deletion the search starts anew. */
    while (!bpf_map_get_next_key(ab->oam_sources_fd, next, &source)) {
        next = &source;
        if (!is_oam_source(&source, sources, n)) {
            bpf_map_delete_elem(ab->oam_sources_fd, &source);
            next = NULL;
        }
    }
}

void
apply_bpf_set_oam_socket(struct apply_bpf *ab, uint32_t queue, int fd)
{
    if (queue < FP_MAX_QUEUES) {
        bpf_map_update_elem(ab->oam_sockets_fd, &queue, &fd, BPF_ANY);
    }
}

void
apply_bpf_get_counters(const struct apply_bpf *ab, uint32_t port,
                       struct fp_counters *counters)
{
    int n_cpus = libbpf_num_possible_cpus();
    struct fp_counters *per_cpu = xcalloc(MAX(n_cpus, 1), sizeof *per_cpu);

    memset(counters, 0, sizeof *counters);
    if (n_cpus > 0
        && !bpf_map_lookup_elem(ab->counters_fd, &port, per_cpu)) {
        for (int cpu = 0; cpu < n_cpus; cpu++) {
            for (size_t i = 0; i < sizeof *counters / 8; i++) {
                ((uint64_t *) counters)[i] += ((uint64_t *) &per_cpu[cpu])[i];
            }
        }
    }
    free(per_cpu);
}

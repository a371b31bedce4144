/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-upgrade: what agents with another layout of maps have left. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_upgrade);

/* The tables of another version cannot be read, but for how its records of
 * devices begin: which of them have a peer whose GRO is on because of us.
 * But its programs work.  So
 * everything stays as it is until the caller has added its devices: an XDP
 * program is replaced by means of its own link, whose name is the same in all
 * versions, a tc filter since it has our priority, a pair of veths is found by
 * its name.  So packets are forwarded all the time: by the old program as it
 * knows, by the new one through OVS, until that has shown its verdicts anew.
 *
 * apply_bpf_end_upgrade() removes what nobody has asked for since.  The
 * directories of other versions are last, so that an agent that is killed
 * before begins anew. */

/* Calls 'cb' for the directory of each other version: beside 'ours', with the
 * same name but for the number.  Returns how many there are. */
static size_t
for_each_other(const char *ours, void (*cb)(const char *path, void *aux),
               void *aux)
{
    const char *name = strrchr(ours, '/') + 1;
    size_t prefix = strcspn(name, "0123456789");
    char *parent = xmemdup0(ours, name - ours);
    DIR *dir = opendir(parent);
    struct dirent *entry;
    size_t n = 0;

    while (dir && (entry = readdir(dir))) {
        if (!strncmp(entry->d_name, name, prefix)
            && strcmp(entry->d_name, name)) {
            char *path = xasprintf("%s%s", parent, entry->d_name);

            cb(path, aux);
            free(path);
            n++;
        }
    }
    if (dir) {
        closedir(dir);
    }
    free(parent);
    return n;
}

static void
do_nothing(const char *path OVS_UNUSED, void *aux OVS_UNUSED)
{
}

bool
apply_bpf_has_others(const char *dir)
{
    return for_each_other(dir, do_nothing, NULL) > 0;
}

static void
remove_other(const char *path, void *aux OVS_UNUSED)
{
    VLOG_INFO("%s: removing the tables of another version", path);
    apply_bpf_remove_dir(path);
}

void
apply_bpf_remove_others(const char *dir)
{
    for_each_other(dir, remove_other, NULL);
}

/* Links. */

struct inheritance {
    uint32_t ifindex;
    int fd;                     /* Negative: none found. */
};

static void
open_other_link(const char *path, void *aux)
{
    struct inheritance *link = aux;
    struct bpf_link_info info = { .type = 0 };
    uint32_t len = sizeof info;
    char *pin = xasprintf("%s/link-%"PRIu32, path, link->ifindex);
    int fd = link->fd < 0 ? bpf_obj_get(pin) : -1;

    if (fd >= 0
        && (bpf_obj_get_info_by_fd(fd, &info, &len)
            || info.xdp.ifindex != link->ifindex)) {
        close(fd);              /* Its device has gone. */
    } else if (fd >= 0) {
        link->fd = fd;
    }
    free(pin);
}

int
apply_bpf_inherit_link(const struct apply_bpf *ab, uint32_t ifindex)
{
    struct inheritance link = { ifindex, -1 };

    for_each_other(ab->dir, open_other_link, &link);
    return link.fd;
}

/* Peers. */

/* What of a record is the same in all versions. */
#define RECORD_LEN offsetof(struct device_record, no_native)
BUILD_ASSERT_DECL(offsetof(struct device_record, name) == 0);
BUILD_ASSERT_DECL(offsetof(struct device_record, ifindex) == 16);
BUILD_ASSERT_DECL(offsetof(struct device_record, gro) == 25);
BUILD_ASSERT_DECL(RECORD_LEN == 26);

/* Calls 'cb' for each device with GRO in the map 'fd'. */
static void
for_each_record(int fd, const struct bpf_map_info *info,
                void (*cb)(const struct device_record *, void *aux), void *aux)
{
    uint8_t *values = xcalloc(info->max_entries, info->value_size);
    uint32_t *keys = xcalloc(info->max_entries, sizeof *keys);
    struct device_record device = { .ifindex = 0 };
    uint32_t n = info->max_entries, batch;

    if (bpf_map_lookup_batch(fd, NULL, &batch, keys, values, &n, NULL)
        && errno != ENOENT) {
        n = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        memcpy(&device, &values[i * info->value_size], RECORD_LEN);
        if (device.ifindex && device.gro) {
            cb(&device, aux);
        }
    }
    free(keys);
    free(values);
}

static void
for_each_gro(const char *path,
             void (*cb)(const struct device_record *, void *aux), void *aux)
{
    char *pin = xasprintf("%s/fp_devices", path);
    struct bpf_map_info info = { .type = 0 };
    uint32_t len = sizeof info;
    int fd = bpf_obj_get(pin);

    if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len)
        && info.type == BPF_MAP_TYPE_ARRAY && info.value_size >= RECORD_LEN) {
        for_each_record(fd, &info, cb, aux);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(pin);
}

struct gro_search {
    const struct device_record *device;
    bool found;
};

static void
compare_gro(const struct device_record *device, void *aux)
{
    struct gro_search *search = aux;

    search->found |= (device->ifindex == search->device->ifindex
                      && !strncmp(device->name, search->device->name,
                                  sizeof device->name));
}

static void
search_gro(const char *path, void *search)
{
    for_each_gro(path, compare_gro, search);
}

bool
apply_bpf_inherit_gro(const struct apply_bpf *ab,
                      const struct device_record *device)
{
    struct gro_search search = { device, false };

    for_each_other(ab->dir, search_gro, &search);
    return search.found;
}

/* Switches GRO off again, unless the device is one of ours now. */
static void
restore_gro(const struct device_record *device, void *ab_)
{
    const struct apply_bpf *ab = ab_;

    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        if (ab->devices[port].ifindex == device->ifindex) {
            return;
        }
    }
    if (apply_bpf_ifindex(device->name) == device->ifindex) {
        apply_bpf_restore_peer(device->name);
    }
}

static void
restore_peers(const char *path, void *ab)
{
    for_each_gro(path, restore_gro, ab);
}

void
apply_bpf_remove_versions(const struct apply_bpf *ab)
{
    restore_peers(ab->dir, CONST_CAST(struct apply_bpf *, ab));
    for_each_other(ab->dir, restore_peers, CONST_CAST(struct apply_bpf *, ab));
    apply_bpf_remove_others(ab->dir);
    apply_bpf_remove_dir(ab->dir);
}

/* The end. */

/* True if something of ours on a device is by this version. */
static bool
is_in_use(const struct apply_bpf *ab, uint32_t ifindex)
{
    for (uint32_t port = 0; port <= FP_MAX_PORTS; port++) {
        const struct device_record *device = &ab->devices[port];

        if (device->ifindex
            && ((device->ifindex == ifindex
                 && device->hook == APPLY_BPF_HOOK_TC)
                || device->interposed == ifindex)) {
            return true;
        }
    }
    return false;
}

void
apply_bpf_sweep_pairs(const struct apply_bpf *ab)
{
    struct if_nameindex *devices = if_nameindex();

    for (size_t i = 0; devices && devices[i].if_index; i++) {
        if (apply_bpf_is_pair(devices[i].if_name)
            && !is_in_use(ab, devices[i].if_index)) {
            apply_bpf_delete_device(devices[i].if_index);
        }
    }
    if_freenameindex(devices);
}

/* Removes what is on devices and not in use. */
static void
sweep_devices(const struct apply_bpf *ab)
{
    struct if_nameindex *devices = if_nameindex();

    for (size_t i = 0; devices && devices[i].if_index; i++) {
        if (is_in_use(ab, devices[i].if_index)) {
            continue;
        } else if (apply_bpf_is_pair(devices[i].if_name)) {
            apply_bpf_delete_device(devices[i].if_index);
        } else {
            apply_bpf_detach_tc(devices[i].if_index);
        }
    }
    if_freenameindex(devices);
}

void
apply_bpf_end_upgrade(struct apply_bpf *ab)
{
    if (apply_bpf_has_others(ab->dir)) {
        sweep_devices(ab);
        for_each_other(ab->dir, restore_peers, ab);
        apply_bpf_remove_others(ab->dir);
    }
}

void
apply_bpf_abandon(struct apply_bpf *ab)
{
    memset(ab->devices, 0, (FP_MAX_PORTS + 1) * sizeof *ab->devices);
    sweep_devices(ab);
    apply_bpf_remove_versions(ab);
}

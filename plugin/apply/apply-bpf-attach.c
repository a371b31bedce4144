/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-attach: one eBPF program on one device. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fault-point.h"
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_attach);

/* Where our filters are, among others of tc. */
#define TC_PRIORITY 0xa1c
#define TC_HANDLE 1

/* Programs of ours have names that begin so. */
#define OUR_PREFIX "alcor_"

char *
apply_bpf_choose_hook(const struct apply_bpf *ab, struct device_record *device,
                      enum apply_bpf_hook *hook)
{
    bool gro = false;
    char *error;

    switch (ab->config.mode) {
    case APPLY_BPF_AUTO:
        *hook = (!ab->config.userspace ? APPLY_BPF_HOOK_TC
                 : device->no_native ? APPLY_BPF_HOOK_XDP_GENERIC
                 : APPLY_BPF_HOOK_XDP_NATIVE);
        break;
    case APPLY_BPF_NATIVE:
        *hook = APPLY_BPF_HOOK_XDP_NATIVE;
        break;
    case APPLY_BPF_GENERIC:
        *hook = APPLY_BPF_HOOK_XDP_GENERIC;
        break;
    case APPLY_BPF_TC:
        if (ab->config.userspace) {
            return xasprintf("%s: tc would deliver every packet twice, since "
                             "the userspace datapath sees them first: use "
                             "native, generic or interpose", device->name);
        }
        *hook = APPLY_BPF_HOOK_TC;
        break;
    case APPLY_BPF_INTERPOSE:
        *hook = APPLY_BPF_HOOK_TC;
        break;
    default:
        OVS_NOT_REACHED();
    }
    error = (*hook == APPLY_BPF_HOOK_TC ? NULL
             : apply_bpf_prepare_peer(device->name,
                                      *hook == APPLY_BPF_HOOK_XDP_NATIVE,
                                      ab->config.mode == APPLY_BPF_AUTO,
                                      &gro));
    device->gro = device->gro || gro;
    return error;
}

/* The peer's GRO becomes what it was. */
static void
restore_peer(struct device_record *device)
{
    if (device->gro) {
        apply_bpf_restore_peer(device->name);
        device->gro = false;
    }
}

/* True if program 'id' is of ours; puts its name in 'name'. */
static bool
is_our_program(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
    struct bpf_prog_info info = { .id = 0 };
    uint32_t len = sizeof info;
    int fd = bpf_prog_get_fd_by_id(id);

    ovs_strlcpy(name, "unknown", BPF_OBJ_NAME_LEN);
    if (fd >= 0) {
        if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
            ovs_strlcpy(name, info.name, BPF_OBJ_NAME_LEN);
        }
        close(fd);
    }
    return !strncmp(name, OUR_PREFIX, strlen(OUR_PREFIX));
}

/* tc. */

/* Looks for a filter on the ingress of a device: one that has our priority, or
 * one that has not.  Returns its priority, 0 if there is none. */
static uint32_t
find_filter(uint32_t ifindex, bool ours)
{
    struct ofpbuf request, reply, buffer;
    struct nl_dump dump;
    uint32_t found = 0;

    ofpbuf_init(&request, 64);
    nl_msg_put_nlmsghdr(&request, sizeof(struct tcmsg), RTM_GETTFILTER,
                        NLM_F_REQUEST);
    struct tcmsg *tcm = ofpbuf_put_zeros(&request, sizeof *tcm);
    tcm->tcm_ifindex = ifindex;
    tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);

    ofpbuf_init(&buffer, NL_DUMP_BUFSIZE);
    nl_dump_start(&dump, NETLINK_ROUTE, &request);
    while (nl_dump_next(&dump, &reply, &buffer)) {
        const struct tcmsg *filter = ofpbuf_at(&reply, NLMSG_HDRLEN,
                                               sizeof *filter);
        uint32_t priority = (filter ? TC_H_MAJ(filter->tcm_info) >> 16
                             : 0);

        if (priority && !found && (priority == TC_PRIORITY) == ours) {
            found = priority;
        }
    }
    nl_dump_done(&dump);
    ofpbuf_uninit(&buffer);
    ofpbuf_uninit(&request);
    return found;
}

static char *
attach_tc(const struct device_record *device, int prog_fd)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device->ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE,
                .priority = TC_PRIORITY, .prog_fd = prog_fd,
                .flags = BPF_TC_F_REPLACE);
    uint32_t foreign = find_filter(device->ifindex, false);
    int error;

    if (foreign) {
        return xasprintf("%s: someone else's tc filter (priority %"PRIu32") "
                         "is on it", device->name, foreign);
    }
    error = bpf_tc_hook_create(&hook);
    if (error && error != -EEXIST) {
        return xasprintf("%s: cannot create clsact: %s", device->name,
                         ovs_strerror(-error));
    }
    error = FAULT_POINT_NOW(BPF_ATTACH_BEFORE) ? -EIO
            : bpf_tc_attach(&hook, &opts);
    if (FAULT_POINT_NOW(BPF_ATTACH_AFTER)) {
        error = -EIO;
    }
    if (error) {
        /* Nor is an earlier one of use. */
        apply_bpf_detach_tc(device->ifindex);
        return xasprintf("%s: cannot attach to tc: %s", device->name,
                         ovs_strerror(-error));
    }
    return NULL;
}

/* Returns 0 or a negative errno value. */
static int
detach_tc(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE,
                .priority = TC_PRIORITY);

    return bpf_tc_detach(&hook, &opts);
}

void
apply_bpf_detach_tc(uint32_t ifindex)
{
    if (find_filter(ifindex, true)) {
        detach_tc(ifindex);
    }
}

char *
apply_bpf_attach_tc(const struct device_record *device,
                    const struct bpf_program *program)
{
    return attach_tc(device, bpf_program__fd(program));
}

/* XDP. */

static char *
link_path(const struct apply_bpf *ab, const struct device_record *device)
{
    return xasprintf("%s/link-%"PRIu32, ab->dir, device->ifindex);
}

/* The link of a program that is on 'device' already, opened; negative if there
 * is none, or its device has gone. */
static int
open_link(const struct apply_bpf *ab, const struct device_record *device)
{
    char *path = link_path(ab, device);
    struct bpf_link_info info = { .type = 0 };
    uint32_t len = sizeof info;
    int fd = bpf_obj_get(path);

    if (fd >= 0
        && (bpf_obj_get_info_by_fd(fd, &info, &len)
            || info.xdp.ifindex != device->ifindex)) {
        unlink(path);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

bool
apply_bpf_has_link(const struct apply_bpf *ab,
                   const struct device_record *device)
{
    int fd = open_link(ab, device);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static char *
check_xdp(const struct device_record *device)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, opts);
    char name[BPF_OBJ_NAME_LEN];

    if (!bpf_xdp_query(device->ifindex, 0, &opts) && opts.prog_id) {
        bool ours = is_our_program(opts.prog_id, name);

        return xasprintf(ours
                         ? "%s: program \"%s\" (id %u) is on it, of another "
                           "instance of the agent"
                         : "%s: someone else's XDP program \"%s\" (id %u) is "
                           "on it", device->name, name, opts.prog_id);
    }
    return NULL;
}

static char *
pin_link(const struct apply_bpf *ab, const struct device_record *device,
         int fd)
{
    char *path = link_path(ab, device);
    char *error = NULL;

    unlink(path);
    if (FAULT_POINT_NOW(BPF_PIN_BEFORE)) {
        error = xasprintf("%s: is not pinned", path);
    } else if (bpf_obj_pin(fd, path)) {
        error = xasprintf("%s: cannot pin: %s", path, ovs_strerror(errno));
    } else if (FAULT_POINT_NOW(BPF_PIN_AFTER)) {
        error = xasprintf("%s: has been pinned in vain", path);
        unlink(path);
    }
    free(path);
    return error;
}

/* Puts the program in the place of the one that is on 'device' by link 'fd'
 * already, between two packets. */
static char *
replace_xdp(const struct device_record *device, int prog_fd, int fd)
{
    int error = (FAULT_POINT_NOW(BPF_REPLACE_BEFORE) ? EIO
                 : bpf_link_update(fd, prog_fd, NULL) ? errno : 0);

    if (FAULT_POINT_NOW(BPF_REPLACE_AFTER)) {
        error = EIO;
    }
    return (error
            ? xasprintf("%s: cannot replace the XDP program: %s",
                        device->name, ovs_strerror(error))
            : NULL);
}

/* The hook of the XDP program that is on a device. */
static enum apply_bpf_hook
present_hook(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, opts);

    return (bpf_xdp_query(ifindex, 0, &opts) ? APPLY_BPF_HOOK_NONE
            : opts.attach_mode == XDP_ATTACHED_DRV ? APPLY_BPF_HOOK_XDP_NATIVE
            : opts.attach_mode == XDP_ATTACHED_SKB ? APPLY_BPF_HOOK_XDP_GENERIC
            : APPLY_BPF_HOOK_NONE);
}

/* Makes a link for the program.  Returns it, or a negative errno value. */
static int
create_link(const struct device_record *device, int prog_fd,
            enum apply_bpf_hook hook)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts,
                .flags = (hook == APPLY_BPF_HOOK_XDP_NATIVE
                          ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE));
    int fd;

    if (FAULT_POINT_NOW(BPF_ATTACH_BEFORE)) {
        return -EIO;
    }
    fd = bpf_link_create(prog_fd, device->ifindex, BPF_XDP, &opts);
    if (fd >= 0 && FAULT_POINT_NOW(BPF_ATTACH_AFTER)) {
        close(fd);
        return -EIO;
    }
    return fd >= 0 ? fd : -errno;
}

static char *
attach_xdp(const struct apply_bpf *ab, struct device_record *device,
           int prog_fd, enum apply_bpf_hook hook)
{
    int fd = open_link(ab, device);
    bool inherited = false;
    char *reason;

    if (fd < 0) {
        fd = apply_bpf_inherit_link(ab, device->ifindex);
        inherited = fd >= 0;
    }
    if (fd >= 0 && present_hook(device->ifindex) == hook) {
        reason = replace_xdp(device, prog_fd, fd);
        if (!reason && inherited) {
            reason = pin_link(ab, device, fd);
        }
        close(fd);
        return reason;
    } else if (fd >= 0) {
        bpf_link_detach(fd);
        close(fd);
    }

    reason = check_xdp(device);
    if (reason) {
        return reason;
    }
    fd = create_link(device, prog_fd, hook);
    if (fd < 0) {
        /* Other errors may pass: a killed agent's program is still there. */
        device->no_native |= (hook == APPLY_BPF_HOOK_XDP_NATIVE
                              && fd == -EOPNOTSUPP);
        return xasprintf("%s: cannot attach to %s: %s", device->name,
                         apply_bpf_hook_to_string(hook), ovs_strerror(-fd));
    }
    reason = pin_link(ab, device, fd);
    close(fd);
    return reason;
}

static void
detach_xdp(const struct apply_bpf *ab, const struct device_record *device)
{
    char *path = link_path(ab, device);
    int fd = open_link(ab, device);

    if (fd >= 0) {
        bpf_link_detach(fd);
        close(fd);
    }
    unlink(path);
    free(path);
}

/* Both. */

char *
apply_bpf_attach(struct apply_bpf *ab, struct device_record *device,
                 const struct bpf_program *program)
{
    int prog_fd = bpf_program__fd(program);
    enum apply_bpf_hook hook;
    char *reason = apply_bpf_choose_hook(ab, device, &hook);

    if (reason) {
        return reason;
    }
    if (hook == APPLY_BPF_HOOK_TC) {
        reason = attach_tc(device, prog_fd);
    } else {
        reason = attach_xdp(ab, device, prog_fd, hook);
        if (reason && ab->config.mode == APPLY_BPF_AUTO
            && hook == APPLY_BPF_HOOK_XDP_NATIVE) {
            VLOG_INFO("%s; trying generic XDP", reason);
            free(reason);
            hook = APPLY_BPF_HOOK_XDP_GENERIC;
            reason = attach_xdp(ab, device, prog_fd, hook);
        }
    }
    if (reason) {
        return reason;
    }
    /* Not before: in between, it forwards as before. */
    if (device->hook == APPLY_BPF_HOOK_TC && hook != APPLY_BPF_HOOK_TC) {
        detach_tc(device->ifindex);
    } else if (device->hook && device->hook != APPLY_BPF_HOOK_TC
               && hook == APPLY_BPF_HOOK_TC) {
        detach_xdp(ab, device);
    }
    device->hook = hook;
    if (hook != APPLY_BPF_HOOK_XDP_NATIVE) {
        restore_peer(device);
    }
    return NULL;
}

bool
apply_bpf_detach(struct apply_bpf *ab, struct device_record *device)
{
    if (FAULT_POINT_NOW(BPF_DETACH_BEFORE)) {
        return false;
    } else if (device->hook == APPLY_BPF_HOOK_TC) {
        int error = detach_tc(device->ifindex);

        /* Perhaps it has gone already. */
        if (error && find_filter(device->ifindex, true)) {
            return false;
        }
    } else {
        detach_xdp(ab, device);
    }
    restore_peer(device);
    return !FAULT_POINT_NOW(BPF_DETACH_AFTER);
}

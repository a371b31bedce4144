/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-gateway-told: what a gateway tells hosts, and remembers of it. */

#include <config.h>

#include "agent-gateway-private.h"

#include <stdlib.h>
#include <string.h>
#include "agent-gateway-endpoints.h"
#include "apply/bpf-gateway-table.h"
#include "apply/bpf-gateway.h"
#include "apply/bpf-notes.h"
#include "apply/gateway-device.h"
#include "feedback/told-paths.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_gateway_told);

/* Hosts that have been told a path go on using it while the gateway has no
 * agent, and its program forwards for them meanwhile.  So what they have been
 * told is in notes of the kernel's, before it is sent.  The next agent looks
 * at all of it when its table is complete, and tells of what has moved since:
 * while there was no agent, in the course of its start, or just before it was
 * killed.  So it does whenever entrances have come to this node. */

BUILD_ASSERT_DECL(TOLD_PATH_MSEC == GATEWAY_OAM_IDLE_SECS * 1000);

/* Notes. */

struct note_key {
    uint32_t vni;
    ovs_be32 src;
    ovs_be32 dst;
    ovs_be32 to_ip;
    ovs_be16 sport;
    ovs_be16 dport;
    uint8_t proto;
    uint8_t reserved[3];
};
BUILD_ASSERT_DECL(sizeof(struct note_key) == 24);

struct note {
    int64_t told;               /* Of the clock that begins with the kernel. */
    ovs_be32 entrance_ip;
    ovs_be32 host_ip;
    struct eth_addr to_mac;
    struct eth_addr entrance_mac;
    struct eth_addr host_mac;
    struct eth_addr mac;
};
BUILD_ASSERT_DECL(sizeof(struct note) == 40);

static void
make_key(const struct told_path *path, struct note_key *key)
{
    *key = (struct note_key) {
        .vni = path->vni,
        .src = path->src,
        .dst = path->dst,
        .to_ip = path->to_ip,
        .sport = path->sport,
        .dport = path->dport,
        .proto = path->proto,
    };
}

static void
note_path(const struct told_path *path, void *gw_)
{
    struct agent_gateway *gw = gw_;
    const struct note note = {
        .told = path->told,
        .entrance_ip = path->entrance_ip,
        .host_ip = path->host_ip,
        .to_mac = path->to_mac,
        .entrance_mac = path->entrance_mac,
        .host_mac = path->host_mac,
        .mac = path->mac,
    };
    struct note_key key;

    make_key(path, &key);
    bpf_notes_set(gw->notes, &key, &note);
}

static void
forget_path(const struct told_path *path, void *gw_)
{
    struct agent_gateway *gw = gw_;
    struct note_key key;

    make_key(path, &key);
    bpf_notes_remove(gw->notes, &key);
}

static const struct told_paths_class told_class = {
    .changed = note_path,
    .forgotten = forget_path,
};

struct path_list {
    struct told_path *paths;
    size_t n, allocated;
};

static void
read_note(const void *key_, const void *note_, void *list_)
{
    struct path_list *list = list_;
    struct note_key key;
    struct note note;

    memcpy(&key, key_, sizeof key);
    memcpy(&note, note_, sizeof note);
    if (list->n >= list->allocated) {
        list->paths = x2nrealloc(list->paths, &list->allocated,
                                 sizeof *list->paths);
    }
    list->paths[list->n++] = (struct told_path) {
        .vni = key.vni,
        .src = key.src,
        .dst = key.dst,
        .sport = key.sport,
        .dport = key.dport,
        .proto = key.proto,
        .to_ip = key.to_ip,
        .to_mac = note.to_mac,
        .entrance_ip = note.entrance_ip,
        .entrance_mac = note.entrance_mac,
        .host_ip = note.host_ip,
        .host_mac = note.host_mac,
        .mac = note.mac,
        .told = MIN(note.told, time_msec()),
    };
}

void
agent_gateway_told_open(struct agent_gateway *gw)
{
    const struct bpf_notes_config config = {
        .name = "fp_gw_notes",
        .key_size = sizeof(struct note_key),
        .value_size = sizeof(struct note),
        .max = TOLD_PATHS_MAX,
    };
    struct path_list list = { .paths = NULL };
    char *error = bpf_notes_open(bpf_gateway_dir(gw->bpf), &config,
                                 &gw->notes);

    if (error) {
        VLOG_WARN("hosts are not told of what moves while the agent is "
                  "restarted: %s", error);
        free(error);
    }
    gw->told = told_paths_create(&told_class, gw);
    bpf_notes_for_each(gw->notes, read_note, &list);
    told_paths_restore(gw->told, list.paths, list.n);
    free(list.paths);
}

void
agent_gateway_told_close(struct agent_gateway *gw)
{
    told_paths_destroy(gw->told);
    bpf_notes_close(gw->notes);
    gw->told = NULL;
    gw->notes = NULL;
}

/* OAM packets. */

/* Writes to 'oam' where its destination is now: it may have moved since the
 * program has forwarded the packet, and then the host has been told already
 * that it is not there any more.  False if it is nowhere. */
static bool
update_place(const struct agent_gateway *gw, struct fp_gw_oam *oam)
{
    struct gateway_endpoint endpoint;

    if (!gateway_table_get(bpf_gateway_table(gw->bpf), ntohl(oam->vni),
                           oam->dst, &endpoint)) {
        return false;
    }
    oam->host_ip = endpoint.host_ip;
    memcpy(oam->host_mac, &endpoint.host_mac, sizeof oam->host_mac);
    memcpy(oam->dst_mac, &endpoint.mac, sizeof oam->dst_mac);
    return true;
}

/* Notes in 'path' what 'oam' tells. */
static void
set_told(struct told_path *path, const struct fp_gw_oam *oam)
{
    path->host_ip = oam->host_ip;
    memcpy(&path->host_mac, oam->host_mac, sizeof path->host_mac);
    memcpy(&path->mac, oam->dst_mac, sizeof path->mac);
    path->told = time_msec();
}

void
agent_gateway_tell(const struct fp_gw_oam *record, void *gw_)
{
    struct agent_gateway *gw = gw_;
    struct fp_gw_oam copy = *record, *oam = &copy;
    const struct gateway_entrance *e
        = agent_gateway_find_entrance(gw, oam->entrance_ip);
    uint8_t frame[GATEWAY_OAM_INJECT_LEN];
    struct told_path path = {
        .vni = ntohl(oam->vni),
        .src = oam->src,
        .dst = oam->dst,
        .sport = oam->sport,
        .dport = oam->dport,
        .proto = oam->proto,
        .to_ip = oam->to_ip,
        .entrance_ip = oam->entrance_ip,
    };

    if (e && update_place(gw, oam)) {
        memcpy(&path.to_mac, oam->to_mac, sizeof path.to_mac);
        memcpy(&path.entrance_mac, oam->entrance_mac,
               sizeof path.entrance_mac);
        set_told(&path, oam);
        told_paths_add(gw->told, &path);
        gateway_oam_inject(oam, e->oam_port, frame);
        gateway_device_send(gw->device, frame, sizeof frame);
        gw->n_injected++;
    }
}

static struct fp_gw_oam
oam_from_path(const struct told_path *path)
{
    struct fp_gw_oam oam = {
        .to_ip = path->to_ip,
        .entrance_ip = path->entrance_ip,
        .vni = htonl(path->vni),
        .src = path->src,
        .dst = path->dst,
        .sport = path->sport,
        .dport = path->dport,
        .proto = path->proto,
    };

    memcpy(oam.to_mac, &path->to_mac, sizeof oam.to_mac);
    memcpy(oam.entrance_mac, &path->entrance_mac, sizeof oam.entrance_mac);
    return oam;
}

static void
send_delete(struct agent_gateway *gw, const struct fp_gw_oam *oam,
            ovs_be16 port)
{
    uint8_t frame[GATEWAY_OAM_DELETE_LEN];

    gateway_oam_delete(oam, port, frame);
    gateway_device_send(gw->device, frame, sizeof frame);
    gw->n_deleted++;
}

static void
send_move(struct agent_gateway *gw, const struct fp_gw_oam *oam, ovs_be16 port)
{
    uint8_t frame[GATEWAY_OAM_INJECT_LEN];

    gateway_oam_inject(oam, port, frame);
    gateway_device_send(gw->device, frame, sizeof frame);
    gw->n_injected++;
}

/* A host that is told another path puts it in the place of the one it has, so
 * its packets go there without a detour.  If it may have none any more, that
 * would make one for nobody: it is to drop what it may have.  Likewise if the
 * endpoint is on that host itself now.
 *
 * A frame with an entrance's MAC that came from elsewhere than the entrance
 * would mislead switches: while it is elsewhere, nothing is told. */
static bool
tell_move(struct told_path *path, void *gw_)
{
    struct agent_gateway *gw = gw_;
    const struct gateway_entrance *e
        = agent_gateway_find_entrance(gw, path->entrance_ip);
    struct fp_gw_oam oam = oam_from_path(path);
    long long int now = time_msec();

    if (!e || !e->ours) {
        return e && told_path_may_be_used(path, now);
    } else if (!update_place(gw, &oam) || oam.host_ip == path->to_ip
               || !told_path_may_be_used(path, now)) {
        send_delete(gw, &oam, e->oam_port);
        return false;
    }
    send_move(gw, &oam, e->oam_port);
    set_told(path, &oam);
    return true;
}

/* Until the table is complete, entrances are not ours, and others of the
 * table's endpoints may be what they were: all are reviewed then. */
static void
endpoint_moved(uint32_t vni, ovs_be32 ip, void *gw_)
{
    struct agent_gateway *gw = gw_;

    if (gateway_endpoints_is_complete(gw->endpoints)) {
        told_paths_take(gw->told, vni, ip, tell_move, gw);
    }
}

const struct gateway_endpoints_class agent_gateway_endpoints_class = {
    .moved = endpoint_moved,
};

/* Tells of a move, if what has been told is not true any more. */
static bool
review(struct told_path *path, void *gw)
{
    struct fp_gw_oam oam = oam_from_path(path);

    return ((update_place(gw, &oam) && oam.host_ip == path->host_ip
             && !memcmp(oam.host_mac, &path->host_mac, sizeof oam.host_mac)
             && !memcmp(oam.dst_mac, &path->mac, sizeof oam.dst_mac))
            || tell_move(path, gw));
}

void
agent_gateway_told_review(struct agent_gateway *gw)
{
    told_paths_take_all(gw->told, review, gw);
}

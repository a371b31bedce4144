/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-zeta-xsk: OAM packets from the uplink's eBPF program. */

#include <config.h>

#include "agent-zeta.h"

#include <stdlib.h>
#include "agent-fast-path.h"
#include "feedback/oam-xsk.h"
#include "openvswitch/vlog.h"
#include "translate/gateway-map.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_zeta_xsk);

/* Index of the uplink, if its program is XDP; else 0. */
static uint32_t
find_uplink(const struct agent_fast_path *fp)
{
    struct apply_bpf_device *devices;
    uint32_t ifindex = 0;
    size_t n;

    if (!fp->ab || !fp->uplink) {
        return 0;
    }
    devices = apply_bpf_list_devices(fp->ab, &n);
    for (size_t i = 0; i < n; i++) {
        if (!devices[i].port && (devices[i].hook == APPLY_BPF_HOOK_XDP_NATIVE
                                 || (devices[i].hook
                                     == APPLY_BPF_HOOK_XDP_GENERIC))) {
            ifindex = devices[i].ifindex;
        }
    }
    free(devices);
    return ifindex;
}

/* Has sockets on the device 'ifindex' and on no other. */
static void
open_sockets(struct agent_zeta *zeta, uint32_t ifindex)
{
    int error;

    if (ifindex == zeta->xsk_ifindex) {
        return;
    }
    oam_xsk_destroy(zeta->xsk);
    zeta->xsk = NULL;
    zeta->xsk_ifindex = ifindex;
    error = ifindex ? oam_xsk_create(ifindex, &zeta->xsk) : 0;
    if (error) {
        VLOG_INFO("OAM packets of gateways pass OVS: AF_XDP: %s",
                  ovs_strerror(error));
    }
}

/* Tells the program who is a gateway. */
static void
set_sources(const struct agent_zeta *zeta, struct apply_bpf *ab)
{
    struct fp_oam_source *sources = xcalloc(FP_MAX_ENTRANCES,
                                            sizeof *sources);
    size_t n_gateways, n = 0;
    const struct gm_gateway *gateways = gateway_map_gateways(zeta->map,
                                                             &n_gateways);

    for (size_t i = 0; i < n_gateways; i++) {
        const struct gm_gateway *g = &gateways[i];

        for (size_t j = 0; j < g->n_entrances && n < FP_MAX_ENTRANCES; j++) {
            sources[n++] = (struct fp_oam_source) {
                .ip = (OVS_FORCE uint32_t) g->entrances[j].ip,
                .port = (OVS_FORCE uint16_t) htons(g->oam_port),
            };
        }
    }
    apply_bpf_set_oam_sources(ab, sources, n);
    free(sources);
}

void
agent_zeta_xsk_run(struct agent *agent)
{
    struct agent_zeta *zeta = agent->zeta;
    struct agent_fast_path *fp = agent->fast_path;

    if (zeta->fast_path_seqno == fp->seqno && !zeta->sources_changed) {
        return;
    }
    zeta->fast_path_seqno = fp->seqno;
    zeta->sources_changed = false;
    open_sockets(zeta, find_uplink(fp));
    if (fp->ab) {
        set_sources(zeta, fp->ab);
        for (size_t i = 0; zeta->xsk && i < OAM_XSK_MAX_QUEUES; i++) {
            int fd = oam_xsk_fd(zeta->xsk, i);

            if (fd >= 0) {
                apply_bpf_set_oam_socket(fp->ab, i, fd);
            }
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-output: hands a plugin's output to desired state. */

#include <config.h>

#include "translate/plugin-output.h"

#include <inttypes.h>
#include <string.h>
#include "apply/desired-state.h"
#include "coverage.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/vlog.h"
#include "store/id-store.h"
#include "translate/plugin-provider.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(plugin_output);

COVERAGE_DEFINE(plugin_wrong_stage);
COVERAGE_DEFINE(plugin_bad_group);

static void
contribute_flow(struct plugin_output *out, enum of_stage stage,
                uint16_t priority, const struct match *match,
                const struct ofpbuf *ofpacts, enum ds_mode mode)
{
    if (!(out->stages & (UINT64_C(1) << stage))) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

        COVERAGE_INC(plugin_wrong_stage);
        VLOG_ERR_RL(&rl, "plugin %s: output to stage %s, which is not one of "
                    "its own, ignored", out->plugin,
                    of_stage_to_string(stage));
        return;
    }
    ds_contribute_flow(out->ds, out->unit, mode, out->cookie,
                       of_stage_to_table(stage), priority, match, ofpacts);
}

void
output_flow(struct plugin_output *out, enum of_stage stage,
            uint16_t priority, const struct match *match,
            const struct ofpbuf *ofpacts)
{
    contribute_flow(out, stage, priority, match, ofpacts, DS_EXCLUSIVE);
}

void
output_flow_part(struct plugin_output *out, enum of_stage stage,
                 uint16_t priority, const struct match *match,
                 const struct ofpbuf *ofpacts)
{
    contribute_flow(out, stage, priority, match, ofpacts, DS_UNION);
}

void
output_group(struct plugin_output *out, struct ofputil_group_mod *gm)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (!ds_contribute_group(out->ds, out->unit, gm)) {
        COVERAGE_INC(plugin_bad_group);
        VLOG_ERR_RL(&rl, "plugin %s: group %"PRIu32" cannot be expressed in "
                    "OpenFlow, ignored", out->plugin, gm->group_id);
    }
}

void
output_meter(struct plugin_output *out, uint32_t number, uint32_t pps,
             uint32_t burst)
{
    ds_contribute_meter(out->ds, out->unit, number, pps, burst);
}

/* The output's key is made of the kind and the name; agent-ids.c is the sink.
 */
uint32_t
output_id(struct plugin_output *out, enum id_kind kind, const char *name)
{
    uint32_t number = id_store_get(out->ids, kind, name);

    if (number) {
        char *key = xasprintf("%c%s", 'a' + kind, name);

        ds_contribute(out->ds, out->unit, DS_ID, DS_EXCLUSIVE, 0,
                      key, strlen(key), &number, sizeof number);

        /* Even if it never gets as far as a commit, it is to be given back:
         * allotted, but not yet in effect. */
        struct ds_output *output = ds_lookup(out->ds, DS_ID, key,
                                             strlen(key));
        if (!(output->flags & DS_INSTALLED)) {
            ds_set_installed(out->ds, output, 0);
        }
        free(key);
    }
    return number;
}

/* Contributes what is neither flow nor number, in the plugin's name. */
static void
contribute(struct plugin_output *out, enum ds_sink sink, const void *key,
           size_t key_len, const void *part, size_t part_len)
{
    out->unit->plugin = of_cookie_plugin(out->cookie);
    ds_contribute(out->ds, out->unit, sink, DS_EXCLUSIVE, 0, key, key_len,
                  part, part_len);
}

void
output_tunnel(struct plugin_output *out, const char *encap)
{
    char *key = xasprintf("tunnel %s", encap);
    char *port = xasprintf("alcor-%s", encap);

    contribute(out, DS_OVSDB, key, strlen(key), port, strlen(port));
    free(key);
    free(port);
}

void
output_patch(struct plugin_output *out, const char *bridge)
{
    char *key = xasprintf("patch %s", bridge);
    char *port = xasprintf("alcor-to-%s", bridge);

    contribute(out, DS_OVSDB, key, strlen(key), port, strlen(port));
    free(key);
    free(port);
}

void
output_installed(struct plugin_output *out, const char *iface_id)
{
    char *key = xasprintf("installed %s", iface_id);

    contribute(out, DS_OVSDB_LATE, key, strlen(key), "true", strlen("true"));
    free(key);
}

void
output_next_hop(struct plugin_output *out, const struct in6_addr *ip,
                const struct eth_addr *mac)
{
    contribute(out, DS_NEXT_HOP, ip, sizeof *ip, mac, sizeof *mac);
}

void
output_fixed_next_hop(struct plugin_output *out, const struct in6_addr *ip,
                      const struct eth_addr *mac)
{
    uint8_t key[sizeof *ip + 1];

    memcpy(key, ip, sizeof *ip);
    key[sizeof *ip] = 'f';
    contribute(out, DS_NEXT_HOP, key, sizeof key, "1", 1);
    output_next_hop(out, ip, mac);
}

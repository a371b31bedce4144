/* SPDX-License-Identifier: Apache-2.0
 *
 * punt-output: punts as translation outputs them. */

#include <config.h>

#include "translate/punt.h"

#include "apply/desired-state.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "translate/plugin-output.h"
#include "translate/plugin-provider.h"
#include "util.h"

/* Packets per second, and at once, of each kind. */
static const struct {
    uint32_t pps, burst;
} rates[] = {
#define PUNT_KIND(NAME, STRING, PPS, BURST, WHAT) \
    [PUNT_##NAME] = { PPS, BURST },
    PUNT_KINDS
#undef PUNT_KIND
};

static void
put_controller(struct ofpbuf *ofpacts, uint32_t meter_id,
               const struct punt_header *header, const struct punt *punt)
{
    struct ofpact_controller *oc = ofpact_put_CONTROLLER(ofpacts);

    oc->max_len = UINT16_MAX;
    oc->controller_id = PUNT_CONTROLLER_ID;
    oc->reason = OFPR_ACTION;
    oc->meter_id = meter_id;
    oc->provider_meter_id = UINT32_MAX;
    ofpbuf_put(ofpacts, header, sizeof *header);
    ofpbuf_put(ofpacts, punt->data, punt->len);
    oc = ofpacts->header;
    oc->userdata_len = sizeof *header + punt->len;
    ofpact_finish_CONTROLLER(ofpacts, &oc);
}

char *
output_punt(struct plugin_output *out, struct ofpbuf *ofpacts,
            const struct punt *punt)
{
    const char *kind = punt_kind_to_string(punt->kind);
    const struct punt_header header = {
        .version = PUNT_VERSION,
        .plugin = of_cookie_plugin(out->cookie),
        .kind = punt->kind,
    };

    if (punt->len > PUNT_MAX_DATA) {
        return xasprintf("%s of %s needs %"PRIuSIZE" bytes of data, of at "
                         "most %d", kind, punt->port_id, punt->len,
                         PUNT_MAX_DATA);
    }

    char *name = xasprintf("punt %s %s", kind, punt->port_id);
    uint32_t meter_id = output_id(out, ID_METER, name);
    free(name);
    if (!meter_id) {
        return xasprintf("no meter is left for %s of %s", kind,
                         punt->port_id);
    }
    output_meter(out, meter_id, rates[punt->kind].pps,
                 rates[punt->kind].burst);
    put_controller(ofpacts, meter_id, &header, punt);
    return NULL;
}

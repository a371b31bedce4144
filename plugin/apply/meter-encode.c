/* SPDX-License-Identifier: Apache-2.0
 *
 * meter-encode: meters as the bytes that are kept, compared and sent. */

#include <config.h>

#include "apply/meter-encode.h"

#include <string.h>
#include "apply/desired-state.h"
#include "apply/of-pipeline.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

struct meter_rate {
    ovs_be32 pps;
    ovs_be32 burst;
};

#define METER_FLAGS (OFPMF13_PKTPS | OFPMF13_BURST)

void
ds_contribute_meter(struct desired_state *ds, struct ds_unit *unit,
                    uint32_t number, uint32_t pps, uint32_t burst)
{
    const struct meter_rate rate = { htonl(pps), htonl(burst) };
    ovs_be32 key = htonl(number);

    ds_contribute(ds, unit, DS_METER, DS_EXCLUSIVE, 0, &key, sizeof key,
                  &rate, sizeof rate);
}

struct ofpbuf *
meter_mod_encode(struct ds_output *output)
{
    struct ofputil_meter_band band = { .type = OFPMBT13_DROP };
    struct ofputil_meter_mod mod = {
        .command = OFPMC13_DELETE,
        .meter = { .flags = METER_FLAGS, .n_bands = 1, .bands = &band },
    };
    ovs_be32 key;

    memcpy(&key, output->key, sizeof key);
    mod.meter.meter_id = ntohl(key);
    if (ds_output_wanted(output)) {
        struct meter_rate rate;
        struct ofpbuf value;

        ofpbuf_use_stack(&value, &rate, sizeof rate);
        ds_output_value(output, &value);
        band.rate = ntohl(rate.pps);
        band.burst_size = ntohl(rate.burst);
        mod.command = (output->flags & DS_INSTALLED ? OFPMC13_MODIFY
                       : OFPMC13_ADD);
    }
    return ofputil_encode_meter_mod(OFP15_VERSION, &mod);
}

struct ofpbuf *
meter_readback_request(void)
{
    return ofputil_encode_meter_request(OFP15_VERSION, OFPUTIL_METER_CONFIG,
                                        OFPM13_ALL);
}

static void
report_meter(struct desired_state *ds, struct ds_audit *audit,
             const struct ofputil_meter_config *mc)
{
    ovs_be32 key = htonl(mc->meter_id);
    struct meter_rate rate = { 0, 0 };

    if (mc->meter_id < OF_METER_BASE || mc->meter_id > OFPM13_MAX) {
        return;
    }
    if (mc->n_bands == 1 && mc->bands[0].type == OFPMBT13_DROP
        && (mc->flags & METER_FLAGS) == METER_FLAGS) {
        rate.pps = htonl(mc->bands[0].rate);
        rate.burst = htonl(mc->bands[0].burst_size);
    }
    uint64_t hash = ds_value_hash(0, &rate, sizeof rate);
    if (audit) {
        ds_audit(ds, audit, DS_METER, &key, sizeof key, hash, false);
    } else {
        ds_readback(ds, DS_METER, &key, sizeof key, hash, false);
    }
}

void
meter_readback_reply(struct desired_state *ds, struct ds_audit *audit,
                     const struct ofp_header *oh)
{
    struct ofputil_meter_config mc;
    struct ofpbuf msg, bands;

    ofpbuf_use_const(&msg, oh, ntohs(oh->length));
    ofpbuf_init(&bands, 64);
    while (!ofputil_decode_meter_config(&msg, &mc, &bands)) {
        report_meter(ds, audit, &mc);
    }
    ofpbuf_uninit(&bands);
}

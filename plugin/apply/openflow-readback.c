/* SPDX-License-Identifier: Apache-2.0
 *
 * openflow-readback: what is installed on the bridge, into desired state. */

#include <config.h>

#include "apply/openflow-readback.h"

#include <string.h>
#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/group-encode.h"
#include "apply/meter-encode.h"
#include "apply/of-pipeline.h"
#include "byte-order.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(openflow_readback);

struct ofpbuf *
openflow_readback_flows(void)
{
    struct ofputil_flow_stats_request fsr = {
        .table_id = OFPTT_ALL,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };

    match_init_catchall(&fsr.match);
    return ofputil_encode_flow_stats_request(&fsr, OFPUTIL_P_OF15_OXM);
}

static void
make_requests(struct ofpbuf *requests[OPENFLOW_N_BEGINS])
{
    requests[0] = meter_readback_request();
    requests[1] = group_readback_request();
}

void
openflow_readback_begin(struct desired_state *ds,
                        struct openflow_readback *rb,
                        struct ofpbuf *requests[OPENFLOW_N_BEGINS])
{
    *rb = (struct openflow_readback) { .n_left = OPENFLOW_N_READBACKS };
    ds_readback_begin(ds, DS_OPENFLOW);
    ds_readback_begin(ds, DS_METER);
    make_requests(requests);
}

/* 'audit' must be all zeros and outlive the audit. */
void
openflow_audit_begin(struct desired_state *ds, struct openflow_readback *rb,
                     struct ds_audit *audit,
                     struct ofpbuf *requests[OPENFLOW_N_BEGINS])
{
    *rb = (struct openflow_readback) {
        .n_left = OPENFLOW_N_READBACKS, .audit = audit,
    };
    ds_audit_begin(ds, DS_OPENFLOW);
    ds_audit_begin(ds, DS_METER);
    make_requests(requests);
}

/* Returns true if the instructions 'theirs' do the same as those that 'output'
 * wants. */
static bool
same_value(const struct ds_output *output, const struct ofpbuf *theirs)
{
    uint64_t stubs[3][512 / 8];
    struct ofpbuf ours, normal_ours, normal_theirs;

    ofpbuf_use_stub(&ours, stubs[0], sizeof stubs[0]);
    ofpbuf_use_stub(&normal_ours, stubs[1], sizeof stubs[1]);
    ofpbuf_use_stub(&normal_theirs, stubs[2], sizeof stubs[2]);

    flow_value(output, &ours);
    bool same = ofpbuf_equal(&ours, theirs);
    if (!same) {
        same = (!flow_value_normalize(ours.data, ours.size, &normal_ours)
                && !flow_value_normalize(theirs->data, theirs->size,
                                         &normal_theirs)
                && ofpbuf_equal(&normal_ours, &normal_theirs));
    }

    ofpbuf_uninit(&ours);
    ofpbuf_uninit(&normal_ours);
    ofpbuf_uninit(&normal_theirs);
    return same;
}

static void
report_foreign(const struct ofputil_flow_stats *fs)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

    VLOG_WARN_RL(&rl, "a flow in table %"PRIu8" with priority %"PRIu16" and "
                 "cookie 0x%"PRIx64" is not ours but lies in the space that "
                 "alcor-agent uses (see alcor-agent(8), Pipeline); it is left "
                 "alone", fs->table_id, fs->priority, ntohll(fs->cookie));
}

static void
report_flow(struct desired_state *ds, struct openflow_readback *rb,
            const struct ofputil_flow_stats *fs)
{
    if (!of_is_our_space(fs->table_id, fs->priority)) {
        rb->n_foreign_elsewhere++;
        return;
    }

    uint64_t key_stub[512 / 8], value_stub[512 / 8];
    uint64_t cookie = ntohll(fs->cookie);
    bool foreign = !of_cookie_is_ours(cookie);
    struct ofpbuf key, value;

    ofpbuf_use_stub(&key, key_stub, sizeof key_stub);
    ofpbuf_use_stub(&value, value_stub, sizeof value_stub);
    flow_key_encode(fs->table_id, fs->priority, &fs->match, &key);
    ofpacts_put_openflow_instructions(fs->ofpacts, fs->ofpacts_len, &value,
                                      OFP15_VERSION);

    struct ds_output *output = ds_lookup(ds, DS_OPENFLOW, key.data, key.size);
    uint64_t hash = ds_value_hash(cookie, value.data, value.size);
    if (foreign) {
        rb->n_foreign++;
        report_foreign(fs);
    } else if (output && ds_output_wanted(output)) {
        uint64_t wanted = ds_output_hash(output);

        if (ds_output_cookie(output) == cookie
            && !fs->idle_timeout && !fs->hard_timeout
            && same_value(output, &value)) {
            hash = wanted;
            rb->n_same++;
        } else {
            hash = ~wanted;
            rb->n_different++;
        }
    } else {
        rb->n_different++;
    }
    if (!rb->audit) {
        ds_readback(ds, DS_OPENFLOW, key.data, key.size, hash, foreign);
    } else {
        /* A change that is still to be made is none of somebody else's. */
        if (output && ds_output_wanted(output)
            && output->installed_hash != ds_output_hash(output)) {
            hash = output->installed_hash;
        }
        ds_audit(ds, rb->audit, DS_OPENFLOW, key.data, key.size, hash,
                 foreign);
    }

    ofpbuf_uninit(&key);
    ofpbuf_uninit(&value);
}

/* What follows a flow's match in a reply: statistics. */
struct flow_stats_header {
    ovs_be16 reserved;
    ovs_be16 length;            /* With this header, without padding. */
};
BUILD_ASSERT_DECL(sizeof(struct flow_stats_header) == 4);

/* Returns the output that wants the flow 'ofd' and its instructions, byte for
 * byte as they are in the reply, or null. */
static struct ds_output *
find_same(const struct desired_state *ds, const struct ofp15_flow_desc *ofd,
          const struct ofpbuf *oxm, const struct ofpbuf *instructions)
{
    uint64_t key_stub[512 / 8], value_stub[512 / 8];
    struct ofpbuf key, value;

    ofpbuf_use_stub(&key, key_stub, sizeof key_stub);
    ofpbuf_use_stub(&value, value_stub, sizeof value_stub);
    flow_key_from_oxm(ofd->table_id, ntohs(ofd->priority), oxm->data,
                      oxm->size, &key);

    struct ds_output *output = ds_lookup(ds, DS_OPENFLOW, key.data, key.size);
    if (output && ds_output_wanted(output)
        && ds_output_cookie(output) == ntohll(ofd->cookie)) {
        flow_value(output, &value);
        if (!ofpbuf_equal(&value, instructions)) {
            output = NULL;
        }
    } else {
        output = NULL;
    }

    ofpbuf_uninit(&key);
    ofpbuf_uninit(&value);
    return output;
}

/* Most flows are just what is wanted, also as bytes, which tells without
 * decoding them.  If that is so of the first flow in 'msg', pulls it and
 * returns true. */
static bool
pull_same(struct desired_state *ds, struct openflow_readback *rb,
          struct ofpbuf *msg)
{
    const struct ofp15_flow_desc *ofd = msg->data;
    const struct ofp11_match_header *omh;
    const struct flow_stats_header *fsh;
    size_t left = msg->size;

    if (left < sizeof *ofd || ntohs(ofd->length) > left
        || ofd->idle_timeout || ofd->hard_timeout
        || !of_is_our_space(ofd->table_id, ntohs(ofd->priority))
        || !of_cookie_is_ours(ntohll(ofd->cookie))) {
        return false;
    }
    left = ntohs(ofd->length);
    if (left < sizeof *ofd + sizeof *omh + sizeof *fsh) {
        return false;
    }
    left -= sizeof *ofd;
    omh = ALIGNED_CAST(const struct ofp11_match_header *, ofd + 1);

    size_t match_len = ntohs(omh->length);
    size_t padded_len = ROUND_UP(match_len, 8);
    if (omh->type != htons(OFPMT_OXM) || match_len < sizeof *omh
        || padded_len + sizeof *fsh > left) {
        return false;
    }
    left -= padded_len;
    fsh = ALIGNED_CAST(const struct flow_stats_header *,
                       (const char *) omh + padded_len);
    size_t stats_len = ROUND_UP(ntohs(fsh->length), 8);
    if (stats_len > left) {
        return false;
    }

    struct ofpbuf oxm, instructions;
    ofpbuf_use_const(&oxm, omh + 1, match_len - sizeof *omh);
    ofpbuf_use_const(&instructions, (const char *) fsh + stats_len,
                     left - stats_len);
    struct ds_output *output = find_same(ds, ofd, &oxm, &instructions);
    if (!output) {
        return false;
    }
    if (rb->audit) {
        ds_audit(ds, rb->audit, DS_OPENFLOW, output->key, output->key_len,
                 output->installed_hash, false);
    } else {
        ds_readback_same(ds, output);
    }
    rb->n_same++;
    ofpbuf_pull(msg, ntohs(ofd->length));
    return true;
}

static void
flow_readback_reply(struct desired_state *ds, struct openflow_readback *rb,
                    const struct ofp_header *oh)
{
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts;
    struct ofpbuf msg;

    ofpbuf_use_const(&msg, oh, ntohs(oh->length));
    bool known = ofpraw_pull_assert(&msg) == OFPRAW_OFPST15_FLOW_REPLY;
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    for (;;) {
        struct ofputil_flow_stats fs;

        if (known && pull_same(ds, rb, &msg)) {
            continue;
        }
        int retval = ofputil_decode_flow_stats_reply(&fs, &msg, true,
                                                     &ofpacts);
        if (retval) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

            if (retval != EOF) {
                VLOG_WARN_RL(&rl, "cannot parse flow statistics (%s)",
                             ovs_strerror(retval));
            }
            break;
        }
        report_flow(ds, rb, &fs);
    }
    ofpbuf_uninit(&ofpacts);
}

/* Processes 'oh', of the given type.  An error (there are datapaths without
 * meters) is an answer, too.  Returns true if it was the last one, upon which
 * all differences are queued. */
bool
openflow_readback_reply(struct desired_state *ds,
                        struct openflow_readback *rb, enum ofptype type,
                        const struct ofp_header *oh)
{
    switch ((int) type) {
    case OFPTYPE_FLOW_STATS_REPLY:
        flow_readback_reply(ds, rb, oh);
        break;
    case OFPTYPE_GROUP_DESC_STATS_REPLY:
        group_readback_reply(ds, rb->audit, oh);
        break;
    case OFPTYPE_METER_CONFIG_STATS_REPLY:
        meter_readback_reply(ds, rb->audit, oh);
        break;
    case OFPTYPE_ERROR:
        break;
    default:
        return false;
    }
    if ((type != OFPTYPE_ERROR && ofpmp_more(oh)) || --rb->n_left) {
        return false;
    }

    if (rb->audit) {
        ds_audit_end(ds, rb->audit, DS_METER);
        ds_audit_end(ds, rb->audit, DS_OPENFLOW);
        return true;
    }
    ds_readback_end(ds, DS_METER);
    ds_readback_end(ds, DS_OPENFLOW);
    VLOG_INFO("read back: %"PRIuSIZE" flows as wanted, %"PRIuSIZE" to change, "
              "%"PRIuSIZE" foreign ones in our space, %"PRIuSIZE" elsewhere",
              rb->n_same, rb->n_different, rb->n_foreign,
              rb->n_foreign_elsewhere);
    return true;
}

/* News of flows. */

#define MONITOR_ID 1

/* Of the header that all requests for statistics, and answers, have in
 * front. */
#define MULTIPART_LEN 16

/* Returns the request that begins or ends to be told what others do to
 * flows. */
struct ofpbuf *
openflow_monitor_encode(bool on)
{
    struct ofputil_flow_monitor_request request = {
        .id = MONITOR_ID,
        .flags = OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    struct ofpbuf *msg = ofpbuf_new(0);

    match_init_catchall(&request.match);
    ofputil_append_flow_monitor_request(&request, msg, OFPUTIL_P_OF15_OXM);
    if (!on) {
        /* libopenvswitch always adds. */
        struct ofp14_flow_monitor_request *rq = ofpbuf_at_assert(
            msg, MULTIPART_LEN, sizeof *rq);

        rq->command = OFPFMC_DELETE;
    }
    ofpmsg_update_length(msg);
    return msg;
}

/* True if 'oh' is about a change of a flow; answers to requests are empty. */
bool
openflow_is_news(enum ofptype type, const struct ofp_header *oh)
{
    return (type == OFPTYPE_FLOW_MONITOR_PAUSED
            || (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY
                && ntohs(oh->length) > MULTIPART_LEN));
}

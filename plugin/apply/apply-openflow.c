/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow: the OpenFlow connection that installs flows. */

#include <config.h>

#include "apply/apply-openflow-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/group-encode.h"
#include "apply/meter-encode.h"
#include "apply/openflow-readback.h"
#include "apply/sink-provider.h"
#include "coverage.h"
#include "dirs.h"
#include "fault-point.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_openflow);

COVERAGE_DEFINE(openflow_flow_mod);
COVERAGE_DEFINE(openflow_bundle);
COVERAGE_DEFINE(openflow_refused);
COVERAGE_DEFINE(openflow_too_long);
COVERAGE_DEFINE(openflow_group_mod);
COVERAGE_DEFINE(openflow_meter_mod);
COVERAGE_DEFINE(openflow_zone_flush);

/* Time that replies may take in one round of the main loop. */
#define RUN_MSEC 20

#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

struct apply_openflow *
apply_openflow_create(struct desired_state *ds)
{
    struct apply_openflow *of = xzalloc(sizeof *of);

    apply_openflow_init_sinks(of);
    apply_openflow_settle_init(of);
    of->ds = ds;
    of->rconn = rconn_create(0, 1, DSCP_DEFAULT, 1u << OFP15_VERSION);
    of->batch_max = SIZE_MAX;
    of->next_xid = 1;
    ovs_list_init(&of->pending_meters);
    ovs_list_init(&of->pending);
    ovs_list_init(&of->batch);
    return of;
}

static void
release_all(struct apply_openflow *of, struct ovs_list *list)
{
    while (!ovs_list_is_empty(list)) {
        ds_release(of->ds, CONTAINER_OF(ovs_list_front(list),
                                        struct ds_output, queue_node));
    }
}

void
apply_openflow_destroy(struct apply_openflow *of)
{
    if (of) {
        release_all(of, &of->batch);
        release_all(of, &of->pending);
        release_all(of, &of->pending_meters);
        apply_openflow_settle_uninit(of);
        rconn_destroy(of->rconn);
        free(of->bridge);
        free(of->zones);
        free(of->sent);
        free(of);
    }
}

/* Says hello at once: vswitchd hangs up on who is silent for a second, which
 * the rest of this round of the main loop may take. */
static void
connect_to_bridge(struct apply_openflow *of)
{
    char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), of->bridge);
    struct stat s;

    of->socket = stat(strchr(target, ':') + 1, &s) ? 0 : s.st_ino;
    rconn_connect(of->rconn, target, of->bridge);
    rconn_run(of->rconn);
    free(target);
}

/* True if the next attempt to connect is a while away. */
static bool
is_backing_off(const struct apply_openflow *of)
{
    return of->bridge && !strcmp(rconn_get_state(of->rconn), "BACKOFF");
}

/* Connects as soon as vswitchd has made its socket anew. */
static void
look_for_switch(struct apply_openflow *of)
{
    if (is_backing_off(of) && time_msec() >= of->look_time) {
        char *name = xasprintf("%s/%s.mgmt", ovs_rundir(), of->bridge);
        struct stat s;

        of->look_time = time_msec() + OPENFLOW_LOOK_MSEC;
        if (!stat(name, &s) && s.st_ino != of->socket) {
            connect_to_bridge(of);
        }
        free(name);
    }
}

void
apply_openflow_set_bridge(struct apply_openflow *of, const char *bridge)
{
    if (nullable_string_is_equal(of->bridge, bridge)) {
        return;
    }
    free(of->bridge);
    of->bridge = nullable_xstrdup(bridge);
    if (bridge) {
        connect_to_bridge(of);
    } else {
        rconn_disconnect(of->rconn);
        of->state = S_NEW;
    }
}

bool
apply_openflow_is_connected(const struct apply_openflow *of)
{
    return rconn_is_connected(of->rconn);
}

/* Sending. */

uint32_t
apply_openflow_send(struct apply_openflow *of, struct ofpbuf *msg)
{
    uint32_t xid = of->next_xid++;

    ((struct ofp_header *) msg->data)->xid = htonl(xid);
    rconn_send(of->rconn, msg, NULL);
    return xid;
}

/* Does what a fault that is injected demands.  Returns true if that is all
 * that is to be done now. */
static bool
is_faulty(struct apply_openflow *of, enum fault_verdict verdict)
{
    if (verdict == FAULT_FAIL) {
        rconn_reconnect(of->rconn);
    }
    return verdict != FAULT_NONE;
}

static void
send_barrier(struct apply_openflow *of)
{
    enum fault_verdict verdict = FAULT_POINT(OPENFLOW_BARRIER_BEFORE);

    of->held = verdict == FAULT_STALL ? HELD_REQUEST : HELD_NOTHING;
    of->barrier_xid = (is_faulty(of, verdict) ? 0
                       : apply_openflow_send(
                           of, ofputil_encode_barrier_request(OFP15_VERSION)));
}

static void
send_bundle_control(struct apply_openflow *of,
                    enum ofp14_bundle_ctrl_type type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = of->bundle_id, .type = type, .flags = BUNDLE_FLAGS,
    };

    of->control_error = 0;
    of->control_xid = apply_openflow_send(
        of, ofputil_encode_bundle_ctrl_request(OFP15_VERSION, &msg));
}

struct failure {
    struct desired_state *ds;
    const char *error;
};

static void
fail_unit(struct ds_unit *unit, void *aux)
{
    const struct failure *ctx = aux;

    ds_unit_fail(ctx->ds, unit, ctx->error);
}

/* Fails all units that contribute to 'output'. */
static void
fail_output(struct apply_openflow *of, struct ds_output *output,
            const char *error)
{
    struct failure ctx = { of->ds, error };

    ds_output_for_each_unit(output, fail_unit, &ctx);
}

/* Sends 'msg', which makes 'output' what is wanted. */
static void
send_mod(struct apply_openflow *of, struct ds_output *output,
         struct ofpbuf *msg)
{
    bool add = ds_output_wanted(output);

    if (of->n_sent >= of->allocated_sent) {
        of->sent = x2nrealloc(of->sent, &of->allocated_sent,
                              sizeof *of->sent);
    }
    of->sent[of->n_sent++] = (struct sent) {
        .output = output, .add = add,
        .revokes = apply_openflow_revokes(output),
        .hash = add ? ds_output_hash(output) : 0,
    };
    apply_openflow_send(of, msg);
    ovs_list_remove(&output->queue_node);
    ovs_list_push_back(&of->batch, &output->queue_node);
}

/* Returns the message for the bundle that makes 'output' what is wanted, or
 * NULL if that cannot be expressed. */
static struct ofpbuf *
bundled_mod(struct apply_openflow *of, struct ds_output *output)
{
    uint64_t stub[512 / 8];
    bool add = ds_output_wanted(output);
    ovs_be32 xid = htonl(of->next_xid);
    struct ofpbuf *msg;
    struct ofpbuf value;

    ofpbuf_use_stub(&value, stub, sizeof stub);
    if (output_is_group(output)) {
        if (add) {
            ds_output_value(output, &value);
        }
        COVERAGE_INC(openflow_group_mod);
        msg = group_mod_encode(output->key, &value, add, of->bundle_id,
                               BUNDLE_FLAGS, xid);
    } else {
        if (add) {
            flow_value(output, &value);
        }
        COVERAGE_INC(openflow_flow_mod);
        msg = flow_mod_encode(output->key, output->key_len,
                              add ? ds_output_cookie(output) : 0, &value,
                              add, of->bundle_id, BUNDLE_FLAGS, xid);
    }
    ofpbuf_uninit(&value);
    return msg;
}

/* The unit that an output counts with where a chunk is cut. */
static const struct ds_unit *
owner(const struct ds_output *output)
{
    return (ovs_list_is_empty(&output->contributions) ? NULL
            : CONTAINER_OF(ovs_list_front(&output->contributions),
                           struct ds_contribution, output_node)->unit);
}

/* Flushes the zones that are to be flushed. */
static void
start_flush(struct apply_openflow *of)
{
    if (is_faulty(of, FAULT_POINT(OPENFLOW_FLUSH_BEFORE))) {
        return;
    }
    for (; of->n_flushed < of->n_zones; of->n_flushed++) {
        COVERAGE_INC(openflow_zone_flush);
        apply_openflow_send(of, zone_flush_encode(of->zones[of->n_flushed]));
    }
    send_barrier(of);
    of->state = S_FLUSHING;
}

/* Sends the meters that are pending. */
static void
start_meters(struct apply_openflow *of)
{
    of->n_sent = 0;
    of->base_xid = of->next_xid;
    if (is_faulty(of, FAULT_POINT(OPENFLOW_METER_BEFORE))) {
        return;
    }
    while (!ovs_list_is_empty(&of->pending_meters)) {
        struct ds_output *output
            = CONTAINER_OF(ovs_list_front(&of->pending_meters),
                           struct ds_output, queue_node);

        if (ds_output_is_dirty(output)) {
            COVERAGE_INC(openflow_meter_mod);
            send_mod(of, output, meter_mod_encode(output));
        } else {
            ds_release(of->ds, output);
        }
    }
    if (of->n_sent) {
        send_barrier(of);
        of->state = S_METERS;
    }
}

/* Starts a bundle with what is pending, if anything. */
static void
start_bundle(struct apply_openflow *of)
{
    const struct ds_unit *last = NULL;

    of->n_sent = 0;
    of->bundle_id++;
    while (!ovs_list_is_empty(&of->pending)) {
        struct ds_output *output = CONTAINER_OF(ovs_list_front(&of->pending),
                                                struct ds_output, queue_node);
        if (!ds_output_is_dirty(output)) {
            ds_release(of->ds, output);
            continue;
        }
        if (of->n_sent >= of->batch_max && !(last && owner(output) == last)) {
            break;
        }
        last = owner(output);
        if (!of->n_sent) {
            if (is_faulty(of, FAULT_POINT(OPENFLOW_BUNDLE_BEFORE))) {
                of->state = S_IDLE;
                return;
            }
            send_bundle_control(of, OFPBCT_OPEN_REQUEST);
            of->base_xid = of->next_xid;
        }

        struct ofpbuf *msg = bundled_mod(of, output);
        if (msg) {
            send_mod(of, output, msg);
        } else {
            COVERAGE_INC(openflow_too_long);
            fail_output(of, output, "a flow does not fit into an OpenFlow "
                        "message");
            ds_release(of->ds, output);
        }
    }

    if (of->n_sent) {
        COVERAGE_INC(openflow_bundle);
        send_barrier(of);
        of->state = S_STAGED;
    } else {
        of->state = S_IDLE;
        of->batch_max = SIZE_MAX;
        of->rounds = 0;
    }
}

/* Starts what comes next. */
void
apply_openflow_start(struct apply_openflow *of)
{
    of->state = S_IDLE;
    if (of->n_zones) {
        start_flush(of);
    } else if (!ovs_list_is_empty(&of->pending_meters)) {
        start_meters(of);
    }
    if (of->state == S_IDLE) {
        start_bundle(of);
    }
}

/* Receiving. */

static bool
any_revokes(const struct apply_openflow *of)
{
    for (size_t i = 0; i < of->n_sent; i++) {
        if (of->sent[i].revokes) {
            return true;
        }
    }
    return false;
}

static bool
any_refused(const struct apply_openflow *of)
{
    for (size_t i = 0; i < of->n_sent; i++) {
        if (of->sent[i].error) {
            return true;
        }
    }
    return false;
}

/* Draws the consequence of a refusal that 'sent' is to blame for.  There is
 * nobody who could fail because of a flow that is not wanted: that one stays
 * where it is, until the next read-back. */
static void
sent_refused(struct apply_openflow *of, const struct sent *sent,
             const char *why)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    char *error = (
        sent->output->sink == DS_METER
        ? xasprintf("OpenFlow refused a meter: %s", why)
        : output_is_group(sent->output)
        ? xasprintf("OpenFlow refused group %"PRIu32": %s",
                    group_key_number(sent->output->key), why)
        : xasprintf("OpenFlow refused a flow in table %"PRIu8": %s",
                    flow_key_table(sent->output->key), why));

    if (sent->add) {
        fail_output(of, sent->output, error);
    } else if (!ds_output_wanted(sent->output)) {
        VLOG_WARN_RL(&rl, "flow that is not wanted any more stays: %s", error);
        ds_set_removed(of->ds, sent->output);
    }
    free(error);
}

/* True if the bundle cannot be cut: it is one flow, or those of one unit. */
static bool
batch_is_minimal(const struct apply_openflow *of)
{
    for (size_t i = 1; i < of->n_sent; i++) {
        const struct ds_unit *unit = owner(of->sent[i].output);

        if (!unit || unit != owner(of->sent[0].output)) {
            return false;
        }
    }
    return true;
}

/* The bundle was refused: fails whom it named and puts the rest back.  One
 * that must not be cut and names nobody fails as a whole. */
static void
batch_refused(struct apply_openflow *of)
{
    bool named = false;

    COVERAGE_INC(openflow_refused);
    for (size_t i = 0; i < of->n_sent; i++) {
        if (of->sent[i].error) {
            sent_refused(of, &of->sent[i],
                         ofperr_to_string(of->sent[i].error));
            named = true;
        }
    }
    if (!named && (ds_is_atomic(of->ds) || batch_is_minimal(of))) {
        for (size_t i = 0; i < of->n_sent; i++) {
            sent_refused(of, &of->sent[i], "it refused the bundle");
        }
    }

    if (++of->rounds >= OPENFLOW_MAX_ROUNDS) {
        of->batch_max = MAX(of->n_sent / 2, 1);
        of->rounds = 0;
    }
    ovs_list_push_back_all(&of->batch, &of->pending);
    ovs_list_push_back_all(&of->pending, &of->batch);
    apply_openflow_start(of);
}

/* All that was sent is in effect, but for meters that were refused. */
static void
batch_installed(struct apply_openflow *of)
{
    for (size_t i = 0; i < of->n_sent; i++) {
        struct sent *sent = &of->sent[i];

        if (sent->error) {
            sent_refused(of, sent, ofperr_to_string(sent->error));
        } else if (sent->add) {
            ds_set_installed(of->ds, sent->output, sent->hash);
        } else {
            ds_set_removed(of->ds, sent->output);
        }
        ds_release(of->ds, sent->output);
    }
    apply_openflow_start(of);
}

/* Has the bundle take effect, all of which the switch has accepted. */
static void
commit_bundle(struct apply_openflow *of)
{
    send_bundle_control(of, OFPBCT_COMMIT_REQUEST);
    of->state = S_COMMITTING;
    if (FAULT_POINT_NOW(OPENFLOW_BUNDLE_AFTER)) {
        rconn_reconnect(of->rconn);
    } else {
        send_barrier(of);
    }
}

static void
handle_barrier(struct apply_openflow *of)
{
    enum fault_verdict verdict = FAULT_POINT(OPENFLOW_BARRIER_AFTER);

    of->held = verdict == FAULT_STALL ? HELD_REPLY : HELD_NOTHING;
    if (is_faulty(of, verdict)) {
        return;
    }
    if (of->state == S_STAGED) {
        if (any_refused(of) || of->control_error) {
            send_bundle_control(of, OFPBCT_DISCARD_REQUEST);
            batch_refused(of);
        } else {
            commit_bundle(of);
        }
    } else if (of->state == S_FLUSHING) {
        of->n_zones -= of->n_flushed;
        memmove(of->zones, of->zones + of->n_flushed,
                of->n_zones * sizeof *of->zones);
        of->n_flushed = 0;
        apply_openflow_start(of);
    } else if (of->state == S_METERS) {
        batch_installed(of);
    } else if (of->state == S_COMMITTING) {
        if (any_refused(of) || of->control_error) {
            batch_refused(of);
        } else if (any_revokes(of)) {
            apply_openflow_settle_begin(of);
            send_barrier(of);
        } else {
            batch_installed(of);
        }
    } else if (of->state == S_SETTLING) {
        apply_openflow_settle_barrier(of);
    }
}

static void
handle_error(struct apply_openflow *of, const struct ofp_header *oh)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    enum ofperr error = ofperr_decode_msg(oh, NULL);
    uint32_t xid = ntohl(oh->xid);
    bool under_way = (of->state == S_STAGED || of->state == S_COMMITTING
                      || of->state == S_METERS);

    if (under_way && xid - of->base_xid < of->n_sent) {
        of->sent[xid - of->base_xid].error = error;
    } else if (under_way && xid == of->control_xid) {
        of->control_error = error;
    } else {
        VLOG_INFO_RL(&rl, "OpenFlow error %s for transaction %"PRIu32,
                     ofperr_to_string(error), xid);
    }
}

static void
handle_msg(struct apply_openflow *of, const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        rconn_send(of->rconn, ofputil_encode_echo_reply(oh), NULL);
    } else if (apply_openflow_audit_reply(of, type, oh)) {
        /* It was an answer to the audit. */
    } else if (apply_openflow_readback_reply(of, type, oh)) {
        /* It was an answer to the read-back. */
    } else if (type == OFPTYPE_ERROR) {
        handle_error(of, oh);
    } else if (type == OFPTYPE_BARRIER_REPLY
               && ntohl(oh->xid) == of->barrier_xid) {
        handle_barrier(of);
    }
}

/* A new connection: nothing is known of what is installed. */
static void
handle_connect(struct apply_openflow *of)
{
    of->state = S_NEW;
    of->held = HELD_NOTHING;
    of->n_sent = 0;
    of->n_flushed = 0;
    of->asked_early = false;
    of->auditing.n_left = 0;
    of->batch_max = SIZE_MAX;
    of->rounds = 0;
    if (!ovs_list_is_empty(&of->batch)) {
        const struct ds_output *output
            = CONTAINER_OF(ovs_list_front(&of->batch), struct ds_output,
                           queue_node);
        struct ovs_list *pending = (output->sink == DS_METER
                                    ? &of->pending_meters : &of->pending);

        ovs_list_push_back_all(&of->batch, pending);
        ovs_list_push_back_all(pending, &of->batch);
    }
    ds_retry(of->ds);
}

/* True if there is something to be sent. */
static bool
has_pending(const struct apply_openflow *of)
{
    return (of->n_zones || !ovs_list_is_empty(&of->pending_meters)
            || !ovs_list_is_empty(&of->pending));
}

static void
receive(struct apply_openflow *of)
{
    long long int deadline = time_msec() + RUN_MSEC;

    do {
        struct ofpbuf *msg = rconn_recv(of->rconn);
        if (!msg) {
            return;
        }
        handle_msg(of, msg);
        ofpbuf_delete(msg);
    } while (time_msec() < deadline);
    poll_immediate_wake();
}

void
apply_openflow_run(struct apply_openflow *of)
{
    rconn_run(of->rconn);
    look_for_switch(of);
    if (apply_openflow_settle_run(of) && rconn_is_connected(of->rconn)) {
        batch_installed(of);
    }
    if (!rconn_is_connected(of->rconn)) {
        of->state = S_NEW;
        return;
    }

    unsigned int seqno = rconn_get_connection_seqno(of->rconn);
    if (of->seqno != seqno) {
        of->seqno = seqno;
        handle_connect(of);
    }
    apply_openflow_readback_run(of);
    if (of->held == HELD_REQUEST) {
        send_barrier(of);
    } else if (of->held == HELD_REPLY) {
        handle_barrier(of);
    }
    if (of->state == S_IDLE && has_pending(of)) {
        apply_openflow_start(of);
    }
    if (of->state != S_ASKED) {
        receive(of);
    }
}

void
apply_openflow_wait(struct apply_openflow *of)
{
    rconn_run_wait(of->rconn);
    if (of->state != S_ASKED) {
        rconn_recv_wait(of->rconn);
    }
    apply_openflow_settle_wait(of);
    if (is_backing_off(of)) {
        poll_timer_wait_until(of->look_time);
    }
    if (of->state == S_IDLE && ds_wants_readback(of->ds, DS_OPENFLOW)) {
        poll_immediate_wake();
    }
}

/* Zones. */

void
apply_openflow_flush_zone(struct apply_openflow *of, uint16_t zone)
{
    if (of->n_zones >= of->allocated_zones) {
        of->zones = x2nrealloc(of->zones, &of->allocated_zones,
                               sizeof *of->zones);
    }
    of->zones[of->n_zones++] = zone;
    poll_immediate_wake();
}

bool
apply_openflow_is_flushing(const struct apply_openflow *of)
{
    return of->n_zones > 0;
}

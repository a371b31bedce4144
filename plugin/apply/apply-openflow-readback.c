/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow-readback: what is installed when there is a connection. */

#include <config.h>

#include "apply/apply-openflow-private.h"

#include "apply/desired-state.h"
#include "coverage.h"
#include "fault-point.h"
#include "openflow/openflow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_openflow_readback);

COVERAGE_DEFINE(openflow_read_again);

void
apply_openflow_expect(struct apply_openflow *of)
{
    of->ask_early = true;
}

/* Asks for flows, before there is anything to compare them with, and to be
 * told what others do to them. */
static void
ask_early(struct apply_openflow *of)
{
    of->ask_early = false;
    of->asked_early = true;
    of->monitor_xid = apply_openflow_send(of, openflow_monitor_encode(true));
    of->readback_xid = apply_openflow_send(of, openflow_readback_flows());
    of->state = S_ASKED;
    VLOG_DBG("flows are asked for, before they can be compared");
}

static void
start_readback(struct apply_openflow *of)
{
    struct ofpbuf *requests[OPENFLOW_N_BEGINS];

    of->auditing.n_left = 0;
    openflow_readback_begin(of->ds, &of->readback, requests);
    if (of->state != S_ASKED) {
        of->readback_xid = apply_openflow_send(of, openflow_readback_flows());
    }
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        apply_openflow_send(of, requests[i]);
    }
    if (of->state == S_ASKED) {
        apply_openflow_send(of, openflow_monitor_encode(false));
    }
    of->state = S_READBACK;
}

/* There is something to compare with. */
static void
try_readback(struct apply_openflow *of)
{
    enum fault_verdict verdict = FAULT_POINT(OPENFLOW_READBACK_BEFORE);

    if (verdict == FAULT_FAIL) {
        rconn_reconnect(of->rconn);
    } else if (verdict == FAULT_NONE) {
        start_readback(of);
    }
}

/* True if 'oh' says that somebody has changed flows since they were asked for,
 * or that there is nobody who would say so. */
static bool
is_news(const struct apply_openflow *of, enum ofptype type,
        const struct ofp_header *oh)
{
    return (openflow_is_news(type, oh)
            || (type == OFPTYPE_ERROR && ntohl(oh->xid) == of->monitor_xid));
}

/* Returns true if 'oh' answers a request of the read-back. */
bool
apply_openflow_readback_reply(struct apply_openflow *of, enum ofptype type,
                              const struct ofp_header *oh)
{
    if (of->asked_early && is_news(of, type, oh)) {
        COVERAGE_INC(openflow_read_again);
        of->asked_early = false;
        start_readback(of);
        return true;
    }
    if (of->state != S_READBACK
        || ntohl(oh->xid) - of->readback_xid >= OPENFLOW_N_READBACKS) {
        return false;
    }
    if (openflow_readback_reply(of->ds, &of->readback, type, oh)) {
        of->asked_early = false;
        apply_openflow_start(of);
    }
    return true;
}

/* Starts to read back, or to ask for it, if it is time to. */
void
apply_openflow_readback_run(struct apply_openflow *of)
{
    bool complete = ds_is_complete(of->ds);

    if (of->state == S_NEW && of->ask_early) {
        ask_early(of);
    }
    if ((complete && (of->state == S_NEW || of->state == S_ASKED))
        || (of->state == S_IDLE
            && ds_wants_readback(of->ds, DS_OPENFLOW))) {
        try_readback(of);
    }
}

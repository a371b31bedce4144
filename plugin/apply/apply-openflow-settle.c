/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow-settle: cached flows follow what was revoked or diverted. */

#include <config.h>

#include "apply/apply-openflow-private.h"

#include "apply/desired-state.h"
#include "apply/flow-encode.h"
#include "apply/group-encode.h"
#include "apply/of-pipeline.h"
#include "apply/unixctl-client.h"
#include "coverage.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(openflow_settle);

COVERAGE_DEFINE(openflow_settled);
COVERAGE_DEFINE(openflow_unsettled);

/* The answer to a barrier says that the tables are as wanted, but what
 * vswitchd has cached in the datapath goes on until its revalidators have come
 * by.  They are told of a change in the round of vswitchd's main loop after
 * the one that makes it, and "revalidator/wait" says that a sweep has ended:
 * one that may have begun before they were told.  Hence, in this order:
 *
 *    SETTLE_BARRIER   Another round of the main loop: they have been told.
 *    SETTLE_FIRST     A sweep has ended, so that the next one begins later.
 *    SETTLE_SECOND    The next one has ended.
 *
 * Sweeps take place twice a second, or when flows have changed.  So that none
 * is waited for so long they are provoked, by removing a flow that does not
 * exist: as often as it takes, since a sweep may begin and end before vswitchd
 * has read that somebody waits for it, and since its main loop, which answers,
 * is not woken up by the end of one. */

/* Where there is never a flow: see of-pipeline.h. */
#define NO_FLOW_PRIORITY (OF_PRIO_MIN - 1)

/* Least interval between provocations; and part of the time waited so far. */
#define PROVOKE_MSEC 2
#define PROVOKE_PART 4

void
apply_openflow_settle_init(struct apply_openflow *of)
{
    of->vswitchd = unixctl_client_open("ovs-vswitchd");
}

void
apply_openflow_settle_uninit(struct apply_openflow *of)
{
    unixctl_client_close(of->vswitchd);
}

/* True if to change or remove 'output', which is installed in some form,
 * forbids what was allowed, or has packets take another way: whoever is told
 * that it is done may rely on it.  (Not so of what changes whenever a host or
 * neighbour is added, like broadcasts.) */
bool
apply_openflow_revokes(const struct ds_output *output)
{
    if (!(output->flags & DS_INSTALLED) || output->sink != DS_OPENFLOW) {
        return false;
    } else if (output_is_group(output)) {
        return true;
    }

    uint8_t table = flow_key_table(output->key);
    return (table == OFT_CLASSIFY
            || (table >= OFT_ADMIT && table <= OFT_EGRESS_VERDICT)
            || (table >= OFT_ROUTE && table <= OFT_L2_LOOKUP)
            || (table >= OFT_INGRESS && table <= OFT_DELIVER));
}

static void
waited(enum unixctl_outcome outcome, const char *text, void *of_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    struct apply_openflow *of = of_;

    of->wait_pending = false;
    if (of->state != S_SETTLING || of->wait_is_stale) {
        return;
    }
    if (outcome == UNIXCTL_DONE) {
        of->settle = of->settle == SETTLE_FIRST ? SETTLE_SECOND : SETTLE_DONE;
    } else {
        VLOG_WARN_RL(&rl, "ovs-vswitchd does not say when its caches follow "
                     "its flows: %s", text ? text : "connection lost");
        of->settle = SETTLE_FAILED;
    }
}

static void
provoke_sweep(struct apply_openflow *of)
{
    struct ofputil_flow_mod fm = {
        .priority = NO_FLOW_PRIORITY,
        .table_id = OFT_DROP,
        .command = OFPFC_DELETE_STRICT,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };
    struct match all;

    match_init_catchall(&all);
    minimatch_init(&fm.match, &all);
    apply_openflow_send(of, ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM));
    minimatch_destroy(&fm.match);
    of->provoke_time = time_msec() + MAX(PROVOKE_MSEC,
                                         (time_msec() - of->asked_time)
                                         / PROVOKE_PART);
}

void
apply_openflow_settle_begin(struct apply_openflow *of)
{
    of->state = S_SETTLING;
    of->settle = SETTLE_BARRIER;
    of->settle_deadline = time_msec() + OPENFLOW_SETTLE_MSEC;
}

void
apply_openflow_settle_barrier(struct apply_openflow *of)
{
    if (of->settle == SETTLE_BARRIER) {
        of->settle = SETTLE_FIRST;
        poll_immediate_wake();
    }
}

/* Asks for the end of a sweep, if there is anyone to ask and nothing is
 * pending. */
static void
ask(struct apply_openflow *of)
{
    if (!unixctl_client_is_connected(of->vswitchd)) {
        if (unixctl_client_is_unreachable(of->vswitchd)) {
            of->settle = SETTLE_FAILED;
        }
    } else if (!of->wait_pending) {
        of->wait_pending = true;
        of->wait_is_stale = false;
        unixctl_client_send(of->vswitchd, waited, of, "revalidator/wait",
                            NULL);
        of->asked_time = time_msec();
        provoke_sweep(of);
    } else if (time_msec() >= of->provoke_time && !of->wait_is_stale) {
        provoke_sweep(of);
    }
}

bool
apply_openflow_settle_run(struct apply_openflow *of)
{
    unixctl_client_run(of->vswitchd);
    if (of->state != S_SETTLING) {
        of->wait_is_stale = true;
        return false;
    }
    if (of->settle != SETTLE_DONE && time_msec() >= of->settle_deadline) {
        of->settle = SETTLE_FAILED;
    }
    if (of->settle == SETTLE_FIRST || of->settle == SETTLE_SECOND) {
        ask(of);
    }
    if (of->settle == SETTLE_FAILED) {
        COVERAGE_INC(openflow_unsettled);
    } else if (of->settle == SETTLE_DONE) {
        COVERAGE_INC(openflow_settled);
    } else {
        return false;
    }
    of->wait_is_stale = true;
    return true;
}

void
apply_openflow_settle_wait(const struct apply_openflow *of)
{
    unixctl_client_wait(of->vswitchd);
    if (of->state == S_SETTLING) {
        poll_timer_wait_until(of->settle_deadline);
        if (of->wait_pending && !of->wait_is_stale) {
            poll_timer_wait_until(of->provoke_time);
        }
    }
}

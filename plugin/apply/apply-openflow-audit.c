/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow-audit: what others have done to our flows. */

#include <config.h>

#include "apply/apply-openflow-private.h"

#include "openflow/openflow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(openflow_audit);

void
apply_openflow_audit(struct apply_openflow *of)
{
    struct ofpbuf *requests[OPENFLOW_N_BEGINS];

    if (of->auditing.n_left || of->state < S_IDLE) {
        return;
    }
    of->audit = (struct ds_audit) { .n_foreign = 0 };
    of->audit_xid = of->next_xid;
    openflow_audit_begin(of->ds, &of->auditing, &of->audit, requests);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        apply_openflow_send(of, requests[i]);
    }
    apply_openflow_send(of, openflow_readback_flows());
}

bool
apply_openflow_is_auditing(const struct apply_openflow *of)
{
    return of->auditing.n_left > 0;
}

const struct ds_audit *
apply_openflow_audited(const struct apply_openflow *of, long long int *when)
{
    *when = of->audit_time;
    return of->audit_time ? &of->audited : NULL;
}

static void
log_audit(const struct ds_audit *audit)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    struct ds_audit_count sum = { .same = 0 };

    for (size_t i = 0; i < ARRAY_SIZE(audit->counts); i++) {
        sum.same += audit->counts[i].same;
        sum.changed += audit->counts[i].changed;
        sum.missing += audit->counts[i].missing;
        sum.unknown += audit->counts[i].unknown;
    }
    if (sum.changed || sum.missing || sum.unknown) {
        VLOG_WARN_RL(&rl, "somebody else has changed %"PRIuSIZE", removed "
                     "%"PRIuSIZE" and added %"PRIuSIZE" flows, groups or "
                     "meters of ours: putting that right", sum.changed,
                     sum.missing, sum.unknown);
    } else {
        VLOG_DBG_RL(&rl, "audit: %"PRIuSIZE" as wanted", sum.same);
    }
}

/* Returns true if 'oh' answers a request of the audit. */
bool
apply_openflow_audit_reply(struct apply_openflow *of, enum ofptype type,
                           const struct ofp_header *oh)
{
    if (!of->auditing.n_left
        || ntohl(oh->xid) - of->audit_xid >= OPENFLOW_N_READBACKS) {
        return false;
    }
    if (openflow_readback_reply(of->ds, &of->auditing, type, oh)) {
        of->audited = of->audit;
        of->audit_time = time_msec();
        log_audit(&of->audited);
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-ct: connection tracking as offload needs it. */

#include <config.h>

#include "agent-fast-path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/unixctl-client.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_fast_path_ct);

/* Of a connection that eBPF carries, conntrack sees a packet now and then, in
 * which no sequence number is what it expects.  So as long as a port with
 * security groups is in the fast path, it is told not to look at these:
 *
 *    "netdev"   ovs-vswitchd, by dpctl/ct-disable-tcp-seq-chk; again after it
 *               was restarted.
 *
 *    "system"   the kernel, by nf_conntrack_tcp_be_liberal.
 *
 * It is told the opposite when that is over, but not when the agent exits and
 * the programs stay. */

#define SYSCTL "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"

static void
told(enum unixctl_outcome outcome, const char *text, void *aux OVS_UNUSED)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

    if (outcome == UNIXCTL_REFUSED) {
        VLOG_WARN_RL(&rl, "ovs-vswitchd goes on checking TCP sequence "
                     "numbers, so that the fast path is of no use for ports "
                     "with security groups: %s", text);
    }
}

static void
tell_vswitchd(struct agent_fast_path *fp, bool liberal)
{
    unixctl_client_send(fp->vswitchd, told, NULL,
                        (liberal ? "dpctl/ct-disable-tcp-seq-chk"
                         : "dpctl/ct-enable-tcp-seq-chk"), NULL);
    fp->vswitchd_seqno = unixctl_client_seqno(fp->vswitchd);
    fp->liberal = liberal;
}

static void
tell_kernel(struct agent_fast_path *fp, bool liberal)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    int fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);

    fp->liberal = liberal;
    if (fd < 0 || write(fd, liberal ? "1" : "0", 1) != 1) {
        VLOG_WARN_RL(&rl, "%s: %s", SYSCTL, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

void
agent_fast_path_ct_run(struct agent *agent, bool liberal)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (!strcmp(apply_ovsdb_datapath_type(agent->ovsdb), "system")) {
        if (liberal != fp->liberal) {
            tell_kernel(fp, liberal);
        }
        return;
    }
    if (!fp->vswitchd && (liberal || fp->liberal)) {
        fp->vswitchd = unixctl_client_open("ovs-vswitchd");
    }
    if (fp->vswitchd) {
        unixctl_client_run(fp->vswitchd);
        if (unixctl_client_is_connected(fp->vswitchd)
            && (liberal != fp->liberal
                || (liberal && (unixctl_client_seqno(fp->vswitchd)
                                != fp->vswitchd_seqno)))) {
            tell_vswitchd(fp, liberal);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-ct: connection tracking as offload needs it. */

#include <config.h>

#include "agent-fast-path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/unixctl-client.h"
#include "dirs.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
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
 * When that is over (but not when the agent exits and the programs stay), it
 * is as it was before: an operator may have wanted it so.  Not at once: a
 * connection whose next packet is not what conntrack expects would be dead.
 * In FAST_PATH_STRICT_MSEC, it has seen where the connections are that are in
 * use; one that was not used in that time, but had been in the fast path, is
 * lost if it had been far ahead.  What it was is in a file beside the agent's
 * socket, which says, too, that it is no longer so because of us: whichever
 * agent runs then.  Both are gone after a boot.  Where the file cannot be
 * written, this agent knows it. */

#define SYSCTL "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"
#define WAS_STRICT '0'
#define WAS_LIBERAL '1'

/* What it was before. */

static char *
file_name(void)
{
    return xasprintf("%s/alcor-agent.tcp-liberal", ovs_rundir());
}

/* Reads the first character of file 'name'; 0 if there is none. */
static char
read_char(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    char c = 0;

    if (fd >= 0) {
        if (read(fd, &c, 1) != 1) {
            c = 0;
        }
        close(fd);
    }
    return c;
}

static void
write_char(const char *name, int flags, char c)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    int fd = open(name, O_WRONLY | O_CLOEXEC | flags, 0600);

    if (fd < 0 || write(fd, &c, 1) != 1) {
        VLOG_WARN_RL(&rl, "%s: %s", name, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Returns 0 if nobody has written it down. */
static char
recall(const struct agent_fast_path *fp)
{
    char *name = file_name();
    char was = read_char(name);

    free(name);
    return was ? was : fp->ct_was;
}

static void
write_down(struct agent_fast_path *fp, bool was_liberal)
{
    char *name = file_name();

    fp->ct_was = was_liberal ? WAS_LIBERAL : WAS_STRICT;
    write_char(name, O_CREAT | O_TRUNC, fp->ct_was);
    free(name);
}

static void
forget(struct agent_fast_path *fp)
{
    char *name = file_name();

    fp->ct_was = 0;
    unlink(name);
    free(name);
}

/* ovs-vswitchd. */

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

/* The answer is "TCP sequence checking: enabled" or "disabled". */
static void
take_present(enum unixctl_outcome outcome, const char *text, void *fp_)
{
    struct agent_fast_path *fp = fp_;

    fp->ct_asked = false;
    if (outcome != UNIXCTL_LOST) {
        write_down(fp, outcome == UNIXCTL_DONE && strstr(text, "disabled"));
    }
}

static void
tell_vswitchd(struct agent_fast_path *fp, bool liberal)
{
    char was = recall(fp);

    if (liberal && !was) {
        if (!fp->ct_asked) {
            fp->ct_asked = true;
            unixctl_client_send(fp->vswitchd, take_present, fp,
                                "dpctl/ct-get-tcp-seq-chk", NULL);
        }
        return;
    }
    if (liberal || was != WAS_LIBERAL) {
        unixctl_client_send(fp->vswitchd, told, NULL,
                            (liberal ? "dpctl/ct-disable-tcp-seq-chk"
                             : "dpctl/ct-enable-tcp-seq-chk"), NULL);
    }
    if (!liberal) {
        forget(fp);
    }
    fp->vswitchd_seqno = unixctl_client_seqno(fp->vswitchd);
    fp->liberal = liberal;
}

/* The kernel. */

static void
tell_kernel(struct agent_fast_path *fp, bool liberal)
{
    char was = recall(fp);

    if (!liberal) {
        write_char(SYSCTL, 0, was ? was : WAS_STRICT);
        forget(fp);
    } else {
        if (!was) {
            write_down(fp, read_char(SYSCTL) == WAS_LIBERAL);
        }
        write_char(SYSCTL, 0, WAS_LIBERAL);
    }
    fp->liberal = liberal;
}

void
agent_fast_path_ct_init(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    fp->liberal = !agent->options.dummy && recall(fp);
}

/* True if it is too early to tell conntrack to look at them again. */
static bool
is_delayed(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (!fp->liberal || agent->exit) {
        return false;
    } else if (!fp->strict_time) {
        fp->strict_time = time_msec() + FAST_PATH_STRICT_MSEC;
    }
    return time_msec() < fp->strict_time;
}

void
agent_fast_path_ct_run(struct agent *agent, bool liberal)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (liberal) {
        fp->strict_time = 0;
    } else if (is_delayed(agent)) {
        liberal = true;
    } else {
        fp->strict_time = 0;
    }
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

void
agent_fast_path_ct_wait(const struct agent *agent)
{
    const struct agent_fast_path *fp = agent->fast_path;

    if (fp->vswitchd) {
        unixctl_client_wait(fp->vswitchd);
    }
    if (fp->strict_time) {
        poll_timer_wait_until(fp->strict_time);
    }
}

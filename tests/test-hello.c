/* SPDX-License-Identifier: Apache-2.0
 *
 * test-hello: whoever connects to the switch says hello before it returns to
 * the main loop.
 *
 *     alcortest openflow-hello
 *
 * is the switch, below OVS_RUNDIR. */

#include <config.h>

#undef NDEBUG
#include "apply/apply-openflow.h"
#include "apply/flow-stats.h"
#include "apply/port-stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "alcortest.h"
#include "apply/desired-state.h"
#include "dirs.h"
#include "openflow/openflow.h"
#include "socket-util.h"
#include "util.h"

/* Prints the first message on the connection that waits at 'listener'. */
static void
print_first(int listener, const char *who)
{
    int fd = accept(listener, NULL, NULL);
    struct ofp_header oh;

    ovs_assert(fd >= 0);
    ssize_t n = recv(fd, &oh, sizeof oh, MSG_DONTWAIT);
    if (n == sizeof oh) {
        printf("%s: version %"PRIu8", type %"PRIu8"\n", who, oh.version,
               oh.type);
    } else {
        printf("%s: silent\n", who);
    }
    close(fd);
}

static void
openflow_hello(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    char *path = xasprintf("%s/br0.mgmt", ovs_rundir());
    int listener = make_unix_socket(SOCK_STREAM, false, path, NULL);
    struct desired_state *ds = desired_state_create();
    struct apply_openflow *of = apply_openflow_create(ds);
    struct port_stats *ps = port_stats_create();
    struct flow_stats *fs = flow_stats_create();

    ovs_assert(listener >= 0 && !listen(listener, 3));

    apply_openflow_set_bridge(of, "br0");
    print_first(listener, "flows");
    port_stats_set_bridge(ps, "br0");
    print_first(listener, "counters of ports");
    flow_stats_set_bridge(fs, "br0");
    ovs_assert(!flow_stats_ask(fs, 0, 0, 0, NULL, NULL));
    print_first(listener, "counters of flows");

    flow_stats_destroy(fs);
    port_stats_destroy(ps);
    apply_openflow_destroy(of);
    desired_state_destroy(ds);
    close(listener);
    unlink(path);
    free(path);
}

ALCORTEST_REGISTER("openflow-hello", openflow_hello);

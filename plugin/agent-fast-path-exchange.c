/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-exchange: ports that stand in for interposed devices. */

#include <config.h>

#include "agent-fast-path.h"

#include <limits.h>
#include <stdlib.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/device-buffer.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_fast_path_exchange);

/* While Open vSwitch exchanges ports, and a little longer, what comes to the
 * devices waits (apply_bpf_hold()), one step after the other:
 *
 *    HOLD_NONE      Nothing waits.
 *
 *    HOLD_DRAINING  Open vSwitch reads what came before, which would be lost
 *                   with its sockets.
 *
 *    HOLD_HELD      Pairs are made, of which Open vSwitch notices that there
 *                   are new devices, and reads routes anew: meanwhile it would
 *                   not find the way to other hosts.  Then it is told of the
 *                   stand-ins, and exchanges its ports.
 *
 *    HOLD_SETTLING  Its caches follow.
 *
 *    HOLD_RELEASING What waited is handed on, bit by bit, so that it fits the
 *                   buffers of Open vSwitch's sockets.
 *
 *    HOLD_GIVEN_UP  That took too long.  Nothing waits.
 *
 * If the agent is killed, nothing waits any more, and the next one begins
 * anew. */

/* Nothing waits for longer. */
#define HOLD_MSEC 2000

/* What has not been read then is perhaps for another program. */
#define DRAIN_MSEC 500
#define DRAIN_CHECK_MSEC 1

/* Time for caches, of which Open vSwitch sees to it at once that they are
 * right. */
#define SETTLE_MSEC 20

/* Packets that are handed on at a time, if a quarter of each buffer is not
 * full. */
#define RELEASE_N 32

/* Stand-ins. */

void
agent_fast_path_add_stand_in(struct agent_fast_path *fp, const char *device)
{
    char *stand_in = (fp->interposed ? apply_bpf_ovs_device(fp->ab, device)
                      : NULL);

    if (stand_in) {
        smap_replace(&fp->stand_ins, device, stand_in);
    }
    free(stand_in);
}

char *
agent_fast_path_check_stand_in(const struct agent_fast_path *fp,
                               const char *device, bool exchanged)
{
    return (fp->interposed && exchanged && !apply_bpf_has_pair(device)
            ? xasprintf("%s: what stood in for it has gone, and Open vSwitch "
                        "does not have it itself as its port yet", device)
            : NULL);
}

void
agent_fast_path_exchange(struct agent *agent)
{
    struct agent_fast_path *fp = agent->fast_path;

    apply_ovsdb_set_stand_ins(agent->ovsdb, &fp->stand_ins);
    fp->exchanged = apply_ovsdb_stand_ins_are_settled(agent->ovsdb);
    if (fp->exchanged && fp->hold == HOLD_HELD) {
        fp->hold = HOLD_SETTLING;
        fp->settle_time = time_msec() + SETTLE_MSEC;
    } else if (fp->exchanged && fp->hold == HOLD_GIVEN_UP) {
        fp->hold = HOLD_NONE;
    }
}

/* Packets that wait. */

/* True if Open vSwitch has a port called 'device' that is to be exchanged. */
static bool
is_to_be_exchanged(const struct agent *agent, const char *device,
                   const char *error)
{
    return (!error
            && apply_ovsdb_has_port(agent->ovsdb, device)
            && !apply_ovsdb_is_exchanged(agent->ovsdb, device));
}

/* Has packets wait, if ports are to be exchanged. */
static void
begin(struct agent *agent, const char *uplink)
{
    struct agent_fast_path *fp = agent->fast_path;
    struct shash_node *node;
    char *error;

    sset_clear(&fp->held);
    if (is_to_be_exchanged(agent, uplink, fp->uplink_error)) {
        sset_add(&fp->held, uplink);
    }
    SHASH_FOR_EACH (node, &fp->ports) {
        const struct fast_path_port *port = node->data;

        if (is_to_be_exchanged(agent, port->device, port->error)) {
            sset_add(&fp->held, port->device);
        }
    }
    if (sset_is_empty(&fp->held)) {
        return;
    }
    error = apply_bpf_hold(fp->ab, uplink, &fp->held);
    if (error) {
        VLOG_INFO("%s", error);
        free(error);
    }
    fp->hold = error ? HOLD_GIVEN_UP : HOLD_DRAINING;
    fp->hold_time = time_msec() + HOLD_MSEC;
    fp->settle_time = time_msec() + DRAIN_MSEC;
}

static bool
is_drained(const struct agent_fast_path *fp)
{
    const char *device;

    SSET_FOR_EACH (device, &fp->held) {
        struct device_buffer buffer;

        if (device_buffer_get(device, &buffer) && buffer.waiting) {
            return time_msec() >= fp->settle_time;
        }
    }
    return true;
}

/* True if Open vSwitch has read most of what it was handed. */
static bool
has_room(const struct agent_fast_path *fp)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &fp->stand_ins) {
        struct device_buffer buffer;

        if (sset_contains(&fp->held, node->key)
            && device_buffer_get(node->value, &buffer)
            && buffer.waiting > buffer.size / 4) {
            return false;
        }
    }
    return true;
}

bool
agent_fast_path_hold(struct agent *agent, const char *uplink)
{
    struct agent_fast_path *fp = agent->fast_path;

    if (!fp->interposed || !uplink) {
        return true;
    }
    if (fp->hold == HOLD_NONE) {
        begin(agent, uplink);
    }
    if (fp->hold == HOLD_DRAINING && is_drained(fp)) {
        fp->hold = HOLD_HELD;
    }
    return fp->hold != HOLD_DRAINING;
}

void
agent_fast_path_hold_run(struct agent_fast_path *fp)
{
    if (fp->hold == HOLD_SETTLING && time_msec() >= fp->settle_time) {
        fp->hold = HOLD_RELEASING;
    }
    if (fp->hold == HOLD_RELEASING
        && has_room(fp) && apply_bpf_release_some(fp->ab, RELEASE_N)) {
        agent_fast_path_hold_stop(fp);
    } else if (fp->hold != HOLD_NONE && fp->hold != HOLD_GIVEN_UP
               && time_msec() >= fp->hold_time) {
        agent_fast_path_hold_stop(fp);
        fp->hold = HOLD_GIVEN_UP;
    }
}

void
agent_fast_path_hold_wait(const struct agent_fast_path *fp)
{
    if (fp->hold == HOLD_DRAINING) {
        poll_timer_wait(DRAIN_CHECK_MSEC);
    } else if (fp->hold == HOLD_SETTLING) {
        poll_timer_wait_until(fp->settle_time);
    } else if (fp->hold == HOLD_RELEASING) {
        poll_immediate_wake();
    } else if (fp->hold == HOLD_HELD) {
        poll_timer_wait_until(fp->hold_time);
    }
}

void
agent_fast_path_hold_stop(struct agent_fast_path *fp)
{
    if (fp->ab) {
        apply_bpf_release(fp->ab);
    }
    fp->hold = HOLD_NONE;
}

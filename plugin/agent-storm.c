/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-storm: what feedback/storm needs of the rest. */

#include <config.h>

#include "agent-private.h"

#include <string.h>
#include "feedback/storm.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/punt.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_storm);

static void
storm_changed(uint32_t in_port, bool begins, void *agent_)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    struct agent *agent = agent_;
    char *id = xasprintf("%"PRIu32, in_port);
    struct vol_storm record;

    VLOG_INFO_RL(&rl, "OpenFlow port %s: %s", id,
                 begins ? "floods, is limited" : "floods no longer");
    memset(&record, 0, sizeof record);
    record.limited = 1;
    if (begins) {
        vol_set(agent->vol, VOL_STORM, id, &record);
    } else {
        vol_remove(agent->vol, VOL_STORM, id);
    }
    free(id);
}

/* A packet of 'in_port' to 'dst' was dropped since nobody has that. */
void
agent_storm_dropped(struct agent *agent, uint32_t in_port,
                    const struct in6_addr *dst)
{
    storm_take(agent->storms, in_port, hash_bytes(dst, sizeof *dst, 0),
               time_msec());
}

void
agent_storm_event(struct agent *agent, const struct packet_event *event)
{
    if (event->kind == PUNT_SPOOFED) {
        storm_take(agent->storms, event->context.in_port,
                   hash_bytes(event->data, event->len, 0), time_msec());
    }
}

void
agent_storm_init(struct agent *agent)
{
    agent->storms = storms_create(storm_changed, agent);
}

void
agent_storm_run(struct agent *agent)
{
    storm_run(agent->storms, time_msec());
}

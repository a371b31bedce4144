/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-limits: limits/show, and how much there is of what is limited. */

#include <config.h>

#include "agent-gateway-endpoints.h"
#include "agent-gateway-private.h"
#include "agent-private.h"
#include "agent-zeta.h"

#include <string.h>
#include "apply/flow-stats.h"
#include "feedback/direct-path.h"
#include "feedback/gateway-cluster.h"
#include "feedback/told-paths.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit-show.h"
#include "limit.h"
#include "simap.h"
#include "store/volatile-store.h"
#include "table.h"
#include "unixctl.h"
#include "util.h"

/* How much there is, is what the modules report as their memory usage, by the
 * limit's name (limit.h).
 *
 * Thread-safety: main thread only. */

static void
get_gateway_usage(const struct agent_gateway *gw, struct simap *usage)
{
    if (gw->told) {
        simap_increase(usage, "told-paths", told_paths_count(gw->told));
    }
    if (gw->endpoints) {
        struct gateway_endpoints_stats stats;

        gateway_endpoints_get_stats(gw->endpoints, &stats);
        simap_increase(usage, "claimed-subnets", stats.n_subnets);
    }
    if (gw->cluster) {
        struct cluster_member *members = xcalloc(CLUSTER_MAX_MEMBERS,
                                                 sizeof *members);

        simap_increase(usage, "gateway-members",
                       gateway_cluster_members(gw->cluster, members));
        free(members);
    }
}

/* Reports for those that do not do so themselves. */
void
agent_limits_get_usage(const struct agent *agent, struct simap *usage)
{
    simap_increase(usage, "joined-topics", smap_count(&agent->joined));
    simap_increase(usage, "uplink-hops", hmap_count(&agent->uplink_hops));
    simap_increase(usage, "tagged-subnets",
                   hmap_count(&agent->tagged_subnets));
    simap_increase(usage, "gateway-entrances",
                   vol_count(agent->vol, VOL_ENTRANCE));
    simap_increase(usage, "gateway-counters",
                   shash_count(&agent->zeta->counts));
    simap_increase(usage, "direct-paths",
                   direct_paths_count(agent->zeta->paths));
    simap_increase(usage, "flow-questions",
                   flow_stats_n_pending(agent->flow_stats));
    get_gateway_usage(agent->gateway, usage);
    if (agent->transport) {
        transport_get_memory_usage(agent->transport, usage);
    }
    if (agent->resync) {
        resync_get_memory_usage(agent->resync, usage);
    }
}

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *agent_)
{
    struct agent *agent = agent_;
    struct simap usage = SIMAP_INITIALIZER(&usage);
    struct table table;

    agent_get_memory_usage(agent, &usage);
    limits_to_table(&table, &usage, "alcor-limits");
    agent_reply_table(conn, &table, argc, argv);
    simap_destroy(&usage);
}

/* Adds how often limits were reached, of those of which people should know,
 * as "limit:NAME", and how many limits there are. */
void
agent_limits_get_hits(struct simap *hits)
{
    for (const struct limit *limit = limit_first(); limit;
         limit = limit_next(limit)) {
        uint64_t n = limit_hits(limit);

        simap_increase(hits, "limits", 1);
        if (n && limit->action != LIMIT_FORGETS) {
            char *name = xasprintf("limit:%s", limit->name);

            simap_put(hits, name, MIN(n, UINT_MAX));
            free(name);
        }
    }
}

/* Takes alcor-limits over. */
void
agent_limits_configure(struct agent *agent)
{
    limits_set(agent->config.limits ? agent->config.limits : "");
}

void
agent_limits_init(struct agent *agent)
{
    unixctl_command_register("limits/show", "[--format=FORMAT]", 0, 1,
                             cmd_show, agent);
}

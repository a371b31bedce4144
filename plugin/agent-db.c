/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-db: what the agent tells in the database Alcor. */

#include <config.h>

#include "agent-private.h"

#include <string.h>
#include "agent-db-rows.h"
#include "agent-fast-path.h"
#include "apply/alcor-db.h"
#include "apply/apply-ovsdb.h"
#include "apply/commit.h"
#include "apply/port-stats.h"
#include "fault-point.h"
#include "hash.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "limit.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "translate/translator.h"
#include "util.h"

/* Which tables have to be written is found by comparing, in each round of the
 * main loop, a few numbers that change with what is in them.  Rows are made at
 * most twice a second (alcor-db.h), of the tables concerned. */
struct seen {
    enum agent_phase phase;
    bool connected;             /* To the controller. */
    bool switch_connected;
    struct transport *transport; /* Never dereferenced. */
    uint32_t why_not;           /* Hash of why it is not connected. */
    uint64_t ovsdb_seqno;
    uint64_t translator_seqno;
    uint64_t commit_seqno;
    uint64_t n_gaps;
    uint64_t fast_path_seqno;
    uint64_t port_stats_seqno;
    uint64_t transactions_seqno;
    uint64_t limit_seqno;
    uint64_t errors_seqno;
    struct agent_counters counters;
};

/* How far 'cur_cfg' has followed. */
enum cfg_stage {
    CFG_REACHED,
    CFG_TRANSLATE,              /* Up to 'translator_mark'. */
    CFG_COMMIT,                 /* Up to 'commit_mark'. */
};

struct agent_db {
    struct alcor_db *db;
    struct seen seen;           /* No padding that matters: see look(). */
    uint32_t dirty;             /* Tables to be written. */
    uint64_t topics_seqno;      /* Last seen of 'db'. */

    enum cfg_stage cfg_stage;
    int64_t cfg;                /* That 'cfg_stage' is about. */
    int64_t cur_cfg;            /* Reached last... */
    bool cur_cfg_known;         /* ...if this is true. */
    struct translator_mark translator_mark;
    struct ds_mark commit_mark;
};

#define TABLE(NAME) (1u << ALCOR_DB_##NAME)

#define GOAL_TABLES (TABLE(PORT) | TABLE(GATEWAY) | TABLE(VPC))

void
agent_db_init(struct agent *agent)
{
    agent->db = xzalloc(sizeof *agent->db);
    agent->db->db = alcor_db_create(agent->options.db_remote);
}

void
agent_db_destroy(struct agent *agent)
{
    alcor_db_destroy(agent->db->db);
    free(agent->db);
    agent->db = NULL;
}

/* Adds the topics that operators have subscribed. */
void
agent_db_add_topics(const struct agent *agent, struct sset *topics)
{
    const char *topic;

    SSET_FOR_EACH (topic, alcor_db_topics(agent->db->db)) {
        sset_add(topics, topic);
    }
}

/* The set of topics subscribed has changed. */
void
agent_db_topics_changed(struct agent *agent)
{
    agent->db->dirty |= TABLE(SUBSCRIPTION) | TABLE(AGENT);
}

/* Changes. */

static uint32_t
hash_controller(const struct agent *agent)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    agent_transport_describe(agent, &s);
    uint32_t hash = hash_string(ds_cstr(&s), 0);
    ds_destroy(&s);
    return hash;
}

static void
look(const struct agent *agent, struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    seen->phase = agent->phase;
    seen->transport = agent->transport;
    seen->connected = (agent->transport
                       && transport_is_connected(agent->transport));
    seen->why_not = (agent->transport && !seen->connected
                     ? hash_controller(agent) : 0);
    seen->switch_connected = agent->was_connected;
    seen->ovsdb_seqno = agent->ovsdb_seqno;
    seen->commit_seqno = commit_seqno(agent->commit);
    seen->fast_path_seqno = agent->fast_path->seqno;
    seen->port_stats_seqno = port_stats_seqno(agent->port_stats);
    if (agent->translator) {
        seen->translator_seqno = translator_seqno(agent->translator);
        seen->n_gaps = resync_n_gaps(agent->resync);
        seen->transactions_seqno = agent_transactions_seqno(agent);
    }
    seen->limit_seqno = limit_seqno();
    seen->errors_seqno = agent->config.errors_seqno;
    seen->counters = agent->counters;
}

static void
find_changes(struct agent *agent)
{
    struct agent_db *adb = agent->db;
    struct seen *old = &adb->seen, new;

    look(agent, &new);
    if (!memcmp(old, &new, sizeof new)) {
        return;
    }
    adb->dirty |= TABLE(AGENT);
    if (old->phase != new.phase || old->connected != new.connected
        || old->transport != new.transport || old->n_gaps != new.n_gaps
        || old->counters.messages != new.counters.messages) {
        adb->dirty |= TABLE(SUBSCRIPTION);
    }
    if (old->phase != new.phase || old->ovsdb_seqno != new.ovsdb_seqno
        || old->translator_seqno != new.translator_seqno) {
        adb->dirty |= TABLE(PLUGIN) | GOAL_TABLES;
    }
    if (old->commit_seqno != new.commit_seqno
        || old->port_stats_seqno != new.port_stats_seqno
        || old->counters.messages != new.counters.messages) {
        adb->dirty |= GOAL_TABLES;
    }
    if (old->fast_path_seqno != new.fast_path_seqno
        || old->phase != new.phase) {
        adb->dirty |= TABLE(FAST_PATH);
    }
    if (old->phase != new.phase
        || old->transactions_seqno != new.transactions_seqno) {
        adb->dirty |= TABLE(TRANSACTION);
    }
    memcpy(old, &new, sizeof *old);
}

/* Lets 'cur_cfg' follow 'cfg'. */
static void
cfg_run(struct agent *agent)
{
    struct agent_db *adb = agent->db;
    int64_t cfg;

    if (agent->phase != PHASE_RUN || agent->exit
        || !alcor_db_cfg(adb->db, &cfg)) {
        return;
    }
    if (cfg != adb->cfg
        || (!adb->cur_cfg_known && adb->cfg_stage == CFG_REACHED)) {
        adb->cfg = cfg;
        adb->cfg_stage = CFG_TRANSLATE;
        adb->translator_mark = translator_mark(agent->translator);
    }
    if (adb->cfg_stage == CFG_TRANSLATE
        && translator_reached(agent->translator, &adb->translator_mark)) {
        adb->cfg_stage = CFG_COMMIT;
        adb->commit_mark = ds_mark(agent->ds);
    }
    if (adb->cfg_stage == CFG_COMMIT
        && commit_reached(agent->commit, &adb->commit_mark)) {
        adb->cfg_stage = CFG_REACHED;
        adb->cur_cfg = adb->cfg;
        adb->cur_cfg_known = true;
        adb->dirty |= TABLE(AGENT);
    }
}

/* The tables that are to be written now.  Until everything that is stored has
 * been translated, what the last agent wrote stays: traffic is as it was. */
static uint32_t
due_tables(const struct agent *agent)
{
    if (agent_transactions_try(agent)) {
        return 0;               /* What there is may not stay. */
    }
    return agent->db->dirty & (agent->phase == PHASE_RUN ? ALCOR_DB_ALL
                               : TABLE(AGENT) | TABLE(PLUGIN));
}

void
agent_db_run(struct agent *agent)
{
    struct agent_db *adb = agent->db;

    /* The connection to Open_vSwitch comes first, and it must be complete
     * before databases are added: alcor-db-admin.h tells why. */
    if (agent->phase == PHASE_DATABASE) {
        return;
    }
    alcor_db_run(adb->db);
    if (alcor_db_topics_seqno(adb->db) != adb->topics_seqno) {
        adb->topics_seqno = alcor_db_topics_seqno(adb->db);
        agent->topics_changed = true;
        poll_immediate_wake();
    }
    find_changes(agent);
    cfg_run(agent);
    adb->dirty |= alcor_db_take_stale(adb->db);
    if (adb->dirty & GOAL_TABLES) {
        adb->dirty |= GOAL_TABLES | TABLE(AGENT);
    }
    if (adb->dirty & TABLE(SUBSCRIPTION)) {
        adb->dirty |= TABLE(AGENT);
    }

    uint32_t due = due_tables(agent);
    if (due && alcor_db_is_ready(adb->db)
        && FAULT_POINT(ALCOR_DB_TXN_BEFORE) == FAULT_NONE) {
        adb->dirty &= ~due;
        alcor_db_begin(adb->db, due);
        agent_db_fill(agent, adb->db, due,
                      adb->cur_cfg_known ? &adb->cur_cfg : NULL);
        alcor_db_end(adb->db);
    }
}

void
agent_db_wait(struct agent *agent)
{
    if (agent->phase == PHASE_DATABASE) {
        return;
    }
    alcor_db_wait(agent->db->db);
    if (due_tables(agent)) {
        alcor_db_wait_ready(agent->db->db);
    }
}

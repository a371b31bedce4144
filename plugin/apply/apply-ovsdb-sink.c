/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-sink: the sinks of apply-ovsdb: chunks and transactions.
 *
 * Which rows a sink is about is told by its struct ovsdb_rows
 * (apply-ovsdb-private.h). */

#include <config.h>

#include "apply/apply-ovsdb-private.h"

#include <limits.h>
#include <stdlib.h>
#include "coverage.h"
#include "fault-point.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_ovsdb_sink);

COVERAGE_DEFINE(ovsdb_txn);
COVERAGE_DEFINE(ovsdb_txn_again);
COVERAGE_DEFINE(ovsdb_txn_error);
COVERAGE_DEFINE(ovsdb_refused);

/* How long to wait before trying again, unless the contents change. */
#define AGAIN_MSEC 1000
#define AGAIN_ERROR_MSEC 10000

/* How long to leave alone a row that the database refused to remove. */
#define REREAD_MSEC 60000

/* How long to wait for vswitchd to see that tunnels are gone. */
#define FENCE_MSEC 2000

static const struct sink_class ovsdb_sink_classes[OVSDB_N_SINKS];

static struct ovsdb_sink *
ovsdb_sink_cast(const struct sink *sink)
{
    return CONTAINER_OF(sink, struct ovsdb_sink, up);
}

struct sink *
apply_ovsdb_sink(struct apply_ovsdb *ovsdb)
{
    return &ovsdb->sinks[OVSDB_SINK].up;
}

struct sink *
apply_ovsdb_late_sink(struct apply_ovsdb *ovsdb)
{
    return &ovsdb->sinks[OVSDB_SINK_LATE].up;
}

void
ovsdb_sinks_init(struct apply_ovsdb *ovsdb)
{
    static const struct ovsdb_rows *const rows[OVSDB_N_SINKS] = {
        [OVSDB_SINK] = &ovsdb_tunnel_rows,
        [OVSDB_SINK_LATE] = &ovsdb_installed_rows,
    };

    for (int i = 0; i < OVSDB_N_SINKS; i++) {
        ovsdb->sinks[i] = (struct ovsdb_sink) {
            .up.class = &ovsdb_sink_classes[i],
            .ovsdb = ovsdb,
            .rows = rows[i],
            .must_read = true,
            .reread_time = LLONG_MAX,
        };
        ovs_list_init(&ovsdb->sinks[i].outputs);
    }
}

void
ovsdb_sinks_uninit(struct apply_ovsdb *ovsdb)
{
    for (int i = 0; i < OVSDB_N_SINKS; i++) {
        struct ovs_list *outputs = &ovsdb->sinks[i].outputs;

        while (!ovs_list_is_empty(outputs)) {
            ds_release(ovsdb->ds, CONTAINER_OF(ovs_list_front(outputs),
                                               struct ds_output, queue_node));
        }
    }
    if (ovsdb->txn) {
        ovsdb_idl_txn_destroy(ovsdb->txn);
    }
    free(ovsdb->jobs);
}

/* Refusals. */

struct failure {
    struct desired_state *ds;
    const char *error;
};

static void
fail_unit(struct ds_unit *unit, void *failure_)
{
    const struct failure *failure = failure_;

    ds_unit_fail(failure->ds, unit, failure->error);
}

/* Fails the units that want 'output' and is done with it. */
static void
refuse(struct apply_ovsdb *ovsdb, struct ds_output *output, const char *error)
{
    struct failure failure = { ovsdb->ds, error };

    COVERAGE_INC(ovsdb_refused);
    ds_output_for_each_unit(output, fail_unit, &failure);
    ds_release(ovsdb->ds, output);
}

/* Transactions. */

/* Does not try again before the contents or settings change, or 'msec' have
 * passed. */
static void
try_again(struct apply_ovsdb *ovsdb, long long int msec)
{
    ovsdb->again = true;
    ovsdb->again_version = ovsdb->version;
    ovsdb->again_time = time_msec() + msec;
}

/* True if vswitchd has to see something first. */
static bool
is_fenced(struct apply_ovsdb *ovsdb)
{
    if (ovsdb->fence_pending) {
        const struct ovsrec_open_vswitch *root
            = ovsrec_open_vswitch_first(ovsdb->idl);

        ovsdb->fence_pending = (root
                                && root->cur_cfg < ovsdb->fence_cfg
                                && time_msec() < ovsdb->fence_deadline);
    }
    return ovsdb->fence_pending;
}

/* Puts a fence into the open transaction. */
static void
fence_write(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_open_vswitch *root
        = ovsrec_open_vswitch_first(ovsdb->idl);

    if (root && !ovsdb->fence_sent) {
        ovsdb_idl_txn_increment(ovsdb->txn, &root->header_,
                                &ovsrec_open_vswitch_col_next_cfg, true);
        ovsdb->fence_sent = true;
    }
}

/* Waits for the fence in the transaction, which has succeeded, if there is
 * one. */
static void
fence_wait(struct apply_ovsdb *ovsdb)
{
    if (ovsdb->fence_wanted && ovsdb->fence_sent) {
        ovsdb->fence_wanted = false;
        ovsdb->fence_pending = true;
        ovsdb->fence_deadline = time_msec() + FENCE_MSEC;
        ovsdb->fence_cfg = ovsdb_idl_txn_get_increment_new_value(ovsdb->txn);
    }
}

/* True if a new transaction makes sense now. */
static bool
may_compose(struct apply_ovsdb *ovsdb)
{
    if (ovsdb->txn || !apply_ovsdb_is_connected(ovsdb) || is_fenced(ovsdb)) {
        return false;
    }
    return !ovsdb->again || ovsdb->again_version != ovsdb->version;
}

/* The same, when one is about to be made. */
static bool
is_to_compose(struct apply_ovsdb *ovsdb)
{
    if (!may_compose(ovsdb)) {
        return false;
    }

    enum fault_verdict verdict = FAULT_POINT(OVSDB_TXN_BEFORE);
    if (verdict == FAULT_FAIL) {
        try_again(ovsdb, AGAIN_MSEC);
    }
    return verdict == FAULT_NONE;
}

static void
txn_open(struct apply_ovsdb *ovsdb, struct ovsdb_sink *sink,
         const char *purpose)
{
    ovsdb->txn = ovsdb_idl_txn_create(ovsdb->idl);
    ovsdb->txn_sink = sink;
    ovsdb->n_jobs = 0;
    ovsdb->fence_sent = false;
    ovsdb_idl_txn_add_comment(ovsdb->txn, "alcor-agent: %s", purpose);
}

/* Everything in the transaction is in effect. */
static void
jobs_done(struct apply_ovsdb *ovsdb)
{
    for (size_t i = 0; i < ovsdb->n_jobs; i++) {
        struct ovsdb_job *job = &ovsdb->jobs[i];

        if (job->wanted) {
            ds_set_installed(ovsdb->ds, job->output, job->hash);
        } else {
            ds_set_removed(ovsdb->ds, job->output);
        }
        ds_release(ovsdb->ds, job->output);
    }
    if (ovsdb->txn_sink && ovs_list_is_empty(&ovsdb->txn_sink->outputs)) {
        ovsdb->txn_sink->one_by_one = false;
    }
}

/* The database refused the transaction because of 'error'. */
static void
txn_failed(struct apply_ovsdb *ovsdb, const char *error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

    COVERAGE_INC(ovsdb_txn_error);
    if (!ovsdb->txn_sink) {
        VLOG_WARN_RL(&rl, "%s: transaction failed: %s",
                     ovsdb->remote, error);
        ovsdb->cleanup_failed = ovsdb->cleaning;
        try_again(ovsdb, AGAIN_ERROR_MSEC);
    } else if (ovsdb->n_jobs > 1) {
        ovsdb->txn_sink->one_by_one = true;
    } else if (ovsdb->n_jobs == 1) {
        struct ds_output *output = ovsdb->jobs[0].output;

        if (!ds_output_wanted(output)) {
            VLOG_WARN_RL(&rl, "%s: %.*s: removal failed: %s", ovsdb->remote,
                         (int) output->key_len, (char *) output->key, error);
            ovsdb->txn_sink->reread_time = time_msec() + REREAD_MSEC;
        }
        refuse(ovsdb, output, error);
    }
}

/* Commits the transaction under way, if there is one, or finds out how it has
 * ended.  Returns its status. */
static enum ovsdb_idl_txn_status
txn_run(struct apply_ovsdb *ovsdb)
{
    if (!ovsdb->txn) {
        return TXN_UNCHANGED;
    }

    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(ovsdb->txn);
    if (status == TXN_INCOMPLETE) {
        return status;
    }

    enum fault_verdict verdict = FAULT_POINT(OVSDB_TXN_AFTER);
    if (verdict == FAULT_STALL) {
        return TXN_INCOMPLETE;
    } else if (verdict == FAULT_FAIL) {
        status = TXN_TRY_AGAIN;
    }

    char *error = (status == TXN_ERROR
                   ? xstrdup(ovsdb_idl_txn_get_error(ovsdb->txn))
                   : NULL);
    if (status == TXN_SUCCESS) {
        fence_wait(ovsdb);
    }
    ovsdb_idl_txn_destroy(ovsdb->txn);
    ovsdb->txn = NULL;

    switch (status) {
    case TXN_SUCCESS:
    case TXN_UNCHANGED:
        jobs_done(ovsdb);
        break;

    case TXN_TRY_AGAIN:
    case TXN_NOT_LOCKED:
        COVERAGE_INC(ovsdb_txn_again);
        try_again(ovsdb, AGAIN_MSEC);
        break;

    case TXN_ERROR:
        txn_failed(ovsdb, error);
        break;

    case TXN_ABORTED:
    case TXN_INCOMPLETE:
    case TXN_UNCOMMITTED:
        OVS_NOT_REACHED();
    }
    free(error);
    ovsdb->n_jobs = 0;
    ovsdb->txn_sink = NULL;
    return status;
}

/* Sends the open transaction.  Returns false if there was nothing to send. */
static bool
txn_send(struct apply_ovsdb *ovsdb)
{
    enum ovsdb_idl_txn_status status = txn_run(ovsdb);

    if (status == TXN_INCOMPLETE) {
        COVERAGE_INC(ovsdb_txn);
    }
    return status != TXN_UNCHANGED;
}

/* Drops the open transaction, nothing of which has been sent. */
static void
txn_drop(struct apply_ovsdb *ovsdb)
{
    ovsdb_idl_txn_abort(ovsdb->txn);
    ovsdb_idl_txn_destroy(ovsdb->txn);
    ovsdb->txn = NULL;
}

/* Composing. */

static void
add_job(struct apply_ovsdb *ovsdb, struct ds_output *output)
{
    bool wanted = ds_output_wanted(output);

    if (ovsdb->n_jobs >= ovsdb->allocated_jobs) {
        ovsdb->jobs = x2nrealloc(ovsdb->jobs, &ovsdb->allocated_jobs,
                                 sizeof *ovsdb->jobs);
    }
    ovsdb->jobs[ovsdb->n_jobs++] = (struct ovsdb_job) {
        .output = output,
        .wanted = wanted,
        .hash = wanted ? ds_output_hash(output) : 0,
    };
}

/* Returns the key of 'output' as a string owned by the caller. */
static char *
output_key(const struct ds_output *output)
{
    return xmemdup0((const char *) output->key, output->key_len);
}

char *
ovsdb_output_value(const struct ds_output *output)
{
    if (!ds_output_wanted(output)) {
        return NULL;
    }

    struct ofpbuf value;

    ofpbuf_init(&value, 64);
    ds_output_value(output, &value);
    ofpbuf_put_zeros(&value, 1);
    return ofpbuf_steal_data(&value);
}

static void
compose_output(struct ovsdb_sink *sink, struct ds_output *output)
{
    struct apply_ovsdb *ovsdb = sink->ovsdb;
    char *key = output_key(output);
    char *value = ovsdb_output_value(output);
    bool later = false;
    char *error = sink->rows->compose(ovsdb, key, value, &later);

    if (error) {
        refuse(ovsdb, output, error);
        free(error);
    } else if (later) {
        fence_write(ovsdb);
    } else {
        add_job(ovsdb, output);
    }
    free(key);
    free(value);
}

/* Puts the chunk of 'sink' into a transaction. */
static void
compose_chunk(struct ovsdb_sink *sink)
{
    struct apply_ovsdb *ovsdb = sink->ovsdb;
    struct ds_output *output;

    txn_open(ovsdb, sink, sink->rows->name);
    sink->rows->prepare(ovsdb);
    LIST_FOR_EACH_SAFE (output, queue_node, &sink->outputs) {
        compose_output(sink, output);
        if (sink->one_by_one && ovsdb->n_jobs) {
            break;
        }
    }
    sink->rows->finish(ovsdb);
    txn_send(ovsdb);
}

/* Creates the integration bridge if it is absent, and gives the one that we
 * have created, but vswitchd could not make, the type that is wanted now. */
static void
run_bridge(struct apply_ovsdb *ovsdb)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (ovsdb_bridge_has_other_type(ovsdb) && is_to_compose(ovsdb)) {
        VLOG_INFO("bridge \"%s\" gets datapath_type %s",
                  ovsdb->settings.bridge, ovsdb->settings.datapath_type);
        txn_open(ovsdb, NULL, "setting datapath_type of bridge");
        ovsdb_bridge_set_type(ovsdb);
        txn_send(ovsdb);
        return;
    }
    if (!ovsdb->settings.bridge
        || ovsdb_bridge(ovsdb)
        || !ovsrec_open_vswitch_first(ovsdb->idl)
        || !is_to_compose(ovsdb)) {
        return;
    }
    txn_open(ovsdb, NULL, "creating integration bridge");
    free(ovsdb->bridge_error);
    ovsdb->bridge_error = ovsdb_bridge_compose(ovsdb);
    if (ovsdb->bridge_error) {
        VLOG_WARN_RL(&rl, "%s", ovsdb->bridge_error);
        txn_drop(ovsdb);
        try_again(ovsdb, AGAIN_ERROR_MSEC);
    } else {
        VLOG_INFO("creating bridge \"%s\"", ovsdb->settings.bridge);
        txn_send(ovsdb);
    }
}

/* Exchanges ports, if some are not as they should be. */
static void
run_stand_ins(struct apply_ovsdb *ovsdb)
{
    if (!ovsdb->stand_ins_known || ovsdb->txn
        || ovsdb->stand_ins_version == ovsdb->version) {
        return;
    }
    if (!ovsdb_stand_ins_differ(ovsdb)) {
        ovsdb->stand_ins_version = ovsdb->version;
    } else if (is_to_compose(ovsdb)) {
        txn_open(ovsdb, NULL, "exchanging ports");
        ovsdb_stand_ins_compose(ovsdb);
        txn_send(ovsdb);
    }
}

/* Has the flow tables match by prefix what they should. */
static void
run_prefixes(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    if (bridge && !ovsdb_prefixes_are_right(bridge) && may_compose(ovsdb)) {
        txn_open(ovsdb, NULL, "setting prefixes of flow tables");
        ovsdb_prefixes_compose(ovsdb->txn, bridge);
        txn_send(ovsdb);
    }
}

/* Warns, once, of a bridge that handles what no flow matches by itself. */
static void
check_fail_mode(struct apply_ovsdb *ovsdb)
{
    const struct ovsrec_bridge *bridge = ovsdb_bridge(ovsdb);

    if (!bridge) {
        return;
    }

    bool secure = bridge->fail_mode && !strcmp(bridge->fail_mode, "secure");
    if (!secure && !ovsdb->warned_fail_mode) {
        VLOG_WARN("bridge \"%s\" exists and its fail_mode is not \"secure\": "
                  "it is left alone, and unknown traffic is handled by NORMAL",
                  bridge->name);
    }
    ovsdb->warned_fail_mode = !secure;
}

/* Running. */

/* Notes which times have come. */
static void
run_timers(struct apply_ovsdb *ovsdb)
{
    if (ovsdb->again && time_msec() >= ovsdb->again_time) {
        ovsdb->again = false;
    }
    is_fenced(ovsdb);
    for (int i = 0; i < OVSDB_N_SINKS; i++) {
        struct ovsdb_sink *sink = &ovsdb->sinks[i];

        if (time_msec() >= sink->reread_time) {
            sink->must_read = true;
            sink->reread_time = LLONG_MAX;
        }
    }
}

void
ovsdb_sinks_run(struct apply_ovsdb *ovsdb)
{
    run_timers(ovsdb);
    txn_run(ovsdb);
    if (ovsdb->cleaning) {
        return;
    }
    run_bridge(ovsdb);
    run_stand_ins(ovsdb);
    run_prefixes(ovsdb);

    struct ovsdb_sink *sink = &ovsdb->sinks[OVSDB_SINK];
    if (sink->checked != ovsdb->version) {
        check_fail_mode(ovsdb);
        ovsdb_tunnel_retry(ovsdb);
        ovsdb_tunnel_check_errors(ovsdb);
    }
    for (int i = 0; i < OVSDB_N_SINKS; i++) {
        ovsdb_check_drift(&ovsdb->sinks[i]);
    }
}

void
ovsdb_sinks_wait(struct apply_ovsdb *ovsdb)
{
    if (ovsdb->txn) {
        ovsdb_idl_txn_wait(ovsdb->txn);
    }
    if (ovsdb->again) {
        poll_timer_wait_until(ovsdb->again_time);
    }
    if (ovsdb->fence_pending) {
        poll_timer_wait_until(ovsdb->fence_deadline);
    }
    for (int i = 0; i < OVSDB_N_SINKS; i++) {
        if (ovsdb->sinks[i].reread_time != LLONG_MAX) {
            poll_timer_wait_until(ovsdb->sinks[i].reread_time);
        }
    }
}

bool
apply_ovsdb_cleanup(struct apply_ovsdb *ovsdb)
{
    ovsdb->cleaning = true;
    if (ovsdb->cleanup_failed) {
        return true;
    }
    if (!is_to_compose(ovsdb)) {
        return false;
    }
    txn_open(ovsdb, NULL, "cleaning up");
    ovsdb_tunnel_cleanup(ovsdb);
    ovsdb_installed_cleanup(ovsdb);
    return !txn_send(ovsdb);
}

/* Sinks. */

/* True if there is something to do and nothing to wait for. */
static bool
has_work(struct ovsdb_sink *sink)
{
    return !ovs_list_is_empty(&sink->outputs)
           && !sink->ovsdb->cleaning
           && ovsdb_bridge(sink->ovsdb)
           && may_compose(sink->ovsdb);
}

static void
ovsdb_sink_run(struct sink *sink_)
{
    struct ovsdb_sink *sink = ovsdb_sink_cast(sink_);

    txn_run(sink->ovsdb);
    while (has_work(sink) && is_to_compose(sink->ovsdb)) {
        compose_chunk(sink);
    }
}

static void
ovsdb_sink_begin(struct sink *sink_, struct ovs_list *outputs)
{
    struct ovsdb_sink *sink = ovsdb_sink_cast(sink_);

    ovs_list_push_back_all(&sink->outputs, outputs);
    ovsdb_sink_run(sink_);
}

/* The agent calls apply_ovsdb_wait() as well. */
static void
ovsdb_sink_wait(struct sink *sink)
{
    if (has_work(ovsdb_sink_cast(sink))) {
        poll_immediate_wake();
    }
}

static bool
ovsdb_sink_is_done(const struct sink *sink)
{
    return ovs_list_is_empty(&ovsdb_sink_cast(sink)->outputs);
}

static bool
ovsdb_sink_is_ready(const struct sink *sink_)
{
    const struct ovsdb_sink *sink = ovsdb_sink_cast(sink_);

    return sink->read_back
           && !sink->ovsdb->cleaning
           && apply_ovsdb_is_connected(sink->ovsdb)
           && ovsdb_bridge(sink->ovsdb);
}

static void
ovsdb_sink_describe(const struct sink *sink_, struct ds *s)
{
    const struct ovsdb_sink *sink = ovsdb_sink_cast(sink_);
    const struct apply_ovsdb *ovsdb = sink->ovsdb;

    ds_put_format(s, "%s: ", ovsdb->remote);
    if (!apply_ovsdb_is_connected(ovsdb)) {
        ds_put_cstr(s, "not connected");
        return;
    }
    ds_put_cstr(s, "connected");
    if (!ovsdb->settings.bridge) {
        ds_put_cstr(s, ", no bridge configured");
    } else if (!ovsdb_bridge(ovsdb)) {
        ds_put_format(s, ", bridge \"%s\" does not exist%s%s",
                      ovsdb->settings.bridge, ovsdb->bridge_error ? ": " : "",
                      ovsdb->bridge_error ? ovsdb->bridge_error : "");
    } else if (!sink->read_back) {
        ds_put_cstr(s, ", not read back yet");
    }
    if (!ovs_list_is_empty(&sink->outputs)) {
        ds_put_format(s, ", %"PRIuSIZE" of %s waiting",
                      ovs_list_size(&sink->outputs), sink->rows->name);
    }
    if (sink->rows == &ovsdb_tunnel_rows && ovsdb->tunnel_error) {
        ds_put_format(s, ", %s", ovsdb->tunnel_error);
    }
}

#define OVSDB_SINK_CLASS(NAME)                  \
    {                                           \
        .name = NAME,                           \
        .begin = ovsdb_sink_begin,              \
        .run = ovsdb_sink_run,                  \
        .wait = ovsdb_sink_wait,                \
        .is_done = ovsdb_sink_is_done,          \
        .is_ready = ovsdb_sink_is_ready,        \
        .describe = ovsdb_sink_describe,        \
    }

static const struct sink_class ovsdb_sink_classes[OVSDB_N_SINKS] = {
    [OVSDB_SINK] = OVSDB_SINK_CLASS("ovsdb"),
    [OVSDB_SINK_LATE] = OVSDB_SINK_CLASS("ovsdb-late"),
};

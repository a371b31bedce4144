/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-transport: opens the transport as the settings have it, and says
 * how it is. */

#include <config.h>

#include "agent-private.h"

#include <limits.h>
#include <string.h>
#include "ingest/curve-key.h"
#include "ingest/resync.h"
#include "ingest/transport-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_transport);

/* Key files that could not be used are read again after this time: what is
 * wrong with them is put right in the file system, not in the database. */
#define KEYS_RETRY_MSEC 5000

static void
close_transport(struct agent *agent)
{
    if (agent->resync) {
        resync_disconnected(agent->resync);
    }
    transport_close(agent->transport);
    agent->transport = NULL;
}

/* Reports 'error' (null: none) of 'key'.  Returns true if there is none. */
static bool
check_key(struct agent *agent, const char *key, char *error)
{
    bool ok = !error;

    agent_config_set_error(&agent->config, key, error);
    return ok;
}

/* Reads the files of the settings for encryption, if any, into '*curve'.
 * Returns false, having reported it, if they cannot be used. */
static bool
read_keys(struct agent *agent, struct curve_config *curve)
{
    const char *own = agent->config.curve_key;
    const char *server = agent->config.curve_server_key;
    char *own_error = NULL, *server_error = NULL;

    memset(curve, 0, sizeof *curve);
    if (own && server) {
        own_error = curve_keys_read_pair(own, &curve->own);
        server_error = curve_keys_read_public(server, curve->server);
    } else if (server) {
        own_error = xstrdup("not set, but alcor-curve-server-key is: CURVE "
                            "needs both; \"alcor-ctl keygen\" makes a key");
    } else if (own) {
        server_error = xstrdup("not set, but alcor-curve-key is: CURVE needs "
                               "both; it is the file with the server's "
                               "public key");
    }

    bool ok = check_key(agent, "alcor-curve-key", own_error);
    return check_key(agent, "alcor-curve-server-key", server_error) && ok;
}

/* Reports 'error' (null: none), which may start with the key that it is
 * about. */
static void
report_error(struct agent *agent, char *error)
{
    static const char *const keys[] = { "alcor-remote", "alcor-control" };
    size_t blamed = error && !strncmp(error, keys[1], strlen(keys[1]));
    size_t len = strlen(keys[blamed]);
    char *text = error;

    if (error && !strncmp(error, keys[blamed], len)
        && !strncmp(error + len, ": ", 2)) {
        text = xstrdup(error + len + 2);
        free(error);
    }
    agent_config_set_error(&agent->config, keys[blamed], text);
    agent_config_set_error(&agent->config, keys[!blamed], NULL);
}

/* Opens the transport, in place of the one that there may be. */
static void
open_transport(struct agent *agent, struct transport_config *tc)
{
    struct transport *transport;
    char *error = transport_open(tc, &transport);

    if (!error) {
        close_transport(agent);
        agent->transport = transport;
        agent->transport_curve = tc->curve.server[0] != '\0';
        agent->transport_seqno = 0;
        agent->hello_deadline = LLONG_MAX;
        agent->topics_changed = true;
    }
    agent->transport_failed = error != NULL;
    report_error(agent, error);
}

static char *
config_to_string(const struct agent_config *config)
{
    return xasprintf("%s %s %s %s %s", config->remote,
                     config->control ? config->control : "-",
                     config->node_id,
                     config->curve_key ? config->curve_key : "-",
                     config->curve_server_key ? config->curve_server_key
                     : "-");
}

/* (Re)opens the transport if the settings for it have changed. */
void
agent_transport_configure(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    struct transport_config tc;
    char *text = (config->remote && config->node_id && agent->store
                  ? config_to_string(config) : NULL);

    if (nullable_string_is_equal(text, agent->transport_config)
        && !agent->transport_failed) {
        free(text);
        return;
    }
    free(agent->transport_config);
    agent->transport_config = text;
    agent->transport_failed = false;
    agent->keys_retry = LLONG_MAX;
    if (!text) {
        close_transport(agent);
        if (!config->remote) {
            VLOG_INFO("external_ids:alcor-remote is not set: no goal state "
                      "will be received");
        }
        return;
    }

    char *error = transport_config_parse(config->remote, config->control,
                                         config->node_id, &tc);
    if (error) {
        agent->transport_failed = true;
        report_error(agent, error);
        return;
    }
    if (read_keys(agent, &tc.curve)) {
        open_transport(agent, &tc);
    } else {
        /* Who asks for encryption must not go without. */
        if (!agent->transport_curve) {
            close_transport(agent);
        }
        agent->transport_failed = true;
        agent->keys_retry = time_msec() + KEYS_RETRY_MSEC;
    }
    transport_config_destroy(&tc);
}

void
agent_transport_run(struct agent *agent)
{
    if (time_msec() >= agent->keys_retry) {
        agent_transport_configure(agent);
    }
}

void
agent_transport_wait(struct agent *agent)
{
    if (agent->keys_retry != LLONG_MAX) {
        poll_timer_wait_until(agent->keys_retry);
    }
}

void
agent_transport_describe(const struct agent *agent, struct ds *ds)
{
    if (agent->transport) {
        transport_describe(agent->transport, ds);
    } else {
        ds_put_cstr(ds, (agent->transport_failed
                         ? "none: see the errors"
                         : agent->config.remote
                         ? "none: the store is not open yet"
                         : "none: set external_ids:alcor-remote"));
    }
}

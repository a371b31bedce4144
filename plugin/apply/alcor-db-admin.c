/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db-admin: sees to it that ovsdb-server serves the database Alcor. */

#include <config.h>

#include "apply/alcor-db-admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apply/unixctl-client.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb-schema/alcor-idl.h"
#include "ovsdb-schema/alcor-schema.h"
#include "ovsdb-session.h"
#include "ovsdb/log.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(alcor_db_admin);

/* How long the server may take for an answer. */
#define ANSWER_MSEC 10000

/* Times that adding or converting is tried before that is a failure. */
#define MAX_STEPS 4

/* See the picture in the header. */
enum admin_state {
    A_CONNECT,                  /* 'session' is being connected. */
    A_SCHEMA,                   /* Asked for the schema. */
    A_SERVER,                   /* Asked what clients are told. */
    A_ADD,                      /* Asking for add-db, by 'unixctl'. */
    A_READD,                    /* The same after remove-db. */
    A_CONVERT,                  /* Asked to convert. */
    A_DONE,
    A_FAILED,
};

struct alcor_db_admin {
    enum admin_state state;
    char *remote;
    enum alcor_db_admin_flags flags;
    struct jsonrpc_session *session;
    unsigned int seqno;         /* Of the connection in use. */
    struct json *request_id;    /* Of the request under way, or null. */
    long long int connect_time; /* When it was made. */
    long long int deadline;     /* Of the present state but A_CONNECT. */
    int n_steps;                /* Times added or converted. */

    /* A_ADD and A_READD only. */
    struct unixctl_client *unixctl;
    bool add_sent;              /* Commands were sent... */
    bool add_answered;          /* ...and add-db answered... */
    char *add_error;            /* ...by this, or null. */

    char *error;
    struct ds changes;
};

struct alcor_db_admin *
alcor_db_admin_create(const char *remote, enum alcor_db_admin_flags flags)
{
    struct alcor_db_admin *admin = xzalloc(sizeof *admin);
    struct svec remotes = SVEC_EMPTY_INITIALIZER;
    struct uuid cid;

    ovsdb_session_parse_remote(remote, &remotes, &cid);
    admin->remote = xstrdup(remote);
    admin->flags = flags;
    admin->session = jsonrpc_session_open_multiple(&remotes,
                                                   !(flags & ALCOR_DB_ONCE));
    svec_destroy(&remotes);
    ds_init(&admin->changes);
    return admin;
}

static void
drop_unixctl(struct alcor_db_admin *admin)
{
    unixctl_client_close(admin->unixctl);
    admin->unixctl = NULL;
    admin->add_sent = admin->add_answered = false;
    free(admin->add_error);
    admin->add_error = NULL;
}

void
alcor_db_admin_destroy(struct alcor_db_admin *admin)
{
    if (admin) {
        drop_unixctl(admin);
        jsonrpc_session_close(admin->session);
        json_destroy(admin->request_id);
        ds_destroy(&admin->changes);
        free(admin->error);
        free(admin->remote);
        free(admin);
    }
}

/* Takes ownership of 'error'. */
static void
fail(struct alcor_db_admin *admin, char *error)
{
    free(admin->error);
    admin->error = error;
    admin->state = A_FAILED;
}

/* Schema and file. */

char *
alcor_db_schema_file(void)
{
    const char *dir = getenv("OVS_PKGDATADIR");

    return xasprintf("%s/alcor.ovsschema", dir && dir[0] ? dir
                     : ALCOR_DATADIR);
}

struct version {
    unsigned int x, y, z;
};

static bool
version_parse(const char *s, struct version *version)
{
    return ovs_scan(s, "%u.%u.%u", &version->x, &version->y, &version->z);
}

/* True if 'a' is older than 'b'. */
static bool
version_is_older(const struct version *a, const struct version *b)
{
    return (a->x != b->x ? a->x < b->x
            : a->y != b->y ? a->y < b->y
            : a->z < b->z);
}

/* True if 's', a version, is older than the one that we were built with. */
static bool
is_older_than_ours(const char *s)
{
    struct version version, ours;

    return (version_parse(alcorrec_get_db_version(), &ours)
            && (!version_parse(s, &version)
                || version_is_older(&version, &ours)));
}

/* The string named 'name' in 'object', or "". */
static const char *
member_string(const struct json *object, const char *name)
{
    const struct json *member
        = (object && object->type == JSON_OBJECT
           ? shash_find_data(json_object(object), name) : NULL);

    return member && member->type == JSON_STRING ? json_string(member) : "";
}

/* Stores the schema in '*schema': the file's or, if there is no such file, the
 * one that is built in.  Returns NULL, or an error, owned by the caller, and
 * null in '*schema'. */
static char *
read_schema(struct json **schema)
{
    char *file = alcor_db_schema_file();
    bool missing = access(file, F_OK) && (errno == ENOENT || errno == ENOTDIR);
    struct json *json = (missing ? json_from_string(alcor_schema_text)
                         : json_from_file(file));
    char *error = NULL;

    if (json->type == JSON_STRING) {
        error = xasprintf("cannot read the schema: %s: reinstall "
                          "openvswitch-alcor, or set OVS_PKGDATADIR to the "
                          "directory that has alcor.ovsschema",
                          json_string(json));
    } else if (strcmp(member_string(json, "name"), "Alcor")) {
        error = xasprintf("%s is not the schema of database Alcor", file);
    } else if (is_older_than_ours(member_string(json, "version"))) {
        error = xasprintf("%s has version %s, but %s is needed: reinstall "
                          "openvswitch-alcor", file,
                          member_string(json, "version"),
                          alcorrec_get_db_version());
    }
    if (error) {
        json_destroy(json);
        json = NULL;
    }
    *schema = json;
    free(file);
    return error;
}

/* Gives 'file' to whom the server's own database belongs, since the server
 * may not run as root. */
static void
give_to_server(const char *file)
{
    char *conf = xasprintf("%s/conf.db", ovs_dbdir());
    struct stat s;

    if (!geteuid()
        && (!stat(conf, &s) || !stat(ovs_dbdir(), &s))
        && (s.st_uid || s.st_gid)
        && chown(file, s.st_uid, s.st_gid)) {
        VLOG_INFO("%s: cannot change the owner (%s)", file,
                  ovs_strerror(errno));
    }
    free(conf);
}

static struct ovsdb_error *
write_log(const char *file, struct json *schema)
{
    struct ovsdb_log *log;
    struct ovsdb_error *error = ovsdb_log_open(file, OVSDB_MAGIC,
                                               OVSDB_LOG_CREATE_EXCL, -1,
                                               &log);
    if (error) {
        return error;
    }
    error = ovsdb_log_write(log, schema);
    if (!error) {
        error = ovsdb_log_commit_block(log);
    }
    ovsdb_log_close(log);
    return error;
}

/* Creates 'file', an empty database, unless there is such a file.  It comes
 * into being all at once.  Returns NULL or an error, owned by the caller. */
static char *
create_file(const char *file)
{
    struct json *schema;
    struct stat s;

    if (!stat(file, &s)) {
        return NULL;
    }

    char *error = read_schema(&schema);
    if (error) {
        return error;
    }

    char *new = xasprintf("%s.new.%ld", file, (long int) getpid());
    unlink(new);
    struct ovsdb_error *db_error = write_log(new, schema);
    if (db_error) {
        char *text = ovsdb_error_to_string_free(db_error);

        error = xasprintf("cannot create the database: %s", text);
        free(text);
    } else {
        give_to_server(new);
        if (link(new, file) && errno != EEXIST) {
            error = xasprintf("cannot create %s (%s)", file,
                              ovs_strerror(errno));
        }
    }
    unlink(new);
    json_destroy(schema);
    free(new);
    return error;
}

/* True if 'file' is a database of the version that we were built with. */
static bool
is_our_file(const char *file)
{
    struct ovsdb_log *log;
    struct json *schema = NULL;
    struct ovsdb_error *error = ovsdb_log_open(file, OVSDB_MAGIC,
                                               OVSDB_LOG_READ_ONLY, false,
                                               &log);
    if (!error) {
        error = ovsdb_log_read(log, &schema);
        ovsdb_log_close(log);
    }

    bool ours = (!error && !strcmp(member_string(schema, "name"), "Alcor")
                 && !is_older_than_ours(member_string(schema, "version")));
    json_destroy(schema);
    ovsdb_error_destroy(error);
    return ours;
}

/* Requests on the database's socket. */

/* Enters 'state', awaiting an answer to 'request'. */
static void
request(struct alcor_db_admin *admin, enum admin_state state,
        const char *method, struct json *params)
{
    json_destroy(admin->request_id);
    admin->request_id = NULL;
    struct jsonrpc_msg *msg = jsonrpc_create_request(method, params,
                                                     &admin->request_id);

    /* If this fails, the connection is found to be lost. */
    jsonrpc_session_send(admin->session, msg);
    admin->state = state;
    admin->deadline = time_msec() + ANSWER_MSEC;
}

static void
ask_for_schema(struct alcor_db_admin *admin)
{
    request(admin, A_SCHEMA, "get_schema",
            json_array_create_1(json_string_create("Alcor")));
}

/* Starts one of the two things that change something.  Returns false, having
 * failed, if that was done too often. */
static bool
count_step(struct alcor_db_admin *admin)
{
    if (++admin->n_steps > MAX_STEPS) {
        fail(admin, xstrdup("the server still does not serve database Alcor "
                            "as it should, although it says it does"));
        return false;
    }
    return true;
}

/* Enters A_ADD or A_READD. */
static void
start_adding(struct alcor_db_admin *admin, enum admin_state state)
{
    if (count_step(admin)) {
        drop_unixctl(admin);
        admin->unixctl = unixctl_client_open("ovsdb-server");
        admin->state = state;
        admin->deadline = time_msec() + ANSWER_MSEC;
    }
}

/* Asks what the server tells clients of the database. */
static void
ask_server(struct alcor_db_admin *admin)
{
    request(admin, A_SERVER, "transact",
            json_from_string("[\"_Server\", {\"op\": \"select\", "
                             "\"table\": \"Database\", "
                             "\"where\": [[\"name\", \"==\", \"Alcor\"]], "
                             "\"columns\": [\"schema\"]}]"));
}

/* The string at [0].rows[0].schema of 'result', or "". */
static const char *
server_schema(const struct json *result)
{
    if (result && result->type == JSON_ARRAY && json_array(result)->n) {
        const struct json *op = json_array(result)->elems[0];
        const struct json *rows = (op->type == JSON_OBJECT
                                   ? shash_find_data(json_object(op), "rows")
                                   : NULL);

        if (rows && rows->type == JSON_ARRAY && json_array(rows)->n) {
            return member_string(json_array(rows)->elems[0], "schema");
        }
    }
    return "";
}

static void
take_server(struct alcor_db_admin *admin, const struct jsonrpc_msg *msg)
{
    const char *text = (msg->type == JSONRPC_REPLY
                        ? server_schema(msg->result) : "");
    struct json *schema = text[0] ? json_from_string(text) : NULL;

    if (!schema || !is_older_than_ours(member_string(schema, "version"))) {
        admin->state = A_DONE;
    } else {
        start_adding(admin, A_READD);
    }
    json_destroy(schema);
}

static void
start_converting(struct alcor_db_admin *admin, const char *version)
{
    struct json *schema;

    if (!count_step(admin)) {
        return;
    }

    char *error = read_schema(&schema);
    if (error) {
        fail(admin, error);
        return;
    }
    ds_put_format(&admin->changes, "%sconverted from version %s to %s",
                  admin->changes.length ? ", " : "",
                  version[0] ? version : "(none)",
                  member_string(schema, "version"));
    request(admin, A_CONVERT, "convert",
            json_array_create_2(json_string_create("Alcor"), schema));
}

/* What an error of the server says. */
static char *
error_text(const struct json *error)
{
    const char *details = member_string(error, "details");
    const char *what = member_string(error, "error");

    return (details[0] || what[0]
            ? xasprintf("%s%s%s", what, details[0] ? ": " : "", details)
            : error ? json_to_string(error, 0)
            : xstrdup("no reason given"));
}

static void
take_schema(struct alcor_db_admin *admin, const struct jsonrpc_msg *msg)
{
    if (msg->type == JSONRPC_REPLY) {
        const char *version = member_string(msg->result, "version");

        if (!(admin->flags & ALCOR_DB_LOOK) && is_older_than_ours(version)) {
            start_converting(admin, version);
        } else if (admin->flags & ALCOR_DB_LOOK) {
            admin->state = A_DONE;
        } else {
            ask_server(admin);
        }
    } else if (!strcmp(member_string(msg->error, "error"),
                       "unknown database")) {
        if (admin->flags & ALCOR_DB_LOOK) {
            fail(admin, xasprintf("%s does not serve database Alcor",
                                  admin->remote));
        } else {
            start_adding(admin, A_ADD);
        }
    } else {
        char *text = error_text(msg->error);

        fail(admin, xasprintf("%s: cannot get the schema (%s)",
                              admin->remote, text));
        free(text);
    }
}

static void
take_answer(struct alcor_db_admin *admin, const struct jsonrpc_msg *msg)
{
    if (admin->state == A_SCHEMA) {
        take_schema(admin, msg);
    } else if (admin->state == A_SERVER) {
        take_server(admin, msg);
    } else if (admin->state == A_CONVERT && msg->type == JSONRPC_REPLY) {
        ask_for_schema(admin);
    } else if (admin->state == A_CONVERT) {
        char *text = error_text(msg->error);

        fail(admin, xasprintf("the database cannot be converted to version "
                              "%s (%s)", alcorrec_get_db_version(), text));
        free(text);
    }
}

static void
session_run(struct alcor_db_admin *admin)
{
    jsonrpc_session_run(admin->session);

    struct jsonrpc_msg *msg;
    while ((msg = jsonrpc_session_recv(admin->session))) {
        if ((msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR)
            && admin->request_id && msg->id
            && json_equal(msg->id, admin->request_id)) {
            json_destroy(admin->request_id);
            admin->request_id = NULL;
            take_answer(admin, msg);
        }
        jsonrpc_msg_destroy(msg);
    }

    /* A new connection starts from the beginning. */
    unsigned int seqno = jsonrpc_session_get_seqno(admin->session);
    if (admin->state < A_DONE && admin->state != A_CONNECT
        && (seqno != admin->seqno
            || !jsonrpc_session_is_connected(admin->session))) {
        drop_unixctl(admin);
        admin->state = A_CONNECT;
    }
    if (!jsonrpc_session_is_alive(admin->session)) {
        int error = jsonrpc_session_get_last_error(admin->session);

        fail(admin, xasprintf("%s: database connection failed (%s)",
                              admin->remote, ovs_retval_to_string(error)));
    } else if (admin->state == A_CONNECT
               && jsonrpc_session_is_connected(admin->session)) {
        /* Else the server would hang up when it has converted. */
        jsonrpc_session_send(
            admin->session,
            jsonrpc_create_request(
                "set_db_change_aware",
                json_array_create_1(json_boolean_create(true)), NULL));
        admin->seqno = seqno;
        admin->connect_time = time_msec();
        ask_for_schema(admin);
    }
}

/* Adding. */

/* If that failed, so will adding it. */
static void
removed(enum unixctl_outcome outcome OVS_UNUSED, const char *text OVS_UNUSED,
        void *aux OVS_UNUSED)
{
}

static void
added(enum unixctl_outcome outcome, const char *text, void *admin_)
{
    struct alcor_db_admin *admin = admin_;

    if (outcome != UNIXCTL_DONE) {
        free(admin->add_error);
        admin->add_error = xstrdup(outcome == UNIXCTL_REFUSED ? text
                                   : "connection lost");
    }
    admin->add_answered = true;
}

static void
send_add(struct alcor_db_admin *admin)
{
    char *file = xasprintf("%s/alcor.db", ovs_dbdir());
    char *error = create_file(file);

    if (!error && admin->state == A_READD && !is_our_file(file)) {
        error = xasprintf("ovsdb-server tells its clients of an older version "
                          "of database Alcor, which is not in %s: restart "
                          "ovsdb-server", file);
    }
    if (error) {
        fail(admin, error);
    } else {
        if (admin->state == A_READD) {
            unixctl_client_send(admin->unixctl, removed, NULL,
                                "ovsdb-server/remove-db", "Alcor", NULL);
        }
        unixctl_client_send(admin->unixctl, added, admin,
                            "ovsdb-server/add-db", file, NULL);
        admin->add_sent = true;
    }
    free(file);
}

static bool
has_settled(const struct alcor_db_admin *admin)
{
    return time_msec() >= admin->connect_time + ALCOR_DB_SETTLE_MSEC;
}

static void
add_run(struct alcor_db_admin *admin)
{
    unixctl_client_run(admin->unixctl);
    if (admin->add_answered) {
        if (admin->add_error) {
            fail(admin, xasprintf("ovsdb-server does not take %s/alcor.db: "
                                  "%s", ovs_dbdir(), admin->add_error));
        } else {
            if (admin->state == A_ADD) {
                ds_put_format(&admin->changes, "%sadded to ovsdb-server",
                              admin->changes.length ? ", " : "");
            }
            ask_for_schema(admin);
        }
        drop_unixctl(admin);
    } else if (unixctl_client_is_connected(admin->unixctl)) {
        if (!admin->add_sent && has_settled(admin)) {
            send_add(admin);
        }
    } else if (unixctl_client_is_unreachable(admin->unixctl)) {
        fail(admin, xasprintf("%s does not serve database Alcor, and the "
                              "control socket of ovsdb-server in %s cannot "
                              "be reached to add it: run \"alcor-ctl "
                              "init-db\" as root on the server's host",
                              admin->remote, ovs_rundir()));
        drop_unixctl(admin);
    }
}

/* Running. */

static enum alcor_db_progress
progress(const struct alcor_db_admin *admin)
{
    return (admin->state == A_DONE ? ALCOR_DB_DONE
            : admin->state == A_FAILED ? ALCOR_DB_FAILED
            : ALCOR_DB_BUSY);
}

enum alcor_db_progress
alcor_db_admin_run(struct alcor_db_admin *admin)
{
    if (admin->state < A_DONE) {
        session_run(admin);
    }
    if (admin->state == A_ADD || admin->state == A_READD) {
        add_run(admin);
    }
    if (admin->state > A_CONNECT && admin->state < A_DONE
        && time_msec() >= admin->deadline) {
        fail(admin, xasprintf("%s: no answer within %d s", admin->remote,
                              ANSWER_MSEC / 1000));
    }
    return progress(admin);
}

void
alcor_db_admin_wait(struct alcor_db_admin *admin)
{
    if (admin->state >= A_DONE) {
        poll_immediate_wake();
        return;
    }
    jsonrpc_session_wait(admin->session);
    jsonrpc_session_recv_wait(admin->session);
    if (admin->state == A_ADD || admin->state == A_READD) {
        unixctl_client_wait(admin->unixctl);
        if (!admin->add_sent && unixctl_client_is_connected(admin->unixctl)) {
            poll_timer_wait_until(admin->connect_time + ALCOR_DB_SETTLE_MSEC);
        }
    }
    if (admin->state != A_CONNECT) {
        poll_timer_wait_until(admin->deadline);
    }
}

const char *
alcor_db_admin_error(const struct alcor_db_admin *admin)
{
    return admin->error;
}

const char *
alcor_db_admin_changes(const struct alcor_db_admin *admin)
{
    return admin->changes.length ? ds_cstr_ro(&admin->changes) : NULL;
}

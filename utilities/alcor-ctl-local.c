/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl-local: commands that are not about the database's contents. */

#include <config.h>

#include "alcor-ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>
#include "apply/alcor-db-admin.h"
#include "daemon.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "socket-util.h"
#include "stream.h"
#include "unixctl.h"
#include "util.h"

/* The database. */

/* Runs an admin to its end.  Returns null, or an error; the former with what
 * was done, or null, in '*changes'.  All are owned by the caller. */
static char *
run_admin(const struct ctl_target *target, bool look, char **changes)
{
    struct alcor_db_admin *admin = alcor_db_admin_create(
        target->db, ((target->retry ? 0 : ALCOR_DB_ONCE)
                     | (look ? ALCOR_DB_LOOK : 0)));
    char *error = NULL;

    while (alcor_db_admin_run(admin) == ALCOR_DB_BUSY) {
        alcor_db_admin_wait(admin);
        poll_block();
    }
    error = nullable_xstrdup(alcor_db_admin_error(admin));
    *changes = nullable_xstrdup(alcor_db_admin_changes(admin));
    alcor_db_admin_destroy(admin);
    return error;
}

char *
ctl_find_database(const struct ctl_target *target)
{
    char *changes;
    char *error = run_admin(target, true, &changes);

    free(changes);
    return error;
}

char *
ctl_read_database(const struct ctl_target *target, struct ovsdb_idl **idlp)
{
    char *error = ctl_find_database(target);

    *idlp = NULL;
    if (error) {
        return error;
    }

    struct ovsdb_idl *idl = ovsdb_idl_create(target->db, &alcorrec_idl_class,
                                             true, target->retry);
    while (!ovsdb_idl_has_ever_connected(idl)) {
        ovsdb_idl_run(idl);
        if (!ovsdb_idl_is_alive(idl)) {
            ovsdb_idl_destroy(idl);
            return xasprintf("%s: database connection failed", target->db);
        }
        if (!ovsdb_idl_has_ever_connected(idl)) {
            ovsdb_idl_wait(idl);
            poll_block();
        }
    }
    *idlp = idl;
    return NULL;
}

int
ctl_init_db(const struct ctl_target *target)
{
    char *changes;
    char *error = run_admin(target, false, &changes);

    if (error) {
        ovs_error(0, "%s", error);
    } else {
        printf("database Alcor: %s\n", changes ? changes : "is there already");
    }
    free(changes);
    free(error);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* True if 'dbs', what a server answered to "list_dbs", has 'name'. */
static bool
has_database(const struct json *dbs, const char *name)
{
    for (size_t i = 0; i < dbs->array.n; i++) {
        const struct json *db = dbs->array.elems[i];

        if (db->type == JSON_STRING && !strcmp(json_string(db), name)) {
            return true;
        }
    }
    return false;
}

bool
ctl_serves_relay(const char *remote)
{
    struct jsonrpc_msg *reply = NULL;
    struct jsonrpc *rpc;
    struct stream *stream;
    bool found = false;
    int error = stream_open_block(jsonrpc_stream_open(remote, &stream,
                                                      DSCP_DEFAULT),
                                  5000, &stream);
    if (error) {
        return false;
    }
    rpc = jsonrpc_open(stream);
    error = jsonrpc_transact_block(
        rpc, jsonrpc_create_request("list_dbs", json_array_create_empty(),
                                    NULL),
        &reply);
    if (!error && reply->result && reply->result->type == JSON_ARRAY) {
        found = (has_database(reply->result, "Alcor_Relay")
                 && !has_database(reply->result, "Alcor"));
    }
    jsonrpc_msg_destroy(reply);
    jsonrpc_close(rpc);
    return found;
}

/* Daemons of this host. */

/* Connects to the control socket of 'daemon'.  Returns null or an error. */
static char *
connect_to(const char *daemon, struct jsonrpc **client)
{
    char *pidfile = xasprintf("%s/%s.pid", ovs_rundir(), daemon);
    pid_t pid = access(pidfile, F_OK) ? -errno : read_pidfile(pidfile);
    char *error = NULL;

    if (pid <= 0) {
        error = xasprintf("%s is not running (%s: %s)", daemon, pidfile,
                          pid == -ESRCH ? "left by one that died"
                          : ovs_strerror(-pid));
        free(pidfile);
        return error;
    }
    free(pidfile);

    char *path = xasprintf("%s/%s.%ld.ctl", ovs_rundir(), daemon,
                           (long int) pid);
    int retval = unixctl_client_create(path, client);
    if (retval) {
        error = xasprintf("%s is not running (%s: %s)", daemon, path,
                          ovs_retval_to_string(retval));
    }
    free(path);
    return error;
}

char *
ctl_ask(const char *daemon, const char *command, size_t n, char *arguments[],
        char **reply)
{
    struct jsonrpc *client;
    char *error = connect_to(daemon, &client);

    *reply = NULL;
    if (error) {
        return error;
    }

    int retval = unixctl_client_transact(client, command, n, arguments, reply,
                                         &error);
    if (retval) {
        error = xasprintf("%s: %s", daemon, ovs_retval_to_string(retval));
    } else if (error) {
        error[strcspn(error, "\n")] = '\0';
    }
    jsonrpc_close(client);
    return error;
}

int
ctl_explain(char *cookie)
{
    char *reply;
    char *error = ctl_ask("alcor-agent", "explain", 1, &cookie, &reply);

    if (error) {
        ovs_error(0, "%s", error);
    } else if (reply) {
        fputs(reply, stdout);
    }
    int status = error ? EXIT_FAILURE : EXIT_SUCCESS;
    free(error);
    free(reply);
    return status;
}

/* Keys. */

/* Writes a certificate, in the format of CZMQ, with the given mode to a file
 * that must not exist.  'secret' may be null.  Returns an errno value. */
static int
write_certificate(const char *name, mode_t mode, const char *public,
                  const char *secret)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0) {
        return errno;
    }

    /* Whatever the umask is. */
    int error = fchmod(fd, mode) ? errno : 0;
    FILE *file = fdopen(fd, "w");
    if (!file) {
        error = errno;
        close(fd);
        return error;
    }
    fprintf(file, "#   Generated by alcor-ctl keygen\n"
            "#   ZeroMQ CURVE %s certificate\n"
            "%s"
            "\n"
            "metadata\n"
            "curve\n"
            "    public-key = \"%s\"\n",
            secret ? "**secret**" : "public",
            secret ? "#   Nobody but its owner may read this file.\n" : "",
            public);
    if (secret) {
        fprintf(file, "    secret-key = \"%s\"\n", secret);
    }
    if (fflush(file) || fsync(fd)) {
        error = errno;
    }
    if (fclose(file) && !error) {
        error = errno;
    }
    return error;
}

/* Writes both files, or none. */
static int
write_pair(const char *key, const char *pub)
{
    char public[41], secret[41];

    if (zmq_curve_keypair(public, secret)) {
        ovs_error(0, "keygen: libzmq was built without CURVE");
        return EXIT_FAILURE;
    }

    const char *name = key;
    int error = write_certificate(key, 0600, public, secret);
    if (!error) {
        name = pub;
        error = write_certificate(pub, 0644, public, NULL);
        if (error) {
            unlink(key);
        }
    }
    explicit_bzero(secret, sizeof secret);
    if (error) {
        ovs_error(error, "keygen: %s%s", name,
                  error == EEXIST ? ": will not be overwritten" : "");
        return EXIT_FAILURE;
    }
    printf("%s: secret key; on this host: ovs-vsctl set Open_vSwitch . "
           "external_ids:alcor-curve-key=%s\n"
           "%s: public key; give it to the server\n", key, key, pub);
    return EXIT_SUCCESS;
}

int
ctl_keygen(const char *dir)
{
    char *path = abs_file_name(NULL, dir);
    int status = EXIT_FAILURE;

    if (mkdir(dir, 0700) && errno != EEXIST) {
        ovs_error(errno, "keygen: %s", dir);
    } else {
        char *key = xasprintf("%s/alcor.key", path);
        char *pub = xasprintf("%s/alcor.pub", path);

        status = write_pair(key, pub);
        free(key);
        free(pub);
    }
    free(path);
    return status;
}

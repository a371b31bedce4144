/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl: what the files of the program share. */

#ifndef ALCOR_CTL_H
#define ALCOR_CTL_H 1

/* alcor-ctl
 * =========
 *
 *    alcor-ctl.c          options; commands on the database (db-ctl-base)
 *    alcor-ctl-status.c   status
 *    alcor-ctl-local.c    init-db, explain, keygen; what the others share
 *    alcor-ctl-topology.c topology
 *    alcor-ctl-trace.c    trace
 *
 * The commands of all but the first are alone on a command line, and make do
 * without the database where they can.  Each returns an exit status.
 *
 * Thread-safety: there is one thread, and it may block. */

#include <stdbool.h>
#include <stddef.h>

struct ovsdb_idl;

/* What "topology" prints. */
enum ctl_drawing {
    CTL_TEXT,
    CTL_DOT,                    /* For Graphviz. */
    CTL_SVG,
};

/* Where the database is. */
struct ctl_target {
    const char *db;             /* E.g. "unix:/run/openvswitch/db.sock". */
    bool retry;                 /* Wait for the server. */
};

/* Looks for the database Alcor.  Returns null, or an error, owned by the
 * caller, if it is not there. */
char *ctl_find_database(const struct ctl_target *);

/* True if the server at 'remote' has the database Alcor_Relay and no Alcor. */
bool ctl_serves_relay(const char *remote);

/* Reads the database Alcor into '*idl', to be destroyed by the caller.
 * Returns null, or an error, owned by the caller, and null in '*idl'. */
char *ctl_read_database(const struct ctl_target *, struct ovsdb_idl **idl);

/* Sends a command to a daemon of this host, e.g. "alcor-agent".  Returns null,
 * and what it answered in '*reply', or an error (its first line); both are
 * owned by the caller. */
char *ctl_ask(const char *daemon, const char *command,
              size_t n, char *arguments[], char **reply);

int ctl_status(const struct ctl_target *);
int ctl_init_db(const struct ctl_target *);
int ctl_explain(char *cookie);
int ctl_topology(const struct ctl_target *, enum ctl_drawing);
int ctl_trace(const struct ctl_target *, const char *port, const char *flow);
int ctl_keygen(const char *dir);

#endif /* utilities/alcor-ctl.h */

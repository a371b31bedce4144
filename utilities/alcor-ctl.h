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
 *    alcor-ctl-local.c    init-db, explain, keygen
 *
 * The commands of the last two are alone on a command line, and make do
 * without the database where they can.  Each returns an exit status.
 *
 * Thread-safety: there is one thread, and it may block. */

#include <stdbool.h>

struct ovsdb_idl;

/* Where the database is. */
struct ctl_target {
    const char *db;             /* E.g. "unix:/run/openvswitch/db.sock". */
    bool retry;                 /* Wait for the server. */
};

/* Looks for the database Alcor.  Returns null, or an error, owned by the
 * caller, if it is not there. */
char *ctl_find_database(const struct ctl_target *);

/* Sends a command to the agent of this host.  Returns null, and what it
 * answered in '*reply', or an error; both are owned by the caller. */
char *ctl_ask_agent(const char *command, char *argument, char **reply);

int ctl_status(const struct ctl_target *);
int ctl_init_db(const struct ctl_target *);
int ctl_explain(char *cookie);
int ctl_keygen(const char *dir);

#endif /* utilities/alcor-ctl.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-db-admin: sees to it that ovsdb-server serves the database Alcor. */

#ifndef APPLY_ALCOR_DB_ADMIN_H
#define APPLY_ALCOR_DB_ADMIN_H 1

/* Providing the database
 * ======================
 *
 * What?
 * -----
 *
 * The database Alcor is served by the ovsdb-server of the host's Open vSwitch.
 * That server forgets databases that were added to it when it restarts, and
 * after an upgrade the database has an older schema than ours.  An object of
 * this module looks once and puts right what is missing:
 *
 *                            no such database
 *    CONNECT --> SCHEMA ---------------------------> ADD ------> SCHEMA again
 *                 |  |
 *                 |  +---- of an older version ----> CONVERT --> SCHEMA again
 *                 |
 *                 +--> SERVER --- knows not yet ---> READD ----> SCHEMA again
 *                        |
 *                        +------- all is well -----> DONE
 *
 * and from everywhere to FAILED.  SCHEMA asks by "get_schema" and CONVERT by
 * "convert", both on the database's own socket.  ADD makes the file, unless it
 * is there, and has the server open it, by the command ovsdb-server/add-db on
 * its control socket; so that works only on the server's own host.
 *
 * SERVER looks at what the server tells clients of the database, in its
 * database _Server: ovsdb-server 3.1 does not update that after a conversion,
 * so that the IDL (which goes by it) would not see what is new.  READD makes
 * it, by ovsdb-server/remove-db and add-db, if the file is the one that we
 * know.
 *
 * When a database comes or goes, the server hangs up on all clients that have
 * not yet said that they can stand that ("set_db_change_aware").  As after its
 * restart all clients connect at the same time, they are given
 * ALCOR_DB_SETTLE_MSEC before anything is changed.
 *
 * The schema comes from alcor.ovsschema in $OVS_PKGDATADIR, or, if that is not
 * set, in the directory of data files that was configured.  It is read only
 * when it is needed.  Without such a file, the one that was built into the
 * program will do.  The database is in alcor.db in ovs_dbdir().
 *
 * Nothing blocks but the writing of a new file: some kilobytes, once in the
 * life of a host.
 *
 * Usage
 * -----
 *
 *     admin = alcor_db_admin_create(remote, 0);
 *     while (alcor_db_admin_run(admin) == ALCOR_DB_BUSY) {
 *         alcor_db_admin_wait(admin);
 *         poll_block();
 *     }
 *
 * To be connected takes as long as it takes, but for ALCOR_DB_ONCE.
 *
 * Thread-safety: main thread only. */

struct alcor_db_admin;

#define ALCOR_DB_SETTLE_MSEC 200

enum alcor_db_progress {
    ALCOR_DB_BUSY,
    ALCOR_DB_DONE,
    ALCOR_DB_FAILED,
};

enum alcor_db_admin_flags {
    ALCOR_DB_ONCE = 1 << 0,     /* Fail if the server cannot be reached. */
    ALCOR_DB_LOOK = 1 << 1,     /* Change nothing: fail if there is no such
                                 * database; an older one will do. */
};

/* Does not connect yet.  'remote' is as for ovsdb_idl_set_remote(). */
struct alcor_db_admin *alcor_db_admin_create(const char *remote,
                                             enum alcor_db_admin_flags);
void alcor_db_admin_destroy(struct alcor_db_admin *); /* Accepts null. */

enum alcor_db_progress alcor_db_admin_run(struct alcor_db_admin *);
void alcor_db_admin_wait(struct alcor_db_admin *);

/* After ALCOR_DB_FAILED: what went wrong and what to do about it. */
const char *alcor_db_admin_error(const struct alcor_db_admin *);

/* After ALCOR_DB_DONE: what was done, for people; null if nothing was to be
 * done. */
const char *alcor_db_admin_changes(const struct alcor_db_admin *);

/* Name of the file with the schema; belongs to the caller. */
char *alcor_db_schema_file(void);

#endif /* apply/alcor-db-admin.h */

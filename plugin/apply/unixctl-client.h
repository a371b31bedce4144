/* SPDX-License-Identifier: Apache-2.0
 *
 * unixctl-client: commands to another OVS daemon, without blocking. */

#ifndef APPLY_UNIXCTL_CLIENT_H
#define APPLY_UNIXCTL_CLIENT_H 1

/* Asynchronous unixctl client
 * ===========================
 *
 * Motivation
 * ----------
 *
 * The client in OVS's lib/unixctl.h waits for the other daemon, which may take
 * a second when it is busy.  A main loop that has other things to do cannot
 * afford that, nor one round trip per command when there are thousands.
 *
 * What?
 * -----
 *
 * A connection to the control socket of a daemon of this host (the same that
 * ovs-appctl talks to), which is opened when it can be, and opened again with
 * backoff after the daemon was restarted:
 *
 *                       pidfile read, socket opened
 *          C_BACKOFF ----------------------------------> C_CONNECTING
 *           ^     ^                                        |    |
 *           |     +------- refused ------------------------+    | accepted
 *           +------------------ lost --------- C_CONNECTED <----+
 *
 * The socket is RUNDIR/PROGRAM.PID.ctl with the process id in
 * RUNDIR/PROGRAM.pid.  (A daemon started with another --unixctl or --pidfile
 * is not found.)  The protocol is JSON-RPC 1.0: a request's method is the
 * command and its params are the arguments, all strings; the reply's result or
 * error is the output, a string.  The server answers in the order of requests,
 * but replies are matched by id, so nothing depends on that.
 *
 * Usage
 * -----
 *
 *     client = unixctl_client_open("ovs-vswitchd");
 *     for (;;) {
 *         unixctl_client_run(client);
 *         if (unixctl_client_is_connected(client)
 *             && unixctl_client_n_pending(client) < MAX) {
 *             unixctl_client_send(client, cb, aux, "vlog/list", NULL);
 *         }
 *         unixctl_client_wait(client);
 *         poll_block();
 *     }
 *
 * Many requests may be pending at a time; it is the caller's business to
 * bound them.  unixctl_client_seqno() changes with each new connection, i.e.
 * whenever the daemon may have forgotten what it was told.
 *
 * Each request's callback is called exactly once: from unixctl_client_run(),
 * or from unixctl_client_close().  It must not call functions of the client.
 *
 * Thread-safety: each client belongs to one thread. */

#include <stdbool.h>
#include <stddef.h>
#include "compiler.h"

struct unixctl_client;

enum unixctl_outcome {
    UNIXCTL_DONE,               /* 'text' is the command's output. */
    UNIXCTL_REFUSED,            /* 'text' is the error message. */
    UNIXCTL_LOST,               /* Connection lost or closed: 'text' is null,
                                 * and the command may have been executed. */
};

typedef void unixctl_client_cb(enum unixctl_outcome, const char *text,
                               void *aux);

/* Does not connect yet. */
struct unixctl_client *unixctl_client_open(const char *program);
void unixctl_client_close(struct unixctl_client *);

void unixctl_client_run(struct unixctl_client *);
void unixctl_client_wait(struct unixctl_client *);

bool unixctl_client_is_connected(const struct unixctl_client *);
unsigned int unixctl_client_seqno(const struct unixctl_client *);

/* True if at least one attempt to connect has failed since there was a
 * connection, i.e. if waiting is likely to be in vain. */
bool unixctl_client_is_unreachable(const struct unixctl_client *);

/* The daemon is known to be back: if there is no connection, tries at once. */
void unixctl_client_hurry(struct unixctl_client *);

/* Sends a command with arguments, up to a null pointer.  The client must be
 * connected. */
void unixctl_client_send(struct unixctl_client *, unixctl_client_cb *,
                         void *aux, const char *command, ...)
    SENTINEL(0);
size_t unixctl_client_n_pending(const struct unixctl_client *);

#endif /* apply/unixctl-client.h */

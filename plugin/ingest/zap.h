/* SPDX-License-Identifier: Apache-2.0
 *
 * zap: which CURVE keys may talk to a server, and as what. */

#ifndef INGEST_ZAP_H
#define INGEST_ZAP_H 1

/* Allowed keys
 * ============
 *
 * What?
 * -----
 *
 * A server that encrypts accepts those clients whose public keys are in a
 * directory, one file each (curve-key.h).  What a key may do is in the name of
 * its file:
 *
 *    node.NODE-ID[.pub]      speaks for this node, and for it only
 *    controller.NAME[.pub]   sends goal state
 *    relay.NAME[.pub]        both: sends goal state, speaks for any node
 *
 * Anything else in the directory means nothing; a file that cannot be read is
 * logged and left out.  struct zap is the handler of ZeroMQ's authentication
 * protocol (ZAP) that looks keys up there; a message's 'user' is "ROLE.NAME"
 * of its key.
 *
 * The directory is read again by zap_keys_refresh(), if it has changed; a key
 * that is gone makes no new connections, and messages of its old ones are no
 * longer believed.  As it could go on to read, the caller has to close them
 * (zmq_server_expel()).
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include "openvswitch/compiler.h"

#define ZAP_DOMAIN "alcor"

enum zap_role { ZAP_NOBODY, ZAP_NODE, ZAP_CONTROLLER, ZAP_RELAY };

struct zap;
struct zap_keys;

/* Reads the keys in 'dir'.  Returns NULL or a malloc()'d message. */
char *zap_keys_open(const char *dir, struct zap_keys **)
    OVS_WARN_UNUSED_RESULT;
void zap_keys_destroy(struct zap_keys *); /* Accepts null. */

/* Returns true if a key is gone, or is somebody else's. */
bool zap_keys_refresh(struct zap_keys *);

/* The role of 'user', and its name, which points into 'user'. */
enum zap_role zap_keys_role(const struct zap_keys *, const char *user,
                            const char **name);

char *zap_open(void *context, const struct zap_keys *, struct zap **)
    OVS_WARN_UNUSED_RESULT;
void zap_close(struct zap *);   /* These accept null. */
void zap_run(struct zap *);
void zap_wait(struct zap *);

#endif /* ingest/zap.h */

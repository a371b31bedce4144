/* SPDX-License-Identifier: Apache-2.0
 *
 * curve-key: keys of CURVE, ZeroMQ's encryption, in files. */

#ifndef INGEST_CURVE_KEY_H
#define INGEST_CURVE_KEY_H 1

/* CURVE keys
 * ==========
 *
 * A key is 32 bytes, written as 40 characters of Z85.  Two formats of files
 * are read:
 *
 *   - What zmq_curve_keypair() gives: the public key in the first line, and
 *     the secret key, if any, in the second.
 *
 *   - Certificates as CZMQ and "alcor-ctl keygen" write them, in ZPL: a
 *     section "curve" with "public-key" and "secret-key".
 *
 * Empty lines, and lines that begin with "#" or "==" and are not keys, mean
 * nothing in either.
 *
 * A file that has a secret key must not be accessible by others, else it is
 * refused: who reads it can speak for this node.
 *
 * Thread-safety: thread-safe. */

#include <stddef.h>
#include "openvswitch/compiler.h"

#define CURVE_KEY_LEN 40        /* Characters of a key. */

/* Keys as strings; empty: there is none. */
struct curve_keys {
    char public[CURVE_KEY_LEN + 1];
    char secret[CURVE_KEY_LEN + 1];
};

/* What a client needs.  'server' is empty: no encryption. */
struct curve_config {
    struct curve_keys own;
    char server[CURVE_KEY_LEN + 1];
};

/* All return NULL or a malloc()'d message, and then there are no keys. */

/* The 'n' bytes at 'text'; they need not be text. */
char *curve_keys_parse(const char *text, size_t n, struct curve_keys *)
    OVS_WARN_UNUSED_RESULT;

/* A file with both keys, and one whose public key counts. */
char *curve_keys_read_pair(const char *file, struct curve_keys *)
    OVS_WARN_UNUSED_RESULT;
char *curve_keys_read_public(const char *file, char public[CURVE_KEY_LEN + 1])
    OVS_WARN_UNUSED_RESULT;

#endif /* ingest/curve-key.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-result: what became of what was published. */

#ifndef UTILITIES_ALCOR_PUBLISH_RESULT_H
#define UTILITIES_ALCOR_PUBLISH_RESULT_H 1

/* Results of alcor-publish
 * ========================
 *
 * A row for each resource and host, with the last status that the host has
 * reported for it, and the hosts that have not reported.
 *
 * Thread-safety: no shared state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"
#include "sset.h"

struct resource_status;
struct table_style;

/* What became of one resource of one message on one host. */
struct publish_row {
    struct hmap_node hmap_node; /* In struct publish_result's 'rows'. */
    char *host;                 /* Node id. */
    size_t message;             /* Index of the message. */
    char *id;
    uint32_t kind;              /* As sent, like the next two. */
    uint32_t operation;
    uint32_t status;
    uint32_t elapsed_usec;
};

struct publish_result {
    struct hmap rows;           /* Contains "struct publish_row"s. */
    size_t n_pending;           /* Rows that are PENDING. */
    struct sset silent;         /* Hosts that did not answer everything. */
    size_t n_hosts;             /* Hosts that were asked. */
    bool is_relay;              /* Was that one a relay? */
};

void publish_result_init(struct publish_result *);
void publish_result_destroy(struct publish_result *);

/* Takes in what 'host' says about a resource of message 'message'. */
void publish_result_update(struct publish_result *, const char *host,
                           size_t message, const struct resource_status *);

/* Nothing is in effect, as somebody has refused: whoever has not is a FAILURE
 * as well. */
void publish_result_abort(struct publish_result *);

/* Returns true if everybody has answered and everything succeeded. */
bool publish_result_is_success(const struct publish_result *);

/* Prints the rows on standard output, and a summary of one line on standard
 * error. */
void publish_result_print(const struct publish_result *,
                          const struct table_style *);

#endif /* utilities/alcor-publish-result.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-db-rows: the rows of the database Alcor, from the agent's state. */

#ifndef AGENT_DB_ROWS_H
#define AGENT_DB_ROWS_H 1

/* agent-db.c decides when, this file what.  Everything is read anew from where
 * it is known: the store, the translator, the desired state, the resync.  That
 * takes time in proportion to the ports, topics and gateways of this host; the
 * numbers of neighbours are kept where neighbours change.
 *
 * Thread-safety: main thread only. */

#include <stdint.h>

struct agent;
struct alcor_db;

/* Topics joined by SUBSCRIBE_INFO of which there is a row. */
#define AGENT_DB_MAX_JOINED 4096

/* Gateways of which there is a row. */
#define AGENT_DB_MAX_GATEWAYS 1024

/* Gives the rows of 'tables', a bitmap, to the database: to be called between
 * alcor_db_begin() and alcor_db_end().  'cur_cfg' may be null: not known. */
void agent_db_fill(struct agent *, struct alcor_db *, uint32_t tables,
                   const int64_t *cur_cfg);

#endif /* agent-db-rows.h */

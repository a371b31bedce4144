/* SPDX-License-Identifier: Apache-2.0
 *
 * agent: the whole agent, as its main() sees it. */

#ifndef AGENT_H
#define AGENT_H 1

/* The agent
 * =========
 *
 * What?
 * -----
 *
 * Ties the folders together.  Data goes one way round (architecture.md):
 *
 *    transport -> ingest -> store -> translate -> desired state -> commit
 *        ^                                                           |
 *        +------------------------- ack <---------------------------+
 *
 * and here is the only place that moves it from one to the next.
 *
 *    agent.c           life cycle, inputs from the host, the main loop's body
 *    agent-config.c    settings
 *    agent-messages.c  messages in and out
 *    agent-commands.c  unixctl commands
 *    agent-db.c        what it tells in the database Alcor
 *
 * Start
 * -----
 *
 * Nothing that is installed is touched before everything known has been
 * translated once:
 *
 *    1. Connect to the database; read settings; open the store.
 *    2. Learn bindings and tunnel ports from the database.
 *    3. Translate all that is stored.
 *    4. Read back what is installed; apply the difference.
 *
 * Messages are taken from step 2 on.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>

struct agent;
struct simap;

struct agent_options {
    const char *db_remote;      /* Of the Open_vSwitch database. */
    const char *state_dir;      /* Of the store; null: the default. */
    bool dummy;                 /* No data plane: all sinks are dummies. */
};

struct agent *agent_create(const struct agent_options *);

/* Leaves everything installed as it is. */
void agent_destroy(struct agent *);

void agent_run(struct agent *);
void agent_wait(struct agent *);

/* True once an operator has asked to exit and that can be done. */
bool agent_should_exit(const struct agent *);

void agent_get_memory_usage(const struct agent *, struct simap *);

#endif /* agent.h */

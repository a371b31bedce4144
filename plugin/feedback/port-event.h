/* SPDX-License-Identifier: Apache-2.0
 *
 * port-event: tells controllers when a port becomes active or inactive. */

#ifndef FEEDBACK_PORT_EVENT_H
#define FEEDBACK_PORT_EVENT_H 1

/* Port events
 * ===========
 *
 * What?
 * -----
 *
 * A port is active when its Interface is there and its flows are in effect.
 * That may come long after its goal state was acknowledged, so controllers are
 * told by a PORT_EVENT, and once more when the port is inactive again.
 *
 * Usage
 * -----
 *
 * Whenever bindings or ports may have changed and everything has been
 * translated, call port_events_begin(), port_events_add() for each port that
 * is bound and well, and port_events_end() with the mark of what has to be
 * committed first.  port_events_run() sends what is due.
 *
 * After a restart of the agent, every active port is announced again: an
 * announcement may have been lost with the process.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include "apply/commit.h"

struct port_events;

struct port_events_class {
    bool (*commit_reached)(const struct ds_mark *, void *aux);
    void (*send)(const char *port_id, bool active, const char *reason,
                 void *aux);
};

struct port_events *port_events_create(const struct port_events_class *,
                                       void *aux);
void port_events_destroy(struct port_events *);

void port_events_begin(struct port_events *);
void port_events_add(struct port_events *, const char *port_id);
void port_events_end(struct port_events *, const struct ds_mark *);
void port_events_run(struct port_events *);

#endif /* feedback/port-event.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * port-event: tells controllers when a port becomes active or inactive. */

#include <config.h>

#include "feedback/port-event.h"

#include "coverage.h"
#include "openvswitch/shash.h"
#include "util.h"

COVERAGE_DEFINE(port_event);

struct port {
    bool seen;                  /* Since port_events_begin(). */
    bool announced;             /* As active. */
    struct ds_mark mark;        /* Announce when this has been reached. */
};

struct port_events {
    const struct port_events_class *class;
    void *aux;
    struct shash ports;         /* Contains "struct port"s, by id. */
    size_t n_waiting;           /* Ports not announced. */
};

struct port_events *
port_events_create(const struct port_events_class *class, void *aux)
{
    struct port_events *pe = xzalloc(sizeof *pe);

    pe->class = class;
    pe->aux = aux;
    shash_init(&pe->ports);
    return pe;
}

void
port_events_destroy(struct port_events *pe)
{
    if (pe) {
        shash_destroy_free_data(&pe->ports);
        free(pe);
    }
}

void
port_events_begin(struct port_events *pe)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &pe->ports) {
        struct port *port = node->data;

        port->seen = false;
    }
}

void
port_events_add(struct port_events *pe, const char *port_id)
{
    struct port *port = shash_find_data(&pe->ports, port_id);

    if (!port) {
        port = xzalloc(sizeof *port);
        shash_add(&pe->ports, port_id, port);
    }
    port->seen = true;
}

void
port_events_end(struct port_events *pe, const struct ds_mark *mark)
{
    struct shash_node *node;

    pe->n_waiting = 0;
    SHASH_FOR_EACH_SAFE (node, &pe->ports) {
        struct port *port = node->data;

        if (!port->seen) {
            if (port->announced) {
                COVERAGE_INC(port_event);
                pe->class->send(node->name, false,
                                "unbound, deleted or refused", pe->aux);
            }
            shash_delete(&pe->ports, node);
            free(port);
        } else if (!port->announced) {
            port->mark = *mark;
            pe->n_waiting++;
        }
    }
}

void
port_events_run(struct port_events *pe)
{
    struct shash_node *node;

    if (!pe->n_waiting) {
        return;
    }
    SHASH_FOR_EACH (node, &pe->ports) {
        struct port *port = node->data;

        if (!port->announced
            && pe->class->commit_reached(&port->mark, pe->aux)) {
            COVERAGE_INC(port_event);
            port->announced = true;
            pe->n_waiting--;
            pe->class->send(node->name, true, "", pe->aux);
        }
    }
}

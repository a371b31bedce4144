/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-ctl-topology: what there is on this host, as a tree or drawn. */

#include <config.h>

#include "alcor-ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "ovsdb-schema/alcor-idl.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

/* The host, its VPCs, and their ports, sorted by id.  Strings belong to the
 * database's rows. */
struct topology {
    const struct alcorrec_agent *agent;
    const struct shash_node **vpcs;     /* Of struct topo_vpc. */
    size_t n_vpcs;
    struct shash by_id;                 /* Owns what 'vpcs' points to. */
};

struct topo_vpc {
    const struct alcorrec_vpc *row;     /* Null: has ports, and no row. */
    struct shash ports;                 /* Of const struct alcorrec_port. */
};

static struct topo_vpc *
topology_vpc(struct topology *topo, const char *id)
{
    struct topo_vpc *vpc = shash_find_data(&topo->by_id, id);

    if (!vpc) {
        vpc = xzalloc(sizeof *vpc);
        shash_init(&vpc->ports);
        shash_add(&topo->by_id, id, vpc);
    }
    return vpc;
}

static void
topology_init(struct topology *topo, struct ovsdb_idl *idl)
{
    const struct alcorrec_port *port;
    const struct alcorrec_vpc *row;

    topo->agent = alcorrec_agent_first(idl);
    shash_init(&topo->by_id);
    ALCORREC_VPC_FOR_EACH (row, idl) {
        topology_vpc(topo, row->id)->row = row;
    }
    ALCORREC_PORT_FOR_EACH (port, idl) {
        shash_add(&topology_vpc(topo, port->vpc)->ports, port->id, port);
    }
    topo->vpcs = shash_sort(&topo->by_id);
    topo->n_vpcs = shash_count(&topo->by_id);
}

static void
topology_destroy(struct topology *topo)
{
    for (size_t i = 0; i < topo->n_vpcs; i++) {
        struct topo_vpc *vpc = topo->vpcs[i]->data;

        shash_destroy(&vpc->ports);
        free(vpc);
    }
    free(topo->vpcs);
    shash_destroy(&topo->by_id);
}

/* Texts, all owned by the caller. */

static char *
host_text(const struct topology *topo)
{
    return (topo->agent
            ? xasprintf("%s (%s)", (topo->agent->node_id[0]
                                    ? topo->agent->node_id : "no node id"),
                        (topo->agent->host_ip[0] ? topo->agent->host_ip
                         : "no address"))
            : xstrdup("no agent"));
}

static char *
controller_text(const struct topology *topo)
{
    return xstrdup(topo->agent ? smap_get_def(&topo->agent->status,
                                              "controller", "none") : "none");
}

static char *
bridge_text(const struct topology *topo)
{
    return xstrdup(topo->agent ? smap_get_def(&topo->agent->status,
                                              "bridge", "?") : "?");
}

static char *
vpc_text(const struct shash_node *node)
{
    const struct topo_vpc *vpc = node->data;

    return (!vpc->row ? xasprintf("VPC %s", node->name)
            : vpc->row->n_tunnel_id
            ? xasprintf("VPC %s, tunnel id %"PRId64, node->name,
                        vpc->row->tunnel_id[0])
            : xasprintf("VPC %s, tunnel ids of its subnets", node->name));
}

static char *
neighbors_text(const struct topo_vpc *vpc)
{
    return xasprintf("%"PRId64" neighbors on other hosts, %"PRId64
                     " programmed",
                     vpc->row ? vpc->row->neighbors_stored : 0,
                     vpc->row ? vpc->row->neighbors_programmed : 0);
}

static char *
port_text(const struct alcorrec_port *port)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < port->n_addresses; i++) {
        ds_put_format(&s, "%s%s", i ? " " : "", port->addresses[i]);
    }
    char *text = xasprintf("%s: %s, %s%s%s", port->id,
                           s.length ? ds_cstr(&s) : "no address",
                           (port->interface[0] ? port->interface
                            : "not plugged in"),
                           strcmp(port->state, "active") ? ", " : "",
                           strcmp(port->state, "active") ? port->state : "");
    ds_destroy(&s);
    return text;
}

/* Prints a line of the tree; frees 'text'. */
static void
put_line(int indent, const char *prefix, char *text)
{
    printf("%*s%s%s\n", indent, "", prefix, text);
    free(text);
}

static void
print_text(const struct topology *topo)
{
    put_line(0, "controller ", controller_text(topo));
    put_line(0, "host ", host_text(topo));
    put_line(2, "bridge ", bridge_text(topo));
    for (size_t i = 0; i < topo->n_vpcs; i++) {
        const struct topo_vpc *vpc = topo->vpcs[i]->data;
        const struct shash_node **ports = shash_sort(&vpc->ports);

        put_line(4, "", vpc_text(topo->vpcs[i]));
        for (size_t j = 0; j < shash_count(&vpc->ports); j++) {
            put_line(6, "port ", port_text(ports[j]->data));
        }
        free(ports);
        put_line(6, "", neighbors_text(vpc));
    }
}

/* Colors of a port, by its state. */
static const char *
port_color(const struct alcorrec_port *port)
{
    return (!strcmp(port->state, "active") ? "#c8e6c9"
            : !strcmp(port->state, "installing")
              || !strcmp(port->state, "unbound") ? "#eeeeee"
            : "#ffcdd2");
}

/* Graphviz. */

/* Returns 'text', which is freed, as a quoted string, owned by the caller. */
static char *
dot_quote(char *text)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_char(&s, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            ds_put_char(&s, '\\');
        }
        ds_put_char(&s, *p);
    }
    ds_put_char(&s, '"');
    free(text);
    return ds_steal_cstr(&s);
}

/* Prints a node; frees 'text'. */
static void
dot_node(const char *id, char *text, const char *attributes)
{
    char *label = dot_quote(text);

    printf("    %s [label=%s%s];\n", id, label, attributes);
    free(label);
}

static void
dot_vpc(const struct topology *topo, size_t i)
{
    const struct topo_vpc *vpc = topo->vpcs[i]->data;
    const struct shash_node **ports = shash_sort(&vpc->ports);
    char *label = dot_quote(vpc_text(topo->vpcs[i]));
    char *id = xasprintf("n%"PRIuSIZE, i);

    printf("    subgraph cluster_%"PRIuSIZE" {\n    label=%s;\n", i, label);
    dot_node(id, neighbors_text(vpc), ", style=dashed");
    printf("    bridge -- %s;\n", id);
    for (size_t j = 0; j < shash_count(&vpc->ports); j++) {
        char *port = xasprintf("p%"PRIuSIZE"_%"PRIuSIZE, i, j);
        char *attributes = xasprintf(", style=filled, fillcolor=\"%s\"",
                                     port_color(ports[j]->data));

        dot_node(port, port_text(ports[j]->data), attributes);
        printf("    bridge -- %s;\n", port);
        free(attributes);
        free(port);
    }
    printf("    }\n");
    free(label);
    free(id);
    free(ports);
}

static void
print_dot(const struct topology *topo)
{
    printf("graph alcor {\n"
           "    rankdir=LR;\n"
           "    node [shape=box, fontname=\"sans-serif\"];\n");
    dot_node("controller", controller_text(topo), ", shape=ellipse");
    dot_node("host", host_text(topo), "");
    dot_node("bridge", bridge_text(topo), "");
    printf("    controller -- host -- bridge;\n");
    for (size_t i = 0; i < topo->n_vpcs; i++) {
        dot_vpc(topo, i);
    }
    printf("}\n");
}

/* SVG: one box below the other, each indented as in the tree. */

#define SVG_ROW 30              /* Pixels from one box to the next. */
#define SVG_BOX 24              /* Height of a box. */
#define SVG_INDENT 36
#define SVG_WIDTH 760

struct svg {
    struct ds s;
    int y;
    int parents[4];             /* Bottom of the last box of each level. */
};

static void
svg_put_escaped(struct ds *s, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<': ds_put_cstr(s, "&lt;"); break;
        case '>': ds_put_cstr(s, "&gt;"); break;
        case '&': ds_put_cstr(s, "&amp;"); break;
        default: ds_put_char(s, *text); break;
        }
    }
}

/* Adds a box with 'text', which is freed, and a line to its parent. */
static void
svg_box(struct svg *svg, int level, const char *color, char *text)
{
    int x = 10 + level * SVG_INDENT;

    if (level) {
        int px = 10 + (level - 1) * SVG_INDENT + SVG_INDENT / 2;
        int middle = svg->y + SVG_BOX / 2;

        ds_put_format(&svg->s, "<path d=\"M%d %dV%dH%d\" fill=\"none\" "
                      "stroke=\"#607d8b\"/>\n", px, svg->parents[level - 1],
                      middle, x);
    }
    ds_put_format(&svg->s, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height="
                  "\"%d\" rx=\"4\" fill=\"%s\" stroke=\"#607d8b\"/>\n"
                  "<text x=\"%d\" y=\"%d\">", x, svg->y, SVG_WIDTH - x - 10,
                  SVG_BOX, color, x + 8, svg->y + SVG_BOX - 8);
    svg_put_escaped(&svg->s, text);
    ds_put_cstr(&svg->s, "</text>\n");
    svg->parents[level] = svg->y + SVG_BOX;
    svg->y += SVG_ROW;
    free(text);
}

static void
print_svg(const struct topology *topo)
{
    struct svg svg = { .s = DS_EMPTY_INITIALIZER, .y = 10 };

    svg_box(&svg, 0, "#bbdefb", controller_text(topo));
    svg_box(&svg, 1, "#ffffff", host_text(topo));
    for (size_t i = 0; i < topo->n_vpcs; i++) {
        const struct topo_vpc *vpc = topo->vpcs[i]->data;
        const struct shash_node **ports = shash_sort(&vpc->ports);

        svg_box(&svg, 2, "#fff9c4", vpc_text(topo->vpcs[i]));
        for (size_t j = 0; j < shash_count(&vpc->ports); j++) {
            svg_box(&svg, 3, port_color(ports[j]->data),
                    port_text(ports[j]->data));
        }
        free(ports);
        svg_box(&svg, 3, "#ffffff", neighbors_text(vpc));
    }
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
           "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n"
           "%s</svg>\n", SVG_WIDTH, svg.y + 10, ds_cstr(&svg.s));
    ds_destroy(&svg.s);
}

int
ctl_topology(const struct ctl_target *target, enum ctl_drawing drawing)
{
    struct topology topo;
    struct ovsdb_idl *idl;
    char *error = ctl_read_database(target, &idl);

    if (error) {
        ovs_error(0, "topology: %s", error);
        free(error);
        return EXIT_FAILURE;
    }
    topology_init(&topo, idl);
    if (drawing == CTL_DOT) {
        print_dot(&topo);
    } else if (drawing == CTL_SVG) {
        print_svg(&topo);
    } else {
        print_text(&topo);
    }
    topology_destroy(&topo);
    ovsdb_idl_destroy(idl);
    return EXIT_SUCCESS;
}

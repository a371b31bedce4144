/* SPDX-License-Identifier: Apache-2.0
 *
 * test-gateway-cluster: members of clusters that hear each other, or not.
 *
 *     alcortest gateway-cluster < SCRIPT
 *
 * Lines of the script:
 *
 *     cluster ID IP...        entrances, for members that come later
 *     member IP IP...         starts a member; entrances at home with it
 *     silent IP               it neither sends nor hears
 *     speaks IP               it does again
 *     leave IP                it says farewell, and then is silent
 *     run MSEC                time passes, in steps of 50 ms
 *     packet IP SRC HEX       IP receives this
 *     show                    who has what, by what each member that is not
 *                             silent thinks
 *     counters IP
 *     log                     from now on, what is logged goes to stderr
 *     news IP                 how often it was to announce its entrances since
 *                             this was asked last */

#include <config.h>

#undef NDEBUG
#include "feedback/gateway-cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

#define MAX_ITEMS 32
#define STEP_MSEC 50

static struct node {
    ovs_be32 ip;
    bool silent;
    int n_news;
    struct gateway_cluster *cluster;
} nodes[MAX_ITEMS];
static size_t n_nodes;
static struct cluster_entrance_config entrances[MAX_ITEMS];
static size_t n_entrances;
static long long int now;

static ovs_be32
parse(const char *s)
{
    ovs_be32 ip;

    ovs_assert(s && ip_parse(s, &ip));
    return ip;
}

static struct node *
find(const char *s)
{
    ovs_be32 ip = parse(s);

    for (size_t i = 0; i < n_nodes; i++) {
        if (nodes[i].ip == ip) {
            return &nodes[i];
        }
    }
    ovs_fatal(0, "%s: no such member", s);
}

static void
add_node(char **save)
{
    struct node *node = &nodes[n_nodes++];
    ovs_be32 home[MAX_ITEMS];
    size_t n_home = 0;
    const char *word;

    ovs_assert(n_nodes <= MAX_ITEMS);
    node->ip = parse(strtok_r(NULL, " ", save));
    while ((word = strtok_r(NULL, " ", save)) != NULL) {
        ovs_assert(n_home < MAX_ITEMS);
        home[n_home++] = parse(word);
    }
    node->cluster = gateway_cluster_create(node->ip, now);
    gateway_cluster_set_home(node->cluster, home, n_home);
    gateway_cluster_set_entrances(node->cluster, entrances, n_entrances);
    gateway_cluster_set_ready(node->cluster, true);
}

static void
send_all(const struct node *from, const uint8_t *packet, size_t size)
{
    for (size_t i = 0; size && i < n_nodes; i++) {
        if (!nodes[i].silent) {
            gateway_cluster_heard(nodes[i].cluster, packet, size, from->ip,
                                  now);
        }
    }
}

/* Sends the heartbeats that are due; true if there were any, which others may
 * answer at once. */
static bool
beat(void)
{
    bool any = false;

    for (size_t i = 0; i < n_nodes; i++) {
        uint8_t packet[CLUSTER_MAX_PACKET];
        size_t size = gateway_cluster_beat(nodes[i].cluster, now, packet);

        any |= size > 0;
        if (!nodes[i].silent) {
            send_all(&nodes[i], packet, size);
        }
    }
    return any;
}

static void
run(long long int msec)
{
    for (long long int end = now + msec; now < end; now += STEP_MSEC) {
        while (beat()) {
            continue;
        }
        for (size_t i = 0; i < n_nodes; i++) {
            nodes[i].n_news += gateway_cluster_run(nodes[i].cluster, now);
            ovs_assert(gateway_cluster_next(nodes[i].cluster) > now);
        }
    }
}

static void
show_node(const struct node *node)
{
    size_t n;
    const struct cluster_entrance *e
        = gateway_cluster_entrances(node->cluster, &n);

    printf(IP_FMT":", IP_ARGS(node->ip));
    for (size_t i = 0; i < n; i++) {
        printf(" "IP_FMT"=", IP_ARGS(e[i].ip));
        if (e[i].owner) {
            printf(IP_FMT, IP_ARGS(e[i].owner));
        } else {
            putchar('-');
        }
    }
    putchar('\n');
}

static void
show_counters(const struct node *node)
{
    const struct cluster_counters *c = gateway_cluster_counters(node->cluster);

    printf("heard %s, bad %llu, deaths %llu, taken %llu, given %llu\n",
           c->heard ? "some" : "none", c->bad, c->deaths, c->taken, c->given);
}

static void
receive(char **save)
{
    struct node *node = find(strtok_r(NULL, " ", save));
    ovs_be32 src = parse(strtok_r(NULL, " ", save));
    const char *hex = strtok_r(NULL, " ", save);
    struct ofpbuf b;

    ofpbuf_init(&b, 0);
    ofpbuf_put_hex(&b, hex ? hex : "", NULL);
    gateway_cluster_heard(node->cluster, b.data, b.size, src, now);
    ofpbuf_uninit(&b);
}

static void
run_line(char *line)
{
    char *save = NULL;
    const char *command = strtok_r(line, " ", &save);

    if (!strcmp(command, "cluster")) {
        const char *id = xstrdup(strtok_r(NULL, " ", &save));
        const char *word;

        while ((word = strtok_r(NULL, " ", &save)) != NULL) {
            ovs_assert(n_entrances < MAX_ITEMS);
            entrances[n_entrances].cluster = id;
            entrances[n_entrances++].ip = parse(word);
        }
    } else if (!strcmp(command, "member")) {
        add_node(&save);
    } else if (!strcmp(command, "silent")) {
        find(strtok_r(NULL, " ", &save))->silent = true;
    } else if (!strcmp(command, "speaks")) {
        find(strtok_r(NULL, " ", &save))->silent = false;
    } else if (!strcmp(command, "leave")) {
        struct node *node = find(strtok_r(NULL, " ", &save));
        uint8_t packet[CLUSTER_MAX_PACKET];

        send_all(node, packet,
                 gateway_cluster_farewell(node->cluster, packet));
        node->silent = true;
    } else if (!strcmp(command, "run")) {
        run(atoi(strtok_r(NULL, " ", &save)));
    } else if (!strcmp(command, "packet")) {
        receive(&save);
    } else if (!strcmp(command, "show")) {
        for (size_t i = 0; i < n_nodes; i++) {
            if (!nodes[i].silent) {
                show_node(&nodes[i]);
            }
        }
    } else if (!strcmp(command, "news")) {
        struct node *node = find(strtok_r(NULL, " ", &save));

        printf(IP_FMT" news: %d\n", IP_ARGS(node->ip), node->n_news);
        node->n_news = 0;
    } else if (!strcmp(command, "log")) {
        vlog_set_levels(NULL, VLF_CONSOLE, VLL_INFO);
    } else if (!strcmp(command, "counters")) {
        show_counters(find(strtok_r(NULL, " ", &save)));
    } else {
        ovs_fatal(0, "%s: bad command", command);
    }
}

static void
test_gateway_cluster(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct ds line = DS_EMPTY_INITIALIZER;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    while (!ds_get_preprocessed_line(&line, stdin, NULL)) {
        run_line(ds_cstr(&line));
    }
    ds_destroy(&line);
    for (size_t i = 0; i < n_nodes; i++) {
        gateway_cluster_destroy(nodes[i].cluster);
    }
}

ALCORTEST_REGISTER("gateway-cluster", test_gateway_cluster);

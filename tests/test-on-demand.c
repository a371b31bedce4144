/* SPDX-License-Identifier: Apache-2.0
 *
 * test-on-demand: drives feedback/on-demand by commands, with a store, a
 * translator and a commit that do what they are told.
 *
 *     alcortest on-demand < COMMANDS
 *
 * Commands, one a line; N and M are last bytes of addresses, PORT a number:
 *
 *     packet PORT N[-M]         packets for 10.0.0.N to 10.0.0.M
 *     known N                   goal state knows 10.0.0.N from now on
 *     changed                   something was stored
 *     translate, commit         everything so far is translated, committed
 *     server yes|no             there is a server to ask
 *     enable yes|no             alcor-on-demand
 *     reply N STATUS            SUCCESS, FAILURE... for the last request
 *     pass MSEC                 time passes
 *     counters                  prints those that are not zero
 *     list                      prints all questions
 *
 * After each command the module runs.  Requests are printed as "ask N...",
 * packets that are sent as "send PORT N TABLE".  Of more than 10 in a row only
 * how many there are is printed. */

#include <config.h>

#undef NDEBUG
#include "feedback/on-demand.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "translate/on-demand.h"
#include "util.h"

/* What the module sees through its class. */
struct world {
    struct on_demand *od;
    bool known[65536];          /* By the last two bytes of the address. */
    char *requests[65536];      /* Id of the last request, likewise. */
    bool server;
    uint64_t marks, translated; /* Numbers of marks. */
    uint64_t commits, committed;
    long long int now;
    struct ds asked, sent;
    size_t n_asked, n_sent;
};

static uint16_t
number_of(const struct in6_addr *ip)
{
    return ntohl(in6_addr_get_mapped_ipv4(ip)) & 0xffff;
}

static bool
world_lookup(const char *vpc_id, uint64_t tag, const struct in6_addr *dst,
             void *world_)
{
    struct world *world = world_;

    assert(!strcmp(vpc_id, "vpc"));
    assert(tag == UINT64_C(100) << OF_TAG_VNI_SHIFT);
    return world->known[number_of(dst)];
}

static bool
world_ask(const struct host_request *requests, size_t n, void *world_)
{
    struct world *world = world_;

    for (size_t i = 0; i < n && world->server; i++) {
        const struct host_request *r = &requests[i];
        struct in6_addr ip;
        ovs_be32 ip4;

        assert(r->tunnel_id == 100 && r->type == HOST_REQUEST_ON_DEMAND);
        assert(!strcmp(r->source_ip, "10.0.0.1") && !r->ethertype);
        assert(ip_parse(r->destination_ip, &ip4));
        in6_addr_set_mapped_ipv4(&ip, ip4);
        free(world->requests[number_of(&ip)]);
        world->requests[number_of(&ip)] = xstrdup(r->request_id);
        world->n_asked++;
        ds_put_format(&world->asked, " %"PRIu16, number_of(&ip));
    }
    return world->server;
}

static struct ack_mark
world_mark(void *world_)
{
    struct world *world = world_;

    return (struct ack_mark) { { ++world->marks, 0 } };
}

static bool
world_reached(const struct ack_mark *mark, void *world_)
{
    struct world *world = world_;

    return world->translated >= mark->positions[0];
}

static struct ds_mark
world_commit_mark(void *world_)
{
    struct world *world = world_;

    return (struct ds_mark) { { ++world->commits, 0 } };
}

static bool
world_commit_reached(const struct ds_mark *mark, void *world_)
{
    struct world *world = world_;

    return world->committed >= mark->positions[0];
}

static void
world_send(struct packet_order *order, void *world_)
{
    struct world *world = world_;
    const struct ofpact_resubmit *resubmit
        = ofpact_get_RESUBMIT(order->ofpacts);
    uint16_t number;

    assert(order->context.regs[MFF_ALCOR_FLAGS - MFF_REG0]
           == OF_FLAG_RELEASED);
    assert(order->packet_len >= sizeof number);
    memcpy(&number, order->packet, sizeof number);
    world->n_sent++;
    ds_put_format(&world->sent, "send %"PRIu32" %"PRIu16" %"PRIu8"\n",
                  order->context.in_port, number, resubmit->table_id);
    packet_order_destroy(order);
}

static const struct on_demand_class world_class = {
    .lookup = world_lookup,
    .ask = world_ask,
    .mark = world_mark,
    .reached = world_reached,
    .commit_mark = world_commit_mark,
    .commit_reached = world_commit_reached,
    .send = world_send,
};

static void
take_packet(struct world *world, uint32_t port, uint16_t number)
{
    char packet[1000] = "";
    struct on_demand_question q = {
        .stage = OFS_L2_LOOKUP, .vpc_id = "vpc",
    };
    const struct packet_event event = {
        .kind = PUNT_UNKNOWN,
        .context = { .in_port = port,
                     .metadata = UINT64_C(100) << OF_TAG_VNI_SHIFT },
        .packet = packet, .packet_len = sizeof packet,
    };

    memcpy(packet, &number, sizeof number);
    in6_addr_set_mapped_ipv4(&q.src, htonl(0x0a000001));
    in6_addr_set_mapped_ipv4(&q.dst, htonl(0x0a000000 + number));
    on_demand_take(world->od, &q, &event, world->now);
}

static void
print_entry(const struct on_demand_entry *entry, void *aux OVS_UNUSED)
{
    printf("%"PRIu16" %s port %"PRIu32" packets %"PRIuSIZE"\n",
           number_of(&entry->dst), entry->state, entry->in_port,
           entry->n_packets);
}

static void
print_counters(const struct world *world)
{
    for (enum on_demand_counter i = 0; i < ON_DEMAND_N_COUNTERS; i++) {
        if (on_demand_count(world->od, i)) {
            printf("%s %"PRIu64"\n", on_demand_counter_to_string(i),
                   on_demand_count(world->od, i));
        }
    }
}

static enum goal_status
parse_status(const char *s)
{
    enum goal_status status = GOAL_STATUS_SUCCESS;

    while (strcmp(goal_status_to_string(status), s)) {
        status++;
    }
    return status;
}

static void
do_packets(struct world *world, const char *args)
{
    unsigned int port, first, last;
    int n = sscanf(args, "%u %u-%u", &port, &first, &last);

    assert(n >= 2);
    for (unsigned int i = first; i <= (n > 2 ? last : first); i++) {
        take_packet(world, port, i);
    }
}

static void
do_reply(struct world *world, const char *args)
{
    unsigned int number;
    char status[32];

    assert(sscanf(args, "%u %31s", &number, status) == 2);
    assert(world->requests[number]);
    on_demand_reply(world->od, world->requests[number], parse_status(status),
                    world->now);
}

static void
do_command(struct world *world, const char *command, const char *args)
{
    bool yes = !strcmp(args, "yes");

    if (!strcmp(command, "packet")) {
        do_packets(world, args);
    } else if (!strcmp(command, "known")) {
        world->known[atoi(args)] = true;
    } else if (!strcmp(command, "changed")) {
        on_demand_goal_changed(world->od);
    } else if (!strcmp(command, "translate")) {
        world->translated = world->marks;
    } else if (!strcmp(command, "commit")) {
        world->committed = world->commits;
    } else if (!strcmp(command, "server")) {
        world->server = yes;
    } else if (!strcmp(command, "enable")) {
        on_demand_set_enabled(world->od, yes);
    } else if (!strcmp(command, "reply")) {
        do_reply(world, args);
    } else if (!strcmp(command, "pass")) {
        world->now += atoi(args);
    } else if (!strcmp(command, "counters")) {
        print_counters(world);
    } else {
        assert(!strcmp(command, "list"));
        on_demand_for_each(world->od, print_entry, NULL);
    }
}

/* Prints what the module has done. */
static void
print_done(struct world *world)
{
    if (world->n_asked > 10) {
        printf("ask %"PRIuSIZE"\n", world->n_asked);
    } else if (world->n_asked) {
        printf("ask%s\n", ds_cstr(&world->asked));
    }
    if (world->n_sent > 10) {
        printf("send %"PRIuSIZE"\n", world->n_sent);
    } else {
        fputs(ds_cstr(&world->sent), stdout);
    }
    world->n_asked = world->n_sent = 0;
    ds_clear(&world->asked);
    ds_clear(&world->sent);
}

static void
test_on_demand(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct world *world = xzalloc(sizeof *world);
    char line[256], command[32];

    world->server = true;
    world->od = on_demand_create(&world_class, world);
    while (fgets(line, sizeof line, stdin)) {
        int n = 0;

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%31s %n", command, &n) < 1) {
            continue;
        }
        do_command(world, command, line + n);
        for (int i = 0; i < 100; i++) {
            on_demand_run(world->od, world->now);
        }
        print_done(world);
    }
    on_demand_destroy(world->od);
    for (size_t i = 0; i < ARRAY_SIZE(world->requests); i++) {
        free(world->requests[i]);
    }
    ds_destroy(&world->asked);
    ds_destroy(&world->sent);
    free(world);
}

ALCORTEST_REGISTER("on-demand", test_on_demand);

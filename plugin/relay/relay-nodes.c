/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-nodes: which node is where, and in which groups. */

#include <config.h>

#include "relay/relay-private.h"

#include <string.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(relay_nodes);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct relay_node *
relay_node_find(const struct relay *relay, const char *id)
{
    struct relay_node *node;

    HMAP_FOR_EACH_WITH_HASH (node, node, hash_string(id, 0), &relay->nodes) {
        if (!strcmp(node->id, id)) {
            return node;
        }
    }
    return NULL;
}

/* Returns the node called 'id', which is made if it is not known. */
struct relay_node *
relay_node_get(struct relay *relay, const char *id)
{
    struct relay_node *node = relay_node_find(relay, id);

    if (!node) {
        node = xzalloc(sizeof *node);
        node->id = xstrdup(id);
        node->topic = xasprintf("node/%s", id);
        node->key = xstrdup("");
        sset_init(&node->groups);
        sset_init(&node->hello_topics);
        node->probed = LLONG_MIN / 2;
        token_bucket_init(&node->on_demand, relay->options.on_demand_rate,
                          relay->options.on_demand_rate * 1000 * 2);
        hmap_insert(&relay->nodes, &node->node, hash_string(id, 0));
    }
    return node;
}

/* Says that 'node' is at 'ip'.  Who was there before is there no longer. */
void
relay_node_set_ip(struct relay *relay, struct relay_node *node,
                  const struct in6_addr *ip)
{
    if (node->host && ipv6_addr_equals(&node->host->ip, ip)) {
        return;
    }
    relay_begin(relay);
    if (node->host) {
        node->host->peer = NULL;
    }
    node->host = placement_get_host(relay->placement, ip);
    if (node->host->peer) {
        char text[INET6_ADDRSTRLEN];

        ipv6_string_mapped(text, ip);
        VLOG_WARN_RL(&rl, "%s is the address of node %s now, and no longer of "
                     "%s", text, node->id, node->host->peer->id);
        node->host->peer->host = NULL;
    }
    node->host->peer = node;
    placement_set_node(relay->placement, node->id, ip);
}

/* Groups. */

static struct relay_group *
group_find(const struct relay *relay, const char *topic)
{
    struct relay_group *group;

    HMAP_FOR_EACH_WITH_HASH (group, node, hash_string(topic, 0),
                             &relay->groups) {
        if (!strcmp(group->topic, topic)) {
            return group;
        }
    }
    return NULL;
}

static void
group_add(struct relay *relay, const char *topic, struct relay_node *node)
{
    struct relay_group *group = group_find(relay, topic);

    if (!group) {
        group = xzalloc(sizeof *group);
        group->topic = xstrdup(topic);
        hmap_insert(&relay->groups, &group->node, hash_string(topic, 0));
    }
    if (group->n_nodes >= group->allocated_nodes) {
        group->nodes = x2nrealloc(group->nodes, &group->allocated_nodes,
                                  sizeof *group->nodes);
    }
    group->nodes[group->n_nodes++] = node;
}

static void
group_remove(struct relay *relay, const char *topic, struct relay_node *node)
{
    struct relay_group *group = group_find(relay, topic);

    for (size_t i = 0; group && i < group->n_nodes; i++) {
        if (group->nodes[i] == node) {
            group->nodes[i] = group->nodes[--group->n_nodes];
            break;
        }
    }
    if (group && !group->n_nodes) {
        hmap_remove(&relay->groups, &group->node);
        free(group->topic);
        free(group->nodes);
        free(group);
    }
}

/* Has 'node' join or leave a topic. */
static void
send_subscribe(struct relay *relay, struct relay_node *node, bool join,
               const char *topic)
{
    char *id = relay_new_id();
    struct envelope e = relay_envelope(relay, MSG_SUBSCRIBE_INFO, id, NULL);
    struct ofpbuf payload;

    ofpbuf_init(&payload, 64);
    subscribe_info_encode(join, topic, node->key, &payload);
    relay_send(relay, node->id, &e, &payload);
    ofpbuf_uninit(&payload);
    free(id);
}

/* Tells 'node', which has come, its groups. */
void
relay_node_send_topics(struct relay *relay, struct relay_node *node)
{
    const char *topic;

    SSET_FOR_EACH (topic, &node->groups) {
        send_subscribe(relay, node, true, topic);
        relay_heartbeat_soon(relay, topic);
    }
}

/* Makes 'node' a member of exactly 'groups'. */
void
relay_node_set_groups(struct relay *relay, struct relay_node *node,
                      const struct sset *groups)
{
    const char *topic;

    SSET_FOR_EACH (topic, groups) {
        if (sset_add(&node->groups, topic)) {
            group_add(relay, topic, node);
            if (node->connected) {
                send_subscribe(relay, node, true, topic);
            }
        }
    }
    struct sset left = SSET_INITIALIZER(&left);
    SSET_FOR_EACH (topic, &node->groups) {
        if (!sset_contains(groups, topic)) {
            sset_add(&left, topic);
        }
    }
    SSET_FOR_EACH (topic, &left) {
        group_remove(relay, topic, node);
        sset_find_and_delete(&node->groups, topic);
        if (node->connected) {
            send_subscribe(relay, node, false, topic);
        }
    }
    sset_destroy(&left);
}

/* Forgets 'node'; what its host holds stays. */
void
relay_node_delete(struct relay *relay, struct relay_node *node)
{
    const char *topic, *next;

    SSET_FOR_EACH_SAFE (topic, next, &node->groups) {
        group_remove(relay, topic, node);
    }
    if (node->host) {
        node->host->peer = NULL;
    }
    hmap_remove(&relay->nodes, &node->node);
    sset_destroy(&node->groups);
    sset_destroy(&node->hello_topics);
    free(node->id);
    free(node->topic);
    free(node->key);
    free(node->version);
    free(node);
}

/* Life cycle. */

static void
restore_node(const char *id, const struct in6_addr *ip, void *relay_)
{
    struct relay *relay = relay_;
    struct place_host *host = placement_find_host(relay->placement, ip);

    if (host && !host->peer) {
        struct relay_node *node = relay_node_get(relay, id);

        node->host = host;
        host->peer = node;
    }
}

void
relay_nodes_init(struct relay *relay)
{
    hmap_init(&relay->nodes);
    hmap_init(&relay->groups);
    placement_for_each_node(relay->placement, restore_node, relay);
}

void
relay_nodes_destroy(struct relay *relay)
{
    struct relay_node *node, *next;

    HMAP_FOR_EACH_SAFE (node, next, node, &relay->nodes) {
        relay_node_delete(relay, node);
    }
    hmap_destroy(&relay->nodes);
    hmap_destroy(&relay->groups);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-config: the agent's settings, from external_ids:alcor-*. */

#include <config.h>

#include "agent-config.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "limit.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent_config);

/* Keys are at most so long. */
#define KEY_LEN 40

/* A key that differs from one of ours by so many characters is a typo. */
#define TYPO_DISTANCE 3

/* A setting: how its text is checked and stored. */
struct setting {
    const char *key;
    const char *fallback;       /* Null: no value. */

    /* Stores 'value' (null: not set) in 'config'.  Returns NULL or a malloc'd
     * message, having changed nothing. */
    char *(*parse)(struct agent_config *config, size_t offset,
                   const char *value);
    size_t offset;              /* Of the member. */
};

static void
replace(char **s, const char *value)
{
    free(*s);
    *s = nullable_xstrdup(value);
}

static char *
parse_text(struct agent_config *config, size_t offset, const char *value)
{
    replace(ALIGNED_CAST(char **, (char *) config + offset),
            value && value[0] ? value : NULL);
    return NULL;
}

static char *
parse_id(struct agent_config *config, size_t offset, const char *value)
{
    size_t len = value ? strlen(value) : 0;

    if (!len) {
        return xstrdup("not set and there is no system-id either; set one of "
                       "them with: ovs-vsctl set Open_vSwitch . "
                       "external_ids:system-id=NAME");
    } else if (len > 255) {
        return xasprintf("%"PRIuSIZE" bytes, expected 1 to 255", len);
    }
    return parse_text(config, offset, value);
}

static char *
parse_host_ip(struct agent_config *config, size_t offset OVS_UNUSED,
              const char *value)
{
    struct in6_addr addr;
    ovs_be32 ip4;

    if (!value) {
        return xstrdup("not set, expected the host's underlay address; set "
                       "it with: ovs-vsctl set Open_vSwitch . "
                       "external_ids:alcor-host-ip=ADDRESS");
    }
    if (ip_parse(value, &ip4) && ip4) {
        in6_addr_set_mapped_ipv4(&addr, ip4);
    } else if (!ipv6_parse(value, &addr) || !ipv6_addr_is_set(&addr)) {
        return xasprintf("\"%.64s\" is not an IPv4 or IPv6 address", value);
    }
    if (IN6_IS_ADDR_V4MAPPED(&addr)
        ? ip_is_multicast(in6_addr_get_mapped_ipv4(&addr))
          || in6_addr_get_mapped_ipv4(&addr) == OVS_BE32_MAX
        : ipv6_addr_is_multicast(&addr)) {
        return xasprintf("\"%.64s\" is not the address of a host", value);
    }
    config->host_addr = addr;
    replace(&config->host_ip, value);
    return NULL;
}

static char *
parse_datapath_type(struct agent_config *config, size_t offset,
                    const char *value)
{
    if (value && strcmp(value, "system") && strcmp(value, "netdev")
        && strcmp(value, "dummy")) {
        return xasprintf("\"%.64s\", expected system or netdev", value);
    }
    return parse_text(config, offset, value);
}

/* Device names: those of bridges are some, too. */
static bool
is_device_name(const char *s)
{
    return strlen(s) <= 15 && !s[strcspn(s, "/ \t\r\n")];
}

static char *
parse_mappings(struct agent_config *config, size_t offset, const char *value)
{
    struct sset names = SSET_INITIALIZER(&names);
    char *copy = xstrdup(value ? value : "");
    char *save_ptr = NULL;
    char *error = NULL;

    for (char *word = strtok_r(copy, ",", &save_ptr); word && !error;
         word = strtok_r(NULL, ",", &save_ptr)) {
        char *colon = strchr(word, ':');

        if (!colon || colon == word || !colon[1]
            || !is_device_name(colon + 1) || strchr(colon + 1, ':')) {
            error = xasprintf("\"%.64s\", expected NAME:BRIDGE", word);
            break;
        }
        *colon = '\0';
        if (!sset_add(&names, word)) {
            error = xasprintf("\"%.64s\" is mapped twice", word);
        }
    }
    sset_destroy(&names);
    free(copy);
    return error ? error : parse_text(config, offset, value);
}

static char *
parse_bool(struct agent_config *config, size_t offset, const char *value)
{
    bool *member = (bool *) ((char *) config + offset);

    if (!strcmp(value, "true")) {
        *member = true;
    } else if (!strcmp(value, "false")) {
        *member = false;
    } else {
        return xasprintf("\"%.64s\", expected true or false", value);
    }
    return NULL;
}

static char *
parse_tos(struct agent_config *config, size_t offset, const char *value)
{
    int tos;

    if (strcmp(value, "inherit")
        && (!str_to_int(value, 0, &tos) || tos < 0 || tos > 255)) {
        return xasprintf("\"%.64s\", expected inherit or 0 to 255", value);
    }
    return parse_text(config, offset, value);
}

static char *
parse_port(struct agent_config *config, size_t offset OVS_UNUSED,
           const char *value)
{
    int port;

    if (!str_to_int(value, 10, &port) || port < 1 || port > 65535) {
        return xasprintf("\"%.64s\", expected a UDP port, 1 to 65535", value);
    }
    config->encap_port = port;
    return NULL;
}

static char *
parse_programming(struct agent_config *config, size_t offset OVS_UNUSED,
                  const char *value)
{
    static const char *const names[] = {
        [PROGRAMMING_AUTO] = "auto",
        [PROGRAMMING_EAGER] = "eager",
        [PROGRAMMING_LAZY] = "lazy",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(value, names[i])) {
            config->programming = i;
            return NULL;
        }
    }
    return xasprintf("\"%.64s\", expected auto, eager or lazy", value);
}

static char *
parse_threshold(struct agent_config *config, size_t offset OVS_UNUSED,
                const char *value)
{
    int threshold;

    if (!str_to_int(value, 10, &threshold) || threshold < 1) {
        return xasprintf("\"%.64s\", expected a number of neighbours, 1 to "
                         "%d", value, INT_MAX);
    }
    config->lazy_threshold = threshold;
    return NULL;
}

static char *
parse_fast_path(struct agent_config *config, size_t offset OVS_UNUSED,
                const char *value)
{
    static const char *const names[] = {
        [FAST_PATH_AUTO] = "auto",
        [FAST_PATH_NATIVE] = "native",
        [FAST_PATH_GENERIC] = "generic",
        [FAST_PATH_TC] = "tc",
        [FAST_PATH_INTERPOSE] = "interpose",
        [FAST_PATH_OFF] = "off",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(value, names[i])) {
            config->fast_path = i;
            return NULL;
        }
    }
    return xasprintf("\"%.64s\", expected auto, native, generic, tc, "
                     "interpose or off", value);
}

static char *
parse_device(struct agent_config *config, size_t offset, const char *value)
{
    if (value && !is_device_name(value)) {
        return xasprintf("\"%.64s\", expected the name of a device: at most "
                         "15 characters, no spaces or slashes", value);
    }
    return parse_text(config, offset, value);
}

static char *
parse_role(struct agent_config *config, size_t offset OVS_UNUSED,
           const char *value)
{
    char *copy = xstrdup(value);
    char *save_ptr = NULL;
    char *error = NULL;
    unsigned int role = 0;

    for (char *word = strtok_r(copy, ",", &save_ptr); word && !error;
         word = strtok_r(NULL, ",", &save_ptr)) {
        if (!strcmp(word, "compute")) {
            role |= ROLE_COMPUTE;
        } else if (!strcmp(word, "gateway")) {
            role |= ROLE_GATEWAY;
        } else {
            error = xasprintf("\"%.64s\", expected compute, gateway, or "
                              "compute,gateway", word);
        }
    }
    free(copy);
    if (!error && role) {
        config->role = role;
    }
    return error;
}

/* Parses "IP=MAC", which it changes. */
static char *
parse_entrance(char *word, struct config_entrance *e)
{
    char *mac = strchr(word, '=');
    char *error = NULL;

    if (mac) {
        *mac = '\0';
    }
    if (!mac || !ip_parse(word, &e->ip) || !e->ip
        || !eth_addr_from_string(mac + 1, &e->mac)
        || eth_addr_is_multicast(e->mac) || eth_addr_is_zero(e->mac)) {
        error = xasprintf("\"%s%s%s\", expected IPV4-ADDRESS=MAC", word,
                          mac ? "=" : "", mac ? mac + 1 : "");
    }
    return error;
}

/* As many as a heartbeat has room for (feedback/gateway-cluster.h). */
#define MAX_ENTRANCES 256

static char *
parse_entrances(struct agent_config *config, size_t offset OVS_UNUSED,
                const char *value)
{
    struct config_entrance *entrances = xcalloc(MAX_ENTRANCES,
                                                sizeof *entrances);
    char *copy = xstrdup(value ? value : "");
    char *save_ptr = NULL;
    char *error = NULL;
    size_t n = 0;

    for (char *word = strtok_r(copy, ",", &save_ptr); word && !error;
         word = strtok_r(NULL, ",", &save_ptr)) {
        error = (n < MAX_ENTRANCES ? parse_entrance(word, &entrances[n++])
                 : xasprintf("more than %d entrances", MAX_ENTRANCES));
    }
    free(copy);
    if (error) {
        free(entrances);
        return error;
    }
    free(config->gateway_entrances);
    config->gateway_entrances = entrances;
    config->n_gateway_entrances = n;
    return NULL;
}

static char *
parse_probe_interval(struct agent_config *config, size_t offset OVS_UNUSED,
                     const char *value)
{
    int msec;

    if (!str_to_int(value, 10, &msec) || msec < 50 || msec > 60000) {
        return xasprintf("\"%.64s\", expected milliseconds, 50 to 60000",
                         value);
    }
    config->probe_interval = msec;
    return NULL;
}

static char *
parse_limits(struct agent_config *config, size_t offset, const char *value)
{
    char *error = limits_check(value ? value : "");

    return error ? error : parse_text(config, offset, value);
}

#define SETTING(KEY, FALLBACK, PARSE, MEMBER) \
    { KEY, FALLBACK, PARSE, offsetof(struct agent_config, MEMBER) }

static const struct setting settings[] = {
    SETTING("alcor-remote", NULL, parse_text, remote),
    SETTING("alcor-control", NULL, parse_text, control),
    SETTING("alcor-node-id", NULL, parse_id, node_id),
    SETTING("alcor-host-ip", NULL, parse_host_ip, host_ip),
    SETTING("alcor-bridge", "br-int", parse_device, bridge),
    SETTING("alcor-bridge-datapath-type", NULL, parse_datapath_type,
            datapath_type),
    SETTING("alcor-curve-key", NULL, parse_text, curve_key),
    SETTING("alcor-curve-server-key", NULL, parse_text, curve_server_key),
    SETTING("alcor-plugins", NULL, parse_text, plugins),
    SETTING("alcor-neighbor-programming", "auto", parse_programming,
            programming),
    SETTING("alcor-neighbor-lazy-threshold", "4096", parse_threshold,
            lazy_threshold),
    SETTING("alcor-on-demand", "true", parse_bool, on_demand),
    SETTING("alcor-bridge-mappings", NULL, parse_mappings, bridge_mappings),
    SETTING("alcor-encap-csum", "false", parse_bool, encap_csum),
    SETTING("alcor-encap-df", "true", parse_bool, encap_df),
    SETTING("alcor-encap-tos", "inherit", parse_tos, encap_tos),
    SETTING("alcor-encap-port", "4789", parse_port, encap_port),
    SETTING("alcor-fast-path", "auto", parse_fast_path, fast_path),
    SETTING("alcor-uplink", NULL, parse_device, uplink),
    SETTING("alcor-role", "compute", parse_role, role),
    SETTING("alcor-gateway-entrances", NULL, parse_entrances,
            gateway_entrances),
    SETTING("alcor-gateway-probe-interval", "200", parse_probe_interval,
            probe_interval),
    SETTING("alcor-limits", NULL, parse_limits, limits),
};

/* Keys of interfaces.md that this version knows but has no use for yet. */
static const char *const later_keys[] = {
    "alcor-metrics-listen", "alcor-installed", "alcor-owner",
};

void
agent_config_init(struct agent_config *config)
{
    memset(config, 0, sizeof *config);
    smap_init(&config->errors);
    sset_init(&config->bad);
    smap_init(&config->last);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (settings[i].fallback) {
            free(settings[i].parse(config, settings[i].offset,
                                   settings[i].fallback));
        }
    }
}

void
agent_config_destroy(struct agent_config *config)
{
    free(config->remote);
    free(config->control);
    free(config->node_id);
    free(config->host_ip);
    free(config->bridge);
    free(config->datapath_type);
    free(config->curve_key);
    free(config->curve_server_key);
    free(config->plugins);
    free(config->encap_tos);
    free(config->bridge_mappings);
    free(config->uplink);
    free(config->gateway_entrances);
    free(config->limits);
    smap_destroy(&config->errors);
    sset_destroy(&config->bad);
    smap_destroy(&config->last);
}

/* What comes before the name of an error: not every one is about a key. */
const char *
agent_config_error_prefix(const char *key)
{
    return strncmp(key, "alcor-", 6) ? "" : "external_ids:";
}

static bool
set_error(struct agent_config *config, const char *key, char *error)
{
    const char *old = smap_get(&config->errors, key);

    if (nullable_string_is_equal(old, error)) {
        free(error);
        return false;
    }
    config->errors_seqno++;
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 120);

        VLOG_INFO_RL(&rl, "%s%s: %s", agent_config_error_prefix(key), key,
                     error);
        smap_replace(&config->errors, key, error);
        free(error);
    } else {
        smap_remove(&config->errors, key);
    }
    return true;
}

bool
agent_config_set_error(struct agent_config *config, const char *key,
                       char *error)
{
    if (sset_contains(&config->bad, key)) {
        free(error);
        return false;
    }
    return set_error(config, key, error);
}

static bool
is_known(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (!strcmp(settings[i].key, key)) {
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(later_keys); i++) {
        if (!strcmp(later_keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* How many characters have to be added, removed or replaced to make 'b', of at
 * most KEY_LEN characters, of 'a'. */
static size_t
edit_distance(const char *a, const char *b)
{
    size_t row[KEY_LEN + 1];
    size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0]++;

        for (size_t j = 0; j < n; j++) {
            size_t cost = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            row[j + 1] = MIN(cost, MIN(row[j], diagonal) + 1);
        }
    }
    return row[n];
}

/* The key that 'key' was meant to be, or null if none is like it. */
static const char *
similar_key(const char *key)
{
    size_t best = TYPO_DISTANCE + 1;
    const char *similar = NULL;

    for (size_t i = 0; strlen(key) <= KEY_LEN && i < ARRAY_SIZE(settings);
         i++) {
        size_t distance = edit_distance(key, settings[i].key);

        if (distance < best) {
            best = distance;
            similar = settings[i].key;
        }
    }
    return similar;
}

/* Reports keys with our prefix that mean nothing, most likely typos. */
static void
check_unknown(struct agent_config *config, const struct smap *ids)
{
    struct smap_node *node;

    SMAP_FOR_EACH (node, ids) {
        if (!strncmp(node->key, "alcor-", 6) && !is_known(node->key)) {
            const char *similar = similar_key(node->key);
            char *error = xasprintf("unknown key, ignored; %s%s", similar
                                    ? "did you mean " : "see alcor-agent(8) "
                                    "for those there are",
                                    similar ? similar : "");
            set_error(config, node->key, error);
        }
    }
    SMAP_FOR_EACH_SAFE (node, &config->errors) {
        if (!strncmp(node->key, "alcor-", 6)
            && !smap_get(ids, node->key) && !is_known(node->key)) {
            smap_remove_node(&config->errors, node);
        }
    }
}

/* Returns the text of a setting, falling back to system-id for the node. */
static const char *
setting_text(const struct setting *setting, const struct smap *ids)
{
    const char *value = smap_get(ids, setting->key);

    if ((!value || !value[0]) && !strcmp(setting->key, "alcor-node-id")) {
        value = smap_get(ids, "system-id");
    }
    return value && value[0] ? value : setting->fallback;
}

bool
agent_config_update(struct agent_config *config, const struct smap *ids)
{
    /* Errors that turned up later on stay. */
    if (config->loaded && smap_equal(ids, &config->last)) {
        return false;
    }
    smap_destroy(&config->last);
    smap_clone(&config->last, ids);
    config->loaded = true;

    check_unknown(config, ids);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const struct setting *setting = &settings[i];
        char *error = setting->parse(config, setting->offset,
                                     setting_text(setting, ids));

        sset_find_and_delete(&config->bad, setting->key);
        if (error) {
            sset_add(&config->bad, setting->key);
        }
        set_error(config, setting->key, error);
    }
    return true;
}

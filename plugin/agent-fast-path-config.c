/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path-config: what the programs are told, from the settings. */

#include <config.h>

#include "agent-fast-path.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include "agent-private.h"
#include "apply/apply-ovsdb.h"
#include "apply/next-hop.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

static bool
get_mac(const char *device, struct eth_addr *mac)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ovs_strlcpy(ifr.ifr_name, device, sizeof ifr.ifr_name);
    if (af_inet_ioctl(SIOCGIFHWADDR, &ifr)) {
        return false;
    }
    memcpy(mac, ifr.ifr_hwaddr.sa_data, sizeof *mac);
    return true;
}

/* Fills in 'config'.  Returns false if there is to be no fast path: because of
 * '*error', if that is then not null. */
bool
agent_fast_path_config(const struct agent *agent,
                       struct apply_bpf_config *config,
                       char **error)
{
    const struct agent_config *settings = &agent->config;
    const char *type = apply_ovsdb_datapath_type(agent->ovsdb);
    const char *device = next_hop_device(agent->next_hop);
    int tos = 0;

    *error = NULL;
    if (agent->options.dummy || settings->fast_path == FAST_PATH_OFF
        || !settings->host_ip
        || (strcmp(type, "netdev") && strcmp(type, "system"))) {
        return false;
    } else if (settings->role & ROLE_GATEWAY) {
        *error = xstrdup("alcor-role says gateway, whose program is on the "
                         "uplink");
        return false;
    } else if (!IN6_IS_ADDR_V4MAPPED(&settings->host_addr)) {
        *error = xstrdup("alcor-host-ip is IPv6, and the programs know only "
                         "IPv4 underlays");
        return false;
    } else if (settings->encap_csum) {
        *error = xstrdup("alcor-encap-csum is true, and the programs make no "
                         "outer checksums");
        return false;
    }
    *config = (struct apply_bpf_config) {
        .mode = (enum apply_bpf_mode) settings->fast_path,
        .userspace = !strcmp(type, "netdev"),
        .local_ip = in6_addr_get_mapped_ipv4(&settings->host_addr),
        .vxlan_port = htons(settings->encap_port),
        .ttl = 64,
        .tos_inherit = !strcmp(settings->encap_tos, "inherit"),
    };
    if (!config->tos_inherit && str_to_int(settings->encap_tos, 0, &tos)) {
        config->tos = tos & 0xfc;
    }
    if (!device || !get_mac(device, &config->local_mac)) {
        *error = xasprintf("no device has %s", settings->host_ip);
        return false;
    }
    return true;
}

/* A change of what this returns means that all programs are loaded anew. */
char *
agent_fast_path_config_to_string(const struct apply_bpf_config *config)
{
    return xasprintf("%d %d "IP_FMT" "ETH_ADDR_FMT" %d %d %d", config->mode,
                     config->userspace, IP_ARGS(config->local_ip),
                     ETH_ADDR_ARGS(config->local_mac),
                     ntohs(config->vxlan_port), config->tos_inherit,
                     config->tos);
}

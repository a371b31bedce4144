/* SPDX-License-Identifier: Apache-2.0
 *
 * oam: in-band operation packets of gateways, as they are on the wire. */

#include <config.h>

#include "feedback/oam.h"

#include <string.h>
#include "packets.h"
#include "util.h"

/* What every message begins with; as bytes, since it is not aligned. */
struct oam_head {
    uint8_t op[4];
    uint8_t src[4];
    uint8_t dst[4];
    uint8_t sport[2];
    uint8_t dport[2];
    uint8_t protocol;
    uint8_t vni[3];
};
BUILD_ASSERT_DECL(sizeof(struct oam_head) == OAM_DELETION_LEN);

struct oam_injection {
    struct oam_head head;
    uint8_t instance_ip[4];
    uint8_t host_ip[4];
    uint8_t instance_mac[ETH_ADDR_LEN];
    uint8_t host_mac[ETH_ADDR_LEN];
    uint8_t idle_secs[2];
    uint8_t reserved[2];
};
BUILD_ASSERT_DECL(sizeof(struct oam_injection) == OAM_INJECTION_LEN);

const char *
oam_verdict_to_string(enum oam_verdict verdict)
{
    static const char *const names[] = {
#define OAM_VERDICT(NAME, STRING, WHAT) [OAM_##NAME] = STRING,
        OAM_VERDICTS
#undef OAM_VERDICT
    };
    return names[verdict];
}

static uint32_t
get_be(const uint8_t *p, size_t n)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static bool
is_station(ovs_be32 ip)
{
    return (ip && ip != OVS_BE32_MAX && !ip_is_multicast(ip)
            && (ntohl(ip) >> 24) != 127 && ntohl(ip) >> 24);
}

static bool
is_station_mac(struct eth_addr mac)
{
    return !eth_addr_is_zero(mac) && !eth_addr_is_multicast(mac);
}

static void
parse_head(const struct oam_head *head, struct oam_message *m)
{
    memcpy(&m->src, head->src, sizeof m->src);
    memcpy(&m->dst, head->dst, sizeof m->dst);
    memcpy(&m->sport, head->sport, sizeof m->sport);
    memcpy(&m->dport, head->dport, sizeof m->dport);
    m->protocol = head->protocol;
    m->vni = get_be(head->vni, sizeof head->vni);
}

static enum oam_verdict
parse_injection(const struct oam_injection *in, struct oam_message *m)
{
    memcpy(&m->instance_ip, in->instance_ip, sizeof m->instance_ip);
    memcpy(&m->host_ip, in->host_ip, sizeof m->host_ip);
    memcpy(&m->instance_mac, in->instance_mac, sizeof m->instance_mac);
    memcpy(&m->host_mac, in->host_mac, sizeof m->host_mac);
    m->idle_secs = get_be(in->idle_secs, sizeof in->idle_secs);
    return (m->instance_ip == m->dst && is_station(m->host_ip)
            && is_station_mac(m->instance_mac) && is_station_mac(m->host_mac)
            ? OAM_NEW : OAM_BAD_ADDRESS);
}

enum oam_verdict
oam_parse(const void *data, size_t len, struct oam_message *m)
{
    const struct oam_injection *in = data;
    uint32_t op;

    memset(m, 0, sizeof *m);
    if (len != OAM_INJECTION_LEN && len != OAM_DELETION_LEN) {
        return OAM_BAD_LENGTH;
    }
    op = get_be(in->head.op, sizeof in->head.op);
    if (op != (len == OAM_INJECTION_LEN ? OAM_INJECT : OAM_DELETE)) {
        return OAM_BAD_OPERATION;
    }
    m->op = op;
    parse_head(&in->head, m);
    if (!is_station(m->src) || !is_station(m->dst)) {
        return OAM_BAD_ADDRESS;
    }
    return m->op == OAM_INJECT ? parse_injection(in, m) : OAM_NEW;
}

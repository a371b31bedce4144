/* SPDX-License-Identifier: Apache-2.0
 *
 * icmp-error: what a router says about packets that it does not forward. */

#include <config.h>

#include "translate/icmp-error.h"

#include <netinet/icmp6.h>
#include <string.h>
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "translate/l3-router.h"
#include "util.h"

/* Longest messages: RFC 1812, section 4.3.2.3; RFC 4443, section 2.4 (c). */
#define ICMP4_MAX_LEN 576
#define ICMP6_MAX_LEN 1280

/* Type and code of each kind. */
struct icmp_code {
    uint8_t type, code;
};

static const struct icmp_code codes4[] = {
    [ICMP_ERROR_TTL] = { ICMP4_TIME_EXCEEDED, 0 },
    [ICMP_ERROR_NO_ROUTE] = { ICMP4_DST_UNREACH, 0 },
    [ICMP_ERROR_NO_HOST] = { ICMP4_DST_UNREACH, 1 },
    [ICMP_ERROR_TOO_BIG] = { ICMP4_DST_UNREACH, 4 },
};

static const struct icmp_code codes6[] = {
    [ICMP_ERROR_TTL] = { ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT },
    [ICMP_ERROR_NO_ROUTE] = { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE },
    [ICMP_ERROR_NO_HOST] = { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR },
    [ICMP_ERROR_TOO_BIG] = { ICMP6_PACKET_TOO_BIG, 0 },
};

/* True if 'ip', in host byte order, is no address of one station. */
static bool
is_not_one4(uint32_t ip)
{
    return !(ip >> 24) || ip >> 28 >= 0xe || ip >> 24 == 127;
}

static bool
may_answer4(const struct flow *flow)
{
    if (flow->nw_frag & FLOW_NW_FRAG_LATER
        || is_not_one4(ntohl(flow->nw_src))
        || is_not_one4(ntohl(flow->nw_dst))) {
        return false;
    }
    return (flow->nw_proto != IPPROTO_ICMP
            || flow->tp_src == htons(ICMP4_ECHO_REQUEST)
            || flow->tp_src == htons(ICMP4_ECHO_REPLY));
}

static bool
may_answer6(const struct flow *flow, uint8_t kind)
{
    if (flow->nw_frag & FLOW_NW_FRAG_LATER
        || !ipv6_addr_is_set(&flow->ipv6_src)
        || ipv6_addr_is_multicast(&flow->ipv6_src)
        || (ipv6_addr_is_multicast(&flow->ipv6_dst)
            && kind != ICMP_ERROR_TOO_BIG)) {
        return false;
    }
    return (flow->nw_proto != IPPROTO_ICMPV6
            || ntohs(flow->tp_src) >= ICMP6_ECHO_REQUEST);
}

static struct eth_addr
addressee(const struct icmp_error *error, const struct flow *flow)
{
    return eth_addr_is_zero(error->to) ? flow->dl_src : error->to;
}

static void
compose4(const struct icmp_error *error, const struct flow *flow,
         const void *ip, size_t len, struct dp_packet *reply)
{
    const struct icmp_code *code = &codes4[error->kind];
    size_t head = IP_HEADER_LEN + ICMP_HEADER_LEN;

    len = MIN(len, ICMP4_MAX_LEN - head);
    struct ip_header *nh = eth_compose(reply, addressee(error, flow),
                                       error->mac, ETH_TYPE_IP, head + len);
    memset(nh, 0, head);
    nh->ip_ihl_ver = IP_IHL_VER(5, 4);
    nh->ip_tos = 0xc0;          /* Internetwork control. */
    nh->ip_tot_len = htons(head + len);
    nh->ip_ttl = ROUTER_TTL;
    nh->ip_proto = IPPROTO_ICMP;
    put_16aligned_be32(&nh->ip_src, in6_addr_get_mapped_ipv4(&error->ip));
    put_16aligned_be32(&nh->ip_dst, flow->nw_src);
    nh->ip_csum = csum(nh, IP_HEADER_LEN);

    struct icmp_header *ih = (struct icmp_header *) (nh + 1);
    ih->icmp_type = code->type;
    ih->icmp_code = code->code;
    if (error->kind == ICMP_ERROR_TOO_BIG) {
        ih->icmp_fields.frag.mtu = htons(MIN(error->mtu, UINT16_MAX));
    }
    memcpy(ih + 1, ip, len);
    ih->icmp_csum = csum(ih, ICMP_HEADER_LEN + len);
}

static void
compose6(const struct icmp_error *error, const struct flow *flow,
         const void *ip, size_t len, struct dp_packet *reply)
{
    const struct icmp_code *code = &codes6[error->kind];
    size_t head = ICMP6_DATA_HEADER_LEN;

    len = MIN(len, ICMP6_MAX_LEN - IPV6_HEADER_LEN - head);
    eth_compose(reply, addressee(error, flow), error->mac,
                ETH_TYPE_IPV6, IPV6_HEADER_LEN);

    struct icmp6_data_header *ih = compose_ipv6(
        reply, IPPROTO_ICMPV6, &error->ip, &flow->ipv6_src, 0, 0, ROUTER_TTL,
        head + len);
    memset(ih, 0, head);
    ih->icmp6_base.icmp6_type = code->type;
    ih->icmp6_base.icmp6_code = code->code;
    if (error->kind == ICMP_ERROR_TOO_BIG) {
        put_16aligned_be32(&ih->icmp6_data.be32[0], htonl(error->mtu));
    }
    memcpy(ih + 1, ip, len);
    ih->icmp6_base.icmp6_cksum = packet_csum_upperlayer6(
        dp_packet_l3(reply), ih, IPPROTO_ICMPV6, head + len);
}

bool
icmp_error_compose(const struct icmp_error *error,
                   const struct dp_packet *packet, const struct flow *flow,
                   struct dp_packet *reply)
{
    const char *ip = dp_packet_l3(packet);
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(&error->ip);

    if (!ip || error->kind > ICMP_ERROR_TOO_BIG
        || flow->dl_type != htons(ipv4 ? ETH_TYPE_IP : ETH_TYPE_IPV6)) {
        return false;
    }

    size_t len = (const char *) dp_packet_tail(packet) - ip
                 - dp_packet_l2_pad_size(packet);
    if (ipv4) {
        if (!may_answer4(flow)) {
            return false;
        }
        compose4(error, flow, ip, len, reply);
    } else {
        if (!may_answer6(flow, error->kind)) {
            return false;
        }
        compose6(error, flow, ip, len, reply);
    }
    return true;
}

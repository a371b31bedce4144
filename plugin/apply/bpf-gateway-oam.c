/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway-oam: frames that tell hosts of direct paths. */

#include <config.h>

#include "apply/bpf-gateway.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "csum.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

#define OP_INJECT 0
#define OP_DELETE 1
#define OAM_TTL 63              /* As deployed gateways have it. */

/* What both begin with. */
struct oam_head {
    ovs_be16 op[2];             /* 32 bits, aligned to 16. */
    ovs_be16 src[2];
    ovs_be16 dst[2];
    ovs_be16 sport;
    ovs_be16 dport;
    uint8_t proto;
    uint8_t vni[3];
};
BUILD_ASSERT_DECL(sizeof(struct oam_head) == 20);

struct oam_injection {
    struct oam_head head;
    ovs_be16 instance_ip[2];
    ovs_be16 host_ip[2];
    uint8_t instance_mac[6];
    uint8_t host_mac[6];
    ovs_be16 idle_secs;
    ovs_be16 reserved;
};
BUILD_ASSERT_DECL(sizeof(struct oam_injection) == 44);

struct oam_frame {
    struct eth_header eth;
    struct ip_header ip;
    struct udp_header udp;
    struct oam_injection oam;
};
BUILD_ASSERT_DECL(sizeof(struct oam_frame) == GATEWAY_OAM_INJECT_LEN);

static void
fill(struct oam_frame *f, const struct fp_gw_oam *oam, ovs_be16 port,
     size_t payload)
{
    size_t ip_len = sizeof f->ip + sizeof f->udp + payload;
    ovs_be32 vni = (OVS_FORCE ovs_be32) oam->vni;

    memset(f, 0, sizeof *f);
    memcpy(&f->eth.eth_dst, oam->to_mac, 6);
    memcpy(&f->eth.eth_src, oam->entrance_mac, 6);
    f->eth.eth_type = htons(ETH_TYPE_IP);

    f->ip.ip_ihl_ver = IP_IHL_VER(5, 4);
    f->ip.ip_tot_len = htons(ip_len);
    f->ip.ip_ttl = OAM_TTL;
    f->ip.ip_proto = IPPROTO_UDP;
    memcpy(&f->ip.ip_src, &oam->entrance_ip, 4);
    memcpy(&f->ip.ip_dst, &oam->to_ip, 4);
    f->ip.ip_csum = csum(&f->ip, sizeof f->ip);

    f->udp.udp_dst = port;
    f->udp.udp_len = htons(sizeof f->udp + payload);

    memcpy(f->oam.head.src, &oam->src, 4);
    memcpy(f->oam.head.dst, &oam->dst, 4);
    f->oam.head.sport = (OVS_FORCE ovs_be16) oam->sport;
    f->oam.head.dport = (OVS_FORCE ovs_be16) oam->dport;
    f->oam.head.proto = oam->proto;
    memcpy(f->oam.head.vni, (const uint8_t *) &vni + 1, 3);
}

void
gateway_oam_inject(const struct fp_gw_oam *oam, ovs_be16 port,
                   uint8_t frame[GATEWAY_OAM_INJECT_LEN])
{
    struct oam_frame f;

    fill(&f, oam, port, sizeof f.oam);
    f.oam.head.op[1] = htons(OP_INJECT);
    memcpy(f.oam.instance_ip, &oam->dst, 4);
    memcpy(f.oam.host_ip, &oam->host_ip, 4);
    memcpy(f.oam.instance_mac, oam->dst_mac, 6);
    memcpy(f.oam.host_mac, oam->host_mac, 6);
    f.oam.idle_secs = htons(GATEWAY_OAM_IDLE_SECS);
    memcpy(frame, &f, sizeof f);
}

void
gateway_oam_delete(const struct fp_gw_oam *oam, ovs_be16 port,
                   uint8_t frame[GATEWAY_OAM_DELETE_LEN])
{
    struct oam_frame f;

    fill(&f, oam, port, sizeof f.oam.head);
    f.oam.head.op[1] = htons(OP_DELETE);
    memcpy(frame, &f, GATEWAY_OAM_DELETE_LEN);
}

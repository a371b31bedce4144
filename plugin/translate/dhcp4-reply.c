/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp4-reply: what a DHCP server answers (RFC 2131). */

#include <config.h>

#include "translate/dhcp4-reply.h"

#include <string.h>
#include "coverage.h"
#include "csum.h"
#include "dhcp.h"
#include "dp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/dhcp-options.h"
#include "translate/punt.h"
#include "unaligned.h"
#include "util.h"

COVERAGE_DEFINE(dhcp4_offer);
COVERAGE_DEFINE(dhcp4_ack);
COVERAGE_DEFINE(dhcp4_nak);
COVERAGE_DEFINE(dhcp4_decline);
COVERAGE_DEFINE(dhcp4_ignored);

/* Message types that dhcp.h lacks. */
#define DHCP_MSG_DECLINE 4
#define DHCP_MSG_RELEASE 7
#define DHCP_MSG_INFORM 8

#define DHCP_FLAG_BROADCAST 0x8000

/* Smallest datagram that every client accepts, and what of it is not options:
 * IP and UDP headers, fixed part, cookie. */
#define MIN_MAX_SIZE 576
#define OVERHEAD (IP_HEADER_LEN + UDP_HEADER_LEN + DHCP_HEADER_LEN + 4)
#define MAX_MAX_SIZE 1400
#define MIN_BOOTP 300           /* Some relays and clients want that much. */

struct request {
    struct dhcp_header header;
    uint8_t type;
    bool has_requested, has_server;
    ovs_be32 requested, server;
    const uint8_t *client_id;   /* Null: none. */
    uint8_t client_id_len;
    const uint8_t *wanted;      /* Option 55; null: none. */
    uint8_t n_wanted;
    uint16_t max_size;
};

static ovs_be32
get_ip(const uint8_t *value)
{
    ovs_be32 ip;

    memcpy(&ip, value, sizeof ip);
    return ip;
}

static void
parse_option(struct request *rq, uint8_t code, const uint8_t *value,
             uint8_t len)
{
    switch (code) {
    case DHCP_MESSAGE_TYPE:
        rq->type = len == 1 ? value[0] : 0;
        break;
    case DHCP_REQUESTED_IP:
        rq->has_requested = len == 4;
        rq->requested = len == 4 ? get_ip(value) : 0;
        break;
    case DHCP_SERVER_ID:
        rq->has_server = len == 4;
        rq->server = len == 4 ? get_ip(value) : 0;
        break;
    case DHCP_CLIENT_ID:
        rq->client_id = value;
        rq->client_id_len = len;
        break;
    case DHCP_PARAMETERS:
        rq->wanted = value;
        rq->n_wanted = len;
        break;
    case DHCP_MAX_SIZE:
        if (len == 2) {
            rq->max_size = MAX(value[0] << 8 | value[1], MIN_MAX_SIZE);
        }
        break;
    default:
        break;
    }
}

/* Parses 'len' bytes of options; false if they are cut off. */
static bool
parse_options(struct request *rq, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;

    while (p < end && *p != DHCP_OPT_END) {
        uint8_t code = *p++;

        if (code == DHCP_OPT_PAD) {
            continue;
        }
        if (p == end || *p > end - p - 1) {
            return false;
        }
        parse_option(rq, code, p + 1, *p);
        p += 1 + *p;
    }
    return true;
}

static bool
parse_request(const struct packet_view *view, struct request *rq)
{
    const struct udp_header *udp = dp_packet_l4(view->packet);
    size_t size = dp_packet_l4_size(view->packet);
    const uint8_t *p;

    *rq = (struct request) { .max_size = MIN_MAX_SIZE };
    if (!udp || view->flow->nw_frag || size < UDP_HEADER_LEN
        || ntohs(udp->udp_len) < UDP_HEADER_LEN + DHCP_HEADER_LEN + 4
        || ntohs(udp->udp_len) > size) {
        return false;
    }
    size = ntohs(udp->udp_len) - UDP_HEADER_LEN - DHCP_HEADER_LEN - 4;
    p = (const uint8_t *) (udp + 1);
    memcpy(&rq->header, p, sizeof rq->header);
    p += DHCP_HEADER_LEN;
    return (rq->header.op == DHCP_OP_REQUEST && rq->header.htype == 1
            && rq->header.hlen == ETH_ADDR_LEN && !rq->header.giaddr
            && get_ip(p) == htonl(DHCP_MAGIC_COOKIE)
            && parse_options(rq, p + 4, size));
}

/* What a REQUEST deserves: DHCP_MSG_ACK, DHCP_MSG_NAK or 0, nothing. */
static uint8_t
judge_request(const struct request *rq, ovs_be32 server, ovs_be32 client)
{
    ovs_be32 meant = rq->header.ciaddr;

    if (rq->has_server && rq->server != server) {
        return 0;               /* Another server's offer was taken. */
    }
    if (!meant) {               /* Selecting, or init-reboot. */
        if (!rq->has_requested) {
            return 0;
        }
        meant = rq->requested;
    }
    return meant == client ? DHCP_MSG_ACK : DHCP_MSG_NAK;
}

static uint8_t
judge(const struct request *rq, ovs_be32 server, ovs_be32 client)
{
    switch (rq->type) {
    case DHCP_MSG_DISCOVER:
        return DHCP_MSG_OFFER;
    case DHCP_MSG_REQUEST:
        return judge_request(rq, server, client);
    case DHCP_MSG_INFORM:
        return DHCP_MSG_ACK;
    case DHCP_MSG_DECLINE:
        COVERAGE_INC(dhcp4_decline);
        return 0;
    default:
        return 0;
    }
}

static bool
is_wanted(const struct request *rq, uint8_t code)
{
    return rq->wanted && memchr(rq->wanted, code, rq->n_wanted);
}

/* Appends those of the configured options that fit into 'room' bytes: what the
 * client has asked for, if 'wanted', else the others. */
static void
put_configured(struct ofpbuf *b, const struct packet_view *view,
               const struct request *rq, bool wanted, size_t room)
{
    const uint8_t *p = view->data;
    const uint8_t *end = p + view->len;
    bool inform = rq->type == DHCP_MSG_INFORM;

    p += sizeof(struct dhcp4_data);
    while (end - p >= 2 && end - p >= 2 + p[1]) {
        uint8_t code = p[0];
        size_t len = 2 + p[1];
        bool time = (code == DHCP_LEASE_TIME || code == DHCP_RENEWAL_TIME
                     || code == DHCP_REBINDING_TIME);

        if ((time || is_wanted(rq, code)) == wanted && !(inform && time)
            && b->size + len <= room) {
            ofpbuf_put(b, p, len);
        }
        p += len;
    }
}

static void
put_options(struct ofpbuf *b, const struct packet_view *view,
            const struct request *rq, uint8_t type, ovs_be32 server)
{
    size_t room = (b->size + MIN(rq->max_size, MAX_MAX_SIZE) - OVERHEAD - 1);

    dhcp_option_put(b, DHCP_MESSAGE_TYPE, &type, 1);
    dhcp_option_put(b, DHCP_SERVER_ID, &server, sizeof server);
    if (rq->client_id) {
        dhcp_option_put(b, DHCP_CLIENT_ID, rq->client_id, rq->client_id_len);
    }
    if (type != DHCP_MSG_NAK) {
        put_configured(b, view, rq, true, room);
        put_configured(b, view, rq, false, room);
    }
    type = DHCP_OPT_END;
    ofpbuf_put(b, &type, 1);
}

/* Appends the DHCP message. */
static void
put_message(struct ofpbuf *b, const struct packet_view *view,
            const struct request *rq, uint8_t type,
            const struct dhcp4_data *data)
{
    struct dhcp_header header = {
        .op = DHCP_OP_REPLY, .htype = 1, .hlen = ETH_ADDR_LEN,
        .xid = rq->header.xid, .flags = rq->header.flags,
    };
    ovs_be32 cookie = htonl(DHCP_MAGIC_COOKIE);
    size_t start = b->size;

    if (type == DHCP_MSG_NAK) {
        header.flags |= htons(DHCP_FLAG_BROADCAST);
    } else {
        header.ciaddr = rq->header.ciaddr;
        header.yiaddr = (rq->type == DHCP_MSG_INFORM ? 0
                         : get_16aligned_be32(&data->client_ip));
    }
    memcpy(header.chaddr, rq->header.chaddr, sizeof header.chaddr);
    ofpbuf_put(b, &header, sizeof header);
    ofpbuf_put(b, &cookie, sizeof cookie);
    put_options(b, view, rq, type, get_16aligned_be32(&data->server_ip));
    if (b->size - start < MIN_BOOTP) {
        ofpbuf_put_zeros(b, MIN_BOOTP - (b->size - start));
    }
}

/* Where the answer goes: RFC 2131, section 4.1. */
static ovs_be32
destination(const struct request *rq, uint8_t type,
            const struct dhcp4_data *data)
{
    if (type != DHCP_MSG_NAK && rq->header.ciaddr) {
        return rq->header.ciaddr;
    }
    if (type == DHCP_MSG_NAK || rq->header.flags & htons(DHCP_FLAG_BROADCAST)
        || rq->type == DHCP_MSG_INFORM) {
        return htonl(UINT32_MAX);
    }
    return get_16aligned_be32(&data->client_ip);
}

static void
put_headers(struct ofpbuf *b, const struct dhcp4_data *data, ovs_be32 dst,
            size_t payload)
{
    size_t udp_len = UDP_HEADER_LEN + payload;
    struct eth_header *eth = ofpbuf_put_zeros(b, sizeof *eth);

    eth->eth_dst = (dst == htonl(UINT32_MAX)
                    ? (struct eth_addr) ETH_ADDR_C(ff,ff,ff,ff,ff,ff)
                    : data->client_mac);
    eth->eth_src = data->server_mac;
    eth->eth_type = htons(ETH_TYPE_IP);

    struct ip_header *ip = ofpbuf_put_zeros(b, sizeof *ip);
    ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    ip->ip_tot_len = htons(IP_HEADER_LEN + udp_len);
    ip->ip_ttl = 64;
    ip->ip_proto = IPPROTO_UDP;
    ip->ip_src = data->server_ip;
    put_16aligned_be32(&ip->ip_dst, dst);
    ip->ip_csum = csum(ip, sizeof *ip);

    struct udp_header *udp = ofpbuf_put_zeros(b, sizeof *udp);
    udp->udp_src = htons(DHCP_SERVER_PORT);
    udp->udp_dst = htons(DHCP_CLIENT_PORT);
    udp->udp_len = htons(udp_len);
}

/* Fills in the checksum of the UDP datagram in 'frame'. */
static void
finish_checksum(struct ofpbuf *frame)
{
    struct ip_header *ip = ofpbuf_at_assert(frame, ETH_HEADER_LEN,
                                            IP_HEADER_LEN);
    struct udp_header *udp = ofpbuf_at_assert(
        frame, ETH_HEADER_LEN + IP_HEADER_LEN, UDP_HEADER_LEN);
    uint32_t sum = packet_csum_pseudoheader(ip);

    sum = csum_continue(sum, udp, ntohs(udp->udp_len));
    udp->udp_csum = csum_finish(sum);
    if (!udp->udp_csum) {
        udp->udp_csum = htons(UINT16_MAX);
    }
}

static void
send_answer(struct packet_reply *reply, const struct request *rq,
            uint8_t type, const struct dhcp4_data *data)
{
    ovs_be32 dst = destination(rq, type, data);
    struct ofpbuf message, frame;

    ofpbuf_init(&message, 1024);
    put_message(&message, reply->view, rq, type, data);
    ofpbuf_init(&frame, 1024);
    put_headers(&frame, data, dst, message.size);
    ofpbuf_put(&frame, message.data, message.size);
    finish_checksum(&frame);
    packet_reply_answer(reply, frame.data, frame.size);
    ofpbuf_uninit(&frame);
    ofpbuf_uninit(&message);
}

static void
count(uint8_t type)
{
    switch (type) {
    case DHCP_MSG_OFFER:
        COVERAGE_INC(dhcp4_offer);
        break;
    case DHCP_MSG_ACK:
        COVERAGE_INC(dhcp4_ack);
        break;
    case DHCP_MSG_NAK:
        COVERAGE_INC(dhcp4_nak);
        break;
    default:
        COVERAGE_INC(dhcp4_ignored);
        break;
    }
}

bool
dhcp4_reply(const struct packet_view *view, struct packet_reply *reply)
{
    struct dhcp4_data data;
    struct request rq;

    if (view->len < sizeof data || !parse_request(view, &rq)) {
        return false;
    }
    memcpy(&data, view->data, sizeof data);
    if (memcmp(rq.header.chaddr, &data.client_mac, ETH_ADDR_LEN)) {
        return false;
    }

    uint8_t type = judge(&rq, get_16aligned_be32(&data.server_ip),
                         get_16aligned_be32(&data.client_ip));
    count(type);
    if (type) {
        send_answer(reply, &rq, type, &data);
    }
    return true;
}

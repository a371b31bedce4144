/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp6-reply: what a DHCPv6 server answers (RFC 8415). */

#include <config.h>

#include "translate/dhcp6-reply.h"

#include <string.h>
#include "coverage.h"
#include "csum.h"
#include "dp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/punt.h"
#include "unaligned.h"
#include "util.h"

COVERAGE_DEFINE(dhcp6_advertise);
COVERAGE_DEFINE(dhcp6_reply);
COVERAGE_DEFINE(dhcp6_ignored);

enum message_type {             /* RFC 8415, section 7.3. */
    DHCP6_SOLICIT = 1,
    DHCP6_ADVERTISE = 2,
    DHCP6_REQUEST = 3,
    DHCP6_CONFIRM = 4,
    DHCP6_RENEW = 5,
    DHCP6_REBIND = 6,
    DHCP6_REPLY = 7,
    DHCP6_RELEASE = 8,
    DHCP6_DECLINE = 9,
    DHCP6_INFORMATION = 11,
};

enum option_code {              /* RFC 8415, section 21; RFC 3646. */
    OPTION_CLIENTID = 1,
    OPTION_SERVERID = 2,
    OPTION_IA_NA = 3,
    OPTION_IA_TA = 4,
    OPTION_IAADDR = 5,
    OPTION_STATUS = 13,
    OPTION_RAPID_COMMIT = 14,
    OPTION_DNS = 23,
    OPTION_IA_PD = 25,
};

enum status_code {              /* RFC 8415, section 21.13. */
    STATUS_SUCCESS = 0,
    STATUS_NO_ADDRESSES = 2,
    STATUS_NOT_ON_LINK = 4,
    STATUS_NO_PREFIX = 6,
};

/* Seconds. */
#define PREFERRED 43200
#define VALID 86400

#define MAX_CLIENT_ID 130       /* DUID: 128 bytes and its type. */
#define MAX_IAS 16              /* In a message; more are not answered. */

struct span {
    const uint8_t *p;
    size_t len;
};

struct request {
    uint8_t type;
    uint8_t xid[3];
    struct span client_id, server_id; /* 'p' is null: not there. */
    bool rapid_commit;
    struct {
        uint16_t code;
        struct span body;
    } ias[MAX_IAS];
    size_t n_ias;
};

static uint16_t
get_u16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

/* Takes the next option off the front of 's'.  Returns false at its end and if
 * it is cut off, in which case '*sound' is set to false. */
static bool
next_option(struct span *s, uint16_t *code, struct span *body, bool *sound)
{
    if (!s->len) {
        return false;
    }
    if (s->len < 4 || get_u16(s->p + 2) > s->len - 4) {
        *sound = false;
        return false;
    }
    *code = get_u16(s->p);
    *body = (struct span) { s->p + 4, get_u16(s->p + 2) };
    s->p += 4 + body->len;
    s->len -= 4 + body->len;
    return true;
}

static bool
parse_options(struct request *rq, struct span s)
{
    struct span body;
    bool sound = true;
    uint16_t code;

    while (next_option(&s, &code, &body, &sound)) {
        switch (code) {
        case OPTION_CLIENTID:
            rq->client_id = body;
            break;
        case OPTION_SERVERID:
            rq->server_id = body;
            break;
        case OPTION_RAPID_COMMIT:
            rq->rapid_commit = true;
            break;
        case OPTION_IA_NA:
        case OPTION_IA_TA:
        case OPTION_IA_PD:
            if (rq->n_ias < MAX_IAS
                && body.len >= (code == OPTION_IA_TA ? 4 : 12)) {
                rq->ias[rq->n_ias].code = code;
                rq->ias[rq->n_ias++].body = body;
            }
            break;
        default:
            break;
        }
    }
    return sound && rq->client_id.len <= MAX_CLIENT_ID;
}

static bool
parse_request(const struct packet_view *view, struct request *rq)
{
    const struct udp_header *udp = dp_packet_l4(view->packet);
    size_t size = dp_packet_l4_size(view->packet);

    *rq = (struct request) { .type = 0 };
    if (!udp || view->flow->nw_frag || size < UDP_HEADER_LEN
        || ntohs(udp->udp_len) < UDP_HEADER_LEN + 4
        || ntohs(udp->udp_len) > size) {
        return false;
    }

    const uint8_t *p = (const uint8_t *) (udp + 1);
    rq->type = p[0];
    memcpy(rq->xid, p + 1, sizeof rq->xid);
    return parse_options(rq, (struct span) {
        p + 4, ntohs(udp->udp_len) - UDP_HEADER_LEN - 4 });
}

/* The server's DUID-LL, without option header. */
static void
make_duid(const struct eth_addr *mac, uint8_t duid[10])
{
    static const uint8_t type_and_hardware[4] = { 0, 3, 0, 1 };

    memcpy(duid, type_and_hardware, 4);
    memcpy(duid + 4, mac, ETH_ADDR_LEN);
}

/* RFC 8415, section 16: which messages have to name their server and which
 * must not. */
static bool
is_for_us(const struct request *rq, const uint8_t duid[10])
{
    bool ours = (rq->server_id.len == 10
                 && !memcmp(rq->server_id.p, duid, 10));

    switch (rq->type) {
    case DHCP6_SOLICIT:
    case DHCP6_CONFIRM:
    case DHCP6_REBIND:
        return rq->client_id.p && !rq->server_id.p;
    case DHCP6_REQUEST:
    case DHCP6_RENEW:
    case DHCP6_RELEASE:
    case DHCP6_DECLINE:
        return rq->client_id.p && ours;
    case DHCP6_INFORMATION:
        return !rq->n_ias && (!rq->server_id.p || ours);
    default:
        return false;
    }
}

/* Composing. */

static void
put_u16(struct ofpbuf *b, uint16_t value)
{
    ovs_be16 be = htons(value);

    ofpbuf_put(b, &be, sizeof be);
}

static void
put_u32(struct ofpbuf *b, uint32_t value)
{
    ovs_be32 be = htonl(value);

    ofpbuf_put(b, &be, sizeof be);
}

/* Appends the header of an option, whose length option_end() fills in. */
static size_t
option_begin(struct ofpbuf *b, uint16_t code)
{
    put_u16(b, code);
    put_u16(b, 0);
    return b->size;
}

static void
option_end(struct ofpbuf *b, size_t start)
{
    ovs_be16 len = htons(b->size - start);

    memcpy((char *) b->data + start - sizeof len, &len, sizeof len);
}

static void
put_option(struct ofpbuf *b, uint16_t code, const void *value, size_t len)
{
    size_t start = option_begin(b, code);

    ofpbuf_put(b, value, len);
    option_end(b, start);
}

static void
put_status(struct ofpbuf *b, enum status_code status, const char *text)
{
    size_t start = option_begin(b, OPTION_STATUS);

    put_u16(b, status);
    ofpbuf_put(b, text, strlen(text));
    option_end(b, start);
}

static void
put_address(struct ofpbuf *b, const uint8_t address[16], bool valid)
{
    size_t start = option_begin(b, OPTION_IAADDR);

    ofpbuf_put(b, address, 16);
    put_u32(b, valid ? PREFERRED : 0);
    put_u32(b, valid ? VALID : 0);
    option_end(b, start);
}

/* Goes through the addresses of an IA.  With 'b', appends those that are not
 * the client's, as invalid.  Returns true if there are none of them. */
static bool
check_addresses(struct ofpbuf *b, struct span ia,
                const struct dhcp6_data *data)
{
    struct span s = { ia.p + 12, ia.len - 12 };
    struct span body;
    bool sound = true, right = true;
    uint16_t code;

    while (next_option(&s, &code, &body, &sound)) {
        if (code == OPTION_IAADDR && body.len >= 24
            && memcmp(body.p, data->address, 16)) {
            right = false;
            if (b) {
                put_address(b, body.p, false);
            }
        }
    }
    return right;
}

/* Answers an association: of an address with the address, of others with why
 * there is none. */
static void
put_ia(struct ofpbuf *b, const struct request *rq, size_t i,
       const struct dhcp6_data *data)
{
    uint16_t code = rq->ias[i].code;
    struct span ia = rq->ias[i].body;
    size_t start = option_begin(b, code);

    ofpbuf_put(b, ia.p, 4);
    if (code == OPTION_IA_TA) {
        put_status(b, STATUS_NO_ADDRESSES, "no temporary addresses");
    } else if (code == OPTION_IA_PD) {
        ofpbuf_put_zeros(b, 8);
        put_status(b, STATUS_NO_PREFIX, "no prefixes");
    } else {
        put_u32(b, PREFERRED / 2);
        put_u32(b, PREFERRED / 5 * 4);
        put_address(b, data->address, true);
        if (rq->type != DHCP6_SOLICIT) {
            check_addresses(b, ia, data);
        }
    }
    option_end(b, start);
}

static void
put_confirmation(struct ofpbuf *b, const struct request *rq,
                 const struct dhcp6_data *data)
{
    bool right = true;

    for (size_t i = 0; i < rq->n_ias; i++) {
        right &= (rq->ias[i].code == OPTION_IA_NA
                  && check_addresses(NULL, rq->ias[i].body, data));
    }
    put_status(b, right ? STATUS_SUCCESS : STATUS_NOT_ON_LINK,
               right ? "addresses are right" : "another address is yours");
}

/* Appends what depends on the type of the message. */
static void
put_body(struct ofpbuf *b, const struct request *rq,
         const struct dhcp6_data *data)
{
    switch (rq->type) {
    case DHCP6_CONFIRM:
        put_confirmation(b, rq, data);
        return;
    case DHCP6_RELEASE:
    case DHCP6_DECLINE:
        put_status(b, STATUS_SUCCESS, "noted");
        return;
    default:
        for (size_t i = 0; i < rq->n_ias; i++) {
            put_ia(b, rq, i, data);
        }
        return;
    }
}

static void
put_message(struct ofpbuf *b, const struct packet_view *view,
            const struct request *rq, const struct dhcp6_data *data,
            const uint8_t duid[10])
{
    bool rapid = rq->type == DHCP6_SOLICIT && rq->rapid_commit;
    uint8_t type = (rq->type == DHCP6_SOLICIT && !rapid ? DHCP6_ADVERTISE
                    : DHCP6_REPLY);
    const uint8_t *servers = (const uint8_t *) view->data + sizeof *data;
    size_t n = (view->len - sizeof *data) / 16 * 16;

    if (type == DHCP6_ADVERTISE) {
        COVERAGE_INC(dhcp6_advertise);
    } else {
        COVERAGE_INC(dhcp6_reply);
    }
    ofpbuf_put(b, &type, 1);
    ofpbuf_put(b, rq->xid, sizeof rq->xid);
    if (rq->client_id.p) {
        put_option(b, OPTION_CLIENTID, rq->client_id.p, rq->client_id.len);
    }
    put_option(b, OPTION_SERVERID, duid, 10);
    if (rapid) {
        put_option(b, OPTION_RAPID_COMMIT, NULL, 0);
    }
    put_body(b, rq, data);
    if (n && rq->type != DHCP6_CONFIRM && rq->type != DHCP6_RELEASE
        && rq->type != DHCP6_DECLINE) {
        put_option(b, OPTION_DNS, servers, n);
    }
}

static void
send_answer(struct packet_reply *reply, const struct dhcp6_data *data,
            const struct ofpbuf *message)
{
    size_t udp_len = UDP_HEADER_LEN + message->size;
    struct in6_addr server;
    struct ofpbuf b;

    in6_generate_lla(data->server_mac, &server);
    ofpbuf_init(&b, 512);

    struct eth_header *eth = ofpbuf_put_zeros(&b, sizeof *eth);
    eth->eth_dst = data->client_mac;
    eth->eth_src = data->server_mac;
    eth->eth_type = htons(ETH_TYPE_IPV6);

    struct ovs_16aligned_ip6_hdr *ip = ofpbuf_put_zeros(&b, sizeof *ip);
    put_16aligned_be32(&ip->ip6_flow, htonl(6u << 28));
    ip->ip6_plen = htons(udp_len);
    ip->ip6_nxt = IPPROTO_UDP;
    ip->ip6_hlim = 64;
    memcpy(&ip->ip6_src, &server, sizeof server);
    memcpy(&ip->ip6_dst, &reply->view->flow->ipv6_src, sizeof ip->ip6_dst);
    uint32_t sum = packet_csum_pseudoheader6(ip);

    struct udp_header *udp = ofpbuf_put_zeros(&b, sizeof *udp);
    udp->udp_src = htons(547);
    udp->udp_dst = htons(546);
    udp->udp_len = htons(udp_len);
    ofpbuf_put(&b, message->data, message->size);
    udp = ofpbuf_at_assert(&b, sizeof *eth + sizeof *ip, udp_len);
    udp->udp_csum = csum_finish(csum_continue(sum, udp, udp_len));
    if (!udp->udp_csum) {
        udp->udp_csum = htons(UINT16_MAX);
    }
    packet_reply_answer(reply, b.data, b.size);
    ofpbuf_uninit(&b);
}

bool
dhcp6_reply(const struct packet_view *view, struct packet_reply *reply)
{
    struct dhcp6_data data;
    struct ofpbuf message;
    struct request rq;
    uint8_t duid[10];

    if (view->len < sizeof data || !parse_request(view, &rq)) {
        return false;
    }
    memcpy(&data, view->data, sizeof data);
    make_duid(&data.server_mac, duid);
    if (!is_for_us(&rq, duid)) {
        COVERAGE_INC(dhcp6_ignored);
        return true;
    }
    ofpbuf_init(&message, 512);
    put_message(&message, view, &rq, &data, duid);
    send_answer(reply, &data, &message);
    ofpbuf_uninit(&message);
    return true;
}

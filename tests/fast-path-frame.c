/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path-frame: frames for tests of eBPF programs. */

#include <config.h>

#include "fast-path-frame.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "csum.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

static const struct field {
    const char *name;
    size_t offset;
    uint32_t value;
} fields[] = {
#define FPF(NAME, DEFAULT) { #NAME, offsetof(struct fpf, NAME), DEFAULT },
    FPF_FIELDS
#undef FPF
};

static uint32_t *
field_value(struct fpf *f, const struct field *field)
{
    return ALIGNED_CAST(uint32_t *, (char *) f + field->offset);
}

static const struct field *
field_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!strcmp(fields[i].name, name)) {
            return &fields[i];
        }
    }
    ovs_fatal(0, "no field \"%s\" in frames", name);
}

void
fpf_init(struct fpf *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        *field_value(f, &fields[i]) = fields[i].value;
    }
}

/* Makes 'changes', "NAME=NUMBER,...", to 'f'. */
void
fpf_set(struct fpf *f, const char *changes)
{
    char *copy = xstrdup(changes);
    char *save = NULL;

    for (char *name = strtok_r(copy, ",", &save); name;
         name = strtok_r(NULL, ",", &save)) {
        char *value = strchr(name, '=');

        if (!value) {
            ovs_fatal(0, "%s: not NAME=NUMBER", name);
        }
        *value++ = '\0';
        *field_value(f, field_find(name)) = strtol(value, NULL, 0);
    }
    free(copy);
}

uint32_t
fpf_get(const struct fpf *f, const char *name)
{
    return *field_value(CONST_CAST(struct fpf *, f), field_find(name));
}

void
fpf_mac(uint32_t suffix, uint8_t mac[6])
{
    memset(mac, 0, 6);
    mac[0] = 2;
    mac[4] = suffix >> 8;
    mac[5] = suffix;
}

static void
put8(struct ofpbuf *b, uint8_t value)
{
    ofpbuf_put(b, &value, sizeof value);
}

static void
put16(struct ofpbuf *b, uint16_t value)
{
    ovs_be16 be = htons(value);

    ofpbuf_put(b, &be, sizeof be);
}

static void
put32(struct ofpbuf *b, uint32_t value)
{
    ovs_be32 be = htonl(value);

    ofpbuf_put(b, &be, sizeof be);
}

static void
put_macs(struct ofpbuf *b, uint32_t dmac, uint32_t smac)
{
    uint8_t mac[6];

    fpf_mac(dmac, mac);
    ofpbuf_put(b, mac, sizeof mac);
    fpf_mac(smac, mac);
    ofpbuf_put(b, mac, sizeof mac);
}

struct ip_fields {
    uint32_t version, ihl, tos, len, id, frag, ttl, proto, src, dst;
};

static void
put_ip(struct ofpbuf *b, const struct ip_fields *ip)
{
    size_t start = b->size;
    ovs_be16 sum;

    put8(b, ip->version << 4 | ip->ihl);
    put8(b, ip->tos);
    put16(b, ip->len);
    put16(b, ip->id);
    put16(b, ip->frag);
    put8(b, ip->ttl);
    put8(b, ip->proto);
    put16(b, 0);
    put32(b, ip->src);
    put32(b, ip->dst);
    for (uint32_t i = 5; i < ip->ihl; i++) {
        put32(b, 0x01010101);
    }
    sum = csum((char *) b->data + start, b->size - start);
    memcpy((char *) b->data + start + 10, &sum, sizeof sum);
}

static uint32_t
l4_length(const struct fpf *f)
{
    return (f->proto == 6 ? 4 * MAX(f->doff, 5) : f->proto == 17 ? 8 : 0);
}

static void
put_l4(struct ofpbuf *b, const struct fpf *f)
{
    if (f->proto == 6) {
        put16(b, f->sport);
        put16(b, f->dport);
        put32(b, 0x01020304);
        put32(b, 0x05060708);
        put8(b, f->doff << 4);
        put8(b, f->flags);
        put16(b, 512);
        put32(b, 0);
        for (uint32_t i = 5; i < f->doff; i++) {
            put32(b, 0x01010101);
        }
    } else if (f->proto == 17) {
        put16(b, f->sport);
        put16(b, f->dport);
        put16(b, 8 + f->payload);
        put16(b, 0x7031);
    }
    for (uint32_t i = 0; i < f->payload; i++) {
        put8(b, i);
    }
}

struct ofpbuf *
fpf_inner(const struct fpf *f)
{
    struct ofpbuf *b = ofpbuf_new(128);

    put_macs(b, f->dmac, f->smac);
    if (f->vlan) {
        put16(b, f->vlan >> 16 ? f->vlan >> 16 : 0x8100);
        put16(b, f->vlan);
    }
    put16(b, f->type);
    put_ip(b, &(struct ip_fields) {
        .version = f->version,
        .ihl = f->ihl,
        .tos = f->tos,
        .len = 4 * f->ihl + l4_length(f) + f->payload + f->tot_delta,
        .id = f->id,
        .frag = f->frag,
        .ttl = f->ttl,
        .proto = f->proto,
        .src = f->src,
        .dst = f->dst,
    });
    put_l4(b, f);
    ofpbuf_put_zeros(b, f->pad);
    b->size = MIN(b->size, f->inner_len);
    return b;
}

struct ofpbuf *
fpf_wrap(const struct fpf *f, struct ofpbuf *inner)
{
    struct ofpbuf *b = ofpbuf_new(128);

    put_macs(b, f->o_dmac, f->o_smac);
    put16(b, f->o_type);
    put_ip(b, &(struct ip_fields) {
        .version = 4,
        .ihl = f->o_ihl,
        .tos = f->o_tos,
        .len = 4 * f->o_ihl + 16 + inner->size + f->o_tot_delta,
        .id = f->o_id,
        .frag = f->o_frag,
        .ttl = f->o_ttl,
        .proto = f->o_proto,
        .src = f->o_src,
        .dst = f->o_dst,
    });
    put16(b, f->o_sport);
    put16(b, f->o_dport);
    put16(b, 16 + inner->size + f->o_len_delta);
    put16(b, f->o_csum);
    put32(b, f->vx_flags);
    put32(b, f->vni << 8);
    ofpbuf_put(b, inner->data, inner->size);
    ofpbuf_put_zeros(b, f->o_pad);
    ofpbuf_delete(inner);
    return b;
}

struct ofpbuf *
fpf_outer(const struct fpf *f)
{
    return fpf_wrap(f, fpf_inner(f));
}

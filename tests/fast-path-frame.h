/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path-frame: frames for tests of eBPF programs, written independently of
 * them. */

#ifndef FAST_PATH_FRAME_H
#define FAST_PATH_FRAME_H 1

/* A frame is described by a struct fpf, whose members have the names and the
 * defaults of FPF_FIELDS.  Tests say how theirs differs in text:
 *
 *     struct fpf f;
 *     fpf_init(&f);
 *     fpf_set(&f, "ttl=1,proto=6,flags=0x12");
 *
 * fpf_inner() makes the bytes of the inner frame, fpf_outer() those of the
 * frame in VXLAN.  Checksums are right, lengths are unless told otherwise
 * (*_delta).  Addresses are in host byte order, the last two bytes of a MAC
 * are given.
 *
 * Ownership: ofpbufs are the caller's to delete. */

#include <stdint.h>

struct ofpbuf;

/* FPF(NAME, DEFAULT, ...) */
#define FPF_FIELDS                                                         \
    FPF(dmac, 0x0002)           /* 02:00:00:00:xx:xx. */                   \
    FPF(smac, 0x0001)                                                      \
    FPF(type, 0x0800)                                                      \
    FPF(vlan, 0)                /* A tag, if not 0. */                     \
    FPF(version, 4)                                                        \
    FPF(ihl, 5)                 /* More: no-operation options. */          \
    FPF(tos, 0)                                                            \
    FPF(id, 0x1111)                                                        \
    FPF(frag, 0x4000)                                                      \
    FPF(ttl, 64)                                                           \
    FPF(proto, 17)                                                         \
    FPF(src, 0x0a000001)                                                   \
    FPF(dst, 0x0a000002)                                                   \
    FPF(sport, 1111)                                                       \
    FPF(dport, 2222)                                                       \
    FPF(flags, 0x10)            /* TCP: ACK. */                            \
    FPF(doff, 5)                                                           \
    FPF(payload, 22)            /* Bytes after the L4 header. */           \
    FPF(tot_delta, 0)           /* Added to the right total length. */     \
    FPF(pad, 0)                 /* Bytes after the packet. */              \
    FPF(o_dmac, 0x0a01)                                                    \
    FPF(o_smac, 0x0a02)                                                    \
    FPF(o_type, 0x0800)                                                    \
    FPF(o_ihl, 5)                                                          \
    FPF(o_tos, 0)                                                          \
    FPF(o_id, 0)                                                           \
    FPF(o_frag, 0x4000)                                                    \
    FPF(o_ttl, 64)                                                         \
    FPF(o_proto, 17)                                                       \
    FPF(o_src, 0xac100002)                                                 \
    FPF(o_dst, 0xac100001)                                                 \
    FPF(o_sport, 50000)                                                    \
    FPF(o_dport, 4789)                                                     \
    FPF(o_csum, 0)              /* UDP. */                                 \
    FPF(o_tot_delta, 0)                                                    \
    FPF(o_len_delta, 0)         /* UDP length. */                          \
    FPF(o_pad, 0)                                                          \
    FPF(vx_flags, 0x08000000)                                              \
    FPF(vni, 0x123456)                                                     \
    FPF(inner_len, 0xffff)      /* The inner frame is cut after this. */

struct fpf {
#define FPF(NAME, DEFAULT) uint32_t NAME;
    FPF_FIELDS
#undef FPF
};

void fpf_init(struct fpf *);
void fpf_set(struct fpf *, const char *changes);
uint32_t fpf_get(const struct fpf *, const char *name);
void fpf_mac(uint32_t suffix, uint8_t mac[6]);

struct ofpbuf *fpf_inner(const struct fpf *);
struct ofpbuf *fpf_outer(const struct fpf *);

/* Wraps 'inner', and deletes it. */
struct ofpbuf *fpf_wrap(const struct fpf *, struct ofpbuf *inner);

#endif /* fast-path-frame.h */

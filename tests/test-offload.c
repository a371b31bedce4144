/* SPDX-License-Identifier: Apache-2.0
 *
 * test-offload: which changes of flows concern which entries of the fast path.
 *
 *     alcortest offload-changes
 *
 * Each flow is one that plugins output. */

#include <config.h>

#undef NDEBUG
#include "feedback/offload-private.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "apply/desired-state.h"
#include "apply/of-pipeline.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/l3-router.h"
#include "util.h"

#define TAG(VNI, HASH) ((uint64_t) (VNI) << OF_TAG_VNI_SHIFT | (HASH))

enum { OUT, IN, ROUTED, TCP, N_VERDICTS };
static struct offload_verdict verdicts[N_VERDICTS];

static void
make_verdict(struct offload_verdict *v, bool arrival)
{
    struct fast_path_sighting *s = &v->seen;

    memset(v, 0, sizeof *v);
    v->known = true;
    s->arrival = arrival;
    s->src = htonl(arrival ? 0x0a000003 : 0x0a000002);
    s->dst = htonl(arrival ? 0x0a000002 : 0x0a000003);
    s->smac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,02);
    s->dmac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,03);
    if (arrival) {
        struct eth_addr mac = s->smac;

        s->smac = s->dmac;
        s->dmac = mac;
    }
    s->new_smac = s->smac;
    s->new_dmac = s->dmac;
    s->proto = IPPROTO_ICMP;
    s->host = htonl(0xac1f0002);
    s->vni = 100;
    s->ofport = 1;
    s->in_port = arrival ? 9 : 1;
    s->tag = TAG(100, 0xaaaa);
}

/* Out: 10.0.0.2 to .3; in: the reverse; routed: to 10.0.1.3, in another
 * subnet; TCP: port 80 of 10.0.0.3, which 10.0.0.2 has connected to. */
static void
make_verdicts(void)
{
    struct fast_path_sighting *s;

    make_verdict(&verdicts[OUT], false);
    make_verdict(&verdicts[IN], true);

    make_verdict(&verdicts[ROUTED], false);
    s = &verdicts[ROUTED].seen;
    s->routed = true;
    s->dst = htonl(0x0a000103);
    s->dmac = (struct eth_addr) ETH_ADDR_C(fa,16,3e,00,00,01);
    s->new_smac = (struct eth_addr) ETH_ADDR_C(fa,16,3e,00,01,01);
    s->new_dmac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,01,03);
    s->tag = TAG(200, 0xbbbb);
    s->from = 0xaaaa;
    s->hop4 = 0x0a000103;
    s->router = UINT64_C(0x1122334455667788);

    make_verdict(&verdicts[TCP], false);
    s = &verdicts[TCP].seen;
    s->tracked = true;
    s->proto = IPPROTO_TCP;
    s->sport = s->ct_sport = htons(5555);
    s->dport = s->ct_dport = htons(80);
    s->ct_src = s->src;
    s->ct_dst = s->dst;
    s->zone = 7;
    s->vpc = 0x77;
}

#define PATH_FLOW "table=52,ip,in_port=1," \
                  "metadata=0x6400000000/0xffffffff00000000,nw_dst=10.0.0.3"

/* A flow, and whom it concerns: "oirt". */
static const struct {
    const char *flow;
    const char *whom;
} cases[] = {
    /* Everybody on the way. */
    { "table=0,in_port=1", "oirt" },
    { "table=0,in_port=9", "i" },
    { "table=0,in_port=2", "" },
    { "table=88,metadata=0/0xff00000000000000", "ort" },
    { "table=88,metadata=0x300000000000000/0xff00000000000000", "r" },
    { "table=99,reg14=1", "" },
    { "table=50,metadata=0x640000aaaa", "" },

    /* Port security. */
    { "table=8,in_port=1,ip,dl_src=02:00:00:00:00:02,nw_src=10.0.0.2",
      "oirt" },
    { "table=8,in_port=1,ip,nw_src=10.0.0.9", "" },
    { "table=8,in_port=1,arp", "" },
    { "table=8,in_port=1,ipv6", "" },

    /* Neighbours and local ports. */
    { "table=48,metadata=0x640000aaaa,dl_dst=02:00:00:00:00:03", "ot" },
    { "table=48,metadata=0x640000aaaa,dl_dst=02:00:00:00:00:09", "" },
    { "table=48,metadata=0xc80000bbbb,dl_dst=02:00:00:00:01:03", "r" },
    { "table=56,metadata=0x6400000000/0xffffffff00000000,"
      "dl_dst=02:00:00:00:00:02", "i" },
    { "table=80,reg15=1", "oirt" },
    { "table=80,reg15=2", "" },

    /* Routers. */
    { "table=32,metadata=0x640000aaaa,dl_dst=fa:16:3e:00:00:01", "r" },
    { "table=32,metadata=0xc80000bbbb,dl_dst=fa:16:3e:00:01:01", "" },
    { "table=34,ip,xreg2=0x1122334455667788,nw_dst=10.0.1.0/24", "r" },
    { "table=34,ip,xreg2=0x1122334455667788,nw_dst=10.0.2.0/24", "" },
    { "table=34,ip,xreg2=0x1122334455667799,nw_dst=10.0.1.0/24", "" },
    { "table=36,ip,metadata=0xc80000bbbb,reg6=0x0a000103", "r" },
    { "table=36,ip,metadata=0xc80000bbbb,reg6=0x0a000104", "" },

    /* Security groups. */
    { "table=66,reg0=7", "t" },
    { "table=66,reg0=8", "" },
    { "table=66,ip,ct_state=+trk-inv,ct_nw_proto=6,ct_tp_dst=80", "t" },
    { "table=66,ip,ct_state=+trk-inv,ct_nw_proto=6,ct_tp_dst=81", "" },
    { "table=66,ip,ct_state=+trk-inv,ct_nw_proto=17", "" },
    { "table=18,ip,ct_state=+trk-inv,reg1=0x77,ct_nw_src=10.0.0.2", "oirt" },
    { "table=18,ip,ct_state=+trk-inv,reg1=0x77,ct_nw_src=10.0.0.7", "" },
    { "table=18,ip,ct_state=+trk-inv,ct_nw_dst=10.0.0.0/24", "t" },
    { "table=18,ip,ct_state=+trk-inv,ct_nw_dst=10.0.8.0/24", "" },
    { "table=17,ct_state=+trk-inv", "t" },
    { "table=65,ct_state=+trk-inv", "" },

    /* One way of a connection, of a gateway. */
    { "table=52,tcp,metadata=0x640000aaaa,nw_src=10.0.0.2,nw_dst=10.0.0.3,"
      "tp_src=5555,tp_dst=80", "ot" },
    { "table=52,tcp,metadata=0x640000aaaa,nw_src=10.0.0.2,nw_dst=10.0.0.3,"
      "tp_src=5556,tp_dst=80", "o" },
    { "table=52,icmp,metadata=0x640000aaaa,nw_src=10.0.0.2,nw_dst=10.0.0.3",
      "ot" },
    { "table=52,tcp,metadata=0x640000aaaa,nw_src=10.0.0.4,nw_dst=10.0.0.3,"
      "tp_src=5555,tp_dst=80", "" },
    { "table=52,tcp,metadata=0x640000aaaa,nw_src=10.0.0.2,nw_dst=10.0.0.9",
      "" },

    /* A direct path. */
    { PATH_FLOW, "ot" },
};

static void
parse(const char *text, struct ofputil_flow_mod *fm)
{
    enum ofputil_protocol protocols;
    char *s = xasprintf("priority=1200,%s,actions=drop", text);
    char *error = parse_ofp_flow_mod_str(fm, s, NULL, NULL, OFPFC_ADD,
                                         &protocols);

    if (error) {
        ovs_fatal(0, "%s: %s", text, error);
    }
    free(s);
}

/* Notes a change of 'text'. */
static void
note(struct offload_changes *changes, const char *text)
{
    struct desired_state *ds = desired_state_create();
    struct ofputil_flow_mod fm;
    struct ovs_list chunks[DS_N_SINKS];
    struct ds_output *output;
    struct ds_unit unit;
    struct ofpbuf acts;
    struct match match;

    for (int i = 0; i < DS_N_SINKS; i++) {
        ovs_list_init(&chunks[i]);
    }
    parse(text, &fm);
    minimatch_expand(&fm.match, &match);
    ofpbuf_init(&acts, 0);
    ds_unit_init(&unit, xstrdup("PORT p"), 0, DS_PRIO_PORT);
    ds_unit_begin(ds, &unit);
    ds_contribute_flow(ds, &unit, DS_EXCLUSIVE, 1, fm.table_id, fm.priority,
                       &match, &acts);
    ds_unit_end(ds, &unit);
    ds_take(ds, 1, chunks);
    LIST_FOR_EACH_SAFE (output, queue_node, &chunks[DS_OPENFLOW]) {
        offload_changes_note(changes, output, true, 1000);
        ds_release(ds, output);
    }
    ds_confirm(ds);
    ds_unit_withdraw(ds, &unit);
    ds_unit_uninit(&unit);
    desired_state_destroy(ds);
    ofpbuf_uninit(&acts);
    minimatch_destroy(&fm.match);
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
}

/* Returns whom of 'verdicts' what has been noted concerns. */
static char *
concerned(const struct offload_changes *changes, long long int since)
{
    char *whom = xzalloc(N_VERDICTS + 1);
    size_t n = 0;

    for (int i = 0; i < N_VERDICTS; i++) {
        if (offload_changes_concern(changes, &verdicts[i], since)) {
            whom[n++] = "oirt"[i];
        }
    }
    return whom;
}

/* An entry of which not everything is known is concerned by no less. */
static void
check_unknown(const struct offload_changes *changes, const char *flow)
{
    for (int i = 0; i < N_VERDICTS; i++) {
        struct offload_verdict v = verdicts[i];
        struct fast_path_sighting *s = &v.seen;

        v.known = false;
        s->tag = s->from = s->router = s->zone = s->vpc = s->hop4 = 0;
        s->ofport = s->in_port = 0;
        s->ct_src = s->ct_dst = 0;
        s->ct_sport = s->ct_dport = 0;
        if (offload_changes_concern(changes, &verdicts[i], 1000)
            && !offload_changes_concern(changes, &v, 1000)) {
            printf("%s: does not concern %c if that is not known\n", flow,
                   "oirt"[i]);
        }
    }
}

/* What a gateway has told of is not concerned by the path itself, as long as
 * that is the last news of it from this port, but by all else. */
static void
check_told(void)
{
    struct offload_verdict told = verdicts[OUT];
    struct offload_changes changes;

    offload_changes_init(&changes);
    offload_changes_note_news(&changes, told.seen.ofport, told.seen.dst);
    told.told = offload_changes_news(&changes, told.seen.ofport,
                                     told.seen.dst);
    offload_changes_note_news(&changes, told.seen.ofport + 1, told.seen.dst);
    note(&changes, PATH_FLOW);
    ovs_assert(offload_changes_concern(&changes, &verdicts[OUT], 1000));
    ovs_assert(!offload_changes_concern(&changes, &told, 1000));
    offload_changes_note_news(&changes, told.seen.ofport, told.seen.dst);
    ovs_assert(offload_changes_concern(&changes, &told, 1000));
    offload_changes_uninit(&changes);

    offload_changes_init(&changes);
    offload_changes_note_news(&changes, told.seen.ofport, told.seen.dst);
    note(&changes, "table=8,in_port=1,ip,dl_src=02:00:00:00:00:02,"
         "nw_src=10.0.0.2");
    ovs_assert(offload_changes_concern(&changes, &told, 1000));
    offload_changes_uninit(&changes);
}

static void
offload_changes(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    size_t n = 0;

    make_verdicts();
    check_told();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct offload_changes changes;
        char *whom, *later;

        offload_changes_init(&changes);
        note(&changes, cases[i].flow);
        whom = concerned(&changes, 1000);
        later = concerned(&changes, 1001);
        if (strcmp(whom, cases[i].whom)) {
            printf("%s: concerns \"%s\", expected \"%s\"\n", cases[i].flow,
                   whom, cases[i].whom);
        } else if (later[0]) {
            printf("%s: still concerns \"%s\" later\n", cases[i].flow, later);
        } else {
            n++;
        }
        check_unknown(&changes, cases[i].flow);
        free(whom);
        free(later);
        offload_changes_uninit(&changes);
    }
    printf("%"PRIuSIZE" of %"PRIuSIZE" flows\n", n, ARRAY_SIZE(cases));
}

ALCORTEST_REGISTER("offload-changes", offload_changes);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-zeta: OAM packets, direct paths and liveness, by commands. */

#include <config.h>

#undef NDEBUG
#include "feedback/oam.h"
#include "feedback/rejection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "feedback/direct-path.h"
#include "feedback/liveness.h"
#include "feedback/oam-socket.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "store/volatile-store.h"
#include "tests/ovstest.h"
#include "timeval.h"
#include "util.h"

/* oam-parse HEX...: what each payload says. */
static void
test_oam_parse(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        uint8_t data[256];
        size_t len = strlen(argv[i]) / 2;
        struct oam_message m;

        ovs_assert(len <= sizeof data);
        for (size_t j = 0; j < len; j++) {
            bool ok;

            data[j] = hexits_value(&argv[i][2 * j], 2, &ok);
            ovs_assert(ok);
        }
        enum oam_verdict verdict = oam_parse(data, len, &m);
        if (verdict != OAM_NEW) {
            printf("%s\n", oam_verdict_to_string(verdict));
            continue;
        }
        printf("%s vni %"PRIu32" "IP_FMT":%"PRIu16" "IP_FMT":%"PRIu16
               " protocol %"PRIu8, m.op == OAM_INJECT ? "inject" : "delete",
               m.vni, IP_ARGS(m.src), ntohs(m.sport), IP_ARGS(m.dst),
               ntohs(m.dport), m.protocol);
        if (m.op == OAM_INJECT) {
            printf(" is "ETH_ADDR_FMT" on "IP_FMT" "ETH_ADDR_FMT" for %"
                   PRIu16" s", ETH_ADDR_ARGS(m.instance_mac),
                   IP_ARGS(m.host_ip), ETH_ADDR_ARGS(m.host_mac),
                   m.idle_secs);
        }
        putchar('\n');
    }
}

static void
count_packet(const struct oam_packet *packet OVS_UNUSED, void *n_)
{
    ++*(int *) n_;
}

/* Sends 'n' packets to 'sin'. */
static void
send_packets(int fd, const struct sockaddr_in *sin, int n)
{
    while (n--) {
        ovs_assert(sendto(fd, "x", 1, 0, (const struct sockaddr *) sin,
                          sizeof *sin) == 1);
    }
}

/* oam-socket: a packet in a storm, and one after it, that nothing but
 * oam_sockets_wait() could wake anybody for. */
static void
test_oam_socket(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct in6_addr host_ip = in6_addr_mapped_ipv4(sin.sin_addr.s_addr);
    struct oam_sockets *sockets = oam_sockets_create();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len = sizeof sin;
    uint16_t port;
    int n = 0;

    /* Which port is free? */
    ovs_assert(!bind(fd, (const struct sockaddr *) &sin, sizeof sin)
               && !getsockname(fd, (struct sockaddr *) &sin, &len));
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    port = ntohs(sin.sin_port);
    oam_sockets_set(sockets, &host_ip, &port, 1);
    oam_sockets_run(sockets, time_msec(), count_packet, &n);

    send_packets(fd, &sin, OAM_SOCKET_STORM);
    oam_sockets_run(sockets, time_msec(), count_packet, &n);
    printf("%d packets of a storm\n", n);
    for (int i = 0; i < 2; i++) {
        long long int start = time_msec();
        int before = n;

        send_packets(fd, &sin, 1);
        while (n == before) {
            oam_sockets_wait(sockets);
            poll_timer_wait_until(start + 5000);
            poll_block();
            oam_sockets_run(sockets, time_msec(), count_packet, &n);
        }
        printf("one more: %s\n", time_msec() < start + 5000 ? "in time"
               : "late");
    }
    close(fd);
    oam_sockets_destroy(sockets);
}

/* direct-path: commands from standard input:
 *
 *    told PORT DST HOST [SPORT]   a path; with SPORT, a connection's
 *    delete PORT DST [SPORT]
 *    reject HOST
 *    prune PORT                   it has left
 *    idle SECS                    the idle timeout from now on: 30 at first
 *    fill N                       N paths, of port 9
 *    pass MSEC                    time
 *    packets NUMBER N [FLOWS]     the answer to the question for NUMBER
 *    renew yes|no                 whether the gateway would tell
 *    count
 */
struct paths_test {
    struct direct_paths *paths;
    long long int now;
    uint32_t idle_secs;
    bool can_renew;
    bool silent;
};

static void
print_record(const char *id, const struct vol_direct_path *record, void *t_)
{
    struct paths_test *t = t_;

    if (t->silent) {
        return;
    } else if (record) {
        printf("set %s: "IP_FMT", of port %s\n", id,
               IP_ARGS(record->host_ip), id + record->port_ofs);
    } else {
        printf("remove %s\n", id);
    }
}

static bool
print_ask(uint64_t number, const char *id, void *t_)
{
    struct paths_test *t = t_;

    if (!t->silent) {
        printf("ask %"PRIu64": %s\n", number, id);
    }
    return true;
}

static bool
get_can_renew(uint32_t gateway OVS_UNUSED, void *t_)
{
    struct paths_test *t = t_;

    return t->can_renew;
}

static struct direct_path_key
make_key(uint64_t port, uint32_t dst, const char *sport)
{
    struct direct_path_key key;

    memset(&key, 0, sizeof key);
    key.port = port;
    key.vni = 7;
    key.dst = htonl(0x0a000000 + dst);
    if (sport) {
        key.by_connection = 1;
        key.protocol = 6;
        key.src = htonl(0x0a000001);
        key.sport = htons(atoi(sport));
        key.dport = htons(80);
    }
    return key;
}

static void
tell(struct paths_test *t, uint64_t port, uint32_t dst, uint32_t host,
     const char *sport)
{
    static const char *const news[] = { "new", "renewed", "moved", "same" };
    struct direct_path_key key = make_key(port, dst, sport);
    struct direct_path_hop hop = { .host_ip = htonl(0xac1f0000 + host) };
    char id[16];

    snprintf(id, sizeof id, "p%"PRIu64, port);
    if (!t->silent) {
        puts(news[direct_paths_compare(t->paths, &key, &hop)]);
    }
    direct_paths_set(t->paths, &key, id, &hop, t->idle_secs, t->now);
}

static bool
is_of_another(const struct direct_path_key *key, void *port_)
{
    long long int *port = port_;

    return key->port != *port;
}

static void
paths_command(struct paths_test *t, int n, char *words[])
{
    long long int args[4] = { 0 };

    for (int i = 1; i < n && i < 5; i++) {
        args[i - 1] = atoll(words[i]);
    }
    if (!strcmp(words[0], "told")) {
        tell(t, args[0], args[1], args[2], n > 4 ? words[4] : NULL);
    } else if (!strcmp(words[0], "delete")) {
        struct direct_path_key key = make_key(args[0], args[1],
                                              n > 3 ? words[3] : NULL);

        printf("%s\n", (direct_paths_remove(t->paths, &key) ? "deleted"
                        : "absent"));
    } else if (!strcmp(words[0], "reject")) {
        direct_paths_reject(t->paths, htonl(0xac1f0000 + args[0]));
    } else if (!strcmp(words[0], "prune")) {
        printf("%"PRIuSIZE" pruned\n",
               direct_paths_prune(t->paths, is_of_another, &args[0]));
    } else if (!strcmp(words[0], "idle")) {
        t->idle_secs = args[0];
    } else if (!strcmp(words[0], "fill")) {
        t->silent = true;
        for (int i = 0; i < args[0]; i++) {
            tell(t, 9, 1000 + i, 1, NULL);
        }
        t->silent = false;
    } else if (!strcmp(words[0], "pass")) {
        t->now += args[0];
        direct_paths_run(t->paths, t->now);
    } else if (!strcmp(words[0], "packets")) {
        direct_paths_take_packets(t->paths, args[0], args[1],
                                  n > 3 ? args[2] : 1, t->now);
    } else if (!strcmp(words[0], "renew")) {
        t->can_renew = !strcmp(words[1], "yes");
    } else if (!strcmp(words[0], "count")) {
        struct direct_path_stats stats;

        direct_paths_get_stats(t->paths, &stats);
        printf("%"PRIuSIZE" paths, %"PRIu64" renewals, %"PRIu64" not told, %"
               PRIu64" idle, %"PRIu64" evicted\n",
               direct_paths_count(t->paths), stats.renewals, stats.not_told,
               stats.idle, stats.evicted);
    } else {
        ovs_fatal(0, "unknown command %s", words[0]);
    }
}

/* Calls 'cb' with the words of each line of standard input. */
static void
for_each_line(void (*cb)(void *aux, int n, char *words[]), void *aux)
{
    struct ds line = DS_EMPTY_INITIALIZER;

    while (!ds_get_line(&line, stdin)) {
        char *words[8], *save = NULL;
        int n = 0;

        for (char *word = strtok_r(ds_cstr(&line), " ", &save);
             word && n < 8; word = strtok_r(NULL, " ", &save)) {
            words[n++] = word;
        }
        if (n) {
            cb(aux, n, words);
        }
    }
    ds_destroy(&line);
}

static void
paths_line(void *t, int n, char *words[])
{
    paths_command(t, n, words);
}

static void
test_direct_path(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    static const struct direct_path_class class = {
        print_record, print_ask, get_can_renew,
    };
    struct paths_test t = { .now = 1000, .idle_secs = 30, .can_renew = true };

    t.paths = direct_paths_create(&class, &t);
    for_each_line(paths_line, &t);
    direct_paths_destroy(t.paths);
}

/* rejection HEX...: which host rejects packets from 172.31.0.1, by these IPv4
 * packets. */
static void
test_rejection(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        struct ofpbuf b;
        ovs_be32 host;

        ofpbuf_init(&b, 0);
        ofpbuf_put_hex(&b, argv[i], NULL);
        if (rejection_parse(b.data, b.size, htonl(0xac1f0001), 4789, &host)) {
            printf(IP_FMT"\n", IP_ARGS(host));
        } else {
            puts("none");
        }
        ofpbuf_uninit(&b);
    }
}

/* liveness: commands from standard input:
 *
 *    set IP...     entrances
 *    mute IP | speak IP
 *    forget N | know N   endpoints that all entrances know: 0 and 1 at first
 *    interval MSEC of questions
 *    pass MSEC     time; questions are answered at once
 */
struct liveness_test {
    struct liveness *liveness;
    long long int now;
    ovs_be32 mute[4];
    size_t n_mute;
    bool knows[2];
};

static bool
get_endpoint(ovs_be32 entrance OVS_UNUSED, size_t i, uint32_t *vni,
             ovs_be32 *endpoint, void *t OVS_UNUSED)
{
    *vni = 7;
    *endpoint = htonl(i % 2);
    return true;
}

static void
answer(ovs_be32 entrance, uint16_t number, uint32_t vni OVS_UNUSED,
       ovs_be32 endpoint, void *t_)
{
    struct liveness_test *t = t_;

    for (size_t i = 0; i < t->n_mute; i++) {
        if (t->mute[i] == entrance) {
            return;
        }
    }
    if (t->knows[ntohl(endpoint)]) {
        liveness_sign(t->liveness, entrance, number, t->now);
    }
}

static void
print_state(ovs_be32 entrance, enum vol_entrance_state state, void *t_)
{
    struct liveness_test *t = t_;

    printf("%lld: "IP_FMT" %s\n", t->now, IP_ARGS(entrance),
           liveness_state_to_string(state));
}

static void
liveness_line(void *t_, int n, char *words[])
{
    struct liveness_test *t = t_;
    ovs_be32 ips[8];

    for (int i = 1; i < n; i++) {
        if (!ip_parse(words[i], &ips[i - 1])) {
            ips[i - 1] = 0;
        }
    }
    if (!strcmp(words[0], "set")) {
        liveness_set(t->liveness, ips, n - 1);
    } else if (!strcmp(words[0], "mute")) {
        t->mute[t->n_mute++] = ips[0];
    } else if (!strcmp(words[0], "speak")) {
        t->n_mute = 0;
    } else if (!strcmp(words[0], "forget") || !strcmp(words[0], "know")) {
        t->knows[atoi(words[1])] = words[0][0] == 'k';
    } else if (!strcmp(words[0], "interval")) {
        liveness_set_interval(t->liveness, atoi(words[1]));
    } else if (!strcmp(words[0], "pass")) {
        for (long long int end = t->now + atoll(words[1]); t->now < end;) {
            t->now += 50;
            liveness_run(t->liveness, t->now);
        }
    } else {
        ovs_fatal(0, "unknown command %s", words[0]);
    }
}

static void
test_liveness(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    static const struct liveness_class class = {
        .endpoint = get_endpoint,
        .ask = answer,
        .publish = print_state,
    };
    struct liveness_test t = { .knows = { true, true } };

    t.liveness = liveness_create(&class, &t);
    for_each_line(liveness_line, &t);
    liveness_destroy(t.liveness);
}

OVSTEST_REGISTER("oam-parse", test_oam_parse);
OVSTEST_REGISTER("oam-socket", test_oam_socket);
OVSTEST_REGISTER("direct-path", test_direct_path);
OVSTEST_REGISTER("rejection", test_rejection);
OVSTEST_REGISTER("liveness", test_liveness);

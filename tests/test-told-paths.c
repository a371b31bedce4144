/* SPDX-License-Identifier: Apache-2.0
 *
 * test-told-paths: unit test of told-paths: what is remembered, for whom. */

#include <config.h>

#undef NDEBUG
#include "feedback/told-paths.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "alcortest.h"
#include "packets.h"
#include "util.h"

static void
add(struct told_paths *told, uint32_t vni, uint32_t src, uint32_t dst,
    uint32_t entrance)
{
    struct told_path path = {
        .vni = vni,
        .src = htonl(src),
        .dst = htonl(dst),
        .proto = 17,
        .to_ip = htonl(0xac100063),
        .entrance_ip = htonl(entrance),
        .told = 1000,
    };

    told_paths_add(told, &path);
}

/* Keeps the first one. */
static bool
print(struct told_path *path, void *n_)
{
    int *n = n_;

    printf("%s"IP_FMT" by "IP_FMT, *n ? ", " : " ",
           IP_ARGS(path->src), IP_ARGS(path->entrance_ip));
    printf(" (%d %d)", told_path_may_be_used(path, 1000 + TOLD_PATH_MSEC - 1),
           told_path_may_be_used(path, 1000 + TOLD_PATH_MSEC));
    path->told += TOLD_PATH_MSEC;
    return !(*n)++;
}

static void
take(struct told_paths *told, const char *what, uint32_t vni, uint32_t dst)
{
    int n = 0;

    printf("%s:", what);
    if (!told_paths_take(told, vni, htonl(dst), print, &n)) {
        printf(" none");
    }
    putchar('\n');
}

/* What is kept of flows, by their source: when they were told. */
struct kept {
    struct told_path paths[4];
    size_t n;
};

static void
note_change(const struct told_path *path, void *kept_)
{
    struct kept *kept = kept_;
    size_t i = 0;

    while (i < kept->n && kept->paths[i].src != path->src) {
        i++;
    }
    kept->n = MAX(kept->n, i + 1);
    kept->paths[i] = *path;
    printf(" +"IP_FMT, IP_ARGS(path->src));
}

static void
note_end(const struct told_path *path, void *kept_)
{
    struct kept *kept = kept_;
    size_t i = 0;

    while (kept->paths[i].src != path->src) {
        i++;
    }
    kept->paths[i] = kept->paths[--kept->n];
    printf(" -"IP_FMT, IP_ARGS(path->src));
}

static const struct told_paths_class class = {
    .changed = note_change, .forgotten = note_end,
};

/* Keeps the flow from 10.0.0.1 as it is, and that from 10.0.0.2 with something
 * else; forgets others. */
static bool
decide(struct told_path *path, void *aux OVS_UNUSED)
{
    uint32_t n = ntohl(path->src) & 0xff;

    printf(" "IP_FMT"@%lld", IP_ARGS(path->src), path->told);
    path->host_ip = n == 2 ? htonl(0xac100002) : path->host_ip;
    return n < 3;
}

static void
test_restart(void)
{
    struct kept kept = { .n = 0 };
    struct told_paths *told = told_paths_create(&class, &kept);

    printf("kept:");
    for (uint32_t i = 1; i <= 3; i++) {
        add(told, 1, 0x0a000000 + i, 0x0a000009, 0xac100001);
    }
    told_paths_destroy(told);
    for (size_t i = 0; i < kept.n; i++) {
        kept.paths[i].told = 1000 - i;
    }

    struct told_path copy[4];
    memcpy(copy, kept.paths, sizeof copy);
    told = told_paths_create(&class, &kept);
    told_paths_restore(told, copy, kept.n);
    printf("\n%"PRIuSIZE" flows restored:", told_paths_count(told));
    told_paths_take_all(told, decide, NULL);
    printf("\n%"PRIuSIZE" flows:", told_paths_count(told));
    told_paths_take_all(told, decide, NULL);
    printf("\n%"PRIuSIZE" kept\n", kept.n);
    told_paths_destroy(told);
}

static void
test_told_paths(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct told_paths *told = told_paths_create(NULL, NULL);

    /* Told again by another entrance: that one counts. */
    add(told, 1, 0x0a000001, 0x0a000002, 0xac100002);
    add(told, 1, 0x0a000001, 0x0a000002, 0xac100001);
    add(told, 1, 0x0a000003, 0x0a000002, 0xac100001);
    add(told, 2, 0x0a000001, 0x0a000002, 0xac100009);
    printf("%"PRIuSIZE" flows\n", told_paths_count(told));
    take(told, "take 1 10.0.0.2", 1, 0x0a000002);
    take(told, "take 1 10.0.0.2", 1, 0x0a000002);
    take(told, "take 2 10.0.0.2", 2, 0x0a000002);
    printf("%"PRIuSIZE" flows\n", told_paths_count(told));

    for (uint32_t i = 0; i < TOLD_PATHS_MAX + 1; i++) {
        add(told, 1, 0x0a000001, 0x0b000000 + i, 0xac100001);
    }
    printf("%"PRIuSIZE" flows\n", told_paths_count(told));
    take(told, "oldest", 1, 0x0b000000);
    take(told, "newest", 1, 0x0b000000 + TOLD_PATHS_MAX);
    told_paths_destroy(told);
    test_restart();
}

ALCORTEST_REGISTER("told-paths", test_told_paths);

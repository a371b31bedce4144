/* SPDX-License-Identifier: Apache-2.0
 *
 * test-told-paths: unit test of told-paths: what is remembered, for whom. */

#include <config.h>

#undef NDEBUG
#include "feedback/told-paths.h"

#include <arpa/inet.h>
#include <stdio.h>
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

static void
test_told_paths(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct told_paths *told = told_paths_create();

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
}

ALCORTEST_REGISTER("told-paths", test_told_paths);

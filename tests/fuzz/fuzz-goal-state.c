/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-goal-state: fuzzes the decoder of goal state. */

#include <config.h>

#undef NDEBUG
#include "ingest/goal-decode.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz-targets.h"
#include "openvswitch/json.h"
#include "unicode.h"
#include "util.h"

/* A goal_entry_cb: checks what callers rely on. */
static void
check_entry(const struct goal_entry *entry, void *aux OVS_UNUSED)
{
    char *error = utf8_validate(entry->id, NULL);

    ovs_assert(!error);
    ovs_assert(strlen(entry->id) <= 255);
    ovs_assert(entry->kind < GOAL_N_KINDS);
    ovs_assert(!entry->error == !!entry->resource);
    ovs_assert(!entry->error == (entry->status == GOAL_STATUS_SUCCESS));

    if (entry->error) {
        error = utf8_validate(entry->error, NULL);
        ovs_assert(!error);
    } else {
        struct goal_resource *clone = goal_resource_clone(entry->resource);

        ovs_assert(entry->id[0]);
        ovs_assert(!strcmp(entry->id, entry->resource->id));
        ovs_assert(goal_resource_equal(clone, entry->resource));
        goal_resource_destroy(clone);
        json_destroy(goal_resource_to_json(entry->resource));
        error = goal_resource_check(entry->resource);
        ovs_assert(!error || !entry->full
                   || entry->operation == GOAL_OP_GET
                   || entry->operation == GOAL_OP_DELETE);
        free(error);
    }
    goal_resource_destroy(entry->resource);
}

/* The first byte selects the version and which host we are; the payload
 * follows.  What passes goal_decode_check() can be decoded. */
void
fuzz_goal_state(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {
        "172.16.62.237", "192.0.2.1", "fd00::1", "",
    };
    char *check, *error;
    int version;

    if (!size) {
        return;
    }
    version = data[0] & 1 ? 1 : 2;
    check = goal_decode_check(version, data + 1, size - 1);
    error = goal_decode(version, data + 1, size - 1,
                        hosts[data[0] >> 1 & 3], check_entry, NULL);
    ovs_assert(check || !error);
    free(check);
    free(error);
}

FUZZ_TARGET(fuzz_goal_state)

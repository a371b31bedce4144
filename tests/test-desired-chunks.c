/* SPDX-License-Identifier: Apache-2.0
 *
 * test-desired-chunks: how the queue of desired state is cut into chunks.
 *
 *     alcortest desired-state-chunks */

#include <config.h>

#include "apply/desired-state.h"

#include <inttypes.h>
#include <stdio.h>
#include "alcortest.h"
#include "openvswitch/list.h"
#include "util.h"

/* Chunks: in order of priority, cut between units. */

static void
chunk_unit(struct desired_state *ds, struct ds_unit *unit, const char *name,
           enum ds_priority priority, int first_key, int n)
{
    ds_unit_init(unit, xstrdup(name), 0, priority);
    ds_unit_begin(ds, unit);
    for (int i = 0; i < n; i++) {
        char key = 'a' + first_key + i;

        ds_contribute(ds, unit, DS_OPENFLOW, DS_EXCLUSIVE, 1, &key, 1, "x",
                      1);
    }
    ds_unit_end(ds, unit);
}

/* Takes a chunk of at most 'max', prints it, and confirms it. */
static void
chunk_take(struct desired_state *ds, size_t max)
{
    struct ovs_list chunks[DS_N_SINKS];
    struct ds_output *output;

    for (int i = 0; i < DS_N_SINKS; i++) {
        ovs_list_init(&chunks[i]);
    }

    size_t n = ds_take(ds, max, chunks);
    printf("at most %"PRIuSIZE", taken %"PRIuSIZE"%s", max, n,
           n ? ": " : "");
    LIST_FOR_EACH_SAFE (output, queue_node, &chunks[DS_OPENFLOW]) {
        putchar(output->key[0]);
        ds_set_installed(ds, output, ds_output_hash(output));
        ds_release(ds, output);
    }
    putchar('\n');
    ds_confirm(ds);
}

static void
desired_state_chunks(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct desired_state *ds = desired_state_create();
    struct ds_unit units[6];

    chunk_unit(ds, &units[0], "n1", DS_PRIO_BULK, 0, 3);
    chunk_unit(ds, &units[1], "n2", DS_PRIO_BULK, 3, 3);
    chunk_unit(ds, &units[2], "n3", DS_PRIO_BULK, 6, 1);
    struct ds_mark before = ds_mark(ds);
    chunk_unit(ds, &units[3], "p1", DS_PRIO_PORT, 7, 3);
    chunk_unit(ds, &units[4], "n4", DS_PRIO_BULK, 10, 2);
    chunk_unit(ds, &units[5], "p2", DS_PRIO_PORT, 12, 2);
    struct ds_mark after = ds_mark(ds);

    chunk_take(ds, 4);
    printf("reached: %d %d\n", ds_reached(ds, &before),
           ds_reached(ds, &after));
    chunk_take(ds, 1);
    chunk_take(ds, 4);
    printf("reached: %d %d\n", ds_reached(ds, &before),
           ds_reached(ds, &after));
    chunk_take(ds, 100);
    printf("reached: %d %d\n", ds_reached(ds, &before),
           ds_reached(ds, &after));
    chunk_take(ds, 100);

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        ds_unit_withdraw(ds, &units[i]);
        ds_unit_uninit(&units[i]);
    }
    desired_state_destroy(ds);
}

ALCORTEST_REGISTER("desired-state-chunks", desired_state_chunks);

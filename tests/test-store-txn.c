/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store-txn: transactions of the goal store. */

#include <config.h>
#undef NDEBUG

#include "test-store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/goal-store.h"
#include "store/goal-txn.h"
#include "util.h"

/* Commands (test-store.c), of which all but the first are writes of their own:
 *
 *     txn start ID [several]   the write that has begun can be undone
 *     txn undo [staged]        the last one
 *     txn finish
 *     txn record ID
 *     txn many N               records N of them
 *     txn list
 *     txn room N BYTES         is there room for one more? */

static const struct goal_origin nobody = { .sender = "", .topic = "" };

static void
print_result(const char *what, char *error)
{
    printf("%s: %s\n", what, error ? error : "ok");
    free(error);
}

static struct goal_txn_info
info(const char *id, bool several)
{
    return (struct goal_txn_info) {
        .id = id, .sender = "ctl", .message_id = "m", .distributed = several,
        .n_resources = 1,
    };
}

static struct goal_txn_end
end(enum goal_txn_phase phase)
{
    return (struct goal_txn_end) {
        .origin = &nobody, .phase = phase, .outcome = "", .reply = "reply",
        .reply_len = 5,
    };
}

static void
print_txn(const struct goal_txn *txn, void *aux OVS_UNUSED)
{
    printf("  %s %s%s%s, reply %"PRIu64"\n", txn->id,
           goal_txn_phase_to_string(txn->phase),
           txn->outcome[0] ? ": " : "", txn->outcome, txn->n_reply_bytes);
}

static void
record_many(struct goal_store *store, int n)
{
    for (int i = 0; i < n; i++) {
        char *id = xasprintf("many-%d", i);
        struct goal_txn_info inf = info(id, true);
        struct goal_txn_end e = end(GOAL_TXN_ABORTED);

        free(goal_txn_record(store, &inf, &e));
        free(id);
    }
}

static void
print_room(const struct goal_store *store, int n, int n_bytes)
{
    print_result("room", goal_txn_check_room(store, n, n_bytes));
}

void
test_store_txn(struct goal_store *store, struct goal_changes *changes, int n,
               char *words[])
{
    const char *id = n > 1 ? words[1] : "";
    struct goal_txn_info inf = info(id, n > 2);

    if (!strcmp(words[0], "start")) {
        goal_txn_start(store, &inf);
    } else if (!strcmp(words[0], "undo")) {
        struct goal_txn_end e = end(n > 1 ? GOAL_TXN_STAGED
                                    : GOAL_TXN_ABORTED);

        print_result("undo", goal_txn_undo(store, goal_txn_last(store), &e,
                                           changes));
    } else if (!strcmp(words[0], "finish")) {
        struct goal_txn_end e = end(GOAL_TXN_COMMITTED);

        print_result("finish", goal_txn_finish(store, goal_txn_last(store),
                                               &e));
    } else if (!strcmp(words[0], "record")) {
        struct goal_txn_end e = end(GOAL_TXN_ABORTED);

        print_result("record", goal_txn_record(store, &inf, &e));
    } else if (!strcmp(words[0], "many")) {
        record_many(store, atoi(id));
    } else if (!strcmp(words[0], "room")) {
        print_room(store, atoi(id), atoi(words[2]));
    } else {
        goal_txn_for_each(store, print_txn, NULL);
    }
}

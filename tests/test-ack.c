/* SPDX-License-Identifier: Apache-2.0
 *
 * test-ack: drives feedback/ack by commands, with a translator and a commit
 * that do what they are told.
 *
 *     alcortest ack < COMMANDS
 *
 * Commands, one a line:
 *
 *     message ID [RESOURCE...]  a message with these resources: "n1" is to be
 *                               followed, "n1/DELETE" with that operation,
 *                               "n1=STATUS" has that status already; "n1-n99"
 *                               means all of them.  ID "-": none.
 *     exceptions ID [RESOURCE...]  the same, answered with exceptions only
 *     fail ID [RESOURCE...]     the same, could not be stored
 *     translate                 everything stored so far is translated
 *     commit                    everything translated so far is committed
 *     state STATE RESOURCE...   pending, partial, done, invalid, failed
 *     heal RESOURCE...
 *     repeat ID
 *     open                      prints how many are open
 *     memory                    prints how many are pending, checks bounds
 *
 * After each command the module runs.  Answers are printed as "ID: RESOURCE
 * [OPERATION] STATUS, ..."; of more than 10 resources only how many there
 * are. */

#include <config.h>

#undef NDEBUG
#include "feedback/ack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "proto/goalstateprovisioner.pb-c.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

#define MAX_RESOURCES 200000

typedef Alcor__Schema__GoalStateOperationReply Reply;
typedef Alcor__Schema__GoalStateOperationReply__GoalStateOperationStatus
    Status;

static const char *const state_names[] = {
    [ACK_DONE] = "done", [ACK_PENDING] = "pending", [ACK_PARTIAL] = "partial",
    [ACK_INVALID] = "invalid", [ACK_FAILED] = "failed",
};

/* What the module sees through its class. */
struct world {
    struct ack *ack;
    uint64_t stored, translated; /* Numbers of messages. */
    uint64_t wanted, committed; /* Same, for the commit. */
    uint64_t seqno;
    uint8_t states[MAX_RESOURCES]; /* enum ack_state, by sid. */
};

static struct ack_mark
world_mark(void *world_)
{
    struct world *world = world_;

    return (struct ack_mark) { { ++world->stored, 0 } };
}

static bool
world_reached(const struct ack_mark *mark, void *world_)
{
    struct world *world = world_;

    return world->translated >= mark->positions[0];
}

static uint64_t
world_seqno(void *world_)
{
    struct world *world = world_;

    return world->seqno;
}

static enum ack_state
world_state(const struct goal_key *key, void *world_)
{
    struct world *world = world_;

    assert(key->kind == GOAL_NEIGHBOR && key->sid < MAX_RESOURCES);
    return world->states[key->sid];
}

static struct ds_mark
world_commit_mark(void *world_)
{
    struct world *world = world_;

    return (struct ds_mark) { { ++world->wanted } };
}

static bool
world_commit_reached(const struct ds_mark *mark, void *world_)
{
    struct world *world = world_;

    return world->committed >= mark->positions[0];
}

static void
print_status(const Status *s, bool first)
{
    static const char *const operations[] = {
        "INFO", "CREATE", "UPDATE", "GET", "DELETE"
    };

    uint32_t kind = s->resource_type;
    uint32_t operation = s->operation_type;
    uint32_t status = s->operation_status;

    assert(kind == GOAL_NEIGHBOR && operation < ARRAY_SIZE(operations));
    printf("%s%s", first ? " " : ", ", s->resource_id);
    if (operation != GOAL_OP_INFO) {
        printf(" %s", operations[operation]);
    }
    printf(" %s", goal_status_to_string(status));
    assert(s->state_elapse_time >= s->network_configuration_time);
    assert(s->state_elapse_time >= s->dataplane_programming_time);
}

static void
world_send(const char *correlation_id, const void *payload, size_t len,
           void *world_ OVS_UNUSED)
{
    Reply *reply = alcor__schema__goal_state_operation_reply__unpack(
        NULL, len, payload);

    assert(reply && correlation_id[0]);
    printf("%s:", correlation_id);
    if (reply->n_operation_statuses > 10) {
        printf(" %"PRIuSIZE" resources", reply->n_operation_statuses);
    } else {
        for (size_t i = 0; i < reply->n_operation_statuses; i++) {
            print_status(reply->operation_statuses[i], !i);
        }
    }
    putchar('\n');
    alcor__schema__goal_state_operation_reply__free_unpacked(reply, NULL);
}

static const struct ack_class world_class = {
    .mark = world_mark,
    .reached = world_reached,
    .seqno = world_seqno,
    .state = world_state,
    .commit_mark = world_commit_mark,
    .commit_reached = world_commit_reached,
    .send = world_send,
};

/* Calls 'cb' for each resource that 'word' ("n1" or "n1-n9") names. */
static void
for_each_resource(const char *word,
                  void (*cb)(struct world *, uint64_t sid, void *aux),
                  struct world *world, void *aux)
{
    unsigned int first, last;
    int n = sscanf(word, "n%u-n%u", &first, &last);

    assert(n > 0);
    last = n > 1 ? last : first;
    assert(last < MAX_RESOURCES);
    for (uint64_t sid = first; sid <= last; sid++) {
        cb(world, sid, aux);
    }
}

struct addition {
    struct ack_message *msg;
    uint32_t operation;
    int status;                 /* Negative: to be followed. */
};

static void
add_resource(struct world *world OVS_UNUSED, uint64_t sid, void *addition_)
{
    const struct addition *addition = addition_;
    char *id = xasprintf("n%"PRIu64, sid);

    if (addition->status < 0) {
        struct goal_key key = { GOAL_NEIGHBOR, sid };

        ack_add(addition->msg, &key, id, addition->operation);
    } else {
        ack_add_final(addition->msg, GOAL_NEIGHBOR, id, addition->operation,
                      addition->status);
    }
    free(id);
}

static int
status_from_string(const char *s)
{
    for (int i = 0; i <= GOAL_STATUS_OUT_OF_ORDER; i++) {
        if (!strcmp(s, goal_status_to_string(i))) {
            return i;
        }
    }
    OVS_NOT_REACHED();
}

static void
cmd_message(struct world *world, const char *command, char *id, char **savep)
{
    struct addition addition = {
        .msg = ack_begin(world->ack, strcmp(id, "-") ? id : "", time_usec()),
    };
    char *word;

    while ((word = strtok_r(NULL, " ", savep)) != NULL) {
        char *status = strchr(word, '=');
        char *operation = strchr(word, '/');

        addition.status = status ? status_from_string(status + 1) : -1;
        addition.operation = operation ? GOAL_OP_DELETE : GOAL_OP_INFO;
        for_each_resource(word, add_resource, world, &addition);
    }
    if (!strcmp(command, "exceptions")) {
        ack_set_exceptions_only(addition.msg);
    } else if (!strcmp(command, "fail")) {
        ack_fail(addition.msg);
    }
    ack_stored(world->ack, addition.msg);
}

static void
set_state(struct world *world, uint64_t sid, void *state)
{
    world->states[sid] = *(int *) state;
}

static void
heal(struct world *world, uint64_t sid, void *aux OVS_UNUSED)
{
    struct goal_key key = { GOAL_NEIGHBOR, sid };

    ack_healed(world->ack, &key);
}

static void
cmd_state(struct world *world, const char *name, char **savep)
{
    int state = 0;
    char *word;

    while (strcmp(state_names[state], name)) {
        state++;
        assert(state < (int) ARRAY_SIZE(state_names));
    }
    while ((word = strtok_r(NULL, " ", savep)) != NULL) {
        for_each_resource(word, set_state, world, &state);
    }
    world->seqno++;
}

static void
cmd_memory(struct world *world)
{
    struct simap usage = SIMAP_INITIALIZER(&usage);

    ack_get_memory_usage(world->ack, &usage);
    assert(simap_get(&usage, "reply-history-KB")
           <= ACK_MAX_HISTORY_BYTES / 1024);
    assert(simap_get(&usage, "unanswered-messages")
           == ack_n_open(world->ack));
    printf("%u pending\n", simap_get(&usage, "pending-resources"));
    simap_destroy(&usage);
}

static void
execute(struct world *world, char *line)
{
    char *save = NULL;
    const char *command = strtok_r(line, " ", &save);
    char *word;

    if (!strcmp(command, "translate")) {
        world->translated = world->stored;
        world->seqno++;
    } else if (!strcmp(command, "commit")) {
        world->committed = world->wanted;
    } else if (!strcmp(command, "open")) {
        printf("%"PRIuSIZE" open\n", ack_n_open(world->ack));
    } else if (!strcmp(command, "memory")) {
        cmd_memory(world);
    } else if (!strcmp(command, "heal")) {
        while ((word = strtok_r(NULL, " ", &save)) != NULL) {
            for_each_resource(word, heal, world, NULL);
        }
    } else if (!strcmp(command, "state")) {
        word = strtok_r(NULL, " ", &save);
        cmd_state(world, word, &save);
    } else if (!strcmp(command, "repeat")) {
        word = strtok_r(NULL, " ", &save);
        if (!ack_repeat(world->ack, strcmp(word, "-") ? word : "")) {
            printf("%s is new\n", word);
        }
    } else {
        word = strtok_r(NULL, " ", &save);
        cmd_message(world, command, word, &save);
    }
}

static void
test_ack(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct world *world = xzalloc(sizeof *world);
    struct ds line = DS_EMPTY_INITIALIZER;

    world->ack = ack_create(&world_class, world);
    while (!ds_get_line(&line, stdin)) {
        if (ds_cstr(&line)[0]) {
            execute(world, ds_cstr(&line));
            ack_run(world->ack);
        }
    }
    ack_destroy(world->ack);
    ds_destroy(&line);
    free(world);
}

ALCORTEST_REGISTER("ack", test_ack);

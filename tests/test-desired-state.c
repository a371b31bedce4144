/* SPDX-License-Identifier: Apache-2.0
 *
 * test-desired-state: desired state against a naive model, at random.
 *
 *     alcortest desired-state-random SEED STEPS
 *
 * The model knows for each unit what it wishes and whether it has failed, and
 * computes from that, afresh each time, what each output should be.  Beside it
 * is a switch, which the sink of the test changes when a chunk goes through.
 * Operations come in any order: translations, withdrawals, failures, retries,
 * chunks taken, sent, completed, refused, lost connections, read-back.
 *
 * After each operation, the wanted values, cookies and hashes are the model's;
 * a mark is reached only when what was wanted at its time has been confirmed
 * for each output, or is not wanted any more.  Whenever nothing is left to do,
 * the switch holds what is wanted, and all marks are reached; a new desired
 * state that is told the same in another order wants the same. */

#include <config.h>

#undef NDEBUG
#include "apply/desired-state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "simap.h"
#include "util.h"

#define N_UNITS 10
#define N_KEYS 16
#define N_MARKS 8
#define N_PARTS 4

static const char *const parts[N_PARTS] = { "a", "ab", "b", "c" };

/* Some version of an output. */
struct value {
    bool present;
    uint64_t cookie;
    size_t len;
    char bytes[16];
};

struct wish {
    bool present;
    uint64_t cookie;
    const char *part;
};

struct unit {
    struct ds_unit up;
    struct wish wishes[N_KEYS];
    bool failed;
};

struct key {
    struct value want;          /* What is wanted now. */
    bool suspended;             /* All who want it have failed. */
    uint64_t version;           /* Changes with the above. */
    uint64_t done;              /* Last version in effect or refused, but
                                 * for... */
    uint64_t confirmed;         /* ...the confirmation: the same with it. */

    struct value installed;     /* On the switch... */
    bool foreign;               /* ...where it is somebody else's. */
    struct value seen;          /* Same, as of the last confirmation. */

    struct ds_output *output;   /* In flight, else null. */
    bool sent;                  /* 'output' has been sent... */
    struct value sending;       /* ...with this value... */
    uint64_t hash;              /* ...and hash... */
    uint64_t sent_version;      /* ...of this version. */
};

struct mark {
    bool used;
    struct ds_mark mark;
    uint64_t versions[N_KEYS];
};

struct test {
    struct desired_state *ds;
    struct unit units[N_UNITS];
    struct key keys[N_KEYS];
    struct mark marks[N_MARKS];
    struct ovs_list chunks[DS_N_SINKS];
    bool in_flight;             /* A chunk was taken, not confirmed. */
    int n_quiescent;            /* How often there was nothing left to do. */
    int n_reached;              /* How many marks were reached. */
};

/* Keys. */

static enum ds_sink
key_sink(int k)
{
    return k % DS_N_SINKS;
}

static enum ds_mode
key_mode(int k)
{
    return k / DS_N_SINKS % 2 ? DS_UNION : DS_EXCLUSIVE;
}

static struct ds_output *
lookup(const struct desired_state *ds, int k)
{
    char name = 'A' + k;

    return ds_lookup(ds, key_sink(k), &name, 1);
}

static bool
value_equal(const struct value *a, const struct value *b)
{
    return (a->present == b->present
            && (!a->present
                || (a->cookie == b->cookie && a->len == b->len
                    && !memcmp(a->bytes, b->bytes, a->len))));
}

static uint64_t
value_hash(const struct value *value)
{
    return ds_value_hash(value->cookie, value->bytes, value->len);
}

/* Returns what 'output', which may be null, wants. */
static struct value
output_value(struct ds_output *output)
{
    struct value value = { .present = output && ds_output_wanted(output) };

    if (value.present) {
        struct ofpbuf buf;

        ofpbuf_init(&buf, 0);
        ds_output_value(output, &buf);
        assert(buf.size <= sizeof value.bytes);
        value.cookie = ds_output_cookie(output);
        value.len = buf.size;
        memcpy(value.bytes, buf.data, buf.size);
        ofpbuf_uninit(&buf);
        assert(ds_output_hash(output) == value_hash(&value));
    }
    return value;
}

/* Model. */

/* True if 'a' goes before 'b' where they differ. */
static bool
is_stronger(const struct unit *a, const struct unit *b)
{
    return (a->failed != b->failed ? b->failed
            : a->up.rank != b->up.rank ? a->up.rank < b->up.rank
            : strcmp(a->up.name, b->up.name) < 0);
}

/* Sets '*want' to what the units in 'units' want of key 'k', and '*suspended'
 * if all of them have failed. */
static void
compute(const struct unit *units, int k, struct value *want, bool *suspended)
{
    const struct unit *winner = NULL;
    bool used[N_PARTS] = { false };
    size_t n_used = 0;

    *want = (struct value) { .cookie = UINT64_MAX };
    *suspended = true;
    for (const struct unit *unit = units; unit < units + N_UNITS; unit++) {
        const struct wish *wish = &unit->wishes[k];

        if (!wish->present) {
            continue;
        }
        want->present = true;
        want->cookie = MIN(want->cookie, wish->cookie);
        *suspended = *suspended && unit->failed;
        if (!winner || is_stronger(unit, winner)) {
            winner = unit;
        }
        for (size_t i = 0; i < N_PARTS; i++) {
            if (wish->part == parts[i] && !used[i]) {
                used[i] = true;
                n_used++;
            }
        }
    }
    *suspended = *suspended && want->present;
    if (n_used > 1 && key_mode(k) == DS_EXCLUSIVE) {
        want->cookie = winner->wishes[k].cookie;
    }
    for (size_t i = 0; i < N_PARTS; i++) {
        if (used[i] && (key_mode(k) == DS_UNION
                        || winner->wishes[k].part == parts[i])) {
            memcpy(want->bytes + want->len, parts[i], strlen(parts[i]));
            want->len += strlen(parts[i]);
        }
    }
}

/* Compares what is wanted of all keys with the model. */
static void
check_wanted(struct test *test)
{
    for (int k = 0; k < N_KEYS; k++) {
        struct key *key = &test->keys[k];
        struct ds_output *output = lookup(test->ds, k);
        struct value want, found = output_value(output);
        bool suspended;

        compute(test->units, k, &want, &suspended);
        assert(value_equal(&want, &found));
        assert(!output || suspended == ds_output_is_suspended(output));
        if (!value_equal(&want, &key->want) || suspended != key->suspended) {
            key->want = want;
            key->suspended = suspended;
            key->version++;
        }
        if (suspended || (key->foreign && want.present)
            || value_equal(&want, &key->seen)) {
            key->confirmed = key->version;
        }
    }
}

/* Units fail by themselves where somebody else's is in their way. */
static void
check_failures(struct test *test)
{
    for (struct unit *unit = test->units; unit < test->units + N_UNITS;
         unit++) {
        bool blocked = false;

        for (int k = 0; k < N_KEYS; k++) {
            blocked |= unit->wishes[k].present && test->keys[k].foreign;
        }
        assert(unit->up.failed == unit->failed
               || (unit->up.failed && blocked));
        unit->failed = unit->up.failed;
    }
}

static void
check_marks(struct test *test)
{
    for (struct mark *m = test->marks; m < test->marks + N_MARKS; m++) {
        if (m->used && ds_reached(test->ds, &m->mark)) {
            for (int k = 0; k < N_KEYS; k++) {
                assert(test->keys[k].confirmed >= m->versions[k]);
            }
            m->used = false;
            test->n_reached++;
        }
    }
}

/* Nothing is left to do. */
static void
check_quiescent(struct test *test)
{
    for (int k = 0; k < N_KEYS; k++) {
        const struct key *key = &test->keys[k];

        if (key->foreign) {
            for (int i = 0; i < N_UNITS; i++) {
                assert(!test->units[i].wishes[k].present
                       || test->units[i].failed);
            }
        } else if (!key->suspended) {
            assert(value_equal(&key->want, &key->installed));
        }
    }
    for (int i = 0; i < N_MARKS; i++) {
        assert(!test->marks[i].used);
    }
    test->n_quiescent++;
}

static void
check(struct test *test)
{
    check_failures(test);
    check_wanted(test);
    check_marks(test);
    if (!test->in_flight && !ds_has_queue(test->ds)) {
        check_quiescent(test);
    }
}

/* Operations on units. */

static void
contribute(struct desired_state *ds, struct unit *unit, int k)
{
    const struct wish *wish = &unit->wishes[k];
    char name = 'A' + k;

    ds_contribute(ds, &unit->up, key_sink(k), key_mode(k), wish->cookie,
                  &name, 1, wish->part, strlen(wish->part));
}

/* Contributes something that is undone at once.  Returns true if it did. */
static bool
contribute_in_vain(struct test *test, struct unit *unit)
{
    struct ovs_list *mark = ds_unit_mark(&unit->up);
    bool any = false;

    for (int k = 0; k < N_KEYS; k++) {
        if (!unit->wishes[k].present && !random_range(4)) {
            unit->wishes[k].cookie = 1 + random_range(3);
            unit->wishes[k].part = parts[random_range(N_PARTS)];
            contribute(test->ds, unit, k);
            any = true;
        }
    }
    ds_unit_rewind(test->ds, &unit->up, mark);
    return any;
}

static void
do_translate(struct test *test)
{
    struct unit *unit = &test->units[random_range(N_UNITS)];
    struct wish old[N_KEYS];
    bool changed = false;
    int start = random_range(N_KEYS);

    memcpy(old, unit->wishes, sizeof old);
    ds_unit_begin(test->ds, &unit->up);
    for (int i = 0; i < N_KEYS; i++) {
        int k = (start + i) % N_KEYS;
        struct wish *wish = &unit->wishes[k];

        if (!random_range(3)) {
            *wish = (struct wish) {
                .present = random_range(2),
                .cookie = 1 + random_range(3),
                .part = parts[random_range(N_PARTS)],
            };
        }
        changed |= (wish->present != old[k].present
                    || (wish->present && (wish->cookie != old[k].cookie
                                          || wish->part != old[k].part)));
        if (wish->present) {
            contribute(test->ds, unit, k);
        }
    }
    if (!random_range(4)) {
        changed |= contribute_in_vain(test, unit);
    }
    ds_unit_end(test->ds, &unit->up);
    unit->failed &= !changed;
}

static void
do_withdraw(struct test *test)
{
    struct unit *unit = &test->units[random_range(N_UNITS)];

    ds_unit_withdraw(test->ds, &unit->up);
    memset(unit->wishes, 0, sizeof unit->wishes);
    unit->failed = false;
}

static void
do_fail(struct test *test)
{
    struct unit *unit = &test->units[random_range(N_UNITS)];

    ds_unit_fail(test->ds, &unit->up, "test");
    unit->failed = true;
}

static void
do_retry(struct test *test)
{
    struct unit *unit = &test->units[random_range(N_UNITS)];

    ds_unit_retry(test->ds, &unit->up);
    unit->failed = false;
}

static void
do_mark(struct test *test)
{
    struct mark *mark = &test->marks[random_range(N_MARKS)];

    mark->used = true;
    mark->mark = ds_mark(test->ds);
    for (int k = 0; k < N_KEYS; k++) {
        mark->versions[k] = test->keys[k].version;
    }
}

/* The sink. */

/* Units that failed in ds_take(), one after the other, may have changed what
 * is wanted for a moment only, in which it was in effect. */
static void
note_blocked(struct test *test)
{
    for (int i = 0; i < N_UNITS; i++) {
        const struct unit *unit = &test->units[i];

        for (int k = 0; k < N_KEYS && unit->up.failed != unit->failed; k++) {
            if (unit->wishes[k].present) {
                test->keys[k].confirmed = test->keys[k].version++;
            }
        }
    }
}

static void
do_take(struct test *test)
{
    if (test->in_flight) {
        return;
    }
    ds_take(test->ds, 1 + random_range(8), test->chunks);
    test->in_flight = true;
    note_blocked(test);
    for (int i = 0; i < DS_N_SINKS; i++) {
        struct ds_output *output;

        LIST_FOR_EACH (output, queue_node, &test->chunks[i]) {
            int k = output->key[0] - 'A';

            assert(key_sink(k) == i && !test->keys[k].output);
            test->keys[k].output = output;
            test->keys[k].sent = false;
        }
    }
}

/* 'key' is done with. */
static void
release(struct test *test, struct key *key)
{
    struct ds_output *output = key->output;

    key->output = NULL;
    ds_release(test->ds, output);
}

static void
do_send(struct test *test)
{
    for (struct key *key = test->keys; key < test->keys + N_KEYS; key++) {
        if (!key->output || key->sent) {
            continue;
        }
        if (!ds_output_is_dirty(key->output)) {
            key->done = key->version;
            release(test, key);
            continue;
        }
        key->sent = true;
        key->sent_version = key->version;
        key->sending = output_value(key->output);
        key->hash = (key->sending.present ? ds_output_hash(key->output) : 0);
    }
}

static void
fail_unit(struct ds_unit *ds_unit, void *test_)
{
    struct test *test = test_;
    struct unit *unit = CONTAINER_OF(ds_unit, struct unit, up);

    ds_unit_fail(test->ds, ds_unit, "refused");
    unit->failed = true;
}

static void
do_complete(struct test *test)
{
    bool any = false;

    for (struct key *key = test->keys; key < test->keys + N_KEYS; key++) {
        if (key->output && key->sent && random_range(2)) {
            key->done = key->sent_version;
            if (key->sending.present && !random_range(8)) {
                ds_output_for_each_unit(key->output, fail_unit, test);
            } else {
                key->installed = key->sending;
                if (key->sending.present) {
                    ds_set_installed(test->ds, key->output, key->hash);
                } else {
                    ds_set_removed(test->ds, key->output);
                }
            }
            release(test, key);
        }
        any |= key->output != NULL;
    }
    if (!any && test->in_flight) {
        ds_confirm(test->ds);
        test->in_flight = false;
        for (struct key *key = test->keys; key < test->keys + N_KEYS; key++) {
            key->seen = key->installed;
            key->confirmed = MAX(key->confirmed, key->done);
        }
    }
}

/* What somebody else may do to 'key' on the switch. */
static void
meddle(struct key *key)
{
    key->foreign = false;
    switch (random_range(12)) {
    case 0:
        key->installed.present = false;
        break;
    case 1:
        key->installed = (struct value) { true, 99, 1, "X" };
        break;
    case 2:
        key->installed = (struct value) { false };
        key->foreign = true;
        break;
    }
}

/* Reports what is installed, in one of the two ways. */
static void
read_back(struct test *test, enum ds_sink sink, char name, uint64_t hash,
          bool foreign)
{
    struct ds_output *output = ds_lookup(test->ds, sink, &name, 1);

    if (!foreign && output && ds_output_wanted(output)
        && ds_output_hash(output) == hash && random_range(2)) {
        ds_readback_same(test->ds, output);
    } else {
        ds_readback(test->ds, sink, &name, 1, hash, foreign);
    }
}

/* The connection is lost and found again. */
static void
do_reconnect(struct test *test)
{
    for (struct key *key = test->keys; key < test->keys + N_KEYS; key++) {
        if (key->output && key->sent && random_range(2)) {
            key->installed = key->sending;
        }
        key->sent = false;
        meddle(key);
    }
    ds_retry(test->ds);
    for (struct unit *unit = test->units; unit < test->units + N_UNITS;
         unit++) {
        unit->failed = unit->up.failed;
    }
    for (int i = 0; i < DS_N_SINKS; i++) {
        ds_readback_begin(test->ds, i);
    }
    for (int k = 0; k < N_KEYS; k++) {
        const struct key *key = &test->keys[k];
        char name = 'A' + k;

        if (key->installed.present || key->foreign) {
            read_back(test, key_sink(k), name, value_hash(&key->installed),
                      key->foreign);
        }
        test->keys[k].seen = key->installed;
    }
    for (int i = 0; i < DS_N_SINKS; i++) {
        ds_readback_end(test->ds, i);
    }
}

/* Each operation and its weight. */
static const struct operation {
    void (*run)(struct test *);
    int weight;
} operations[] = {
    { do_translate, 20 },
    { do_withdraw, 4 },
    { do_fail, 2 },
    { do_retry, 2 },
    { do_mark, 10 },
    { do_take, 30 },
    { do_send, 30 },
    { do_complete, 60 },
    { do_reconnect, 1 },
};

static void
do_something(struct test *test)
{
    int total = 0;

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        total += operations[i].weight;
    }

    int n = random_range(total);
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        n -= operations[i].weight;
        if (n < 0) {
            operations[i].run(test);
            return;
        }
    }
}

/* Goes on with the chunks until nothing is left to do. */
static void
drain(struct test *test)
{
    for (int i = 0; test->in_flight || ds_has_queue(test->ds); i++) {
        assert(i < 10000);
        do_take(test);
        do_send(test);
        do_complete(test);
        check(test);
    }
}

/* Whole tests. */

static void
units_init(struct unit *units)
{
    for (int i = 0; i < N_UNITS; i++) {
        ds_unit_init(&units[i].up, xasprintf("unit %d", i * 7 % N_UNITS),
                     i % 3, i % DS_N_PRIOS);
    }
}

/* A desired state that is told what the units of 'test' wish, in another
 * order, wants the same. */
static void
check_order(const struct test *test)
{
    struct desired_state *ds = desired_state_create();
    struct unit units[N_UNITS];
    int start = random_range(N_UNITS);

    memset(units, 0, sizeof units);
    units_init(units);
    for (int i = 0; i < N_UNITS; i++) {
        int u = (start + i * 3) % N_UNITS;

        memcpy(units[u].wishes, test->units[u].wishes,
               sizeof units[u].wishes);
        ds_unit_begin(ds, &units[u].up);
        for (int k = N_KEYS - 1; k >= 0; k--) {
            if (units[u].wishes[k].present) {
                contribute(ds, &units[u], k);
            }
        }
        ds_unit_end(ds, &units[u].up);
        if (test->units[u].failed) {
            ds_unit_fail(ds, &units[u].up, "failed before");
        }
    }
    for (int k = 0; k < N_KEYS; k++) {
        struct value value = output_value(lookup(ds, k));

        assert(value_equal(&value, &test->keys[k].want));
    }
    for (int i = 0; i < N_UNITS; i++) {
        ds_unit_withdraw(ds, &units[i].up);
        ds_unit_uninit(&units[i].up);
    }
    desired_state_destroy(ds);
}

/* Withdraws everything; nothing is left behind. */
static void
finish(struct test *test)
{
    struct simap usage = SIMAP_INITIALIZER(&usage);

    for (struct key *key = test->keys; key < test->keys + N_KEYS; key++) {
        key->foreign = false;
    }
    for (struct unit *unit = test->units; unit < test->units + N_UNITS;
         unit++) {
        ds_unit_withdraw(test->ds, &unit->up);
        memset(unit->wishes, 0, sizeof unit->wishes);
        unit->failed = false;
    }
    for (int i = 0; i < DS_N_SINKS; i++) {
        ds_readback_begin(test->ds, i);
        for (int k = i; k < N_KEYS; k += DS_N_SINKS) {
            char name = 'A' + k;

            if (test->keys[k].installed.present) {
                ds_readback(test->ds, i, &name, 1, 0, false);
            }
        }
        ds_readback_end(test->ds, i);
    }
    drain(test);
    for (int i = 0; i < DS_N_SINKS; i++) {
        assert(!ds_count(test->ds, i));
    }
    ds_get_memory_usage(test->ds, &usage);
    assert(!simap_get(&usage, "failed-resources"));
    simap_destroy(&usage);
}

static void
desired_state_random(int argc, char *argv[])
{
    struct test *test = xzalloc(sizeof *test);

    if (argc != 3) {
        ovs_fatal(0, "usage: %s SEED STEPS", argv[0]);
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_ERR);
    random_set_seed(atoi(argv[1]));
    test->ds = desired_state_create();
    units_init(test->units);
    for (int i = 0; i < DS_N_SINKS; i++) {
        ovs_list_init(&test->chunks[i]);
    }
    for (int i = atoi(argv[2]); i > 0; i--) {
        do_something(test);
        check(test);
        if (!random_range(200)) {
            drain(test);
            check_order(test);
        }
    }
    drain(test);
    finish(test);
    printf("marks reached: %s, quiescent: %s\n",
           test->n_reached > 10 ? "many" : "few",
           test->n_quiescent > 10 ? "often" : "rarely");
    for (int i = 0; i < N_UNITS; i++) {
        ds_unit_uninit(&test->units[i].up);
    }
    desired_state_destroy(test->ds);
    free(test);
}

ALCORTEST_REGISTER("desired-state-random", desired_state_random);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store: drives a goal store by commands on standard input. */

#include <config.h>

/* Usage: alcortest store DIR < COMMANDS
 *
 * One command a line, words separated by spaces; '#' starts a comment.
 * Resources are written as goal-text.h says.  A word may have "@N" in it,
 * which stands for N times "x".
 *
 * Dependency keys are printed by name: those of resources that were mentioned,
 * and of ranges of indexes that were named with "name". */

#undef NDEBUG
#include "store/goal-store.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alcortest.h"
#include "goal-text.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "store/dep-key.h"
#include "store/goal-store-private.h"
#include "store/vni-claims.h"
#include "svec.h"
#include "test-store.h"
#include "timeval.h"
#include "util.h"

#define MAX_WORDS 64

struct test {
    const char *dir;
    struct goal_store *store;   /* Null while closed. */
    struct goal_changes changes;
    struct hmap names;          /* Contains "struct key_name"s. */
};

struct key_name {
    struct hmap_node node;      /* In 'names', by 'key'. */
    uint64_t key;
    char *name;
};

struct command {
    const char *name;
    int min_words, max_words;   /* Besides the name. */
    void (*run)(struct test *, int n, char *words[]);
};

static const char *const index_names[GOAL_N_INDEXES] = {
    [GOAL_BY_VPC] = "vpc",
    [GOAL_BY_SUBNET] = "subnet",
    [GOAL_BY_GROUP] = "group",
    [GOAL_BY_ADDRESS] = "address",
    [GOAL_BY_GATEWAY] = "gateway",
    [GOAL_SUBNETS_OF_VPC] = "subnets",
    [GOAL_BY_REMOTE_GROUP] = "remote-group",
    [GOAL_GATEWAYS_OF_SUBNET] = "gateways",
};

static void
fail_on(char *error)
{
    if (error) {
        ovs_fatal(0, "%s", error);
    }
}

/* Names of dependency keys. */

static void
add_name(struct test *test, uint64_t key, char *text)
{
    struct key_name *name;

    HMAP_FOR_EACH_WITH_HASH (name, node, key, &test->names) {
        if (name->key == key) {
            free(text);
            return;
        }
    }
    name = xmalloc(sizeof *name);
    name->key = key;
    name->name = text;
    hmap_insert(&test->names, &name->node, key);
}

static const char *
find_name(const struct test *test, uint64_t key)
{
    struct key_name *name;

    HMAP_FOR_EACH_WITH_HASH (name, node, key, &test->names) {
        if (name->key == key) {
            return name->name;
        }
    }
    return "?";
}

/* Returns 'id', or something shorter to print. */
static const char *
short_id(const char *id)
{
    static char s[32];

    if (strlen(id) < 100) {
        return id;
    }
    snprintf(s, sizeof s, "(%"PRIuSIZE" bytes)", strlen(id));
    return s;
}

static void
print_changes(struct test *test)
{
    struct goal_changes *changes = &test->changes;

    for (size_t i = 0; i < changes->n; i++) {
        const struct goal_change *c = &changes->changes[i];
        struct svec names = SVEC_EMPTY_INITIALIZER;

        for (size_t j = 0; j < c->n_touched; j++) {
            ovs_assert(!j || c->touched[j - 1] < c->touched[j]);
            svec_add(&names, find_name(test, c->touched[j]));
        }
        svec_sort(&names);
        printf("  %s %s%s:", goal_kinds[c->key.kind].name, short_id(c->id),
               c->deleted ? " deleted" : "");
        for (size_t j = 0; j < names.n; j++) {
            printf(" %s", names.names[j]);
        }
        printf("\n");
        svec_destroy(&names);
    }
    goal_changes_destroy(changes);
}

/* Commands. */

static void
cmd_open(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    char *error;

    goal_store_close(test->store);
    error = goal_store_open(test->dir, &test->store);
    if (error) {
        printf("open: %s\n", error);
        free(error);
    } else {
        printf("open: %s%s\n",
               goal_store_is_new(test->store) ? "new" : "old",
               goal_store_was_restored(test->store) ? ", restored" : "");
    }
}

/* Tries to open the store once more. */
static void
cmd_second(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    struct goal_store *store;
    char *error = goal_store_open(test->dir, &store);
    char *pid = xasprintf("pid %ld)", (long int) getpid());
    char *p = error ? strstr(error, pid) : NULL;

    ovs_assert(error && !store);
    printf("second: %.*s%s\n", p ? (int) (p - error) : INT_MAX, error,
           p ? "our pid)" : "");
    free(pid);
    free(error);
}

/* [VERSION]: makes the store, which is closed, one of another version, or
 * prints of which it is. */
static void
cmd_version(struct test *test, int n, char *words[])
{
    test_store_version(test->dir, n ? atoi(words[0]) : 0);
}

static void
cmd_close(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    goal_store_close(test->store);
    test->store = NULL;
}

/* SENDER TOPIC EPOCH [SEQUENCE [hold]], "-" being the empty string. */
static struct goal_origin
parse_origin(int n, char *words[])
{
    return (struct goal_origin) {
        .sender = strcmp(words[0], "-") ? words[0] : "",
        .topic = strcmp(words[1], "-") ? words[1] : "",
        .epoch = strtoull(words[2], NULL, 0),
        .sequence = n > 3 ? strtoull(words[3], NULL, 0) : 0,
        .hold = n > 4,
    };
}

static void
cmd_begin(struct test *test, int n, char *words[])
{
    struct goal_origin origin = parse_origin(n, words);

    fail_on(goal_store_begin(test->store, &origin));
}

static void
cmd_set_origin(struct test *test, int n, char *words[])
{
    struct goal_origin origin = parse_origin(n, words);

    goal_store_set_origin(test->store, &origin);
}

static const char *
write_to_string(enum goal_write write)
{
    static const char *const names[] = {
        [GOAL_WRITTEN] = "written",
        [GOAL_SAME] = "same",
        [GOAL_STALE] = "stale",
        [GOAL_ABSENT] = "absent",
    };

    return names[write];
}

static void
put(struct test *test, enum goal_put_mode mode, int n, char *words[])
{
    struct goal_resource *r = goal_text_resource(n, words);
    enum goal_write write;
    struct goal_key key;
    char *error;

    add_name(test, dep_key_string(r->kind, r->id), xstrdup("self"));
    error = goal_store_put(test->store, r, mode, &key, &write);
    printf("put %s: %s\n", short_id(r->id),
           error ? error : write_to_string(write));
    free(error);
    goal_resource_destroy(r);
}

static void
cmd_put(struct test *test, int n, char *words[])
{
    put(test, GOAL_REPLACE, n, words);
}

static void
cmd_merge(struct test *test, int n, char *words[])
{
    put(test, GOAL_MERGE, n, words);
}

static void
cmd_create(struct test *test, int n, char *words[])
{
    put(test, GOAL_CREATE, n, words);
}

static void
cmd_force(struct test *test, int n, char *words[])
{
    put(test, GOAL_FORCE, n, words);
}

/* Puts a resource if nobody else has its VNI. */
static void
cmd_claim(struct test *test, int n, char *words[])
{
    struct goal_resource *r = goal_text_resource(n, words);
    char *error = vni_claims_check(goal_store_vni_claims(test->store), r);

    if (error) {
        printf("claim %s: %s\n", r->id, error);
        free(error);
    } else {
        put(test, GOAL_REPLACE, n, words);
    }
    goal_resource_destroy(r);
}

static void
cmd_delete(struct test *test, int n, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    enum goal_write write;
    struct goal_key key;
    char *error;

    add_name(test, dep_key_string(kind, words[1]), xstrdup("self"));
    error = goal_store_delete(test->store, kind, words[1],
                              n > 2 ? atoi(words[2]) : 0, &key, &write);
    printf("delete %s: %s\n", short_id(words[1]),
           error ? error : write_to_string(write));
    free(error);
}

/* KIND PREFIX FIRST LAST REVISION: deletes what cmd_many() has put. */
static void
cmd_delete_many(struct test *test, int n OVS_UNUSED, char *words[])
{
    for (int i = atoi(words[2]); i <= atoi(words[3]); i++) {
        char *id = xasprintf("%s%d", words[1], i);
        enum goal_write write;
        struct goal_key key;

        fail_on(goal_store_delete(test->store, goal_text_kind(words[0]), id,
                                  atoi(words[4]), &key, &write));
        ovs_assert(write == GOAL_WRITTEN);
        free(id);
    }
}

/* KIND PREFIX FIRST LAST: puts empty resources named PREFIX and a number. */
static void
cmd_many(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);

    for (int i = atoi(words[2]); i <= atoi(words[3]); i++) {
        char *id = xasprintf("%s%d", words[1], i);
        struct goal_resource *r = goal_resource_create(kind, id);
        enum goal_write write;
        struct goal_key key;

        char *error = goal_store_put(test->store, r, GOAL_REPLACE, &key,
                                     &write);

        goal_resource_destroy(r);
        free(id);
        if (error) {
            printf("many: %s\n", error);
            free(error);
            break;
        }
        ovs_assert(write == GOAL_WRITTEN);
    }
}

static void
cmd_commit(struct test *test, int n, char *words[])
{
    char *error = goal_store_commit(test->store, &test->changes);

    printf("commit: %s\n", error ? error : "ok");
    free(error);
    if (n && !strcmp(words[0], "count")) {
        printf("  %"PRIuSIZE" changes\n", test->changes.n);
        goal_changes_destroy(&test->changes);
    } else if (!n || strcmp(words[0], "keep")) {
        print_changes(test);
    }
}

static void
cmd_abort(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    goal_store_abort(test->store, &test->changes);
    printf("abort: %"PRIuSIZE" changes\n", test->changes.n);
    goal_changes_destroy(&test->changes);
}

static void
cmd_txn(struct test *test, int n, char *words[])
{
    test_store_txn(test->store, &test->changes, n, words);
    goal_changes_destroy(&test->changes);
}

static void
cmd_kill(struct test *test OVS_UNUSED, int n OVS_UNUSED,
         char *words[] OVS_UNUSED)
{
    fflush(stdout);
    raise(SIGKILL);
}

static void
cmd_get(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    struct goal_resource *r = goal_store_get(test->store, kind, words[1]);
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (r) {
        goal_resource_format(r, &ds);
        printf("%s", ds_cstr(&ds));
    } else {
        printf("no %s\n", words[1]);
    }
    ds_destroy(&ds);
    goal_resource_destroy(r);
}

static void
cmd_json(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    struct goal_resource *r = goal_store_get(test->store, kind, words[1]);
    struct json *json = goal_resource_to_json(r);
    char *s = json_to_string(json, JSSF_SORT);

    puts(s);
    free(s);
    json_destroy(json);
    goal_resource_destroy(r);
}

static bool
add_id(const struct goal_key *key OVS_UNUSED, const char *id, void *ids)
{
    svec_add(ids, id);
    return true;
}

/* KIND: prints how many there are and which. */
static void
cmd_list(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    struct svec ids = SVEC_EMPTY_INITIALIZER;

    goal_store_for_each(test->store, kind, add_id, &ids);
    svec_sort(&ids);
    printf("%"PRIuSIZE":", goal_store_count(test->store, kind));
    for (size_t i = 0; i < ids.n && i < 8; i++) {
        printf(" %s", ids.names[i]);
    }
    printf(ids.n > 8 ? " ...\n" : "\n");
    ovs_assert(ids.n == goal_store_count(test->store, kind));
    svec_destroy(&ids);
}

/* Turns INDEX PARENT [ADDRESS] into an index and address. */
static enum goal_index
parse_index(int n, char *words[], struct in6_addr *ip)
{
    for (enum goal_index i = 0; i < GOAL_N_INDEXES; i++) {
        if (!strcmp(words[0], index_names[i])) {
            ovs_assert((n == 3) == (i == GOAL_BY_ADDRESS));
            if (n == 3) {
                goal_text_ip(words[2], ip);
            }
            return i;
        }
    }
    ovs_fatal(0, "%s: no such index", words[0]);
}

static bool
print_key(const struct goal_key *key, void *store)
{
    struct goal_resource *r = goal_store_get_key(store, key);

    printf(" %s/%s", goal_kinds[key->kind].name, r ? r->id : "?");
    goal_resource_destroy(r);
    return true;
}

static void
cmd_index(struct test *test, int n, char *words[])
{
    struct in6_addr ip;
    enum goal_index index = parse_index(n, words, &ip);

    printf("%s %s:", words[0], short_id(words[n - 1]));
    goal_store_index(test->store, index, words[1], &ip, print_key,
                     test->store);
    printf("\n");
}

static void
cmd_name(struct test *test, int n, char *words[])
{
    struct in6_addr ip;
    enum goal_index index = parse_index(n, words, &ip);

    add_name(test, goal_index_dep_key(index, words[1], &ip),
             xasprintf("%s:%s", words[0], words[n - 1]));
}

/* KIND ID: who has written or deleted it. */
static void
cmd_origin(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    struct goal_store *store = test->store;
    uint64_t epoch, sequence;
    char *sender, *topic;
    struct goal_key key;
    const char *what;

    if (goal_store_lookup(store, kind, words[1], &key)
        && goal_store_origin(store, &key, &sender, &topic, &epoch,
                             &sequence)) {
        what = "origin";
    } else if (goal_store_grave_origin(store, kind, words[1], &sender, &topic,
                                       &epoch, &sequence)) {
        what = "deleted by";
    } else {
        printf("origin: none\n");
        return;
    }
    printf("%s: %s,%s,%"PRIu64",%"PRIu64"\n", what, sender, topic, epoch,
           sequence);
    free(sender);
    free(topic);
}

static void
cmd_position(struct test *test, int n, char *words[])
{
    struct goal_origin origin = parse_origin(n, words);

    printf("position: %"PRIu64"\n",
           goal_store_position(test->store, &origin));
}

static void
cmd_set_position(struct test *test, int n, char *words[])
{
    struct goal_origin origin = parse_origin(n, words);

    fail_on(goal_store_set_position(test->store, &origin));
}

static void
print_position(const struct goal_origin *origin, void *aux OVS_UNUSED)
{
    printf("  %s,%s,%"PRIu64": %"PRIu64"\n", origin->sender, origin->topic,
           origin->epoch, origin->sequence);
}

static void
cmd_positions(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    printf("positions:\n");
    goal_store_positions(test->store, print_position, NULL);
}

static void
cmd_incomplete(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    char *sender, *topic;

    if (goal_store_incomplete(test->store, &sender, &topic)) {
        printf("incomplete: %s,%s\n", sender, topic);
        free(sender);
        free(topic);
    } else {
        printf("incomplete: none\n");
    }
}

/* MSEC: does what is to be done that much later. */
static void
cmd_later(struct test *test, int n OVS_UNUSED, char *words[])
{
    goal_store_run(test->store, time_msec() + atoll(words[0]));
}

/* [MSEC]: has what is left over found and removed, that much later. */
static void
cmd_sweep(struct test *test, int n, char *words[])
{
    long long int later = n ? atoll(words[0]) : 60000;

    for (int i = 0; i < 2000; i++) {
        goal_store_run(test->store, time_msec() + later + 50 * i);
    }
}

static void
cmd_names(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    test_store_print_names(test->dir);
}

/* SENDER TOPIC EPOCH FIRST LAST: sets positions of topics named TOPIC and a
 * number. */
static void
cmd_many_positions(struct test *test, int n OVS_UNUSED, char *words[])
{
    for (int i = atoi(words[3]); i <= atoi(words[4]); i++) {
        char *topic = xasprintf("%s%d", words[1], i);
        struct goal_origin origin = {
            .sender = words[0], .topic = topic,
            .epoch = strtoull(words[2], NULL, 0), .sequence = 1,
        };

        fail_on(goal_store_set_position(test->store, &origin));
        free(topic);
    }
}

static int
compare_simap(const void *a_, const void *b_)
{
    const struct simap_node *const *a = a_;
    const struct simap_node *const *b = b_;

    return strcmp((*a)->name, (*b)->name);
}

static void
cmd_memory(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    struct simap usage = SIMAP_INITIALIZER(&usage);
    const struct simap_node **nodes;

    goal_store_get_memory_usage(test->store, &usage);
    nodes = simap_sort(&usage);
    qsort(nodes, simap_count(&usage), sizeof *nodes, compare_simap);
    for (size_t i = 0; i < simap_count(&usage); i++) {
        printf("  %s:%u\n", nodes[i]->name, nodes[i]->data);
    }
    free(nodes);
    simap_destroy(&usage);
}

static void
cmd_sync(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    fail_on(goal_store_sync(test->store));
}

static void
cmd_copy(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    fail_on(goal_store_copy(test->store));
}

/* MSEC: has copies made that often. */
static void
cmd_copy_interval(struct test *test, int n OVS_UNUSED, char *words[])
{
    goal_sync_set_copy_interval(test->store->sync, atoll(words[0]));
}

/* Waits until the copy has been removed from where it is and made again. */
static void
cmd_wait_copy(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    char *name = xasprintf("%s/copy.mdb", test->dir);

    unlink(name);
    for (int i = 0; access(name, F_OK); i++) {
        ovs_assert(i < 1000);
        usleep(10000);
    }
    free(name);
}

static void
cmd_boot_id(struct test *test OVS_UNUSED, int n OVS_UNUSED, char *words[])
{
    goal_store_set_boot_id(words[0]);
}

static const struct command commands[] = {
    { "open", 0, 0, cmd_open },
    { "close", 0, 0, cmd_close },
    { "begin", 3, 5, cmd_begin },
    { "set-origin", 3, 5, cmd_set_origin },
    { "put", 2, MAX_WORDS, cmd_put },
    { "merge", 2, MAX_WORDS, cmd_merge },
    { "create", 2, MAX_WORDS, cmd_create },
    { "force", 2, MAX_WORDS, cmd_force },
    { "claim", 2, MAX_WORDS, cmd_claim },
    { "delete", 2, 3, cmd_delete },
    { "many", 4, 4, cmd_many },
    { "delete-many", 5, 5, cmd_delete_many },
    { "second", 0, 0, cmd_second },
    { "version", 0, 1, cmd_version },
    { "commit", 0, 1, cmd_commit },
    { "abort", 0, 0, cmd_abort },
    { "txn", 1, 3, cmd_txn },
    { "kill", 0, 0, cmd_kill },
    { "get", 2, 2, cmd_get },
    { "json", 2, 2, cmd_json },
    { "list", 1, 1, cmd_list },
    { "index", 2, 3, cmd_index },
    { "name", 2, 3, cmd_name },
    { "origin", 2, 2, cmd_origin },
    { "position", 3, 3, cmd_position },
    { "set-position", 4, 4, cmd_set_position },
    { "positions", 0, 0, cmd_positions },
    { "incomplete", 0, 0, cmd_incomplete },
    { "many-positions", 5, 5, cmd_many_positions },
    { "names", 0, 0, cmd_names },
    { "later", 1, 1, cmd_later },
    { "sweep", 0, 1, cmd_sweep },
    { "memory", 0, 0, cmd_memory },
    { "sync", 0, 0, cmd_sync },
    { "copy", 0, 0, cmd_copy },
    { "copy-interval", 1, 1, cmd_copy_interval },
    { "wait-copy", 0, 0, cmd_wait_copy },
    { "boot-id", 1, 1, cmd_boot_id },
};

/* Returns a copy of 'word' with "@N" expanded. */
static char *
expand(const char *word)
{
    size_t len = strcspn(word, "@");
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_buffer(&ds, word, len);
    if (word[len]) {
        char *end;

        ds_put_char_multiple(&ds, 'x', strtol(&word[len + 1], &end, 10));
        ds_put_cstr(&ds, end);
    }
    return ds_steal_cstr(&ds);
}

static void
run_command(struct test *test, int n, char *words[])
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const struct command *c = &commands[i];

        if (!strcmp(words[0], c->name)) {
            if (n - 1 < c->min_words || n - 1 > c->max_words) {
                ovs_fatal(0, "%s: bad number of words", c->name);
            }
            c->run(test, n - 1, words + 1);
            return;
        }
    }
    ovs_fatal(0, "%s: no such command", words[0]);
}

static void
run_line(struct test *test, char *line)
{
    char *words[MAX_WORDS];
    char *save = NULL;
    int n = 0;

    line[strcspn(line, "#\n")] = '\0';
    for (char *word = strtok_r(line, " ", &save); word && n < MAX_WORDS;
         word = strtok_r(NULL, " ", &save)) {
        words[n++] = expand(word);
    }
    if (n) {
        run_command(test, n, words);
    }
    for (int i = 0; i < n; i++) {
        free(words[i]);
    }
}

static void
test_store(int argc, char *argv[])
{
    struct test test = { .names = HMAP_INITIALIZER(&test.names) };
    struct key_name *name;
    char line[4096];

    if (argc != 2) {
        ovs_fatal(0, "usage: %s DIR < COMMANDS", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    test.dir = argv[1];
    while (fgets(line, sizeof line, stdin)) {
        run_line(&test, line);
    }
    goal_changes_destroy(&test.changes);
    goal_store_close(test.store);
    HMAP_FOR_EACH_POP (name, node, &test.names) {
        free(name->name);
        free(name);
    }
    hmap_destroy(&test.names);
    goal_store_set_boot_id(NULL);
}

ALCORTEST_REGISTER("store", test_store);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store: drives a goal store by commands on standard input. */

#include <config.h>

/* Usage: alcortest store DIR < COMMANDS
 *
 * One command a line, words separated by spaces; '#' starts a comment.  A
 * resource is written as MEMBER=VALUE words, with the names of goal-kinds.c
 * (up to a dot or bar, where that is enough).  A list member is given once for
 * each element; a struct is its members in the order of the table, separated
 * by commas, trailing ones may be left out; a list in it is [ELEMENT]... .
 *
 * Dependency keys are printed by name: those of resources that were mentioned,
 * and of ranges of indexes that were named with "name". */

#undef NDEBUG
#include "store/goal-store.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "store/dep-key.h"
#include "store/goal-fields.h"
#include "svec.h"
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
};

static void
fail_on(char *error)
{
    if (error) {
        ovs_fatal(0, "%s", error);
    }
}

/* Reading resources. */

static void parse_struct(const struct goal_struct *, void *base,
                         const char **p);

static uint64_t
parse_number(const struct goal_field *field, const char *s)
{
    for (uint32_t i = 0; field->names && field->names[i]; i++) {
        if (!strcmp(field->names[i], s)) {
            return i;
        }
    }
    return strtoull(s, NULL, 0);
}

static void
parse_ip(const char *s, struct in6_addr *ip)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        *ip = in6_addr_mapped_ipv4(ip4);
    } else if (!ipv6_parse(s, ip)) {
        ovs_fatal(0, "%s: not an address", s);
    }
}

static void
parse_prefix(char *s, struct goal_prefix *prefix)
{
    char *slash = strchr(s, '/');

    if (slash) {
        *slash = '\0';
        prefix->plen = atoi(slash + 1);
    }
    parse_ip(s, &prefix->addr);
    if (!slash) {
        prefix->plen = IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? 32 : 128;
    }
}

static void
parse_scalar(const struct goal_field *field, void *base, char *s)
{
    void *p = goal_field_ptr(field, base);

    switch (field->type) {
    case GF_BOOL:
        *(bool *) p = !strcmp(s, "true");
        break;
    case GF_U32:
    case GF_ENUM:
        *(uint32_t *) p = parse_number(field, s);
        break;
    case GF_U64:
        *(uint64_t *) p = parse_number(field, s);
        break;
    case GF_STRING:
        free(*(char **) p);
        *(char **) p = xstrdup(s);
        break;
    case GF_MAC:
        if (!eth_addr_from_string(s, p)) {
            ovs_fatal(0, "%s: not a MAC", s);
        }
        break;
    case GF_IP:
        parse_ip(s, p);
        break;
    case GF_PREFIX:
        parse_prefix(s, p);
        break;
    case GF_STRINGS:
    case GF_STRUCTS:
        OVS_NOT_REACHED();
    }
}

/* Adds what '*p' starts with to the member of 'base' that 'field' is. */
static void
parse_member(const struct goal_field *field, void *base, const char **p)
{
    struct goal_list *list = goal_field_list(field, base);
    size_t len = strcspn(*p, ",]");
    char *s;

    if (field->type == GF_STRUCTS) {
        size_t size = field->sub->size;

        list->elems = xrealloc(list->elems, (list->n + 1) * size);
        goal_struct_init(field->sub, list->elems + list->n * size);
        parse_struct(field->sub, list->elems + list->n++ * size, p);
        return;
    }
    s = xmemdup0(*p, len);
    *p += len;
    if (field->type == GF_STRINGS) {
        struct goal_strings *strings = goal_field_strings(field, base);

        strings->names = xrealloc(strings->names, ((strings->n + 1)
                                                   * sizeof *strings->names));
        strings->names[strings->n++] = s;
        return;
    } else if (len) {
        parse_scalar(field, base, s);
    }
    free(s);
}

static void
parse_struct(const struct goal_struct *layout, void *base, const char **p)
{
    for (size_t i = 0; i < layout->n_fields && **p && **p != ']'; i++) {
        if (layout->fields[i].type == GF_STRUCTS) {
            while (**p == '[') {
                ++*p;
                parse_member(&layout->fields[i], base, p);
                *p += **p == ']';
            }
        } else {
            parse_member(&layout->fields[i], base, p);
        }
        *p += **p == ',';
    }
}

static const struct goal_field *
find_field(const struct goal_struct *layout, const char *name, size_t len)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (!strncmp(field->name, name, len)
            && strchr(".|", field->name[len])) {
            return field;
        }
    }
    ovs_fatal(0, "%s: no such member", name);
}

static enum goal_kind
parse_kind(const char *s)
{
    enum goal_kind kind;

    if (!goal_kind_from_string(s, &kind)) {
        ovs_fatal(0, "%s: no such kind", s);
    }
    return kind;
}

/* From KIND ID MEMBER=VALUE... */
static struct goal_resource *
parse_resource(int n, char *words[])
{
    enum goal_kind kind = parse_kind(words[0]);
    struct goal_resource *r = goal_resource_create(kind, words[1]);

    for (int i = 2; i < n; i++) {
        const char *value = strchr(words[i], '=');

        if (!value) {
            ovs_fatal(0, "%s: not MEMBER=VALUE", words[i]);
        }
        value++;
        if (!strncmp(words[i], "revision=", 9)) {
            r->revision = atoi(value);
        } else if (!strncmp(words[i], "request_id=", 11)) {
            free(r->request_id);
            r->request_id = xstrdup(value);
        } else {
            parse_member(find_field(goal_kinds[kind].layout, words[i],
                                    value - words[i] - 1), r, &value);
        }
    }
    return r;
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
        printf("  %s %s%s:", goal_kinds[c->key.kind].name, c->id,
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
        printf("open: %s\n", goal_store_is_new(test->store) ? "new" : "old");
    }
}

static void
cmd_close(struct test *test, int n OVS_UNUSED, char *words[] OVS_UNUSED)
{
    goal_store_close(test->store);
    test->store = NULL;
}

/* SENDER TOPIC EPOCH [SEQUENCE], "-" being the empty string. */
static struct goal_origin
parse_origin(int n, char *words[])
{
    return (struct goal_origin) {
        .sender = strcmp(words[0], "-") ? words[0] : "",
        .topic = strcmp(words[1], "-") ? words[1] : "",
        .epoch = strtoull(words[2], NULL, 0),
        .sequence = n > 3 ? strtoull(words[3], NULL, 0) : 0,
    };
}

static void
cmd_begin(struct test *test, int n, char *words[])
{
    struct goal_origin origin = parse_origin(n, words);

    fail_on(goal_store_begin(test->store, &origin));
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
    struct goal_resource *r = parse_resource(n, words);
    enum goal_write write;
    struct goal_key key;
    char *error;

    add_name(test, dep_key_string(r->kind, r->id), xstrdup("self"));
    error = goal_store_put(test->store, r, mode, &key, &write);
    printf("put %s: %s\n", r->id, error ? error : write_to_string(write));
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
cmd_force(struct test *test, int n, char *words[])
{
    put(test, GOAL_FORCE, n, words);
}

static void
cmd_delete(struct test *test, int n, char *words[])
{
    enum goal_kind kind = parse_kind(words[0]);
    enum goal_write write;
    struct goal_key key;
    char *error;

    add_name(test, dep_key_string(kind, words[1]), xstrdup("self"));
    error = goal_store_delete(test->store, kind, words[1],
                              n > 2 ? atoi(words[2]) : 0, &key, &write);
    printf("delete %s: %s\n", words[1],
           error ? error : write_to_string(write));
    free(error);
}

/* KIND PREFIX FIRST LAST: puts empty resources named PREFIX and a number. */
static void
cmd_many(struct test *test, int n OVS_UNUSED, char *words[])
{
    enum goal_kind kind = parse_kind(words[0]);

    for (int i = atoi(words[2]); i <= atoi(words[3]); i++) {
        char *id = xasprintf("%s%d", words[1], i);
        struct goal_resource *r = goal_resource_create(kind, id);
        enum goal_write write;
        struct goal_key key;

        fail_on(goal_store_put(test->store, r, GOAL_REPLACE, &key, &write));
        ovs_assert(write == GOAL_WRITTEN);
        goal_resource_destroy(r);
        free(id);
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
cmd_kill(struct test *test OVS_UNUSED, int n OVS_UNUSED,
         char *words[] OVS_UNUSED)
{
    fflush(stdout);
    raise(SIGKILL);
}

static void
cmd_get(struct test *test, int n OVS_UNUSED, char *words[])
{
    struct goal_resource *r = goal_store_get(test->store,
                                             parse_kind(words[0]), words[1]);
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
    struct goal_resource *r = goal_store_get(test->store,
                                             parse_kind(words[0]), words[1]);
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
    enum goal_kind kind = parse_kind(words[0]);
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
                parse_ip(words[2], ip);
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

    printf("%s %s:", words[0], words[n - 1]);
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

static void
cmd_origin(struct test *test, int n OVS_UNUSED, char *words[])
{
    uint64_t epoch, sequence;
    char *sender, *topic;
    struct goal_key key;

    if (goal_store_lookup(test->store, parse_kind(words[0]), words[1], &key)
        && goal_store_origin(test->store, &key, &sender, &topic, &epoch,
                             &sequence)) {
        printf("origin: %s,%s,%"PRIu64",%"PRIu64"\n", sender, topic, epoch,
               sequence);
        free(sender);
        free(topic);
    } else {
        printf("origin: none\n");
    }
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

static const struct command commands[] = {
    { "open", 0, 0, cmd_open },
    { "close", 0, 0, cmd_close },
    { "begin", 3, 4, cmd_begin },
    { "put", 2, MAX_WORDS, cmd_put },
    { "merge", 2, MAX_WORDS, cmd_merge },
    { "force", 2, MAX_WORDS, cmd_force },
    { "delete", 2, 3, cmd_delete },
    { "many", 4, 4, cmd_many },
    { "commit", 0, 1, cmd_commit },
    { "abort", 0, 0, cmd_abort },
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
    { "later", 1, 1, cmd_later },
    { "memory", 0, 0, cmd_memory },
    { "sync", 0, 0, cmd_sync },
};

static void
run_line(struct test *test, char *line)
{
    char *words[MAX_WORDS];
    char *save = NULL;
    int n = 0;

    line[strcspn(line, "#\n")] = '\0';
    for (char *word = strtok_r(line, " ", &save); word && n < MAX_WORDS;
         word = strtok_r(NULL, " ", &save)) {
        words[n++] = word;
    }
    if (!n) {
        return;
    }
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
}

ALCORTEST_REGISTER("store", test_store);

/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store-record: packing and unpacking, and survival of damage. */

#include <config.h>

/* Usage: alcortest store-round-trip N
 *        alcortest store-damage N
 *        alcortest store-files DIR N
 *        alcortest store-tables
 *        alcortest store-kill DIR N
 *        alcortest store-volatile */

#undef NDEBUG
#include "store/goal-record.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alcortest.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "store/goal-fields.h"
#include "store/goal-merge.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "util.h"

/* Random resources. */

static void random_struct(const struct goal_struct *, void *base);

static char *
random_string(void)
{
    static const int lengths[] = { 0, 1, 5, 36, 127, 128, 255, 300, 20000 };
    size_t len = lengths[random_range(random_range(20) ? 5 : 9)];
    char *s = xmalloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        s[i] = 1 + random_range(255);
    }
    s[len] = '\0';
    return s;
}

static uint64_t
random_number(void)
{
    return random_uint64() >> random_range(64);
}

static void
random_ip(struct in6_addr *ip)
{
    random_bytes(ip, sizeof *ip);
    if (random_range(2)) {
        *ip = in6_addr_mapped_ipv4(htonl(random_uint32()));
    }
}

static void
random_list(const struct goal_field *field, void *base)
{
    struct goal_list *list = goal_field_list(field, base);

    list->n = random_range(random_range(8) ? 4 : 200);
    list->elems = list->n ? xmalloc(list->n * field->sub->size) : NULL;
    for (size_t i = 0; i < list->n; i++) {
        goal_struct_init(field->sub, goal_list_elem(field, list, i));
        random_struct(field->sub, goal_list_elem(field, list, i));
    }
}

static void
random_strings(struct goal_strings *strings)
{
    strings->n = random_range(4);
    strings->names = (strings->n
                      ? xmalloc(strings->n * sizeof *strings->names) : NULL);
    for (size_t i = 0; i < strings->n; i++) {
        strings->names[i] = random_string();
    }
}

static void
random_field(const struct goal_field *field, void *base)
{
    void *p = goal_field_ptr(field, base);
    struct goal_prefix *prefix = p;

    switch (field->type) {
    case GF_BOOL:
        *(bool *) p = random_range(2);
        break;
    case GF_U32:
    case GF_ENUM:
        *(uint32_t *) p = random_number();
        break;
    case GF_U64:
        *(uint64_t *) p = random_number();
        break;
    case GF_STRING:
        free(*(char **) p);
        *(char **) p = random_string();
        break;
    case GF_MAC:
        random_bytes(p, ETH_ADDR_LEN);
        break;
    case GF_IP:
        random_ip(p);
        break;
    case GF_PREFIX:
        random_ip(&prefix->addr);
        if (!random_range(8)) {
            prefix->addr = in6addr_any;
        }
        prefix->given = 1;
        prefix->plen = random_range(IN6_IS_ADDR_V4MAPPED(&prefix->addr)
                                    ? 33 : 129);
        break;
    case GF_STRINGS:
        random_strings(p);
        break;
    case GF_STRUCTS:
        random_list(field, base);
        break;
    }
}

static void
random_struct(const struct goal_struct *layout, void *base)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        if (random_range(4)) {
            random_field(&layout->fields[i], base);
        }
    }
}

static struct goal_resource *
random_resource(void)
{
    enum goal_kind kind = random_range(GOAL_N_KINDS);
    struct goal_resource *r;
    char *id = random_string();

    r = goal_resource_create(kind, id);
    r->revision = random_number();
    free(r->request_id);
    r->request_id = random_string();
    random_struct(goal_kinds[kind].layout, r);
    free(id);
    return r;
}

static void
check_header(const struct goal_resource *r, const struct goal_buffer *b,
             size_t body)
{
    struct goal_record record;

    ovs_assert(goal_record_parse(b->data, b->size, &record));
    ovs_assert(record.kind == r->kind);
    ovs_assert(record.revision == r->revision);
    ovs_assert(record.origin == 7);
    ovs_assert(record.sequence == UINT64_MAX);
    ovs_assert(record.request_id_len == strlen(r->request_id));
    ovs_assert(record.id_len == strlen(r->id));
    ovs_assert(!memcmp(record.id, r->id, record.id_len));
    ovs_assert((uint8_t *) record.body == b->data + body);
    ovs_assert(record.body_len == b->size - body);
}

/* Every rest of a record is damaged. */
static void
check_truncated(const struct goal_buffer *b)
{
    for (size_t len = 0; len < b->size; len += 1 + b->size / 500) {
        uint8_t *part = xmemdup(b->data, MAX(len, 1));

        ovs_assert(!goal_record_unpack(part, len));
        free(part);
    }
}

static void
test_round_trip(int argc, char *argv[])
{
    struct goal_buffer b = { NULL, 0, 0 };
    int n = argc > 1 ? atoi(argv[1]) : 1000;
    size_t counts[GOAL_N_KINDS] = { 0 };

    random_set_seed(1);
    for (int i = 0; i < n; i++) {
        struct goal_resource *r = random_resource();
        size_t body = goal_record_pack(r, 7, UINT64_MAX, &b);
        struct goal_resource *back = goal_record_unpack(b.data, b.size);
        struct goal_resource *clone = goal_resource_clone(r);
        struct ds ds = DS_EMPTY_INITIALIZER;

        ovs_assert(back && goal_resource_equal(r, back));
        ovs_assert(goal_resource_equal(r, clone));
        check_header(r, &b, body);
        check_truncated(&b);
        goal_resource_format(r, &ds);
        json_destroy(goal_resource_to_json(r));
        counts[r->kind]++;
        ds_destroy(&ds);
        goal_resource_destroy(clone);
        goal_resource_destroy(back);
        goal_resource_destroy(r);
    }
    for (size_t i = 0; i < GOAL_N_KINDS; i++) {
        ovs_assert(counts[i]);
    }
    printf("%d resources\n", n);
    goal_buffer_uninit(&b);
}

/* Changes some bytes of 'b'. */
static void
mutate(struct goal_buffer *b)
{
    for (int i = 1 + random_range(3); i > 0; i--) {
        size_t at = random_range(b->size);

        switch (random_range(4)) {
        case 0:
            b->data[at] ^= 1 << random_range(8);
            break;
        case 1:
            b->data[at] = random_range(2) ? 0xff : 0x7f;
            break;
        case 2:
            b->data[at] = random_uint32();
            break;
        case 3:
            memmove(&b->data[at], &b->data[random_range(at + 1)],
                    b->size - at);
            break;
        }
    }
}

/* Unpacks damaged records; what still is a resource can be used. */
static void
test_damage(int argc, char *argv[])
{
    struct goal_buffer b = { NULL, 0, 0 };
    int n = argc > 1 ? atoi(argv[1]) : 10000;
    int n_resources = 0;

    random_set_seed(2);
    for (int i = 0; i < n; i++) {
        struct goal_resource *r = random_resource();
        struct goal_resource *back;
        uint8_t *bytes;

        goal_record_pack(r, 1, 2, &b);
        mutate(&b);
        bytes = xmemdup(b.data, b.size);
        back = goal_record_unpack(bytes, b.size);
        free(bytes);
        if (back) {
            struct goal_resource *normal = goal_normalize(back);

            json_destroy(goal_resource_to_json(back));
            goal_record_pack(normal, 1, 2, &b);
            goal_resource_destroy(normal);
            n_resources++;
        }
        goal_resource_destroy(back);
        goal_resource_destroy(r);
    }
    ovs_assert(n_resources > 0 && n_resources < n);
    printf("%d records\n", n);
    goal_buffer_uninit(&b);
}

/* Checks what the code that is driven by the tables takes for granted. */
static void
check_table(const struct goal_struct *layout)
{
    ovs_assert(layout->n_fields < 64);
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *f = &layout->fields[i];
        bool merged = (f->flags & GFF_MERGE) != 0;
        bool has_key = false;

        ovs_assert(f->offset < layout->size);
        ovs_assert((f->type == GF_STRUCTS) == (f->sub != NULL));
        ovs_assert((f->type == GF_ENUM) == (f->names != NULL));
        ovs_assert(!(f->flags & GFF_OPERATION) || f->type == GF_ENUM);
        ovs_assert(!(f->flags & GFF_KEY)
                   || f->type == GF_STRING
                   || goal_field_plain_size(f->type));
        if (f->sub) {
            check_table(f->sub);
            for (size_t j = 0; j < f->sub->n_fields; j++) {
                has_key |= (f->sub->fields[j].flags & GFF_KEY) != 0;
            }
        }
        ovs_assert(merged == has_key);
    }
}

static void
test_tables(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    for (size_t i = 0; i < GOAL_N_KINDS; i++) {
        check_table(goal_kinds[i].layout);
    }
    printf("sound\n");
}

/* Being killed. */

#define PER_WRITE 40

static void
fail_on(char *error)
{
    if (error) {
        ovs_fatal(0, "%s", error);
    }
}

/* Writes messages, each of which sets all subnets' tunnel ids to its
 * sequence, until killed.  Says so with a byte to 'fd' after each. */
static void
write_forever(const char *dir, int fd)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    struct goal_origin origin = { .sender = "s", .topic = "t" };
    struct goal_store *store;

    fail_on(goal_store_open(dir, &store));
    origin.sequence = goal_store_position(store, &origin);
    for (;;) {
        origin.sequence++;
        fail_on(goal_store_begin(store, &origin));
        for (int i = 0; i < PER_WRITE; i++) {
            char *id = xasprintf("subnet-%d", i);
            struct goal_resource *r = goal_resource_create(GOAL_SUBNET, id);
            enum goal_write write;
            struct goal_key key;

            GOAL_SUBNET_CAST(r)->tunnel_id = origin.sequence;
            fail_on(goal_store_put(store, r, GOAL_REPLACE, &key, &write));
            goal_resource_destroy(r);
            free(id);
        }
        fail_on(goal_store_commit(store, &changes));
        goal_changes_destroy(&changes);
        if (write(fd, "", 1) != 1) {
            ovs_fatal(errno, "write");
        }
    }
}

/* Checks that all of a message is there or none of it, and that the last one
 * is at least 'acked' messages after 'before'.  Returns its sequence. */
static uint64_t
check_killed(const char *dir, uint64_t before, uint64_t acked)
{
    struct goal_origin origin = { .sender = "s", .topic = "t" };
    struct goal_store *store;
    uint64_t position;

    fail_on(goal_store_open(dir, &store));
    ovs_assert(!before || !goal_store_is_new(store));
    position = goal_store_position(store, &origin);
    ovs_assert(position >= before + acked);
    ovs_assert(position <= before + acked + 1);
    for (int i = 0; position && i < PER_WRITE; i++) {
        char *id = xasprintf("subnet-%d", i);
        struct goal_resource *r = goal_store_get(store, GOAL_SUBNET, id);

        ovs_assert(r && GOAL_SUBNET_CAST(r)->tunnel_id == position);
        goal_resource_destroy(r);
        free(id);
    }
    goal_store_close(store);
    return position;
}

static void
test_kill(int argc, char *argv[])
{
    int n = argc > 2 ? atoi(argv[2]) : 10;
    uint64_t position = 0;

    if (argc < 2) {
        ovs_fatal(0, "usage: %s DIR [N]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    for (int i = 0; i < n; i++) {
        uint64_t acked = 0;
        int fds[2];
        char byte;
        pid_t pid;

        ovs_assert(!pipe(fds));
        pid = fork();
        if (!pid) {
            write_forever(argv[1], fds[1]);
        }
        close(fds[1]);
        while (acked < 5 && read(fds[0], &byte, 1) == 1) {
            acked++;
        }
        usleep(random_range(5000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &byte, 1) == 1) {
            acked++;
        }
        close(fds[0]);
        ovs_assert(acked >= 5);
        position = check_killed(argv[1], position, acked);
    }
    printf("survived %d times\n", n);
}

/* Damaged files. */

/* Reads file 'name' in 'dir'. */
static char *
read_file(const char *dir, const char *name, size_t *size)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    char *bytes;

    ovs_assert(file && !fseek(file, 0, SEEK_END));
    *size = ftell(file);
    rewind(file);
    bytes = xmalloc(*size);
    ovs_assert(fread(bytes, 1, *size, file) == *size);
    fclose(file);
    free(path);
    return bytes;
}

static void
write_file(const char *dir, const char *name, const char *bytes, size_t size)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");

    ovs_assert(file && fwrite(bytes, 1, size, file) == size);
    ovs_assert(!fclose(file));
    free(path);
}

static void
remove_store(const char *dir)
{
    static const char *const names[] = {
        "boot", "clean", "data.mdb", "ids.map", "lock", "lock.mdb",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);

        unlink(path);
        free(path);
    }
    rmdir(dir);
}

/* Puts, replaces and deletes resources of the store in 'dir'. */
static void
use_store(const char *dir, uint64_t sequence)
{
    struct goal_changes changes = GOAL_CHANGES_INITIALIZER;
    struct goal_origin origin = {
        .sender = "s", .topic = "t", .epoch = 1, .sequence = sequence,
    };
    struct goal_store *store;

    fail_on(goal_store_open(dir, &store));
    fail_on(goal_store_begin(store, &origin));
    for (int i = 0; i < 120; i++) {
        struct goal_resource *r = random_resource();
        enum goal_write write;
        struct goal_key key;

        free(r->id);
        r->id = xasprintf("%d", random_range(40));
        r->revision = 0;
        free(random_range(8)
             ? goal_store_put(store, r, GOAL_REPLACE, &key, &write)
             : goal_store_delete(store, r->kind, r->id, 0, &key, &write));
        goal_resource_destroy(goal_store_get(store, r->kind, r->id));
        goal_resource_destroy(r);
    }
    free(goal_store_commit(store, &changes));
    goal_changes_destroy(&changes);
    goal_store_close(store);
}

/* Changes some bytes of a file that is a store, in one place. */
static void
damage_file(char *bytes, size_t size)
{
    size_t at = random_range(size);
    size_t n = MIN(size - at, 1 + random_range(random_range(2) ? 8 : 5000));

    if (random_range(2)) {
        random_bytes(&bytes[at], n);
    } else {
        memset(&bytes[at], random_uint32(), n);
    }
}

/* Uses damaged stores, each in a process that must come to an orderly end. */
static void
test_files(int argc, char *argv[])
{
    int n = argc > 2 ? atoi(argv[2]) : 100;
    size_t data_size, map_size;
    char *data, *map;

    ovs_assert(argc > 1);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    random_set_seed(3);
    use_store(argv[1], 1);
    use_store(argv[1], 2);
    data = read_file(argv[1], "data.mdb", &data_size);
    map = read_file(argv[1], "ids.map", &map_size);
    for (int i = 0; i < n; i++) {
        char *damaged = xmemdup(data, data_size);
        char *dir = xasprintf("%s.%d", argv[1], i);
        int status;
        pid_t pid;

        ovs_assert(!mkdir(dir, 0700));
        damage_file(damaged, data_size);
        write_file(dir, "data.mdb", damaged, data_size);
        write_file(dir, "ids.map", map, map_size);
        pid = fork();
        if (!pid) {
            random_set_seed(i + 1);
            use_store(dir, 3);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (status) {
            printf("%s: status %d\n", dir, status);
        } else {
            remove_store(dir);
        }
        free(dir);
        free(damaged);
    }
    printf("used %d stores\n", n);
    free(data);
    free(map);
}

/* Volatile store. */

static void
print_vol_changes(struct vol_store *store)
{
    struct vol_changes changes;

    printf("changes:");
    if (vol_changes_take(store, &changes)) {
        for (size_t i = 0; i < changes.n; i++) {
            uint64_t key = changes.keys[i];

            printf(" %s", (key == vol_dep_key(VOL_TUNNEL, "vxlan") ? "vxlan"
                           : key == vol_dep_key(VOL_TUNNEL, "gre") ? "gre"
                           : key == vol_dep_key(VOL_HOST, "") ? "host"
                           : "?"));
        }
        vol_changes_destroy(&changes);
    }
    printf("\n");
}

static void
print_tunnel(const char *id, const void *record, void *aux OVS_UNUSED)
{
    const struct vol_tunnel *tunnel = record;

    printf("  %s %"PRIu32"\n", id, tunnel->ofport);
}

static void
test_volatile(int argc OVS_UNUSED, char *argv[] OVS_UNUSED)
{
    struct vol_store *store = vol_store_create();
    struct vol_tunnel one = { .ofport = 1 };
    struct vol_tunnel two = { .ofport = 2 };
    struct vol_host host = { .ip = in6addr_loopback };

    ovs_assert(!vol_get(store, VOL_TUNNEL, "vxlan"));
    ovs_assert(!vol_remove(store, VOL_TUNNEL, "vxlan"));
    print_vol_changes(store);
    ovs_assert(vol_set(store, VOL_TUNNEL, "vxlan", &one));
    ovs_assert(!vol_set(store, VOL_TUNNEL, "vxlan", &one));
    ovs_assert(vol_set(store, VOL_TUNNEL, "gre", &one));
    ovs_assert(vol_set(store, VOL_HOST, "", &host));
    print_vol_changes(store);
    print_vol_changes(store);
    vol_mark(store, VOL_TUNNEL);
    ovs_assert(vol_set(store, VOL_TUNNEL, "vxlan", &two));
    vol_sweep(store, VOL_TUNNEL);
    print_vol_changes(store);
    vol_for_each(store, VOL_TUNNEL, print_tunnel, NULL);
    vol_mark(store, VOL_TUNNEL);
    ovs_assert(!vol_set(store, VOL_TUNNEL, "vxlan", &two));
    vol_sweep(store, VOL_TUNNEL);
    print_vol_changes(store);
    ovs_assert(vol_count(store, VOL_TUNNEL) == 1);
    ovs_assert(vol_remove(store, VOL_HOST, ""));
    print_vol_changes(store);
    vol_store_destroy(store);
}

ALCORTEST_REGISTER("store-round-trip", test_round_trip);
ALCORTEST_REGISTER("store-damage", test_damage);
ALCORTEST_REGISTER("store-tables", test_tables);
ALCORTEST_REGISTER("store-files", test_files);
ALCORTEST_REGISTER("store-kill", test_kill);
ALCORTEST_REGISTER("store-volatile", test_volatile);

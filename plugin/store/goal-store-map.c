/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-store-map: a hash table in a file, from ids to their surrogates. */

#include <config.h>

#include "store/goal-store-map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "openvswitch/types.h"
#include "random.h"
#include "util.h"

#define MAP_MAGIC UINT64_C(0x31706d6c616f6773)
#define MAP_HEADER_SIZE 4096
#define MAP_NUMBER_BITS 36
#define MAP_TAG_BITS (64 - MAP_NUMBER_BITS)
#define MAP_MIN_BITS 12
#define MAP_MAX_BITS MAP_TAG_BITS

struct map_header {
    uint64_t magic;             /* MAP_MAGIC. */
    uint64_t bits;              /* There are 1 << 'bits' slots. */
    uint64_t n;                 /* Pairs. */
    uint64_t seed;              /* Of the hashes. */
    uint64_t clean;             /* 1: closed in good order. */
    uint64_t txnid;             /* At that time. */
    uint64_t checksum;          /* Of slots, 'n' and 'seed', likewise. */
};
BUILD_ASSERT_DECL(sizeof(struct map_header) <= MAP_HEADER_SIZE);

/* A table and the file that it is in. */
struct table {
    struct map_header *header;  /* Where the file is mapped. */
    uint64_t *slots;
    size_t size;                /* Bytes mapped. */
};

struct goal_map {
    char *name;                 /* Of the file. */
    struct table t;
};

/* Tables. */

static size_t
table_size(uint64_t bits)
{
    return MAP_HEADER_SIZE + (sizeof(uint64_t) << bits);
}

static int
table_map(struct table *t, int fd, uint64_t bits)
{
    t->size = table_size(bits);
    t->header = mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (t->header == MAP_FAILED) {
        return errno;
    }
    t->slots = ALIGNED_CAST(uint64_t *,
                            (char *) t->header + MAP_HEADER_SIZE);
    return 0;
}

static void
table_unmap(struct table *t)
{
    munmap(t->header, t->size);
}

/* Creates file 'name' with an empty table.  Its blocks are allocated now, as
 * a page that finds none when it is written back is lost. */
static int
table_create(struct table *t, const char *name, uint64_t bits, uint64_t seed)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error;

    if (fd < 0) {
        return errno;
    }
    error = posix_fallocate(fd, 0, table_size(bits));
    if (!error) {
        error = table_map(t, fd, bits);
    }
    close(fd);
    if (error) {
        unlink(name);
        return error;
    }
    *t->header = (struct map_header) {
        .magic = MAP_MAGIC, .bits = bits, .seed = seed,
    };
    return 0;
}

static uint64_t
table_checksum(const struct table *t)
{
    ovs_u128 sum;

    hash_bytes128(t->slots, t->size - MAP_HEADER_SIZE, 0, &sum);
    return sum.u64.lo ^ sum.u64.hi ^ (t->header->n << 32) ^ t->header->seed;
}

/* Opens the table in file 'name'.  Returns false if there is none, or it is
 * not to be believed. */
static bool
table_open(struct table *t, const char *name, uint64_t txnid)
{
    int fd = open(name, O_RDWR | O_CLOEXEC);
    struct map_header h;
    struct stat s;
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = (pread(fd, &h, sizeof h, 0) == sizeof h
          && h.magic == MAP_MAGIC && h.clean == 1 && h.txnid == txnid
          && h.bits >= MAP_MIN_BITS && h.bits <= MAP_MAX_BITS
          && h.n < UINT64_C(1) << h.bits
          && !fstat(fd, &s) && s.st_size == table_size(h.bits)
          && !table_map(t, fd, h.bits));
    close(fd);
    if (ok && table_checksum(t) != h.checksum) {
        table_unmap(t);
        ok = false;
    }
    return ok;
}

/* Returns the slot in which 'tag' begins to be looked for.  The tag may be a
 * slot's or a hash. */
static inline size_t
table_home(const struct table *t, uint64_t tag)
{
    return tag >> (64 - t->header->bits);
}

static inline size_t
table_mask(const struct table *t)
{
    return (UINT64_C(1) << t->header->bits) - 1;
}

/* There is an empty slot. */
static void
table_insert(struct table *t, uint64_t slot)
{
    size_t i = table_home(t, slot);

    while (t->slots[i]) {
        i = (i + 1) & table_mask(t);
    }
    t->slots[i] = slot;
    t->header->n++;
}

/* Empties slot 'i' and moves up what would not be found any more. */
static void
table_erase(struct table *t, size_t i)
{
    size_t mask = table_mask(t);

    for (size_t j = (i + 1) & mask; t->slots[j]; j = (j + 1) & mask) {
        size_t home = table_home(t, t->slots[j]);

        /* May it be in 'i'?  Not if its home is after that. */
        if (((j - home) & mask) >= ((j - i) & mask)) {
            t->slots[i] = t->slots[j];
            i = j;
        }
    }
    t->slots[i] = 0;
    t->header->n--;
}

/* Maps. */

int
goal_map_open(const char *name, uint64_t txnid, struct goal_map **mapp,
              bool *valid)
{
    struct goal_map *map = xzalloc(sizeof *map);
    int error = 0;

    map->name = xstrdup(name);
    *valid = table_open(&map->t, name, txnid);
    if (!*valid) {
        error = table_create(&map->t, name, MAP_MIN_BITS, random_uint64());
    }
    if (error) {
        free(map->name);
        free(map);
        *mapp = NULL;
        return error;
    }
    map->t.header->clean = 0;
    msync(map->t.header, MAP_HEADER_SIZE, MS_SYNC);
    *mapp = map;
    return 0;
}

void
goal_map_close(struct goal_map *map, uint64_t txnid)
{
    if (!map) {
        return;
    }
    map->t.header->txnid = txnid;
    map->t.header->checksum = table_checksum(&map->t);
    if (!msync(map->t.header, map->t.size, MS_SYNC)) {
        map->t.header->clean = 1;
        msync(map->t.header, MAP_HEADER_SIZE, MS_SYNC);
    }
    table_unmap(&map->t);
    free(map->name);
    free(map);
}

uint64_t
goal_map_hash(const struct goal_map *map, uint8_t kind, const char *id,
              size_t len)
{
    uint64_t seed = map->t.header->seed;
    ovs_u128 hash;

    hash_bytes128(id, len, (uint32_t) seed + kind, &hash);
    return hash.u64.lo ^ seed;
}

static uint64_t
make_slot(uint64_t hash, uint64_t number)
{
    return hash >> MAP_NUMBER_BITS << MAP_NUMBER_BITS | number;
}

/* Doubles the table. */
static int
map_grow(struct goal_map *map)
{
    uint64_t bits = map->t.header->bits + 1;
    char *name = xasprintf("%s.tmp", map->name);
    struct table t;
    int error;

    error = (bits > MAP_MAX_BITS ? ENOSPC
             : table_create(&t, name, bits, map->t.header->seed));
    if (!error) {
        for (size_t i = 0; i <= table_mask(&map->t); i++) {
            if (map->t.slots[i]) {
                table_insert(&t, map->t.slots[i]);
            }
        }
        error = rename(name, map->name) ? errno : 0;
        table_unmap(error ? &t : &map->t);
        if (!error) {
            map->t = t;
        }
    }
    free(name);
    return error;
}

int
goal_map_insert(struct goal_map *map, uint64_t hash, uint64_t number)
{
    uint64_t n_slots = table_mask(&map->t) + 1;
    uint64_t n = map->t.header->n;

    if (number > GOAL_MAP_MAX_NUMBER) {
        return EOVERFLOW;
    }
    if (n >= n_slots / 4 * 3) {
        int error = map_grow(map);

        /* It is slower, but works, until it is nearly full. */
        if (error && n >= n_slots / 16 * 15) {
            return error;
        }
    }
    table_insert(&map->t, make_slot(hash, number));
    return 0;
}

void
goal_map_remove(struct goal_map *map, uint64_t hash, uint64_t number)
{
    uint64_t slot = make_slot(hash, number);
    size_t i = table_home(&map->t, hash);

    for (; map->t.slots[i]; i = (i + 1) & table_mask(&map->t)) {
        if (map->t.slots[i] == slot) {
            table_erase(&map->t, i);
            return;
        }
    }
}

uint64_t
goal_map_next(const struct goal_map *map, uint64_t hash, size_t *position)
{
    size_t home = table_home(&map->t, hash);

    for (;;) {
        size_t i = (home + (*position)++) & table_mask(&map->t);
        uint64_t slot = map->t.slots[i];

        if (!slot) {
            return 0;
        } else if (!((slot ^ hash) >> MAP_NUMBER_BITS)) {
            return slot & GOAL_MAP_MAX_NUMBER;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * publishers: incarnations of publishers that are known. */

#include <config.h>

#include "ingest/publishers.h"

#include <stdlib.h>
#include <string.h>
#include "coverage.h"
#include "hash.h"
#include "limit.h"
#include "util.h"

COVERAGE_DEFINE(publisher_epoch_forgotten);

/* Of all senders. */
#define MAX_PUBLISHERS 4096

LIMIT_DEFINE(publishers, MAX_PUBLISHERS, LIMIT_FIXED, LIMIT_FORGETS)

void
publishers_init(struct publishers *ps)
{
    hmap_init(&ps->publishers);
    ovs_list_init(&ps->by_use);
    ps->n_uses = 0;
}

static void
forget(struct publishers *ps, struct publisher *p)
{
    hmap_remove(&ps->publishers, &p->node);
    ovs_list_remove(&p->list_node);
    free(p->sender);
    free(p);
}

void
publishers_destroy(struct publishers *ps)
{
    struct publisher *p;

    LIST_FOR_EACH_SAFE (p, list_node, &ps->by_use) {
        forget(ps, p);
    }
    hmap_destroy(&ps->publishers);
}

struct publisher *
publishers_find(const struct publishers *ps, const char *sender,
                uint64_t epoch)
{
    struct publisher *p;

    HMAP_FOR_EACH_WITH_HASH (p, node, hash_string(sender, 0),
                             &ps->publishers) {
        if (p->epoch == epoch && !strcmp(p->sender, sender)) {
            return p;
        }
    }
    return NULL;
}

/* Makes room for one more epoch of 'sender'. */
static void
make_room(struct publishers *ps, const char *sender)
{
    struct publisher *p, *oldest = NULL;
    size_t n = 0;

    if (limit_reached(&limit_publishers, publishers_count(ps))) {
        forget(ps, CONTAINER_OF(ovs_list_front(&ps->by_use), struct publisher,
                                list_node));
    }
    HMAP_FOR_EACH_WITH_HASH (p, node, hash_string(sender, 0),
                             &ps->publishers) {
        if (!strcmp(p->sender, sender)) {
            oldest = oldest && oldest->used < p->used ? oldest : p;
            n++;
        }
    }
    if (n >= PUBLISHERS_MAX_EPOCHS) {
        COVERAGE_INC(publisher_epoch_forgotten);
        forget(ps, oldest);
    }
}

struct publisher *
publishers_add(struct publishers *ps, const char *sender, uint64_t epoch)
{
    struct publisher *p = publishers_find(ps, sender, epoch);

    if (p) {
        ovs_list_remove(&p->list_node);
    } else {
        make_room(ps, sender);
        p = xzalloc(sizeof *p);
        p->sender = xstrdup(sender);
        p->epoch = epoch;
        hmap_insert(&ps->publishers, &p->node, hash_string(sender, 0));
    }
    ovs_list_push_back(&ps->by_use, &p->list_node);
    p->used = ++ps->n_uses;
    return p;
}

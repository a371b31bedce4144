/* SPDX-License-Identifier: Apache-2.0
 *
 * translator-lazy: which neighbours of lazy VPCs are translated. */

#include <config.h>

#include "translate/translator-private.h"

#include <limits.h>
#include <string.h>
#include "apply/of-pipeline.h"
#include "coverage.h"
#include "limit.h"
#include "store/goal-store.h"
#include "store/volatile-store.h"
#include "timeval.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "util.h"

LIMIT_DEFINE(active_neighbors, ACTIVATION_MAX, 16, LIMIT_FORGETS)

COVERAGE_DEFINE(translator_vpc_lazy);
COVERAGE_DEFINE(translator_vpc_eager);
COVERAGE_DEFINE(translator_activated);
COVERAGE_DEFINE(translator_deactivated);

/* Makes what 'vpc_id' has programmed active: the VPC has become lazy. */
static void
activate_programmed(struct translator *tr, const char *vpc_id)
{
    const char *kind = goal_kinds[GOAL_NEIGHBOR].name;
    struct unit *unit;

    HMAP_FOR_EACH (unit, hmap_node, &tr->units) {
        if (unit->counted && !strcmp(unit->counted->vpc_id, vpc_id)) {
            const char *id = unit->out.name + strlen(kind) + 1;

            activation_add(&tr->activation, &unit->key, vpc_id,
                           of_cookie(l2_switching_plugin_class.number, kind,
                                     id),
                           time_msec());
        }
    }
}

static bool
queue_neighbor(const struct goal_key *key, void *tr_)
{
    struct translator *tr = tr_;

    if (key->kind == GOAL_NEIGHBOR) {
        struct goal_resource *r = goal_store_get_key(tr->store, key);

        if (r) {
            translator_queue(tr, key, r->id);
            goal_resource_destroy(r);
        }
    }
    return true;
}

/* Compares the VPC with the threshold, unless that has been done since
 * something changed. */
void
translator_check_vpc(struct translator *tr, const char *vpc_id)
{
    if (!sset_add(&tr->checked, vpc_id)
        || !activation_check_vpc(&tr->activation, vpc_id)) {
        return;
    }
    if (activation_is_lazy(&tr->activation, vpc_id)) {
        COVERAGE_INC(translator_vpc_lazy);
        activate_programmed(tr, vpc_id);
    } else {
        COVERAGE_INC(translator_vpc_eager);
        goal_store_index(tr->store, GOAL_BY_VPC, vpc_id, NULL,
                         queue_neighbor, tr);
    }
}

static bool
check_stored_vpc(const struct goal_key *key OVS_UNUSED, const char *id,
                 void *tr)
{
    translator_check_vpc(tr, id);
    return true;
}

void
translator_check_vpcs(struct translator *tr)
{
    sset_clear(&tr->checked);
    goal_store_for_each(tr->store, GOAL_VPC, check_stored_vpc, tr);
}

static void
add_vpc(const char *vpc_id, const void *record OVS_UNUSED, void *ids)
{
    sset_add(ids, vpc_id);
}

/* Neighbours have been deleted: compares those VPCs that are lazy or crowded
 * with what makes them so. */
void
translator_check_lazy(struct translator *tr)
{
    struct sset ids = SSET_INITIALIZER(&ids);
    const char *id;

    vol_for_each(tr->activation.vol, VOL_LAZY_VPC, add_vpc, &ids);
    vol_for_each(tr->activation.vol, VOL_CROWDED_VPC, add_vpc, &ids);
    SSET_FOR_EACH (id, &ids) {
        translator_check_vpc(tr, id);
    }
    sset_destroy(&ids);
}

void
translator_set_threshold(struct translator *tr, uint64_t threshold)
{
    if (threshold != tr->activation.threshold) {
        tr->activation.threshold = threshold;
        translator_check_vpcs(tr);
    }
}

/* The neighbour in 'active' is so no longer. */
static void
deactivate(struct translator *tr, const struct active_neighbor *active)
{
    struct goal_key key = active->key;
    struct unit *unit = translator_unit_find(tr, &key);

    COVERAGE_INC(translator_deactivated);
    activation_remove(&tr->activation, &key);
    if (unit) {
        translator_unit_queue(tr, unit);
    }
}

void
translator_activate(struct translator *tr, const struct goal_key *key)
{
    struct goal_resource *r = goal_store_get_key(tr->store, key);
    const char *vpc_id = r ? GOAL_NEIGHBOR_CAST(r)->vpc_id : "";

    if (r && activation_is_lazy(&tr->activation, vpc_id)) {
        if (!activation_find(&tr->activation, key)
            && limit_reached(&limit_active_neighbors,
                             activation_count(&tr->activation))) {
            deactivate(tr, activation_oldest(&tr->activation));
        }
        if (activation_add(&tr->activation, key, vpc_id,
                           of_cookie(l2_switching_plugin_class.number,
                                     goal_kinds[GOAL_NEIGHBOR].name, r->id),
                           time_msec())) {
            COVERAGE_INC(translator_activated);
            translator_queue(tr, key, r->id);
        }
    }
    goal_resource_destroy(r);
}

void
translator_ask_idle(struct translator *tr, long long int now, int retry,
                    bool (*ask)(uint64_t cookie, const struct goal_key *,
                                void *aux),
                    void *aux)
{
    struct active_neighbor *active;

    LIST_FOR_EACH (active, use_node, &tr->activation.by_use) {
        if (active->used + ACTIVATION_IDLE_MSEC > now) {
            break;
        } else if (active->asked == LLONG_MIN
                   || active->asked + retry <= now) {
            if (!ask(active->cookie, &active->key, aux)) {
                break;
            }
            active->asked = now;
        }
    }
}

void
translator_take_packets(struct translator *tr, const struct goal_key *key,
                        uint64_t n_packets, long long int now)
{
    struct active_neighbor *active = activation_find(&tr->activation, key);

    if (!active || active->asked == LLONG_MIN) {
        return;
    } else if (active->n_packets != n_packets) {
        active->n_packets = n_packets;
        activation_used(&tr->activation, active, now);
    } else {
        deactivate(tr, active);
    }
}

long long int
translator_idle_time(const struct translator *tr, int retry)
{
    const struct active_neighbor *active = activation_oldest(&tr->activation);

    return (!active ? LLONG_MAX
            : active->asked != LLONG_MIN ? active->asked + retry
            : active->used + ACTIVATION_IDLE_MSEC);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * desired-unit: who wants which output, and what that adds up to. */

#include <config.h>

#include "apply/desired-state-private.h"

#include <string.h>
#include "apply/of-pipeline.h"
#include "coverage.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(desired_unit);

COVERAGE_DEFINE(ds_unit_failed);

/* Parts. */

static int
part_compare(const struct ds_part *part, const void *bytes, size_t len)
{
    int cmp = memcmp(part->bytes, bytes, MIN(part->len, len));
    return cmp ? cmp : part->len < len ? -1 : part->len > len;
}

/* Returns the index of the part equal to 'bytes' in 'output', or the index
 * where it belongs, and stores whether it is there in '*found'. */
static size_t
part_search(const struct ds_output *output, const void *bytes, size_t len,
            bool *found)
{
    size_t low = 0, high = output->n_parts;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int cmp = part_compare(output->parts[mid], bytes, len);

        if (!cmp) {
            *found = true;
            return mid;
        } else if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *found = false;
    return low;
}

/* Adds a reference to the part of 'output' that equals 'bytes'.  Sets
 * '*changed' to true if that changes the value wanted. */
static struct ds_part *
part_ref(struct ds_output *output, uint64_t cookie,
         const void *bytes, size_t len, bool *changed)
{
    bool found;
    size_t i = part_search(output, bytes, len, &found);

    if (!found) {
        struct ds_part *part = xmalloc(sizeof *part + len);

        *part = (struct ds_part) {
            .len = len, .cookie = cookie, .cookie_valid = true,
        };
        memcpy(part->bytes, bytes, len);
        output->parts = xrealloc(output->parts,
                                 (output->n_parts + 1)
                                 * sizeof *output->parts);
        memmove(&output->parts[i + 1], &output->parts[i],
                (output->n_parts - i) * sizeof *output->parts);
        output->parts[i] = part;
        output->n_parts++;
        *changed = true;
    }

    struct ds_part *part = output->parts[i];
    if (part->cookie_valid && cookie < part->cookie) {
        part->cookie = cookie;
        *changed = true;
    }
    part->refs++;
    return part;
}

static void
part_unref(struct ds_output *output, struct ds_part *part, uint64_t cookie,
           bool *changed)
{
    if (--part->refs) {
        if (cookie && part->cookie_valid && cookie == part->cookie) {
            part->cookie_valid = false;
            *changed = true;
        }
        return;
    }

    bool found;
    size_t i = part_search(output, part->bytes, part->len, &found);
    ovs_assert(found);
    memmove(&output->parts[i], &output->parts[i + 1],
            (output->n_parts - i - 1) * sizeof *output->parts);
    output->n_parts--;
    free(part);
    *changed = true;
}

/* Contributions. */

static void
contribution_drop(struct desired_state *ds, struct ds_contribution *c)
{
    struct ds_output *output = c->output;
    bool changed = false;

    ovs_list_remove(&c->unit_node);
    ovs_list_remove(&c->output_node);
    if (!--output->n_contributions && output->sink == DS_OPENFLOW) {
        ds->n_flows[output->plugin]--;
    }
    c->unit->changed = true;
    part_unref(output, c->part, c->cookie, &changed);
    if (changed || output->n_parts > 1) {
        ds_output_queue(ds, output, c->unit->priority);
    }
    ds_output_gc(ds, output);
    free(c);
}

/* Returns a provisional contribution of 'unit' to 'output', or NULL. */
static struct ds_contribution *
find_old(struct ds_unit *unit, struct ds_output *output)
{
    struct ds_contribution *c;

    if (output->n_contributions <= 8) {
        LIST_FOR_EACH (c, output_node, &output->contributions) {
            if (c->unit == unit && c->old) {
                return c;
            }
        }
    } else {
        LIST_FOR_EACH (c, unit_node, &unit->old) {
            if (c->output == output) {
                return c;
            }
        }
    }
    return NULL;
}

/* Makes 'c', which is provisional, current with the given content. */
static void
contribution_renew(struct desired_state *ds, struct ds_contribution *c,
                   uint64_t cookie, const void *part, size_t part_len)
{
    ovs_list_remove(&c->unit_node);
    ovs_list_push_back(&c->unit->contributions, &c->unit_node);
    c->old = false;
    if (c->cookie == cookie && !part_compare(c->part, part, part_len)) {
        return;
    }

    bool changed = false;
    struct ds_part *old_part = c->part;
    uint64_t old_cookie = c->cookie;

    c->part = part_ref(c->output, cookie, part, part_len, &changed);
    c->cookie = cookie;
    part_unref(c->output, old_part, old_cookie, &changed);
    c->unit->changed = true;
    ds_output_queue(ds, c->output, c->unit->priority);
}

/* Makes 'unit' want, in 'sink', an output with the given key, of which
 * 'part' is its part.  All contributors to an output must use the same mode;
 * the first decides. */
void
ds_contribute(struct desired_state *ds, struct ds_unit *unit,
              enum ds_sink sink, enum ds_mode mode, uint64_t cookie,
              const void *key, size_t key_len,
              const void *part, size_t part_len)
{
    struct ds_output *output = ds_lookup(ds, sink, key, key_len);

    if (!output) {
        output = ds_output_create(ds, sink, key, key_len);
    } else {
        struct ds_contribution *c = find_old(unit, output);

        if (c) {
            contribution_renew(ds, c, cookie, part, part_len);
            return;
        }
    }
    if (!output->n_contributions) {
        output->mode = mode;
        if (sink == DS_OPENFLOW) {
            output->plugin = of_cookie_plugin(cookie);
            ds->n_flows[output->plugin]++;
        } else if (sink != DS_METER && sink != DS_ID) {
            output->plugin = unit->plugin;
        }
    }

    struct ds_contribution *c = xmalloc(sizeof *c);
    bool changed = false;

    *c = (struct ds_contribution) {
        .unit = unit, .output = output, .cookie = cookie,
    };
    c->part = part_ref(output, cookie, part, part_len, &changed);
    ovs_list_push_back(&unit->contributions, &c->unit_node);
    ovs_list_push_back(&output->contributions, &c->output_node);
    output->n_contributions++;
    unit->changed = true;
    if (changed || output->n_parts > 1
        || !(output->flags & DS_INSTALLED)
        || ds->n_failed) {
        /* In the last case, what is installed may be what was wanted before
         * those who wanted this failed. */
        ds_output_queue(ds, output, unit->priority);
    }
}

/* Units. */

void
ds_unit_init(struct ds_unit *unit, char *name, uint8_t rank,
             enum ds_priority priority)
{
    *unit = (struct ds_unit) {
        .name = name, .rank = rank, .priority = priority,
    };
    ovs_list_init(&unit->contributions);
    ovs_list_init(&unit->old);
}

void
ds_unit_uninit(struct ds_unit *unit)
{
    ovs_assert(ovs_list_is_empty(&unit->contributions));
    free(unit->name);
    free(unit->error);
}

void
ds_unit_begin(struct desired_state *ds OVS_UNUSED, struct ds_unit *unit)
{
    struct ds_contribution *c;

    unit->changed = false;
    ovs_list_push_back_all(&unit->old, &unit->contributions);
    LIST_FOR_EACH (c, unit_node, &unit->old) {
        c->old = true;
    }
}

/* Names the place that ds_unit_rewind() goes back to. */
struct ovs_list *
ds_unit_mark(struct ds_unit *unit)
{
    return unit->contributions.prev;
}

void
ds_unit_rewind(struct desired_state *ds, struct ds_unit *unit,
               struct ovs_list *mark)
{
    while (unit->contributions.prev != mark) {
        contribution_drop(ds, CONTAINER_OF(unit->contributions.prev,
                                           struct ds_contribution,
                                           unit_node));
    }
}

void
ds_unit_end(struct desired_state *ds, struct ds_unit *unit)
{
    struct ds_contribution *c;

    LIST_FOR_EACH_SAFE (c, unit_node, &unit->old) {
        contribution_drop(ds, c);
    }
    if (unit->changed) {
        ds_unit_retry(ds, unit);
    }
    ds_queue_cut(ds, unit->priority);
}

void
ds_unit_withdraw(struct desired_state *ds, struct ds_unit *unit)
{
    ds_unit_begin(ds, unit);
    ds_unit_end(ds, unit);
    ds_unit_retry(ds, unit);
}

void
ds_unit_fail(struct desired_state *ds, struct ds_unit *unit,
             const char *error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

    if (!unit->failed) {
        COVERAGE_INC(ds_unit_failed);
        unit->failed = true;
        unit->error = xstrdup(error);
        ds->n_failed++;
        ds->failures_seqno++;
        VLOG_WARN_RL(&rl, "%s: not in effect: %s", unit->name, error);
        if (ds->atomic) {
            char *why = xasprintf("%s: %s", unit->name, error);

            ds_atomic_break(ds, why);
            free(why);
        }

        /* Where another's part differs, that one's turn has come. */
        struct ds_contribution *c;
        LIST_FOR_EACH (c, unit_node, &unit->contributions) {
            if (c->output->n_parts > 1) {
                ds_output_queue(ds, c->output, unit->priority);
            }
        }
        ds_queue_cut(ds, unit->priority);
    }
}

void
ds_unit_retry(struct desired_state *ds, struct ds_unit *unit)
{
    struct ds_contribution *c;

    if (!unit->failed) {
        return;
    }
    unit->failed = false;
    free(unit->error);
    unit->error = NULL;
    ds->n_failed--;
    ds->failures_seqno++;
    LIST_FOR_EACH (c, unit_node, &unit->contributions) {
        if (c->output->flags & DS_FOREIGN) {
            ds->wants_readback[c->output->sink] = true;
        }
        ds_output_queue(ds, c->output, unit->priority);
    }
    ds_queue_cut(ds, unit->priority);
}

void
ds_retry(struct desired_state *ds)
{
    for (int i = 0; ds->n_failed && i < DS_N_SINKS; i++) {
        struct ds_output *output;

        HMAP_FOR_EACH (output, hmap_node, &ds->outputs[i]) {
            struct ds_contribution *c;

            LIST_FOR_EACH (c, output_node, &output->contributions) {
                ds_unit_retry(ds, c->unit);
            }
        }
    }
}

const struct ds_contribution *
ds_output_winner(const struct ds_output *output)
{
    const struct ds_contribution *best = NULL, *c;

    LIST_FOR_EACH (c, output_node, &output->contributions) {
        if (!best
            || c->unit->failed < best->unit->failed
            || (c->unit->failed == best->unit->failed
                && (c->unit->rank < best->unit->rank
                    || (c->unit->rank == best->unit->rank
                        && strcmp(c->unit->name, best->unit->name) < 0)))) {
            best = c;
        }
    }
    return best;
}

const struct ds_unit *
ds_unit_rival(const struct ds_unit *unit)
{
    const struct ds_contribution *c;

    LIST_FOR_EACH (c, unit_node, &unit->contributions) {
        const struct ds_output *output = c->output;

        if (output->mode == DS_EXCLUSIVE && output->n_parts > 1) {
            const struct ds_contribution *winner = ds_output_winner(output);

            if (winner->unit != unit && winner->part != c->part) {
                return winner->unit;
            }
        }
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * limit: named limits of queues and tables. */

#include <config.h>

#include "limit.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(limit);

/* All limits, sorted by name.  Constructors make the list, before main(). */
static const struct limit *limits;
static atomic_uint64_t seqno = ATOMIC_VAR_INIT(0);

const char *
limit_action_to_string(enum limit_action action)
{
    switch (action) {
#define LIMIT_ACTION(NAME, STRING) case LIMIT_##NAME: return STRING;
    LIMIT_ACTIONS
#undef LIMIT_ACTION
    }
    OVS_NOT_REACHED();
}

void
limit_register(struct limit *limit, const char *identifier)
{
    const struct limit **prev = &limits;

    limit->name = xstrdup(identifier);
    for (char *p = limit->name; *p; p++) {
        *p = *p == '_' ? '-' : *p;
    }
    while (*prev && strcmp((*prev)->name, limit->name) < 0) {
        prev = &CONST_CAST(struct limit *, *prev)->next;
    }
    limit->next = *prev;
    *prev = limit;
}

static bool
is_in(const struct limit *limit, const char *const folders[])
{
    for (; *folders; folders++) {
        if (strstr(limit->file, *folders)) {
            return true;
        }
    }
    return false;
}

void
limits_restrict(const char *const folders[])
{
    const struct limit **prev = &limits;

    while (*prev) {
        if (is_in(*prev, folders)) {
            prev = &CONST_CAST(struct limit *, *prev)->next;
        } else {
            *prev = (*prev)->next;
        }
    }
}

const struct limit *
limit_first(void)
{
    return limits;
}

const struct limit *
limit_next(const struct limit *limit)
{
    return limit->next;
}

void
limit_hit(struct limit *limit)
{
    uint64_t orig;

    atomic_add_relaxed(&limit->hits, 1, &orig);
    if (limit->action != LIMIT_FORGETS) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

        atomic_add_relaxed(&seqno, 1, &orig);
        VLOG_INFO_RL(&rl, "limit %s (%"PRIuSIZE") reached: what is too much "
                     "%s", limit->name, limit_max(limit),
                     limit_action_to_string(limit->action));
    }
}

uint64_t
limit_hits(const struct limit *limit)
{
    uint64_t hits;

    atomic_read_relaxed(&CONST_CAST(struct limit *, limit)->hits, &hits);
    return hits;
}

uint64_t
limit_seqno(void)
{
    uint64_t value;

    atomic_read_relaxed(&seqno, &value);
    return value;
}

/* Configuration. */

static struct limit *
find(const char *name)
{
    for (const struct limit *limit = limits; limit; limit = limit->next) {
        if (!strcmp(limit->name, name)) {
            return CONST_CAST(struct limit *, limit);
        }
    }
    return NULL;
}

/* Takes "NAME=NUMBER" apart, which it changes. */
static char *
parse(char *word, struct limit **limitp, size_t *max)
{
    char *number = strchr(word, '=');
    struct limit *limit;
    long long int value;

    if (!number) {
        return xasprintf("\"%.64s\", expected NAME=NUMBER", word);
    }
    *number++ = '\0';
    *limitp = limit = find(word);
    if (!limit) {
        return xasprintf("there is no limit \"%.64s\": see limits/show",
                         word);
    } else if (limit->least == LIMIT_FIXED) {
        return xasprintf("%s cannot be changed", word);
    } else if (!str_to_llong(number, 10, &value)
               || value < (long long int) limit->least
               || value > (long long int) (limit->standard
                                           * LIMIT_MAX_FACTOR)) {
        return xasprintf("%s: \"%.64s\", expected %"PRIuSIZE" to %"PRIuSIZE,
                         word, number, limit->least,
                         limit->standard * LIMIT_MAX_FACTOR);
    }
    *max = value;
    return NULL;
}

static char *
parse_all(const char *config, bool set)
{
    char *copy = xstrdup(config);
    char *save_ptr = NULL;
    char *error = NULL;

    for (char *word = strtok_r(copy, ",", &save_ptr); word && !error;
         word = strtok_r(NULL, ",", &save_ptr)) {
        struct limit *limit;
        size_t max;

        error = parse(word, &limit, &max);
        if (!error && set) {
            atomic_store_relaxed(&limit->max, max);
        }
    }
    free(copy);
    return error;
}

char *
limits_check(const char *config)
{
    return parse_all(config, false);
}

void
limits_set(const char *config)
{
    for (const struct limit *limit = limits; limit; limit = limit->next) {
        atomic_store_relaxed(&CONST_CAST(struct limit *, limit)->max,
                             limit->standard);
    }
    free(parse_all(config, true));
}

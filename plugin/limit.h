/* SPDX-License-Identifier: Apache-2.0
 *
 * limit: named limits of queues and tables. */

#ifndef LIMIT_H
#define LIMIT_H 1

/* Limits
 * ======
 *
 * What?
 * -----
 *
 * Whatever others can make grow has a limit.  Each has a name, under which
 * "limits/show" tells how much there is, how much there may be and how often
 * that was reached, and by which operators can change it (alcor-limits).
 *
 * Usage
 * -----
 *
 * In the file that enforces it, outside of all functions:
 *
 *     LIMIT_DEFINE(pending_resources, ACK_MAX_PENDING, 16, LIMIT_FORGETS);
 *
 * which people see as "pending-resources".  A name that ends with _KB is in
 * units of 1024 bytes.  The numbers are the limit as long as nobody has
 * changed it, and the least that it can be changed to; LIMIT_FIXED there says
 * that it cannot.  It can be raised to LIMIT_MAX_FACTOR times what it is.
 * Then,
 *
 *     if (limit_reached(&limit_pending_resources, hmap_count(&pending))) {
 *
 * which also counts that.  Where the condition is another one: limit_max() and
 * limit_hit().
 *
 * How much there is, the module reports with its memory usage, by the name
 * that people see.
 *
 * Thread-safety: any thread may look at a limit and count; the main thread
 * changes them, and lists them. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/compiler.h"
#include "ovs-atomic.h"

#define LIMIT_FIXED 0
#define LIMIT_MAX_FACTOR 4

/* LIMIT_ACTION(NAME, "what becomes of what is too much") */
#define LIMIT_ACTIONS                           \
    LIMIT_ACTION(WAITS, "waits")                \
    LIMIT_ACTION(DROPPED, "is dropped")         \
    LIMIT_ACTION(REFUSED, "is refused")         \
    /* Nothing to worry about. */               \
    LIMIT_ACTION(FORGETS, "replaces the oldest")

enum limit_action {
#define LIMIT_ACTION(NAME, STRING) LIMIT_##NAME,
    LIMIT_ACTIONS
#undef LIMIT_ACTION
};
const char *limit_action_to_string(enum limit_action);

struct limit {
    const struct limit *next;   /* Among all. */
    char *name;                 /* For people. */
    const char *file;           /* Where it is defined. */
    size_t standard;            /* As long as nobody has changed it. */
    size_t least;               /* LIMIT_FIXED: cannot be changed. */
    enum limit_action action;
    ATOMIC(size_t) max;
    atomic_bool reached;        /* When last looked at. */
    atomic_uint64_t hits;
};

#define LIMIT_DEFINE(NAME, MAX, LEAST, ACTION)                          \
    static struct limit limit_##NAME = {                                \
        .file = __FILE__,                                               \
        .standard = (MAX), .least = (LEAST), .action = (ACTION),        \
        .max = ATOMIC_VAR_INIT(MAX), .hits = ATOMIC_VAR_INIT(0),        \
        .reached = ATOMIC_VAR_INIT(false),                              \
    };                                                                  \
    OVS_CONSTRUCTOR(limit_init_##NAME) {                                \
        limit_register(&limit_##NAME, #NAME);                           \
    }

void limit_register(struct limit *, const char *identifier);

static inline size_t
limit_max(const struct limit *limit)
{
    size_t max;

    atomic_read_relaxed(&CONST_CAST(struct limit *, limit)->max, &max);
    return max;
}

void limit_hit(struct limit *);
uint64_t limit_hits(const struct limit *);

/* True if there is no room beside 'current'.  That is counted: each time or,
 * if what is too much waits, when it begins. */
static inline bool
limit_reached(struct limit *limit, size_t current)
{
    bool reached = current >= limit_max(limit);
    bool before;

    atomic_read_relaxed(&limit->reached, &before);
    if (reached != before) {
        atomic_store_relaxed(&limit->reached, reached);
    }
    if (reached && !(before && limit->action == LIMIT_WAITS)) {
        limit_hit(limit);
    }
    return reached;
}

/* True if 'current' is more than there may be, which is counted likewise. */
static inline bool
limit_exceeded(struct limit *limit, size_t current)
{
    return current && limit_reached(limit, current - 1);
}

/* All of them, sorted by name: limit_first(), limit_next(). */
const struct limit *limit_first(void);
const struct limit *limit_next(const struct limit *);

/* From now on there are only those that are defined in one of 'folders', which
 * end with null: a program may link others that it does not use. */
void limits_restrict(const char *const folders[]);

/* Changes whenever a limit was reached that people should know of. */
uint64_t limit_seqno(void);

/* Checks "NAME=NUMBER,...".  Returns NULL or a malloc'd message. */
char *limits_check(const char *config) OVS_WARN_UNUSED_RESULT;

/* Sets all limits to what 'config', which has been checked, says. */
void limits_set(const char *config);

#endif /* limit.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * id-store: numbers for groups, meters, zones and conjunctions, for good. */

#ifndef STORE_ID_STORE_H
#define STORE_ID_STORE_H 1

/* Id store
 * ========
 *
 * What?
 * -----
 *
 * OpenFlow and conntrack know groups, meters, zones and conjunctions by
 * number, plugins know them by name ("port p1").  The id store gives each name
 * of a kind a number of its own and remembers it in the goal store, so that it
 * is the same after a restart: an agent that had to renumber would have to
 * replace flows that work, and would mix up connections.
 *
 * The lowest free number is taken.  When a kind has none left, 0 is returned,
 * which is counted (id_store_exhausted).
 *
 * Usage
 * -----
 *
 *    - id_store_get() finds or allots; id_store_release() gives back.
 *    - What has changed is written by id_store_save(), which has to be called
 *      before the numbers are used outside of the process.
 *
 * "Clean": whoever uses the number outside has removed what was left of its
 * previous owner (conntrack entries in a zone).  A number just allotted is not
 * clean; that it has become so is remembered with it.
 *
 * Who still needs which number is for desired state to know
 * (apply/desired-state.h, DS_ID).
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct goal_store;
struct id_store;
struct simap;

/* ID_KIND(NAME, "name", first number, how many)
 *
 * Conntrack zones below 4096 are left to others on the host. */
#define ID_KINDS                                                        \
    ID_KIND(GROUP, "group", 0x0a1c0000, 65536)                          \
    ID_KIND(METER, "meter", 0x8000, 65536)                              \
    ID_KIND(CT_ZONE, "ct-zone", 4096, 61440)                            \
    ID_KIND(CONJUNCTION, "conjunction", 1, 16777216)                    \
    ID_KIND(BUCKET, "bucket", 1, 65536)

enum id_kind {
#define ID_KIND(NAME, STRING, FIRST, N) ID_##NAME,
    ID_KINDS
#undef ID_KIND
    ID_N_KINDS
};
const char *id_kind_to_string(enum id_kind);

/* Loads what 'store', which must outlive the id store, remembers. */
struct id_store *id_store_create(struct goal_store *);
void id_store_destroy(struct id_store *);

/* Returns the number of 'name', or 0 if there is none left. */
uint32_t id_store_get(struct id_store *, enum id_kind, const char *name);

/* Returns the number of 'name', or 0 if it has none. */
uint32_t id_store_find(const struct id_store *, enum id_kind,
                       const char *name);
void id_store_release(struct id_store *, enum id_kind, const char *name);

bool id_store_is_clean(const struct id_store *, enum id_kind,
                       const char *name);
void id_store_set_clean(struct id_store *, enum id_kind, const char *name);

/* Writes what has changed since the last call.  Returns 0 or an error number
 * of LMDB: the changes are then written with the next call. */
int id_store_save(struct id_store *);

void id_store_for_each(const struct id_store *,
                       void (*cb)(enum id_kind, const char *name,
                                  uint32_t number, bool clean, void *aux),
                       void *aux);
size_t id_store_count(const struct id_store *, enum id_kind);
void id_store_get_memory_usage(const struct id_store *, struct simap *);

#endif /* store/id-store.h */

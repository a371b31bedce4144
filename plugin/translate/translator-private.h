/* SPDX-License-Identifier: Apache-2.0
 *
 * translator-private: what the translator*.c files share. */

#ifndef TRANSLATE_TRANSLATOR_PRIVATE_H
#define TRANSLATE_TRANSLATOR_PRIVATE_H 1

/* Essay: translator.h.  Thread-safety: main thread only. */

#include "apply/desired-state.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "translate/activation.h"
#include "translate/dependency.h"
#include "translate/translator.h"

/* In a unit's key, in place of a kind of resource: a kind of volatile
 * record. */
#define UNIT_RECORD(KIND) ((enum goal_kind) (GOAL_N_KINDS + (KIND)))

/* A resource, or a volatile record, that is, or was, translated. */
struct unit {
    struct hmap_node hmap_node; /* In struct translator's 'units'. */
    struct goal_key key;
    struct ds_unit out;
    struct dep_reader reads;
    struct ovs_list queue_node; /* In a work queue, if 'queued'. */
    struct ovs_list healed_node; /* In 'healed', if 'healed'. */
    struct ovs_list barren_node; /* In 'barren', if 'barren'. */
    bool queued, healed, barren;
    uint8_t priority;           /* enum ds_priority. */
    enum unit_status status;    /* UNIT_FAILED: a plugin cannot do it; what
                                 * the data plane refused, 'out' knows. */
    char *error;
    char *record_id;            /* Of a volatile record (its kind is in
                                 * 'key'); else null. */
    struct vpc_count *counted;  /* A neighbour that outputs something: where
                                 * it is counted; else null. */
};

/* Neighbours of a VPC that output something. */
struct vpc_count {
    char *vpc_id;               /* In struct translator's 'programmed'. */
    size_t n;                   /* Never 0. */
};

struct work_queue {
    struct ovs_list units;      /* Contains "struct unit"s. */
    size_t n;
    uint64_t tail;              /* Number ever queued. */
};

struct translator {
    struct goal_store *store;
    struct id_store *ids;
    struct desired_state *ds;
    const struct plugin_registry *registry;
    struct goal_view *view;
    struct dep_graph graph;
    struct activation activation;
    struct hmap units;          /* Contains "struct unit"s. */
    struct work_queue queues[TRANSLATOR_N_QUEUES];
    struct ovs_list healed;     /* Contains "struct unit"s. */
    struct ovs_list barren;     /* Likewise, records. */
    struct shash programmed;    /* Contains "struct vpc_count"s. */
    struct sset checked;        /* VPCs compared with the threshold since
                                 * something was stored. */
    uint64_t seqno;
    size_t n_refused;           /* Units that unit_is_refused(). */
    uint64_t refused_seqno;     /* Changes with them. */
};

/* translator.c. */
struct unit *translator_unit_find(const struct translator *,
                                  const struct goal_key *);
void translator_unit_queue(struct translator *, struct unit *);
void translator_unit_insert(struct translator *, struct unit *);

/* The same, for the resource's unit, which it creates if need be. */
void translator_queue(struct translator *, const struct goal_key *,
                      const char *id);

/* translator-records.c. */
void translator_queue_records(struct translator *, const struct vol_changes *);
bool translator_translate_record(struct translator *, struct unit *);

/* translator-lazy.c. */
void translator_check_vpc(struct translator *, const char *vpc_id);
void translator_check_vpcs(struct translator *);
void translator_check_lazy(struct translator *);

#endif /* translate/translator-private.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-openflow-private: what the apply-openflow*.c files share. */

#ifndef APPLY_APPLY_OPENFLOW_PRIVATE_H
#define APPLY_APPLY_OPENFLOW_PRIVATE_H 1

/* apply-openflow.c has the connection and bundles, apply-openflow-sinks.c what
 * the commit sees; apply-openflow-readback.c compares at the start of a
 * connection, apply-openflow-audit.c in the background;
 * apply-openflow-settle.c waits for vswitchd's caches.  Essay:
 * apply-openflow.h.
 *
 * Thread-safety: main thread only. */

#include <sys/types.h>
#include "apply/apply-openflow.h"
#include "apply/desired-state.h"
#include "apply/openflow-readback.h"
#include "apply/sink-provider.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-errors.h"

struct rconn;
struct unixctl_client;

enum openflow_state {
    S_NEW,                      /* Not connected, or nothing done yet. */
    S_ASKED,                    /* Flows are asked for, for later. */
    S_READBACK,                 /* Awaiting statistics. */
    S_IDLE,                     /* Nothing under way. */
    S_FLUSHING,                 /* Zones flushed, awaiting the barrier. */
    S_METERS,                   /* Meters sent, awaiting the barrier. */
    S_STAGED,                   /* Bundle filled, awaiting the barrier. */
    S_COMMITTING,               /* Commit sent, awaiting the barrier. */
    S_SETTLING,                 /* Committed, awaiting the caches. */
};

/* What is awaited in S_SETTLING; see apply-openflow-settle.c. */
enum openflow_settle {
    SETTLE_BARRIER,
    SETTLE_FIRST,
    SETTLE_SECOND,
    SETTLE_DONE,
    SETTLE_FAILED,
};

/* What a fault that is injected holds up. */
enum openflow_held {
    HELD_NOTHING,
    HELD_REQUEST,               /* Barrier request. */
    HELD_REPLY,                 /* Its reply. */
};

/* A modification in the bundle under way, or one of a meter. */
struct sent {
    struct ds_output *output;
    uint64_t hash;              /* What is installed if it succeeds... */
    bool add;                   /* ...unless this is a removal. */
    bool revokes;               /* Forbids, or diverts. */
    enum ofperr error;          /* Refused because of this, or 0. */
};

struct apply_openflow {
    struct sink up;             /* For DS_OPENFLOW. */
    struct sink meters;         /* For DS_METER. */
    struct desired_state *ds;
    struct rconn *rconn;
    char *bridge;               /* Null: none. */
    ino_t socket;               /* Its socket's inode, at the last attempt to
                                 * connect. */
    long long int look_time;    /* When to see whether there is another. */
    unsigned int seqno;         /* Of the connection in 'state'. */
    enum openflow_state state;
    enum openflow_held held;
    struct openflow_readback readback;
    uint32_t readback_xid;      /* Of its first request. */
    bool ask_early;             /* Do so as soon as connected... */
    bool asked_early;           /* ...and so did this read-back. */
    uint32_t monitor_xid;       /* Of the request to be told of changes. */

    struct openflow_readback auditing; /* 'n_left' is 0 if none is. */
    struct ds_audit audit;      /* What it has found so far. */
    struct ds_audit audited;    /* What the last one found... */
    long long int audit_time;   /* ...and when it ended, or 0. */
    uint32_t audit_xid;         /* Of its first request. */

    uint16_t *zones;            /* To be flushed, before all else. */
    size_t n_zones, allocated_zones;
    size_t n_flushed;           /* Of those, sent. */

    struct ovs_list pending_meters; /* Meters of this chunk not yet sent. */
    struct ovs_list pending;    /* Other outputs of this chunk. */
    struct ovs_list batch;      /* Outputs in the bundle under way. */
    struct sent *sent;          /* Same, by xid - 'base_xid'. */
    size_t n_sent, allocated_sent;
    size_t batch_max;           /* At most this many in a bundle. */
    int rounds;                 /* Refusals since 'batch_max' was set. */

    uint32_t next_xid;
    uint32_t base_xid;          /* Of the first modification. */
    uint32_t barrier_xid;       /* Of the barrier awaited. */
    uint32_t control_xid;       /* Of the last bundle control message. */
    enum ofperr control_error;  /* What it was refused with, or 0. */
    uint32_t bundle_id;

    struct unixctl_client *vswitchd; /* To learn of sweeps of its caches. */
    enum openflow_settle settle;
    long long int settle_deadline;
    long long int asked_time;   /* Since when one is waited for... */
    long long int provoke_time; /* ...and when to have another one begin. */
    bool wait_pending;          /* vswitchd owes an answer... */
    bool wait_is_stale;         /* ...which nobody waits for any more. */
};

/* Sends 'msg' with a transaction id of its own, which it returns. */
uint32_t apply_openflow_send(struct apply_openflow *, struct ofpbuf *msg);

/* Starts what comes next of what is pending. */
void apply_openflow_start(struct apply_openflow *);

/* apply-openflow-sinks.c. */
void apply_openflow_init_sinks(struct apply_openflow *);

/* apply-openflow-settle.c.  apply_openflow_settle_run() returns true when the
 * bundle that was committed has settled, or that is given up. */
void apply_openflow_settle_init(struct apply_openflow *);
void apply_openflow_settle_uninit(struct apply_openflow *);
bool apply_openflow_revokes(const struct ds_output *);
void apply_openflow_settle_begin(struct apply_openflow *);
void apply_openflow_settle_barrier(struct apply_openflow *);
bool apply_openflow_settle_run(struct apply_openflow *);
void apply_openflow_settle_wait(const struct apply_openflow *);

/* apply-openflow-readback.c. */
void apply_openflow_readback_run(struct apply_openflow *);
bool apply_openflow_readback_reply(struct apply_openflow *, enum ofptype,
                                   const struct ofp_header *);

/* apply-openflow-audit.c. */
bool apply_openflow_audit_reply(struct apply_openflow *, enum ofptype,
                                const struct ofp_header *);

#endif /* apply/apply-openflow-private.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-ovsdb-private: what the files of apply-ovsdb share. */

#ifndef APPLY_APPLY_OVSDB_PRIVATE_H
#define APPLY_APPLY_OVSDB_PRIVATE_H 1

/* Inside apply-ovsdb
 * ==================
 *
 *    apply-ovsdb.c            connection, settings, reading inwards
 *    apply-ovsdb-sink.c       both sinks: chunks and transactions
 *    apply-ovsdb-readback.c   both sinks: read-back
 *    apply-ovsdb-tunnel.c     rows: integration bridge and tunnel ports
 *    apply-ovsdb-installed.c  rows: external_ids:alcor-installed
 *    apply-ovsdb-prefixes.c   rows: prefixes of the flow tables
 *
 * The row files only compare rows with what is wanted and write the difference
 * into the open transaction; they know nothing of chunks and confirmations
 * (struct ovsdb_rows).
 *
 * Transactions
 * ------------
 *
 * There is at most one at a time, for the whole chunk of one sink, or for the
 * bridge, or for cleaning up:
 *
 *   - TXN_SUCCESS, TXN_UNCHANGED: everything in it is confirmed.
 *
 *   - TXN_TRY_AGAIN (a verified column changed, or the connection was lost):
 *     composed anew when the database's contents have changed.
 *
 *   - TXN_ERROR: composed anew, one output at a time; then those to blame are
 *     known and their units fail.
 *
 * Composing compares with the replica first, so what is there already costs
 * no transaction, and a transaction that was lost half-way needs no memory.
 *
 * Fences
 * ------
 *
 * vswitchd refuses a tunnel with "File exists", and does not try again by
 * itself, if it learns at once that a tunnel of the same kind is gone and that
 * this one is there.  So when another had to go first, ours or not, creating
 * one is put off until vswitchd has seen that (cur_cfg has reached a next_cfg
 * incremented after it), or until FENCE_MSEC have passed.
 *
 * Drift
 * -----
 *
 * Whenever the contents or the settings have changed and the sink has nothing
 * else to do, the rows are compared with what the desired state believes to be
 * installed.  If they differ (at start, after a reconnection to another
 * database, or because somebody changed our rows) the sink is read back as a
 * whole, which queues the differences.  So there is one way for a change to
 * come about, and no special cases for reconnection. */

#include "apply/apply-ovsdb.h"
#include "apply/desired-state.h"
#include "apply/sink-provider.h"
#include "lib/vswitch-idl.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "sset.h"

struct ovsdb_rows;

#define OVSDB_OWNER_KEY "alcor-owner"
#define OVSDB_OWNER "alcor-agent"
#define OVSDB_INSTALLED_KEY "alcor-installed"
#define OVSDB_IFACE_ID_KEY "iface-id"

/* An output in the transaction under way. */
struct ovsdb_job {
    struct ds_output *output;
    uint64_t hash;              /* What is installed if it succeeds... */
    bool wanted;                /* ...unless this is a removal. */
};

/* One of the two sinks. */
struct ovsdb_sink {
    struct sink up;
    struct apply_ovsdb *ovsdb;
    const struct ovsdb_rows *rows;
    struct ovs_list outputs;    /* Chunk: contains "struct ds_output"s. */
    bool one_by_one;            /* Transactions of one output each. */
    bool read_back;             /* Has been read back at least once. */
    uint64_t checked;           /* 'version' last checked for drift. */
    bool must_read;             /* Read back in any case... */
    long long int reread_time;  /* ...which becomes true at this time. */
    struct ds_audit repairs;    /* What others have done to its rows. */
};

enum { OVSDB_SINK, OVSDB_SINK_LATE, OVSDB_N_SINKS };

struct apply_ovsdb {
    struct ovsdb_idl *idl;
    char *remote;
    struct desired_state *ds;
    struct ovsdb_sink sinks[OVSDB_N_SINKS];
    bool readback_wanted;       /* apply_ovsdb_readback() was called. */

    /* Settings, owned.  Null strings are not set. */
    struct ovsdb_settings settings;

    /* Changes. */
    unsigned int idl_seqno;     /* Last one seen of 'idl'. */
    bool connected;             /* Last state seen of 'idl'. */
    uint64_t version;           /* Of contents and settings. */
    uint64_t seqno;             /* As above, and of the connection. */

    /* Transaction under way. */
    struct ovsdb_idl_txn *txn;  /* Null if none. */
    struct ovsdb_sink *txn_sink; /* Null: bridge or cleaning up. */
    struct ovsdb_job *jobs;     /* Outputs in it. */
    size_t n_jobs, allocated_jobs;

    /* Waiting to try again. */
    bool again;                 /* Wait... */
    uint64_t again_version;     /* ...while 'version' is this... */
    long long int again_time;   /* ...and this time has not come. */

    /* Fence. */
    bool fence_wanted;          /* Tunnels must wait for a fence. */
    bool fence_sent;            /* One is in the transaction under way. */
    bool fence_pending;         /* Nothing is composed... */
    int64_t fence_cfg;          /* ...until cur_cfg is this... */
    long long int fence_deadline; /* ...or until this time. */

    /* Rows. */
    struct smap refused;        /* Tunnels refused for a foreign port: output
                                 * key to port name. */
    char *bridge_error;         /* Why there is no bridge, or null. */
    char *tunnel_error;         /* What vswitchd says of our tunnels, or
                                 * null. */
    bool warned_fail_mode;      /* Bridge is not secure, and we said so. */
    struct hmap ifaces;         /* Between prepare and finish: contains
                                 * "struct iface_ref"s, by iface-id. */

    /* Ports that others stand in for (apply-ovsdb-stand-in.c). */
    struct sset exchanged;      /* Interfaces put in the place of others:
                                 * each has, or will have, the OpenFlow port
                                 * that it has asked for. */
    struct smap stand_ins;      /* Device to stand-in... */
    bool stand_ins_known;       /* ...if they have been set. */
    uint64_t stand_ins_version; /* 'version' last looked at. */

    /* Cleaning up. */
    bool cleaning;              /* apply_ovsdb_cleanup() was called. */
    bool cleanup_failed;
};

/* What the database holds for one key of a sink. */
enum ovsdb_state {
    OVSDB_ABSENT,               /* There could be one but is not. */
    OVSDB_PRESENT,              /* There is one, with this value. */
    OVSDB_ODD,                  /* There is one but not as it should be. */
};

struct ovsdb_present {
    enum ovsdb_state state;
    char *value;                /* Null unless present. */
};

/* Rows of one sink. */
struct ovsdb_rows {
    enum ds_sink sink;
    const char *name;           /* Of the sink. */

    /* Called before and after the others. */
    void (*prepare)(struct apply_ovsdb *);
    void (*finish)(struct apply_ovsdb *);

    /* Writes into the open transaction what makes 'key' have 'value' (null: be
     * gone).  Returns null, or an error, owned by the caller, if that may not
     * be.  Sets '*later' to true if more is to be written when vswitchd has
     * seen what was written by now. */
    char *(*compose)(struct apply_ovsdb *, const char *key,
                     const char *value, bool *later);

    /* Adds what is in the database to 'present', from keys to malloc'd
     * "struct ovsdb_present"s. */
    void (*inspect)(struct apply_ovsdb *, struct shash *present);
};

extern const struct ovsdb_rows ovsdb_tunnel_rows;
extern const struct ovsdb_rows ovsdb_installed_rows;

/* Patch ports (apply-ovsdb-patch.c), which belong to the rows of tunnels: keys
 * "patch BRIDGE". */
bool ovsdb_is_patch_key(const char *key);
bool ovsdb_is_patch(const struct ovsrec_port *);
char *ovsdb_patch_compose(struct apply_ovsdb *, const char *key,
                          const char *value);
void ovsdb_patch_inspect(struct apply_ovsdb *, struct shash *present);
/* What is in the way of that patch, owned by the caller, or null. */
char *ovsdb_patch_obstacle(const struct apply_ovsdb *, const char *key);

/* Adds what is known of 'key' to 'present'.  'value' is copied; null unless
 * 'state' is OVSDB_PRESENT. */
void ovsdb_present_add(struct shash *present, const char *key,
                       enum ovsdb_state, const char *value);

/* Integration bridge, or null if there is none. */
const struct ovsrec_bridge *ovsdb_bridge(const struct apply_ovsdb *);
bool ovsdb_is_ours(const struct smap *external_ids);
/* True if vswitchd has given 'iface' an OpenFlow port. */
bool ovsdb_iface_has_ofport(const struct ovsrec_interface *);

/* The encapsulation of 'port' if it is a tunnel port of ours, else null. */
const char *ovsdb_tunnel_encap(const struct ovsrec_port *);
/* Writes a new integration bridge into the open transaction.  Returns null or
 * an error, owned by the caller. */
char *ovsdb_bridge_compose(struct apply_ovsdb *);

/* The bridge that we have created, and vswitchd has not made, has another type
 * than the one that is wanted; gives it that one. */
bool ovsdb_bridge_has_other_type(const struct apply_ovsdb *);
void ovsdb_bridge_set_type(struct apply_ovsdb *);
/* Tables of the pipeline (apply-ovsdb-prefixes.c): true if they match by
 * prefix what they should; what makes it so, and what undoes it, written into
 * the open transaction. */
bool ovsdb_prefixes_are_right(const struct ovsrec_bridge *);
void ovsdb_prefixes_compose(struct ovsdb_idl_txn *,
                            const struct ovsrec_bridge *);
void ovsdb_prefixes_cleanup(const struct ovsrec_bridge *);

/* Writes the removal of tunnels and bridge into the open transaction. */
void ovsdb_tunnel_cleanup(struct apply_ovsdb *);
/* Gives tunnels that were refused a new chance, if nothing is in their way
 * any more. */
void ovsdb_tunnel_retry(struct apply_ovsdb *);
/* Logs and remembers what vswitchd says of our tunnels. */
void ovsdb_tunnel_check_errors(struct apply_ovsdb *);

/* True if ports have to be exchanged; writes that into the transaction. */
bool ovsdb_stand_ins_differ(struct apply_ovsdb *);
void ovsdb_stand_ins_compose(struct apply_ovsdb *);

/* Writes the removal of all keys into the open transaction. */
void ovsdb_installed_cleanup(struct apply_ovsdb *);

/* Sinks and transactions. */
void ovsdb_sinks_init(struct apply_ovsdb *);
void ovsdb_sinks_uninit(struct apply_ovsdb *);
void ovsdb_sinks_run(struct apply_ovsdb *);
void ovsdb_sinks_wait(struct apply_ovsdb *);

/* Returns the value wanted of 'output' as a string owned by the caller, or
 * null if it is not wanted. */
char *ovsdb_output_value(const struct ds_output *);

/* Compares the rows of 'sink' with what is believed to be installed, if that
 * may have changed, and reads them back if they differ. */
void ovsdb_check_drift(struct ovsdb_sink *);

#endif /* apply/apply-ovsdb-private.h */

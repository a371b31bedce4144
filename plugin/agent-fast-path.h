/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-fast-path: the eBPF fast path as the agent runs it. */

#ifndef AGENT_FAST_PATH_H
#define AGENT_FAST_PATH_H 1

/* The fast path in the agent
 * ==========================
 *
 * What?
 * -----
 *
 * agent-fast-path.c        keeps the programs (apply/apply-bpf.h) where they
 *                          belong: on the uplink, and on the device of each
 *                          bound port that is known.  What cannot be is told
 *                          in Agent.errors, in the table Fast_Path and by
 *                          fast-path/show, and changes nothing else: those
 *                          packets go through OVS.
 *
 * agent-fast-path-config.c what the programs are told, from the settings.
 *
 * agent-fast-path-exchange.c
 *                          has Open vSwitch exchange the ports of interposed
 *                          devices, while what comes to them waits.
 *
 * agent-fast-path-flows.c  passes sightings on to feedback/offload.h, and
 *                          changes of flows, before they are made.
 *
 * agent-fast-path-stats.c  what the switch does not count of ports.
 *
 * agent-fast-path-ct.c     connection tracking as offload needs it.
 *
 * agent-fast-path-show.c   commands and rows.
 *
 * A port's device has a program first; then its record in the volatile store
 * makes plugin "fast-path" show its verdicts.  At a start, that must not come
 * after the flows have been compared with those in the switch, or all of it
 * would be removed and made again: the agent waits until each port has been
 * tried once.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "apply/apply-bpf.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "sset.h"

struct agent;
struct alcor_db;
struct direct_path_hop;
struct direct_path_key;
struct offload;
struct port_counters;
struct unixctl_client;

/* Between attempts, and looks at what does not tell by itself. */
#define FAST_PATH_RETRY_MSEC 10000
#define FAST_PATH_CHECK_MSEC 5000

/* Without a fast path, so long until TCP sequence numbers are looked at: those
 * of connections that it has carried have to be seen first. */
#define FAST_PATH_STRICT_MSEC 15000

/* Entries that cannot be removed are tried so often, and then all programs
 * go. */
#define FAST_PATH_DOOM_MSEC 20
#define FAST_PATH_DOOM_MAX_MSEC 2000

/* A bound port. */
struct fast_path_port {
    char device[64];            /* Name of the Interface, or of the device
                                 * that it stands in for. */
    uint32_t ifindex;
    uint32_t ofport;
    bool by_connection;
    bool to_peer;               /* As in struct apply_bpf_device. */
    bool exchanged;             /* As in apply_bpf_add_port(). */
    bool tried;                 /* Since something changed. */
    uint32_t number;            /* 0: its device has no program... */
    char *error;                /* ...because of this, if not null. */
    bool present;               /* While the ports are compared. */
};

/* Steps of an exchange of ports (agent-fast-path-exchange.c). */
enum fast_path_hold {
    HOLD_NONE,
    HOLD_DRAINING,
    HOLD_HELD,
    HOLD_SETTLING,
    HOLD_RELEASING,
    HOLD_GIVEN_UP,
};

struct agent_fast_path {
    struct apply_bpf *ab;       /* Null: off... */
    char *error;                /* ...because of this, if not null. */
    char *config;               /* Of 'ab', as text; null: none yet. */
    char *uplink;               /* Device with the program; null: none... */
    uint32_t uplink_ifindex;
    bool uplink_exchanged;      /* As in apply_bpf_set_uplink(). */
    char *uplink_error;         /* ...because of this, if not null. */
    struct shash ports;         /* Of "struct fast_path_port"s, by id. */
    struct smap stand_ins;      /* Interposed: device -> OVS's port. */
    bool interposed;            /* 'ab' is for that. */
    bool exchanged;             /* All ports are as 'stand_ins' says. */
    enum fast_path_hold hold;   /* Whether packets wait... */
    struct sset held;           /* ...that come to these devices. */
    long long int hold_time;    /* Until then at the latest. */
    long long int settle_time;  /* Of the present step. */
    bool leaving;               /* To be removed when they are back. */
    bool changed;               /* Ports, settings, devices. */
    bool settled;               /* Everything has been tried once. */
    bool leftovers;             /* Programs that could not be removed. */
    long long int doomed_since; /* Entries cannot be removed; 0: they can. */
    long long int retry_time;
    long long int check_time;

    struct offload *offload;
    struct shash delivered;     /* agent-fast-path-stats.c, by port. */
    struct sset entrances;      /* Addresses of gateways, as text. */
    bool entrances_changed;
    uint64_t seqno;             /* Changes with what is in rows. */

    struct unixctl_client *vswitchd; /* Null: never needed. */
    unsigned int vswitchd_seqno;
    bool liberal;               /* What connection tracking was told. */
    long long int strict_time;  /* When it is to be told otherwise, or 0. */
    bool ct_asked;              /* What it is was asked for. */
    char ct_was;                /* What it was before, as in the file; or 0. */
};

/* agent-fast-path.c. */
void agent_fast_path_init(struct agent *);
void agent_fast_path_destroy(struct agent *);
void agent_fast_path_run(struct agent *);
void agent_fast_path_wait(struct agent *);
void agent_fast_path_uninstall(struct agent *);

/* True if nothing is left to be done before the agent exits. */
bool agent_fast_path_is_clean(const struct agent *);

/* True if all that is bound has a program, or cannot have one. */
bool agent_fast_path_is_settled(const struct agent *);

/* The port whose OpenFlow port is this, or null. */
const struct fast_path_port *agent_fast_path_find(const struct agent *,
                                                  uint32_t ofport);

/* agent-fast-path-config.c.  Fills in the configuration.  Returns false if
 * there is to be no fast path: because of '*error', which the caller must
 * free, if that is then not null. */
bool agent_fast_path_config(const struct agent *, struct apply_bpf_config *,
                            char **error);
/* A change of what this returns, to be freed by the caller, means that all
 * programs are loaded anew. */
char *agent_fast_path_config_to_string(const struct apply_bpf_config *);

/* agent-fast-path-exchange.c.  If 'device' is interposed, OVS's port is to be
 * another. */
void agent_fast_path_add_stand_in(struct agent_fast_path *,
                                  const char *device);
/* Open vSwitch looks at names: if the port were the end of a pair that has
 * gone, and it is made anew, nothing would be read from it any more.  So Open
 * vSwitch has the device itself as its port first, and an error is returned
 * until it has. */
char *agent_fast_path_check_stand_in(const struct agent_fast_path *,
                                     const char *device, bool exchanged);
/* Tells Open vSwitch of the ports that are to be exchanged. */
void agent_fast_path_exchange(struct agent *);
/* To be called before devices are tried.  Returns false if they are not to be
 * tried yet. */
bool agent_fast_path_hold(struct agent *, const char *uplink);
void agent_fast_path_hold_run(struct agent_fast_path *);
void agent_fast_path_hold_wait(const struct agent_fast_path *);
/* Nothing waits any more. */
void agent_fast_path_hold_stop(struct agent_fast_path *);

/* agent-fast-path-flows.c. */
void agent_fast_path_flows_init(struct agent *);
void agent_fast_path_flows_run(struct agent *);

/* A gateway has told of a direct path; the path is no longer taken. */
void agent_fast_path_told(struct agent *, const char *port_id,
                          const struct direct_path_key *,
                          const struct direct_path_hop *);
void agent_fast_path_untold(struct agent *, const char *port_id,
                            ovs_be32 dst);

/* agent-fast-path-stats.c. */
void agent_fast_path_keep_stats(struct agent_fast_path *, const char *id,
                                const struct fast_path_port *);
void agent_fast_path_add_stats(const struct agent *, const char *id,
                               struct port_counters *);

/* agent-fast-path-ct.c. */
void agent_fast_path_ct_init(struct agent *);
void agent_fast_path_ct_run(struct agent *, bool liberal);
void agent_fast_path_ct_wait(const struct agent *);

/* agent-fast-path-show.c. */
void agent_fast_path_show_init(struct agent *);
void agent_fast_path_fill(const struct agent *, struct alcor_db *);

#endif /* agent-fast-path.h */

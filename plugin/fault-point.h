/* SPDX-License-Identifier: Apache-2.0
 *
 * fault-point: places where a test can make something go wrong. */

#ifndef FAULT_POINT_H
#define FAULT_POINT_H 1

/* Fault points
 * ============
 *
 * What?
 * -----
 *
 * A daemon that loses nothing must be killed, refused and delayed at every
 * place where it changes something outside of itself.  FAULT_POINTS lists
 * these places.  In a build with fault injection (configure's
 * --enable-fault-injection; the instrumented programs of "make check" always
 * are) each can be told to
 *
 *    - fail: what comes next is not done (points called ...-before), or is
 *      done but believed to have failed (...-after);
 *
 *    - stall: it is not done for FAULT_STALL_TIME;
 *
 *    - hold: it is not done before that is taken back (only where the main
 *      loop does it);
 *
 *    - kill: the process gets SIGKILL, right there.
 *
 * In all other builds nothing of this exists: FAULT_POINT() is a constant.
 *
 * Usage
 * -----
 *
 * What is done by the main loop is retried by the main loop:
 *
 *     if (FAULT_POINT(NEXT_HOP_SET_BEFORE) == FAULT_STALL) {
 *         return;             // fault_wait() wakes us; the point is looked at
 *     }                       // again, which is not counted as a pass.
 *
 * What waits until it is done (a write to the store, an fsync) uses
 * FAULT_POINT_NOW(), which waits too, and returns true if that is to fail:
 *
 *     int error = FAULT_POINT_NOW(STORE_COMMIT_BEFORE) ? EIO : commit();
 *
 * A program calls fault_init() at its start, which registers the commands
 * fault/list, fault/set and fault/clear and takes what the environment
 * variable ALCOR_FAULTS says ("NAME=MODE[:COUNT],..."), and fault_wait() in
 * each round of its main loop.
 *
 * To add a point, add it to FAULT_POINTS, pass it in the code, and say in
 * tests/crash-matrix.py (for the relay: alcor-relay.py; for those called
 * bpf-..., which need real programs: system-faults.at) how it is tested: a
 * point without a test fails the suite.
 *
 * Thread-safety: any thread may pass a point. */

#include <stdbool.h>

/* Programs that pass a point. */
#define FAULT_AGENT (1u << 0)
#define FAULT_RELAY (1u << 1)
#define FAULT_BOTH (FAULT_AGENT | FAULT_RELAY)

/* How long a stall takes, in ms. */
#define FAULT_STALL_TIME 100

/* FAULT(NAME, PROGRAMS, "name", "what it is before or after") */
#define FAULT_POINTS                                                    \
    /* store/ */                                                        \
    FAULT(STORE_OPEN_BEFORE, FAULT_BOTH, "store-open-before",           \
          "the first transaction of a store")                           \
    FAULT(STORE_OPEN_AFTER, FAULT_BOTH, "store-open-after",             \
          "the first transaction of a store")                           \
    FAULT(STORE_COMMIT_BEFORE, FAULT_BOTH, "store-commit-before",       \
          "a transaction of goal state")                                \
    FAULT(STORE_COMMIT_AFTER, FAULT_BOTH, "store-commit-after",         \
          "a transaction of goal state")                                \
    FAULT(STORE_IDS_BEFORE, FAULT_AGENT, "store-ids-before",            \
          "writing numbers of groups, meters, zones, conjunctions")     \
    FAULT(STORE_IDS_AFTER, FAULT_AGENT, "store-ids-after",              \
          "writing numbers of groups, meters, zones, conjunctions")     \
    FAULT(STORE_SYNC_BEFORE, FAULT_BOTH, "store-sync-before",           \
          "fsync of the store")                                         \
    FAULT(STORE_SYNC_AFTER, FAULT_BOTH, "store-sync-after",             \
          "fsync of the store")                                         \
    FAULT(STORE_COPY_BEFORE, FAULT_BOTH, "store-copy-before",           \
          "fsync of the copy for power failures")                       \
    FAULT(STORE_COPY_AFTER, FAULT_BOTH, "store-copy-after",             \
          "fsync of the copy; it does not have its name yet")           \
    FAULT(STORE_MARK_BEFORE, FAULT_BOTH, "store-mark-before",           \
          "fsync of the marks beside the store (this boot, closed)")    \
    FAULT(STORE_MARK_AFTER, FAULT_BOTH, "store-mark-after",             \
          "fsync of the marks beside the store (this boot, closed)")    \
    /* apply/ */                                                        \
    FAULT(OVSDB_TXN_BEFORE, FAULT_AGENT, "ovsdb-txn-before",            \
          "a transaction in Open_vSwitch")                              \
    FAULT(OVSDB_TXN_AFTER, FAULT_AGENT, "ovsdb-txn-after",              \
          "a transaction in Open_vSwitch")                              \
    FAULT(NEXT_HOP_SET_BEFORE, FAULT_AGENT, "next-hop-set-before",      \
          "setting the MAC of a next hop")                              \
    FAULT(NEXT_HOP_SET_AFTER, FAULT_AGENT, "next-hop-set-after",        \
          "setting the MAC of a next hop")                              \
    FAULT(OPENFLOW_READBACK_BEFORE, FAULT_AGENT,                        \
          "openflow-readback-before",                                   \
          "reading what is installed, which was asked for at the start") \
    FAULT(OPENFLOW_FLUSH_BEFORE, FAULT_AGENT, "openflow-flush-before",  \
          "flushing conntrack zones")                                   \
    FAULT(OPENFLOW_METER_BEFORE, FAULT_AGENT, "openflow-meter-before",  \
          "sending meters")                                             \
    FAULT(OPENFLOW_BUNDLE_BEFORE, FAULT_AGENT, "openflow-bundle-before", \
          "opening a bundle")                                           \
    FAULT(OPENFLOW_BUNDLE_AFTER, FAULT_AGENT, "openflow-bundle-after",  \
          "committing a bundle; nobody knows yet whether it was")       \
    FAULT(OPENFLOW_BARRIER_BEFORE, FAULT_AGENT, "openflow-barrier-before", \
          "a barrier")                                                  \
    FAULT(OPENFLOW_BARRIER_AFTER, FAULT_AGENT, "openflow-barrier-after", \
          "a barrier was answered")                                     \
    FAULT(ALCOR_DB_TXN_BEFORE, FAULT_AGENT, "alcor-db-txn-before",      \
          "a transaction in the database Alcor")                        \
    FAULT(ALCOR_DB_TXN_AFTER, FAULT_AGENT, "alcor-db-txn-after",        \
          "a transaction in the database Alcor")                        \
    FAULT(BPF_OPEN_BEFORE, FAULT_AGENT, "bpf-open-before",              \
          "opening, or making and pinning, the eBPF tables")            \
    FAULT(BPF_OPEN_AFTER, FAULT_AGENT, "bpf-open-after",                \
          "opening, or making and pinning, the eBPF tables")            \
    FAULT(BPF_DEVICE_BEFORE, FAULT_AGENT, "bpf-device-before",          \
          "writing down a device with an eBPF program")                 \
    FAULT(BPF_DEVICE_AFTER, FAULT_AGENT, "bpf-device-after",            \
          "writing down a device with an eBPF program")                 \
    FAULT(BPF_LOAD_BEFORE, FAULT_AGENT, "bpf-load-before",              \
          "loading an eBPF program")                                    \
    FAULT(BPF_ATTACH_BEFORE, FAULT_AGENT, "bpf-attach-before",          \
          "attaching an eBPF program to a device, by a link if XDP")    \
    FAULT(BPF_ATTACH_AFTER, FAULT_AGENT, "bpf-attach-after",            \
          "attaching an eBPF program to a device, by a link if XDP")    \
    FAULT(BPF_REPLACE_BEFORE, FAULT_AGENT, "bpf-replace-before",        \
          "replacing the program of a link")                            \
    FAULT(BPF_REPLACE_AFTER, FAULT_AGENT, "bpf-replace-after",          \
          "replacing the program of a link")                            \
    FAULT(BPF_PIN_BEFORE, FAULT_AGENT, "bpf-pin-before",                \
          "pinning a link")                                             \
    FAULT(BPF_PIN_AFTER, FAULT_AGENT, "bpf-pin-after",                  \
          "pinning a link")                                             \
    FAULT(BPF_DETACH_BEFORE, FAULT_AGENT, "bpf-detach-before",          \
          "detaching an eBPF program")                                  \
    FAULT(BPF_DETACH_AFTER, FAULT_AGENT, "bpf-detach-after",            \
          "detaching an eBPF program")                                  \
    FAULT(BPF_HOLD_BEFORE, FAULT_AGENT, "bpf-hold-before",              \
          "holding what comes to a device whose port is exchanged")     \
    FAULT(BPF_HOLD_AFTER, FAULT_AGENT, "bpf-hold-after",                \
          "holding what comes to a device whose port is exchanged")     \
    FAULT(BPF_RELEASE_BEFORE, FAULT_AGENT, "bpf-release-before",        \
          "handing on what has been held")                              \
    FAULT(BPF_ENTRY_BEFORE, FAULT_AGENT, "bpf-entry-before",            \
          "writing an entry of the fast path")                          \
    FAULT(BPF_ENTRY_AFTER, FAULT_AGENT, "bpf-entry-after",              \
          "writing an entry of the fast path")                          \
    FAULT(BPF_DELETE_BEFORE, FAULT_AGENT, "bpf-delete-before",          \
          "removing entries of the fast path")                          \
    FAULT(BPF_DELETE_AFTER, FAULT_AGENT, "bpf-delete-after",            \
          "removing entries of the fast path")                          \
    /* plugin/ */                                                       \
    FAULT(REPLY_BEFORE, FAULT_AGENT, "reply-before",                    \
          "sending an answer")                                          \
    FAULT(REPLY_AFTER, FAULT_AGENT, "reply-after",                      \
          "sending an answer")                                          \
    FAULT(SNAPSHOT_BEFORE, FAULT_AGENT, "snapshot-before",              \
          "merging a snapshot")                                         \
    FAULT(SNAPSHOT_AFTER, FAULT_AGENT, "snapshot-after",                \
          "merging a snapshot; positions have not moved yet")           \
    FAULT(SNAPSHOT_DONE, FAULT_AGENT, "snapshot-done",                  \
          "moving the positions to those of a snapshot")                \
    /* relay/ */                                                        \
    FAULT(RELAY_PLACE_BEFORE, FAULT_RELAY, "relay-place-before",        \
          "writing who has what, and the numbers of a round")           \
    FAULT(RELAY_PLACE_AFTER, FAULT_RELAY, "relay-place-after",          \
          "writing who has what, and the numbers of a round")           \
    FAULT(RELAY_PUBLISH_BEFORE, FAULT_RELAY, "relay-publish-before",    \
          "publishing a message")                                       \
    FAULT(RELAY_PUBLISH_AFTER, FAULT_RELAY, "relay-publish-after",      \
          "publishing a message")                                       \
    FAULT(RELAY_REPLY_BEFORE, FAULT_RELAY, "relay-reply-before",        \
          "sending a reply to a controller")                            \
    FAULT(RELAY_REPLY_AFTER, FAULT_RELAY, "relay-reply-after",          \
          "sending a reply to a controller")

enum fault_point {
#define FAULT(NAME, PROGRAMS, STRING, WHAT) FAULT_##NAME,
    FAULT_POINTS
#undef FAULT
    FAULT_N_POINTS
};

enum fault_verdict {
    FAULT_NONE,                 /* Go on. */
    FAULT_FAIL,                 /* It has failed. */
    FAULT_STALL,                /* Not now. */
};

#ifdef ALCOR_FAULT_INJECTION
#define FAULT_POINT(NAME) fault_point_pass(FAULT_##NAME)
#define FAULT_POINT_NOW(NAME) fault_point_pass_now(FAULT_##NAME)

enum fault_verdict fault_point_pass(enum fault_point);
bool fault_point_pass_now(enum fault_point);
void fault_init(unsigned int program);
void fault_wait(void);
#else
#define FAULT_POINT(NAME) FAULT_NONE
#define FAULT_POINT_NOW(NAME) false

static inline void
fault_init(unsigned int program __attribute__((unused)))
{
}

static inline void
fault_wait(void)
{
}
#endif

#endif /* fault-point.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * next-hop: outer destination MACs of tunnels, kept where the datapath looks.
 */

#ifndef APPLY_NEXT_HOP_H
#define APPLY_NEXT_HOP_H 1

/* Next hops
 * =========
 *
 * What?
 * -----
 *
 * The outer destination MAC of a tunnelled packet comes from vswitchd's own
 * cache (datapath_type=netdev: "tnl/neigh/set") or from the kernel's neighbour
 * table (system), and a cold entry loses the first packet.  Goal state brings
 * the MACs of hosts along, so this sink installs and refreshes them, as part
 * of the commit and before the flows that need them.
 *
 * Outputs: sink DS_NEXT_HOP, key: the host's address as 16 bytes (IPv4
 * mapped), value: its MAC, 6 bytes.  Beside that, for one that is "fixed",
 * key: its address and an 'f', value: "1".
 *
 * Only hosts that are on-link are installed, i.e. those in a subnet of the
 * device that owns alcor-host-ip; others are reached through a router whose
 * MAC is the system's business.
 *
 * Learned entries
 * ---------------
 *
 * The goal state's MAC is what a cold cache starts with.  Both caches go on
 * learning: in the kernel the entry is installed as "stale", so that it is
 * used at once and verified by use; vswitchd replaces it by what ARP says.
 * What a cache has learned since it held the goal state's MAC is better
 * knowledge and is left alone, until the goal state's MAC changes or the entry
 * is gone.  At first sight (start of the agent, a new host, another MAC) the
 * goal state wins, since what is there may be left over from a goal state of
 * the past.  Entries in the kernel that are permanent are never touched.
 *
 * Entrances of gateways may answer no ARP: these are fixed.  In the kernel,
 * their entries are of state "noarp", else the first use would end in a failed
 * verification and in silence.  What was learned is overwritten: their MACs
 * are what the goal state says, and vswitchd learns others from any packet
 * that a tunnel brings in an entrance's name, be it forged, or of an entrance
 * whose MAC has just changed.  So who misses an answer of one has it looked at
 * (next_hop_check()).
 *
 * The kernel marks our entries by protocol NEXT_HOP_PROTOCOL, and as learned
 * externally: so it does not count them among those that it keeps a thousand
 * of, and does not drop them by age.
 *
 * So vswitchd gets a host that is new, or whose MAC has changed, without a
 * look at what it has; at every other time (connection, refresh) the cache is
 * looked at first, with one "tnl/neigh/show" for all hosts whose turn it is.
 * The kernel is always asked first (RTM_GETNEIGH), since that costs little.
 *
 * Entries in vswitchd's cache age (900 s by default) unless they are used;
 * they are refreshed in half that time, a sixteenth of the hosts at a time.
 * There is no command to remove a single one, so removal is to stop
 * refreshing.  In the kernel, an entry is removed if it still has our MAC and
 * is stale, or fixed by us.
 *
 * Failure
 * -------
 *
 * Failure to reach vswitchd, or to make an entry, is not a failure of
 * resources: the packets flow after an ARP exchange all the same.  It is
 * logged, counted, and retried when vswitchd is back or the refresh is due.  A
 * commit waits for replies at most NEXT_HOP_WAIT_MSEC, and not at all while
 * vswitchd is known not to answer.
 *
 * Thread-safety: main thread only; never blocks (but on rtnetlink, which
 * answers at once). */

#include <stdbool.h>
#include <netinet/in.h>
#include "openvswitch/types.h"

struct desired_state;
struct ds_audit;
struct next_hop;
struct sink;

#define NEXT_HOP_WAIT_MSEC 1000

/* Of entries in the kernel: "ip neigh show proto 161". */
#define NEXT_HOP_PROTOCOL 161

struct next_hop *next_hop_create(struct desired_state *);
void next_hop_destroy(struct next_hop *);

/* 'datapath_type' is the integration bridge's ("netdev", "system" or empty; on
 * any other, e.g. "dummy", nothing is installed), 'host_ip' alcor-host-ip (all
 * zeros: not known, then nothing is installed). */
void next_hop_set(struct next_hop *, const char *datapath_type,
                  const struct in6_addr *host_ip);

/* vswitchd was restarted: install everything again. */
void next_hop_reset(struct next_hop *);

/* Has the cache looked at for all hosts, and what is not there any more set
 * again, and what a killed agent has left removed.  True while that goes on.
 * What was missing since the start. */
void next_hop_audit(struct next_hop *);
bool next_hop_is_auditing(const struct next_hop *);
const struct ds_audit *next_hop_repairs(const struct next_hop *);

/* Stores in '*mac' what the cache has for 'ip' and returns true, or returns
 * false if it is not known to be in there.  Has the cache looked at again
 * soon, if 'check' is true. */
bool next_hop_lookup(struct next_hop *, const struct in6_addr *ip, bool check,
                     struct eth_addr *mac);

/* Has the cache looked at again soon for 'ip', if it is known. */
void next_hop_check(struct next_hop *, const struct in6_addr *ip);

/* True if 'ip' needs no router. */
bool next_hop_is_on_link(const struct next_hop *, const struct in6_addr *ip);

/* True if a device has 'host_ip', be it lo. */
bool next_hop_host_ip_exists(const struct next_hop *);

/* Name and index of the device that has 'host_ip', null and 0 if there is none
 * but lo. */
const char *next_hop_device(const struct next_hop *);
int next_hop_ifindex(const struct next_hop *);

void next_hop_run(struct next_hop *);
void next_hop_wait(struct next_hop *);
struct sink *next_hop_sink(struct next_hop *);

#endif /* apply/next-hop.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-provider: what a plugin is; the ABI of built-in and external ones. */

#ifndef TRANSLATE_PLUGIN_PROVIDER_H
#define TRANSLATE_PLUGIN_PROVIDER_H 1

/* Plugins
 * =======
 *
 * What?
 * -----
 *
 * A plugin turns one aspect of goal state (switching, ARP, DHCP...) into
 * desired state: flows, ports, next hops.  It is a pure function: given a
 * resource and what it looks up, it says what should be installed on account
 * of that resource.  It never sees a socket, a database transaction or a
 * switch, has no state that influences its output, and need not know whether
 * it runs because of a new message, a late parent, a recompute or a restart.
 *
 *     goal state --> struct goal_view --> translate() --> struct plugin_output
 *
 * What it looks up through the view is recorded, hits and misses alike; when
 * any of that changes the resource is translated again.  What it said the last
 * time and does not repeat is withdrawn.  So there is no code for deletions,
 * for updates, or for things that arrive in another order.
 *
 * Rules
 * -----
 *
 *    - Read nothing but 'view' and 'resource'.
 *    - Output only to the stages (of-pipeline.h) named in 'stages'.
 *    - Keep no pointers beyond the call; do not block.
 *    - What several resources need is output by each of them; it exists once,
 *      until the last of them is gone (desired-state.h).
 *
 * Results
 * -------
 *
 *    PLUGIN_DONE     The output stands.
 *    PLUGIN_WAIT     A resource that it looked up is absent: nothing that any
 *                    plugin said of this one stands, it is PENDING.
 *    PLUGIN_PARTIAL  The output stands but is not all: something that the host
 *                    makes on account of it (a tunnel port) is not there yet.
 *                    The answer to the controller is withheld meanwhile.
 *    PLUGIN_REJECT   The resource makes no sense: nothing that any plugin
 *                    said of it stands, the answer is INVALID_ARG, the error
 *                    is logged.
 *
 *    PLUGIN_FAIL     The resource makes sense but this host cannot do it:
 *                    likewise, but the answer is FAILURE.
 *
 * Built-in and external
 * ---------------------
 *
 * Built-in classes are in the table of plugin-registry.c.  External ones come
 * in shared objects in the plugin directory, which export
 *
 *     const struct plugin_class *const alcor_plugin_classes[];
 *
 * ending with a null pointer.  They are opened once at start and never closed.
 * What they use of this header and of libopenvswitch is the agent's: they are
 * linked against neither, and one that has its own libopenvswitch is refused.
 * They are built with the headers of the agent that loads them and of the very
 * Open vSwitch that it was built with ("pkg-config openvswitch-alcor-plugin"
 * knows where); tests/external-plugin/ is an example.
 *
 * A class whose 'abi' is not PLUGIN_ABI is refused.  Later versions of the
 * same ABI append members to the class, which may be null, so 'size' need not
 * be the agent's:
 *
 *    - smaller: members beyond it count as null;
 *
 *    - larger: accepted if all that the agent does not know is null, refused
 *      if not, as what it is for would silently not be done.
 *
 * Threads: everything here runs in the main thread, but for 'packet_in'. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include "apply/of-pipeline.h"
#include "openvswitch/types.h"
#include "packets.h"
#include "store/goal-store.h"
#include "store/goal-types.h"
#include "store/id-store.h"
#include "store/volatile-store.h"

struct goal_view;
struct match;
struct ofpbuf;
struct ofputil_group_mod;
struct packet_reply;
struct packet_view;
struct plugin;
struct plugin_output;
struct smap;

#define PLUGIN_ABI 1            /* Bumped on any incompatible change. */

enum plugin_result {
    PLUGIN_DONE,
    PLUGIN_WAIT,
    PLUGIN_PARTIAL,
    PLUGIN_REJECT,
    PLUGIN_FAIL,
};

struct plugin_class {
    uint32_t abi;               /* PLUGIN_ABI it was built with. */
    uint32_t size;              /* sizeof(struct plugin_class) at that time. */
    const char *name;           /* Unique, e.g. "arp-nd": lower case letters,
                                 * digits and "-". */
    uint8_t number;             /* In cookies.  Built-ins 1...127, external
                                 * ones 0: one is made from the name. */
    uint32_t inputs;            /* Bitmap of 1 << enum goal_kind. */
    uint64_t stages;            /* Bitmap of 1 << enum of_stage. */
    const char *summary;        /* For plugin/list: what it does. */

    /* Returns 0 and stores a new plugin, owned by the caller, in '*pluginp',
     * or returns a positive errno value.  Both may be null: then 'struct
     * plugin *' is null in the other calls. */
    int (*create)(const struct smap *config, struct plugin **pluginp);
    void (*destroy)(struct plugin *);

    /* Translates 'resource'.  With PLUGIN_REJECT and PLUGIN_FAIL, stores
     * in '*errorp' a malloc()'d string that the caller frees. */
    enum plugin_result (*translate)(struct plugin *, struct goal_view *view,
                                    const struct goal_resource *resource,
                                    struct plugin_output *out,
                                    char **errorp);

    /* Handles a packet that a flow of this plugin has punted: see punt.h.
     * Runs in the packet thread, thus gets no plugin and no view.  Returns
     * false if it has no use for it.  May be null. */
    bool (*packet_in)(const struct packet_view *, struct packet_reply *);

    /* Translates a volatile record of one of VOL_UNIT_KINDS; 'records' is a
     * bitmap of 1 << enum vol_kind of those that it is called for.  May be
     * null. */
    void (*translate_record)(struct plugin *, struct goal_view *view,
                             enum vol_kind, const char *id,
                             const void *record, struct plugin_output *out);
    uint32_t records;
};

/* The view.  What is returned is valid until translate() returns. */

/* Returns the resource, or NULL if it is not there. */
const struct goal_resource *goal_view_get(struct goal_view *,
                                          enum goal_kind, const char *id);

/* Returns the volatile record, or NULL. */
const void *goal_view_volatile(struct goal_view *, enum vol_kind,
                               const char *id);

/* Calls 'cb' for each resource in a range of an index. */
void goal_view_index(struct goal_view *, enum goal_index, const char *parent,
                     const struct in6_addr *address,
                     void (*cb)(const struct goal_resource *, void *aux),
                     void *aux);

/* Returns the number of resources of 'kind' in a range of an index other than
 * GOAL_BY_ADDRESS. */
size_t goal_view_count(struct goal_view *, enum goal_index,
                       const char *parent, enum goal_kind kind);

/* Address of this host; all zeros if it has none. */
const struct in6_addr *goal_view_host_ip(const struct goal_view *);


/* A subnet together with its VPC and what follows from both. */
struct goal_network {
    const struct goal_subnet *subnet;
    const struct goal_vpc *vpc;
    uint32_t type;              /* enum goal_network_type. */
    uint32_t vni;               /* Effective VNI. */
    uint64_t tag;               /* of_subnet_tag(). */
};

/* Looks up the subnet with the given id and its VPC.  Returns PLUGIN_DONE,
 * PLUGIN_WAIT if one of the two is absent, or PLUGIN_REJECT (with '*errorp')
 * if the effective VNI is invalid. */
enum plugin_result goal_view_network(struct goal_view *,
                                     const char *subnet_id,
                                     struct goal_network *, char **errorp);

/* The Zeta or ARION gateway that carries what is not known in the network, or
 * null.  Gateways understand IPv4 in VXLAN only; one without an entrance is
 * none. */
const struct goal_gateway *goal_view_gateway(struct goal_view *,
                                             const struct goal_network *);

/* The largest IP packet that the network's tunnels carry in one packet of the
 * underlay: its MTU, 1500 if that is not known, less their headers. */
uint16_t goal_view_mtu(struct goal_view *, const struct goal_network *);

/* Output. */

/* A flow in 'stage'.  Exclusive: should another resource output the same match
 * with other actions, the lower kind of port, neighbour, then the smaller id
 * wins. */
void output_flow(struct plugin_output *, enum of_stage stage,
                 uint16_t priority, const struct match *,
                 const struct ofpbuf *ofpacts);

/* Actions to be united with those that others output for the same match. */
void output_flow_part(struct plugin_output *, enum of_stage stage,
                      uint16_t priority, const struct match *,
                      const struct ofpbuf *ofpacts);

/* The number of 'kind' (store/id-store.h) for 'name', which should begin with
 * the plugin's subject, e.g. "port p1": the same for all who ask with this
 * name, and after restarts, until no resource outputs it any more.  A
 * conntrack zone is flushed before its number goes to another name.  Returns 0
 * if there are none left: say PLUGIN_FAIL. */
uint32_t output_id(struct plugin_output *, enum id_kind kind,
                   const char *name);

/* A group, whose number is from output_id(); it is in effect before the flows
 * that use it.  The caller keeps ownership of what it contains. */
void output_group(struct plugin_output *, struct ofputil_group_mod *);

/* A meter, likewise, that lets 'pps' packets a second pass, and 'burst' of
 * them at once. */
void output_meter(struct plugin_output *, uint32_t number, uint32_t pps,
                  uint32_t burst);

/* A tunnel port of this encapsulation ("vxlan", "geneve", "gre"). */
void output_tunnel(struct plugin_output *, const char *encap);

/* Patch ports to the bridge 'bridge'. */
void output_patch(struct plugin_output *, const char *bridge);

/* Says that the flows for the Interface bound to 'iface_id' are in. */
void output_installed(struct plugin_output *, const char *iface_id);

/* The MAC behind which the tunnel end point 'ip' is. */
void output_next_hop(struct plugin_output *, const struct in6_addr *ip,
                     const struct eth_addr *mac);

/* The same of one that answers no ARP. */
void output_fixed_next_hop(struct plugin_output *, const struct in6_addr *ip,
                           const struct eth_addr *mac);

#endif /* translate/plugin-provider.h */

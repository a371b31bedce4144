/* SPDX-License-Identifier: Apache-2.0
 *
 * liveness: which entrances of gateways are alive. */

#ifndef FEEDBACK_LIVENESS_H
#define FEEDBACK_LIVENESS_H 1

/* Liveness
 * ========
 *
 * What?
 * -----
 *
 * Every LIVENESS_MSEC, if nothing else is set, each entrance is asked for a
 * sign of life (translate/zeta-gateway.h).  One that has left LIVENESS_MISSES
 * questions in succession unanswered is dead: it takes less than a second to
 * find out.  A dead one goes on being asked, and is alive again when it
 * answers.
 *
 *                     sign                     sign
 *      UNKNOWN -----------------> ALIVE <------------------ DEAD
 *         |                         |  LIVENESS_MISSES       ^
 *         |                         +------------------------+
 *         +--------------------------------------------------+
 *                           LIVENESS_MISSES
 *
 * States change, for others to see, with the next question: so a change of
 * several entrances is one change.  Entrances that are new together, all of a
 * gateway's at start, stay unknown until the last of them is known, since
 * unknown ones are used only while none is known to be alive: else flows would
 * move to the first that answers, and back.
 *
 * The clock is an argument.
 *
 * Thread-safety: main thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/types.h"
#include "translate/plugin-provider.h"

struct liveness;

#define LIVENESS_MSEC 200
#define LIVENESS_MISSES 3

/* Entrances that are asked. */
#define LIVENESS_MAX 1024

struct liveness_class {
    /* Finds something that the gateway should know: the 'i'th endpoint. */
    bool (*endpoint)(ovs_be32 entrance, size_t i, uint32_t *vni,
                     ovs_be32 *endpoint, void *aux);
    void (*ask)(ovs_be32 entrance, uint16_t number, uint32_t vni,
                ovs_be32 endpoint, void *aux);
    void (*publish)(ovs_be32 entrance, enum vol_entrance_state, void *aux);

    /* A question was not answered: perhaps it did not arrive, for a reason
     * that is on this host.  Of many in succession this tells of some.  May
     * be null. */
    void (*missed)(ovs_be32 entrance, void *aux);
};

struct liveness *liveness_create(const struct liveness_class *, void *aux);
void liveness_destroy(struct liveness *);

/* From the next question on, there is one every 'msec'. */
void liveness_set_interval(struct liveness *, int msec);

/* These entrances are in use, and no others.  What they know may be something
 * else than before. */
void liveness_set(struct liveness *, const ovs_be32 *entrances, size_t n);

/* An answer has come. */
void liveness_sign(struct liveness *, ovs_be32 entrance, uint16_t number,
                   long long int now);

void liveness_run(struct liveness *, long long int now);
void liveness_wait(const struct liveness *);

/* What is known of an entrance, for people. */
struct liveness_entry {
    ovs_be32 ip;
    enum vol_entrance_state state;
    long long int since;        /* Of the state; 0: never known. */
    long long int rtt;          /* Of the last answer; -1: none. */
    uint64_t asked, answered;
    uint64_t deaths;
};
bool liveness_get(const struct liveness *, ovs_be32 entrance,
                  struct liveness_entry *);
const char *liveness_state_to_string(enum vol_entrance_state);

#endif /* feedback/liveness.h */

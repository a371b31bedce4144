/* SPDX-License-Identifier: Apache-2.0
 *
 * storm: finds ports that send to ever new addresses that nobody has. */

#include <config.h>

#include "feedback/storm.h"

#include <stdlib.h>
#include <string.h>
#include "bitmap.h"
#include "coverage.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "util.h"

COVERAGE_DEFINE(storm_begin);

/* Targets are told apart by this many bits of their hash: enough to count to
 * STORM_MIN_TARGETS. */
#define N_BITS 1024

struct storm {
    struct hmap_node hmap_node; /* In struct storms's 'ports'. */
    uint32_t in_port;
    long long int window;       /* Beginning of the window. */
    size_t n_targets;           /* In it. */
    unsigned long seen[BITMAP_N_LONGS(N_BITS)]; /* Of these. */
    long long int until;        /* Storm, until then; 0: none. */
};

struct storms {
    struct hmap ports;          /* Contains "struct storm"s. */
    size_t n;                   /* Of them, storms. */
    storm_cb *cb;
    void *aux;
};

struct storms *
storms_create(storm_cb *cb, void *aux)
{
    struct storms *storms = xzalloc(sizeof *storms);

    hmap_init(&storms->ports);
    storms->cb = cb;
    storms->aux = aux;
    return storms;
}

void
storms_destroy(struct storms *storms)
{
    struct storm *s;

    if (storms) {
        HMAP_FOR_EACH_POP (s, hmap_node, &storms->ports) {
            free(s);
        }
        hmap_destroy(&storms->ports);
        free(storms);
    }
}

static struct storm *
storm_get(struct storms *storms, uint32_t in_port)
{
    uint32_t hash = hash_int(in_port, 0);
    struct storm *s;

    HMAP_FOR_EACH_WITH_HASH (s, hmap_node, hash, &storms->ports) {
        if (s->in_port == in_port) {
            return s;
        }
    }
    s = xzalloc(sizeof *s);
    s->in_port = in_port;
    hmap_insert(&storms->ports, &s->hmap_node, hash);
    return s;
}

/* Begins a new window. */
static void
new_window(struct storm *s, long long int now)
{
    s->window = now;
    s->n_targets = 0;
    memset(s->seen, 0, sizeof s->seen);
}

void
storm_take(struct storms *storms, uint32_t in_port, uint32_t target,
           long long int now)
{
    struct storm *s = storm_get(storms, in_port);

    if (!s->window || now - s->window >= STORM_WINDOW_MSEC) {
        new_window(s, now);
    }
    if (bitmap_is_set(s->seen, target % N_BITS)) {
        return;
    }
    bitmap_set1(s->seen, target % N_BITS);
    if (++s->n_targets < STORM_MIN_TARGETS) {
        return;
    }
    if (!s->until) {
        COVERAGE_INC(storm_begin);
        storms->n++;
        storms->cb(in_port, true, storms->aux);
    }
    s->until = now + STORM_QUIET_MSEC;
    new_window(s, now);
}

void
storm_run(struct storms *storms, long long int now)
{
    struct storm *s;

    HMAP_FOR_EACH_SAFE (s, hmap_node, &storms->ports) {
        if (s->until && now >= s->until) {
            storms->n--;
            s->until = 0;
            storms->cb(s->in_port, false, storms->aux);
        }
        if (!s->until && now - s->window >= STORM_WINDOW_MSEC) {
            hmap_remove(&storms->ports, &s->hmap_node);
            free(s);
        }
    }
}

/* Ports without a storm are forgotten whenever there is another reason to wake
 * up. */
void
storm_wait(const struct storms *storms)
{
    const struct storm *s;

    if (storms->n) {
        HMAP_FOR_EACH (s, hmap_node, &storms->ports) {
            if (s->until) {
                poll_timer_wait_until(s->until);
            }
        }
    }
}

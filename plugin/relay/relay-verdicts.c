/* SPDX-License-Identifier: Apache-2.0
 *
 * relay-verdicts: which host has said what of which message, for people. */

#include <config.h>

#include "relay/relay-acks-private.h"

#include "limit.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "util.h"

/* Lines kept of one message. */
#define MAX_VERDICTS 256

LIMIT_DEFINE(verdict_lines, MAX_VERDICTS, 1, LIMIT_DROPPED)

static const char *const states[] = {
    [ACK_HOST_WAITING] = "waiting",
    [ACK_HOST_DONE] = "done",
    [ACK_HOST_PENDING] = "pending",
    [ACK_HOST_AWAY] = "away",
};

/* The name of the node at 'host', or its address; owned by the caller. */
static char *
host_name(const struct place_host *host)
{
    char ip[INET6_ADDRSTRLEN];

    if (host->peer) {
        return xstrdup(host->peer->id);
    }
    ipv6_string_mapped(ip, &host->ip);
    return xstrdup(ip);
}

/* 'ah' says that resource 'entry' is not SUCCESS, nor PENDING. */
void
relay_ack_verdict(struct ack_host *ah, size_t entry, enum goal_status status)
{
    struct ack_request *r = ah->out->request;
    const struct ack_resource *resource = ack_entry_resource(ah->out, entry);
    char *name = host_name(ah->host);

    if (resource && status != GOAL_STATUS_SUCCESS
        && !limit_reached(&limit_verdict_lines, r->n_verdicts++)) {
        ds_put_format(&r->verdicts, "  %s: %s %s %s\n", name,
                      goal_kinds[resource->kind].name, resource->id,
                      goal_status_to_string(status));
    }
    free(name);
}

static void
show_host(const struct ack_host *ah, struct ds *ds)
{
    char *name = host_name(ah->host);

    if (ah->state != ACK_HOST_DONE) {
        ds_put_format(ds, "  %s: %s\n", name, states[ah->state]);
    }
    for (size_t i = 0; i < ah->n_pending; i++) {
        const struct ack_resource *resource
            = ack_entry_resource(ah->out, ah->pending[i]);

        ds_put_format(ds, "  %s: %s %s PENDING\n", name,
                      goal_kinds[resource->kind].name, resource->id);
    }
    free(name);
}

/* Appends who is being waited for, and who has said what. */
void
relay_ack_request_show(const struct ack_request *r, struct ds *ds)
{
    const struct ack_out *out;

    ds_put_format(ds, "%s: %s\n", r->peer,
                  r->answered ? "something is pending" : "not answered yet");
    LIST_FOR_EACH (out, list_node, &r->outs) {
        for (size_t i = 0; i < out->n_hosts; i++) {
            show_host(&out->hosts[i], ds);
        }
    }
    ds_put_cstr(ds, ds_cstr_ro(&r->verdicts));
    if (r->n_verdicts > limit_max(&limit_verdict_lines)) {
        ds_put_format(ds, "  and %"PRIuSIZE" more\n",
                      r->n_verdicts - limit_max(&limit_verdict_lines));
    }
}

/* For people: which message waits for whom. */
struct json *
relay_acks_to_json(const struct relay *relay)
{
    struct json *list = json_array_create_empty();
    struct ack_request *r;

    HMAP_FOR_EACH (r, node, &relay->requests) {
        struct json *hosts = json_array_create_empty();
        struct json *json = json_object_create();
        struct ack_out *out;

        LIST_FOR_EACH (out, list_node, &r->outs) {
            for (size_t i = 0; i < out->n_hosts; i++) {
                const struct ack_host *ah = &out->hosts[i];

                if (ah->state != ACK_HOST_DONE) {
                    char *name = host_name(ah->host);

                    json_array_add(hosts, json_string_create_nocopy(
                        xasprintf("%s %s", name, states[ah->state])));
                    free(name);
                }
            }
        }
        json_object_put_string(json, "message", r->id);
        json_object_put_string(json, "controller", r->peer);
        json_object_put(json, "resources",
                        json_integer_create(r->n_resources));
        json_object_put(json, "waiting", json_integer_create(r->n_waiting));
        json_object_put(json, "pending", json_integer_create(r->n_pending));
        json_object_put(json, "answered", json_boolean_create(r->answered));
        json_object_put(json, "hosts", hosts);
        json_array_add(list, json);
    }
    return list;
}

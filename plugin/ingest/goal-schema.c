/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-schema: what protobuf's descriptors say about goal state. */

#include <config.h>

#include "ingest/goal-schema.h"

#include "ingest/envelope.h"
#include "ingest/proto-field.h"
#include "ovs-thread.h"
#include "proto/goalstate.pb-c.h"
#include "util.h"

BUILD_ASSERT_DECL(GOAL_VPC == (int) ALCOR__SCHEMA__RESOURCE_TYPE__VPC);
BUILD_ASSERT_DECL(GOAL_SUBNET == (int) ALCOR__SCHEMA__RESOURCE_TYPE__SUBNET);
BUILD_ASSERT_DECL(GOAL_PORT == (int) ALCOR__SCHEMA__RESOURCE_TYPE__PORT);
BUILD_ASSERT_DECL(GOAL_NEIGHBOR
                  == (int) ALCOR__SCHEMA__RESOURCE_TYPE__NEIGHBOR);
BUILD_ASSERT_DECL(GOAL_SECURITY_GROUP
                  == (int) ALCOR__SCHEMA__RESOURCE_TYPE__SECURITYGROUP);
BUILD_ASSERT_DECL(GOAL_DHCP == (int) ALCOR__SCHEMA__RESOURCE_TYPE__DHCP);
BUILD_ASSERT_DECL(GOAL_ROUTER == (int) ALCOR__SCHEMA__RESOURCE_TYPE__ROUTER);
BUILD_ASSERT_DECL(GOAL_GATEWAY
                  == (int) ALCOR__SCHEMA__RESOURCE_TYPE__GATEWAY);
BUILD_ASSERT_DECL(GOAL_OP_DELETE
                  == (int) ALCOR__SCHEMA__OPERATION_TYPE__DELETE);

static goal_proto_field
get_field(const ProtobufCMessageDescriptor *md, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(md, name);
}

static void
kind_schema_init(struct goal_kind_schema *ks, enum goal_kind kind,
                 const ProtobufCMessageDescriptor *state)
{
    const ProtobufCMessageDescriptor *configuration;

    ks->operation = get_field(state, "operation_type");
    ks->configuration = get_field(state, "configuration");

    configuration = ks->configuration->descriptor;
    ks->id = get_field(configuration, "id");
    ks->revision = get_field(configuration, "revision_number");
    ks->request_id = get_field(configuration, "request_id");
    ks->update_type = get_field(configuration, "update_type");
    ks->plan = proto_plan_create(configuration, goal_kinds[kind].layout);
}

static void
version_schema_init(struct goal_version_schema *vs,
                    const ProtobufCMessageDescriptor *md, bool maps)
{
    static const char *const names[GOAL_N_KINDS] = {
        [GOAL_VPC] = "vpc_states",
        [GOAL_SUBNET] = "subnet_states",
        [GOAL_PORT] = "port_states",
        [GOAL_NEIGHBOR] = "neighbor_states",
        [GOAL_SECURITY_GROUP] = "security_group_states",
        [GOAL_DHCP] = "dhcp_states",
        [GOAL_ROUTER] = "router_states",
        [GOAL_GATEWAY] = "gateway_states",
    };
    goal_proto_field hosts = get_field(md, "host_resources");

    vs->md = md;
    vs->maps = maps;
    vs->host_resources = hosts ? hosts->id : 0;
    for (unsigned int i = 0; i < md->n_fields; i++) {
        ovs_assert(md->fields[i].id < GOAL_SCHEMA_N_FIELDS);
        vs->fields[md->fields[i].id] = &md->fields[i];
    }
    for (int i = 0; i < GOAL_SCHEMA_N_FIELDS; i++) {
        vs->kinds[i] = -1;
    }
    for (int i = 0; i < GOAL_N_KINDS; i++) {
        vs->kinds[get_field(md, names[i])->id] = i;
    }
}

static struct goal_schema *
schema_create(void)
{
    struct goal_schema *schema = xzalloc(sizeof *schema);
    const struct goal_version_schema *v1 = &schema->versions[0];

    version_schema_init(&schema->versions[0],
                        &alcor__schema__goal_state__descriptor, false);
    version_schema_init(&schema->versions[1],
                        &alcor__schema__goal_state_v2__descriptor, true);
    for (int i = 0; i < GOAL_SCHEMA_N_FIELDS; i++) {
        if (v1->kinds[i] >= 0) {
            kind_schema_init(&schema->kinds[v1->kinds[i]], v1->kinds[i],
                             v1->fields[i]->descriptor);
        }
    }
    for (int i = 0; i < GOAL_SCHEMA_N_FIELDS; i++) {
        int kind = schema->versions[1].kinds[i];

        if (kind >= 0) {
            schema->kinds[kind].v2_field = i;
        }
    }
    return schema;
}

const struct goal_schema *
goal_schema_get(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static const struct goal_schema *schema;

    if (ovsthread_once_start(&once)) {
        schema = schema_create();
        ovsthread_once_done(&once);
    }
    return schema;
}

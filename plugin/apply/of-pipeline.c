/* SPDX-License-Identifier: Apache-2.0
 *
 * of-pipeline: names, tags and cookies of the pipeline. */

#include <config.h>

#include "apply/of-pipeline.h"

#include <string.h>
#include "hash.h"
#include "util.h"

uint8_t
of_stage_to_table(enum of_stage stage)
{
    static const uint8_t tables[] = {
#define PIPELINE_STAGE(NAME, TABLE, STRING) [OFS_##NAME] = TABLE,
        PIPELINE_STAGES
#undef PIPELINE_STAGE
    };
    return tables[stage];
}

const char *
of_stage_to_string(enum of_stage stage)
{
    static const char *const names[] = {
#define PIPELINE_STAGE(NAME, TABLE, STRING) [OFS_##NAME] = STRING,
        PIPELINE_STAGES
#undef PIPELINE_STAGE
    };
    return names[stage];
}

const char *
of_table_to_string(uint8_t table)
{
    for (enum of_stage stage = 0; stage < OFS_N_STAGES; stage++) {
        if (of_stage_to_table(stage) == table) {
            return of_stage_to_string(stage);
        }
    }
    return NULL;
}

bool
of_is_our_space(uint8_t table, uint16_t priority)
{
    return (table == OFT_CLASSIFY
            ? priority >= OF_PRIO_MIN && priority <= OF_PRIO_MAX
            : table >= OFT_FIRST && table <= OFT_LAST);
}

/* Returns the cookie of flows that the plugin numbered 'plugin' makes for the
 * resource with the given kind and id. */
uint64_t
of_cookie(uint8_t plugin, const char *kind, const char *id)
{
    uint32_t basis = hash_string(kind, 0);
    uint64_t hash = (uint64_t) hash_string(id, basis) << 8;

    hash |= hash_string(id, hash_int(basis, 1)) & 0xff;
    return OF_COOKIE_PREFIX << 48 | (uint64_t) plugin << 40 | hash;
}

uint64_t
of_subnet_tag(uint32_t network_type, uint32_t vni, const char *subnet_id)
{
    uint32_t hash = hash_string(subnet_id, 0);

    return of_vpc_tag(network_type, vni) | (hash ? hash : 1);
}

const char *
of_drop_to_string(enum of_drop reason)
{
    static const char *const names[OF_N_DROPS] = {
#define OF_DROP(NAME, STRING, TEXT) [OF_DROP_##NAME] = STRING,
        OF_DROP_REASONS
#undef OF_DROP
    };
    return reason < OF_N_DROPS ? names[reason] : NULL;
}

const char *
of_drop_explain(enum of_drop reason)
{
    static const char *const texts[OF_N_DROPS] = {
#define OF_DROP(NAME, STRING, TEXT) [OF_DROP_##NAME] = TEXT,
        OF_DROP_REASONS
#undef OF_DROP
    };
    return reason < OF_N_DROPS ? texts[reason] : NULL;
}

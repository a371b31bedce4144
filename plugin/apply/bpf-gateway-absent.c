/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-gateway-absent: for bpf-gateway, where that could not be built. */

#include <config.h>

#include "apply/bpf-gateway.h"
#include "apply/bpf-notes.h"

#include "apply/bpf-gateway-table.h"
#include "util.h"

/* Nothing else is ever called: there is no struct bpf_gateway. */

char *
bpf_gateway_open(const struct bpf_gateway_config *config OVS_UNUSED,
                 const char *device OVS_UNUSED, struct bpf_gateway **gwp)
{
    *gwp = NULL;
    return xstrdup("built without the eBPF gateway: "
                   "clang, bpftool or libbpf was missing");
}

void
bpf_gateway_close(struct bpf_gateway *gw OVS_UNUSED)
{
}

void
bpf_gateway_uninstall(struct bpf_gateway *gw OVS_UNUSED)
{
}

bool
bpf_gateway_uninstall_left(void)
{
    return false;
}

struct gateway_table *
bpf_gateway_table(struct bpf_gateway *gw OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

const char *
bpf_gateway_dir(const struct bpf_gateway *gw OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
bpf_gateway_set_entrances(struct bpf_gateway *gw OVS_UNUSED,
                          const struct bpf_gateway_entrance *e OVS_UNUSED,
                          size_t n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
bpf_gateway_take_over(struct bpf_gateway *gw OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

size_t
bpf_gateway_run(struct bpf_gateway *gw OVS_UNUSED,
                void (*cb)(const struct fp_gw_oam *, void *) OVS_UNUSED,
                void *aux OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
bpf_gateway_wait(struct bpf_gateway *gw OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
bpf_gateway_get_counters(const struct bpf_gateway *gw OVS_UNUSED,
                         struct fp_gw_counters *counters OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
bpf_gateway_get_vpc_counters(const struct bpf_gateway *gw OVS_UNUSED,
                             uint16_t vpc OVS_UNUSED,
                             struct fp_gw_vpc_counters *counters OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

int
gateway_table_set(struct gateway_table *table OVS_UNUSED,
                  const struct gateway_endpoint *endpoint OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

int
gateway_table_remove(struct gateway_table *table OVS_UNUSED,
                     uint32_t vni OVS_UNUSED, ovs_be32 ip OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
gateway_table_get(const struct gateway_table *table OVS_UNUSED,
                  uint32_t vni OVS_UNUSED, ovs_be32 ip OVS_UNUSED,
                  struct gateway_endpoint *endpoint OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
gateway_table_for_each(const struct gateway_table *table OVS_UNUSED,
                       void (*cb)(const struct gateway_endpoint *, void *)
                       OVS_UNUSED, void *aux OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
gateway_table_get_stats(const struct gateway_table *table OVS_UNUSED,
                        struct gateway_table_stats *stats OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
bpf_notes_open(const char *dir OVS_UNUSED,
               const struct bpf_notes_config *config OVS_UNUSED,
               struct bpf_notes **notesp OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
bpf_notes_close(struct bpf_notes *notes OVS_UNUSED)
{
}

void
bpf_notes_set(struct bpf_notes *notes OVS_UNUSED, const void *key OVS_UNUSED,
              const void *value OVS_UNUSED)
{
}

void
bpf_notes_remove(struct bpf_notes *notes OVS_UNUSED,
                 const void *key OVS_UNUSED)
{
}

void
bpf_notes_for_each(const struct bpf_notes *notes OVS_UNUSED,
                   void (*cb)(const void *, const void *, void *) OVS_UNUSED,
                   void *aux OVS_UNUSED)
{
}

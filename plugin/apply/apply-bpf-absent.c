/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-absent: stands in for apply-bpf where it could not be built. */

#include <config.h>

#include "apply/apply-bpf.h"

#include "util.h"

/* Nothing else is ever called: there is no struct apply_bpf. */

char *
apply_bpf_open(const struct apply_bpf_config *config OVS_UNUSED,
               struct apply_bpf **abp)
{
    *abp = NULL;
    return xstrdup("built without the eBPF fast path: "
                   "clang, bpftool or libbpf was missing");
}

bool
apply_bpf_is_built(void)
{
    return false;
}

bool
apply_bpf_is_installed(void)
{
    return false;
}

void
apply_bpf_close(struct apply_bpf *ab OVS_UNUSED)
{
}

bool
apply_bpf_uninstall(struct apply_bpf *ab OVS_UNUSED)
{
    return true;
}

const char *
apply_bpf_hook_to_string(enum apply_bpf_hook hook OVS_UNUSED)
{
    return "none";
}

char *
apply_bpf_set_uplink(struct apply_bpf *ab OVS_UNUSED,
                     const char *device OVS_UNUSED,
                     bool exchanged OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
apply_bpf_add_port(struct apply_bpf *ab OVS_UNUSED,
                   const char *device OVS_UNUSED,
                   bool by_connection OVS_UNUSED, bool exchanged OVS_UNUSED,
                   uint32_t *port OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
apply_bpf_hold(struct apply_bpf *ab OVS_UNUSED,
               const char *uplink OVS_UNUSED,
               const struct sset *devices OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
apply_bpf_release_some(struct apply_bpf *ab OVS_UNUSED, size_t n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_release(struct apply_bpf *ab OVS_UNUSED)
{
}

void
apply_bpf_retreat(struct apply_bpf *ab OVS_UNUSED)
{
}

void
apply_bpf_remove_port(struct apply_bpf *ab OVS_UNUSED,
                      uint32_t port OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
apply_bpf_sweep(struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
apply_bpf_ovs_device(const struct apply_bpf *ab OVS_UNUSED,
                     const char *device OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
apply_bpf_has_pair(const char *device OVS_UNUSED)
{
    return false;
}

struct apply_bpf_device *
apply_bpf_list_devices(const struct apply_bpf *ab OVS_UNUSED,
                       size_t *n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

long long int
apply_bpf_idle_msec(const struct apply_bpf *ab OVS_UNUSED,
                    const struct apply_bpf_entry *entry OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

char *
apply_bpf_set_entries(struct apply_bpf *ab OVS_UNUSED,
                      enum apply_bpf_table table OVS_UNUSED,
                      struct apply_bpf_entry *entries OVS_UNUSED,
                      size_t n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
apply_bpf_has_doomed(const struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_retry_doomed(struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_delete_entries(struct apply_bpf *ab OVS_UNUSED,
                         enum apply_bpf_table table OVS_UNUSED,
                         const struct fp_key *keys OVS_UNUSED,
                         size_t n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

struct apply_bpf_entry *
apply_bpf_list_entries(const struct apply_bpf *ab OVS_UNUSED,
                       enum apply_bpf_table table OVS_UNUSED,
                       size_t *n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

size_t
apply_bpf_age(struct apply_bpf *ab OVS_UNUSED,
              enum apply_bpf_table table OVS_UNUSED,
              long long int idle_msec OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_flush(struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

size_t
apply_bpf_n_entries(const struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

unsigned long long int
apply_bpf_n_evicted(const struct apply_bpf *ab OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_set_oam_sources(struct apply_bpf *ab OVS_UNUSED,
                          const struct fp_oam_source *sources OVS_UNUSED,
                          size_t n OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_set_oam_socket(struct apply_bpf *ab OVS_UNUSED,
                         uint32_t queue OVS_UNUSED, int fd OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

bool
apply_bpf_get_device_stats(uint32_t ifindex OVS_UNUSED,
                           struct apply_bpf_device_stats *stats OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

void
apply_bpf_get_counters(const struct apply_bpf *ab OVS_UNUSED,
                       uint32_t port OVS_UNUSED,
                       struct fp_counters *counters OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

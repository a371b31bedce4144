/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * patch: what OVS sends to an interposed device goes on to the device. */

#include "bpf/fast-path-bpf.h"

const volatile struct fp_patch_config fp_config = {};

FP_LICENSE;

SEC("tc")
int
alcor_patch_tc(struct __sk_buff *skb __attribute__((unused)))
{
    return bpf_redirect(fp_config.ifindex, 0);
}

/* SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
 *
 * clock: tells the agent what time it is for the programs (fp_now()). */

#include "bpf/fast-path-bpf.h"

FP_LICENSE;

SEC("tc")
int
alcor_clock(struct __sk_buff *skb __attribute__((unused)))
{
    return fp_now();
}

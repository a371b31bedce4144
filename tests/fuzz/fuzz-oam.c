/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-oam: fuzzes the parser of OAM packets. */

#include <config.h>

#undef NDEBUG
#include "feedback/oam.h"

#include <string.h>

#include "fuzz-targets.h"
#include "packets.h"
#include "util.h"

/* What is accepted has a valid length, and says no nonsense. */
void
fuzz_oam(const uint8_t *data, size_t size)
{
    struct oam_message m;
    enum oam_verdict verdict = oam_parse(data, size, &m);

    oam_verdict_to_string(verdict);
    if (verdict != OAM_NEW) {
        return;
    }
    ovs_assert(size == (m.op == OAM_INJECT ? OAM_INJECTION_LEN
                        : OAM_DELETION_LEN));
    ovs_assert(m.vni < 1u << 24 && m.src && m.dst);
    if (m.op == OAM_INJECT) {
        ovs_assert(m.instance_ip == m.dst && m.host_ip);
        ovs_assert(!eth_addr_is_multicast(m.instance_mac)
                   && !eth_addr_is_multicast(m.host_mac));
    }
}

FUZZ_TARGET(fuzz_oam)

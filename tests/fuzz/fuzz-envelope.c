/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-envelope: fuzzes the decoder of envelopes. */

#include <config.h>

#undef NDEBUG
#include "ingest/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz-targets.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* An envelope that is decoded is the same after encoding and decoding it. */
void
fuzz_envelope(const uint8_t *data, size_t size)
{
    struct envelope a, b;
    struct ofpbuf first, second;
    char *error;

    error = envelope_decode(data, size, &a);
    if (error) {
        free(error);
        return;
    }
    envelope_kind_to_string(a.kind);

    ofpbuf_init(&first, 0);
    envelope_encode(&a, &first);
    error = envelope_decode(first.data, first.size, &b);
    ovs_assert(!error);
    ovs_assert(a.kind == b.kind && !strcmp(a.message_id, b.message_id));

    ofpbuf_init(&second, 0);
    envelope_encode(&b, &second);
    ovs_assert(ofpbuf_equal(&first, &second));

    ofpbuf_uninit(&first);
    ofpbuf_uninit(&second);
    envelope_destroy(&a);
    envelope_destroy(&b);
}

FUZZ_TARGET(fuzz_envelope)

/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-curve-key: fuzzes the parser of CURVE keys. */

#include <config.h>

#undef NDEBUG
#include "ingest/curve-key.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz-targets.h"
#include "util.h"

/* There are keys, or there is an error and no key. */
void
fuzz_curve_key(const uint8_t *data, size_t size)
{
    struct curve_keys keys;
    char *error = curve_keys_parse((const char *) data, size, &keys);

    ovs_assert(strnlen(keys.public, sizeof keys.public)
               == (error ? 0 : CURVE_KEY_LEN));
    ovs_assert(!keys.secret[0] || (!error && strlen(keys.secret)
                                   == CURVE_KEY_LEN));
    free(error);
}

FUZZ_TARGET(fuzz_curve_key)

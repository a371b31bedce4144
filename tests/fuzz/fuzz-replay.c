/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-replay: runs fuzz targets over files, without a fuzzer. */

#include <config.h>

#undef NDEBUG
#include "fuzz-targets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/alcortest.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

static const struct {
    const char *name;
    fuzz_target *function;
} targets[] = {
    { "curve-key", fuzz_curve_key },
    { "envelope", fuzz_envelope },
    { "goal-state", fuzz_goal_state },
    { "json", fuzz_json },
    { "oam", fuzz_oam },
    { "punt", fuzz_punt },
};

/* Reads the file called 'name' into 'buf', replacing what is there. */
static void
read_file(const char *name, struct ofpbuf *buf)
{
    FILE *file = fopen(name, "rb");
    size_t n;

    if (!file) {
        ovs_fatal(errno, "%s: open failed", name);
    }
    ofpbuf_clear(buf);
    do {
        ofpbuf_prealloc_tailroom(buf, 65536);
        n = fread(ofpbuf_tail(buf), 1, 65536, file);
        buf->size += n;
    } while (n);
    fclose(file);
}

/* TARGET FILE... */
static void
fuzz_replay(int argc, char *argv[])
{
    struct ofpbuf buf;

    ovs_assert(argc >= 2);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        if (strcmp(targets[i].name, argv[1])) {
            continue;
        }
        ofpbuf_init(&buf, 0);
        for (int j = 2; j < argc; j++) {
            read_file(argv[j], &buf);
            targets[i].function(buf.data, buf.size);
        }
        ofpbuf_uninit(&buf);
        printf("%s: %d files\n", argv[1], argc - 2);
        return;
    }
    ovs_fatal(0, "%s: no such target", argv[1]);
}

ALCORTEST_REGISTER("fuzz-replay", fuzz_replay);

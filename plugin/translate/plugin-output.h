/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin-output: hands a plugin's output to desired state. */

#ifndef TRANSLATE_PLUGIN_OUTPUT_H
#define TRANSLATE_PLUGIN_OUTPUT_H 1

/* The other side of the output functions of plugin-provider.h: remembers whose
 * output it is (unit, plugin, cookie) and checks that the stage belongs to the
 * plugin.
 *
 * Thread-safety: main thread only; a value on the translator's stack. */

#include <stdint.h>

struct desired_state;
struct ds_unit;
struct id_store;

struct plugin_output {
    struct desired_state *ds;
    struct ds_unit *unit;
    struct id_store *ids;
    const char *plugin;         /* Name, for messages. */
    uint64_t stages;            /* Bitmap of allowed stages. */
    uint64_t cookie;
};

#endif /* translate/plugin-output.h */

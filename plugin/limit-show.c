/* SPDX-License-Identifier: Apache-2.0
 *
 * limit-show: limits as a table for people. */

#include <config.h>

#include "limit-show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "limit.h"
#include "simap.h"
#include "table.h"
#include "util.h"

/* True if 'limit' is one of each message, resource or host, not of all. */
static bool
is_of_each(const struct limit *limit)
{
    static const char *const names[] = {
        "claimed-addresses", "peer-waiting-KB", "replay-KB",
        "replay-messages", "transaction-resources", "verdict-lines",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(limit->name, names[i])) {
            return true;
        }
    }
    return false;
}

static void OVS_PRINTF_FORMAT(2, 3)
add_cell(struct table *table, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    table_add_cell(table)->text = xvasprintf(format, args);
    va_end(args);
}

static void
add_limit(struct table *table, const struct limit *limit,
          const struct simap *usage)
{
    table_add_row(table);
    add_cell(table, "%s", limit->name);
    if (is_of_each(limit)) {
        add_cell(table, "-");
    } else {
        add_cell(table, "%u", simap_get(usage, limit->name));
    }
    add_cell(table, "%"PRIuSIZE, limit_max(limit));
    add_cell(table, "%"PRIu64, limit_hits(limit));
    add_cell(table, "%s", limit_action_to_string(limit->action));
    if (limit->least == LIMIT_FIXED) {
        add_cell(table, "fixed");
    } else {
        add_cell(table, "%"PRIuSIZE"-%"PRIuSIZE, limit->least,
                 limit->standard * LIMIT_MAX_FACTOR);
    }
}

void
limits_to_table(struct table *table, const struct simap *usage,
                const char *key)
{
    static const char *const columns[] = {
        "name", "current", "limit", "reached", "what is too much",
    };

    table_init(table);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        table_add_column(table, "%s", columns[i]);
    }
    table_add_column(table, "%s", key);
    for (const struct limit *limit = limit_first(); limit;
         limit = limit_next(limit)) {
        add_limit(table, limit, usage);
    }
}

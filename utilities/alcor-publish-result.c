/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-publish-result: what became of what was published. */

#include <config.h>

#include "utilities/alcor-publish-result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "ingest/envelope.h"
#include "openvswitch/json.h"
#include "proto/common.pb-c.h"
#include "table.h"
#include "util.h"

void
publish_result_init(struct publish_result *result)
{
    *result = (struct publish_result) { .n_hosts = 0 };
    hmap_init(&result->rows);
    sset_init(&result->silent);
}

static void
row_destroy(struct publish_row *row)
{
    free(row->host);
    free(row->id);
    free(row);
}

void
publish_result_destroy(struct publish_result *result)
{
    struct publish_row *row;

    HMAP_FOR_EACH_POP (row, hmap_node, &result->rows) {
        row_destroy(row);
    }
    hmap_destroy(&result->rows);
    sset_destroy(&result->silent);
}

/* Returns the row for 'id' of 'host' in message 'message', which is created if
 * there is none. */
static struct publish_row *
row_get(struct publish_result *result, const char *host, size_t message,
        uint32_t kind, const char *id)
{
    uint32_t hash = hash_string(host, hash_2words(kind, message));
    struct publish_row *row;

    hash = hash_string(id, hash);
    HMAP_FOR_EACH_WITH_HASH (row, hmap_node, hash, &result->rows) {
        if (row->message == message && row->kind == kind
            && !strcmp(row->id, id) && !strcmp(row->host, host)) {
            return row;
        }
    }

    row = xzalloc(sizeof *row);
    row->host = xstrdup(host);
    row->message = message;
    row->kind = kind;
    row->id = xstrdup(id);
    hmap_insert(&result->rows, &row->hmap_node, hash);
    return row;
}

void
publish_result_update(struct publish_result *result, const char *host,
                      size_t message, const struct resource_status *status)
{
    struct publish_row *row = row_get(result, host, message, status->kind,
                                      status->id);

    result->n_pending -= row->status == GOAL_STATUS_PENDING;
    row->operation = status->operation;
    row->status = status->status;
    row->elapsed_usec = status->elapsed_usec;
    result->n_pending += row->status == GOAL_STATUS_PENDING;
}

void
publish_result_abort(struct publish_result *result)
{
    struct publish_row *row;

    HMAP_FOR_EACH (row, hmap_node, &result->rows) {
        if (row->status == GOAL_STATUS_SUCCESS) {
            row->status = GOAL_STATUS_FAILURE;
        }
    }
}

static size_t
count_failures(const struct publish_result *result)
{
    const struct publish_row *row;
    size_t n = 0;

    HMAP_FOR_EACH (row, hmap_node, &result->rows) {
        n += row->status != GOAL_STATUS_SUCCESS;
    }
    return n;
}

bool
publish_result_is_success(const struct publish_result *result)
{
    return sset_is_empty(&result->silent) && !count_failures(result);
}

/* Printing. */

static int
compare_rows(const void *a_, const void *b_)
{
    const struct publish_row *const *ap = a_;
    const struct publish_row *const *bp = b_;
    const struct publish_row *a = *ap;
    const struct publish_row *b = *bp;
    int cmp = strcmp(a->host, b->host);

    if (!cmp) {
        cmp = (a->message > b->message) - (a->message < b->message);
    }
    if (!cmp) {
        cmp = (a->kind > b->kind) - (a->kind < b->kind);
    }
    return cmp ? cmp : strcmp(a->id, b->id);
}

/* Adds a cell with 's', which comes from the network: what could confuse a
 * terminal is printed as in JSON. */
static void
add_text(struct table *table, const char *s)
{
    for (const unsigned char *p = (const unsigned char *) s; *p; p++) {
        if (*p < ' ' || *p == 0x7f) {
            struct json *json = json_string_create(s);

            table_add_cell(table)->text = json_to_string(json, 0);
            json_destroy(json);
            return;
        }
    }
    table_add_cell(table)->text = xstrdup(s);
}

static void
add_enum(struct table *table, const ProtobufCEnumDescriptor *type,
         uint32_t number)
{
    const ProtobufCEnumValue *value
        = protobuf_c_enum_descriptor_get_value(type, number);

    table_add_cell(table)->text = (value
                                   ? xstrdup(value->name)
                                   : xasprintf("%"PRIu32, number));
}

static void
add_row(struct table *table, const struct publish_row *row)
{
    table_add_row(table);
    add_text(table, row->host);
    add_enum(table, &alcor__schema__resource_type__descriptor, row->kind);
    add_text(table, row->id);
    add_enum(table, &alcor__schema__operation_type__descriptor,
             row->operation);
    add_enum(table, &alcor__schema__operation_status__descriptor,
             row->status);
    table_add_cell(table)->text = xasprintf("%.3f",
                                            row->elapsed_usec / 1000.0);
}

static void
add_silent_host(struct table *table, const char *host)
{
    table_add_row(table);
    add_text(table, host);
    table_add_cell(table)->text = xstrdup("-");
    table_add_cell(table)->text = xstrdup("-");
    table_add_cell(table)->text = xstrdup("-");
    table_add_cell(table)->text = xstrdup("NO ANSWER");
    table_add_cell(table)->text = xstrdup("-");
}

static void
fill_table(const struct publish_result *result, struct table *table)
{
    static const char *const headings[] = {
        "host", "type", "id", "operation", "status", "ms"
    };
    for (size_t i = 0; i < ARRAY_SIZE(headings); i++) {
        table_add_column(table, "%s", headings[i]);
    }

    size_t n = hmap_count(&result->rows);
    const struct publish_row **rows = xcalloc(n, sizeof *rows);
    const struct publish_row *row;
    size_t i = 0;
    HMAP_FOR_EACH (row, hmap_node, &result->rows) {
        rows[i++] = row;
    }
    if (n) {
        qsort(rows, n, sizeof *rows, compare_rows);
    }
    for (i = 0; i < n; i++) {
        add_row(table, rows[i]);
    }
    free(rows);

    const char **silent = sset_sort(&result->silent);
    for (i = 0; i < sset_count(&result->silent); i++) {
        add_silent_host(table, silent[i]);
    }
    free(silent);
}

void
publish_result_print(const struct publish_result *result,
                     const struct table_style *style)
{
    struct table table;

    table_init(&table);
    fill_table(result, &table);
    if (table.n_rows || style->format == TF_JSON) {
        table_print(&table, style);
        fflush(stdout);
    }
    table_destroy(&table);

    fprintf(stderr, "%"PRIuSIZE" of %"PRIuSIZE" %s answered: "
            "%"PRIuSIZE" statuses, %"PRIuSIZE" not SUCCESS\n",
            result->n_hosts - sset_count(&result->silent), result->n_hosts,
            result->is_relay ? "relays" : "hosts",
            hmap_count(&result->rows), count_failures(result));
}

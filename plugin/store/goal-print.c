/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-print: goal resources as JSON and as text, driven by their tables. */

#include <config.h>

#include "store/goal-types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "store/goal-fields.h"
#include "util.h"

/* The name of 'value' of 'field', or NULL if it has none. */
static const char *
goal_enum_name(const struct goal_field *field, uint32_t value)
{
    for (uint32_t i = 0; field->names[i]; i++) {
        if (i == value) {
            return field->names[i];
        }
    }
    return NULL;
}

/* A plain address where a host is meant, else with its length. */
static void
goal_prefix_format(const struct goal_field *field,
                   const struct goal_prefix *prefix, struct ds *ds)
{
    uint32_t max = IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? 32 : 128;

    ipv6_format_mapped(&prefix->addr, ds);
    if (prefix->plen < max || !(field->flags & GFF_HOST_BITS)) {
        ds_put_format(ds, "/%"PRIu32, prefix->plen);
    }
}

/* Appends the member of 'base' that 'field' describes, of any type but the
 * lists, to 'ds'. */
static void
goal_scalar_format(const struct goal_field *field, const void *base,
                   struct ds *ds)
{
    const void *p = goal_field_ptr(field, base);
    const char *name;

    switch (field->type) {
    case GF_BOOL:
        ds_put_cstr(ds, *(const bool *) p ? "true" : "false");
        break;
    case GF_U32:
        ds_put_format(ds, "%"PRIu32, *(const uint32_t *) p);
        break;
    case GF_U64:
        ds_put_format(ds, "%"PRIu64, *(const uint64_t *) p);
        break;
    case GF_ENUM:
        name = goal_enum_name(field, *(const uint32_t *) p);
        if (name) {
            ds_put_cstr(ds, name);
        } else {
            ds_put_format(ds, "%"PRIu32, *(const uint32_t *) p);
        }
        break;
    case GF_STRING:
        ds_put_cstr(ds, *goal_field_string(field, base));
        break;
    case GF_MAC:
        ds_put_format(ds, ETH_ADDR_FMT,
                      ETH_ADDR_ARGS(*(const struct eth_addr *) p));
        break;
    case GF_IP:
        ipv6_format_mapped(p, ds);
        break;
    case GF_PREFIX:
        goal_prefix_format(field, p, ds);
        break;
    case GF_STRINGS:
    case GF_STRUCTS:
        OVS_NOT_REACHED();
    }
}

/* JSON. */

static struct json *goal_struct_to_json(const struct goal_struct *,
                                        const void *base);

static struct json *
goal_scalar_to_json(const struct goal_field *field, const void *base)
{
    const void *p = goal_field_ptr(field, base);
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (field->type == GF_BOOL) {
        return json_boolean_create(*(const bool *) p);
    } else if (field->type == GF_U32
               || (field->type == GF_ENUM
                   && !goal_enum_name(field, *(const uint32_t *) p))) {
        return json_integer_create(*(const uint32_t *) p);
    } else if (field->type == GF_U64) {
        return json_integer_create(*(const uint64_t *) p);
    }
    goal_scalar_format(field, base, &ds);
    return json_string_create_nocopy(ds_steal_cstr(&ds));
}

/* Strings that each are the one member of a message, if 'member' is nonnull,
 * or else by themselves. */
static struct json *
goal_strings_to_json(const struct goal_strings *strings, const char *member)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < strings->n; i++) {
        struct json *json = json_string_create(strings->names[i]);

        if (member) {
            struct json *object = json_object_create();

            json_object_put(object, member, json);
            json = object;
        }
        json_array_add(array, json);
    }
    return array;
}

static struct json *
goal_list_to_json(const struct goal_field *field, const void *base)
{
    const struct goal_list *list = goal_field_list(field, base);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < list->n; i++) {
        json_array_add(array,
                       goal_struct_to_json(field->sub,
                                           goal_list_elem(field, list, i)));
    }
    return array;
}

/* True if a member of 'base' other than 'field' that is given is in the same
 * nested message as 'path', "MESSAGE.MEMBER" followed by '\0' or '|'. */
static bool
goal_path_has_siblings(const struct goal_struct *layout, const void *base,
                       const struct goal_field *field, const char *path)
{
    size_t len = strcspn(path, ".") + 1;

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *f = &layout->fields[i];

        if (f != field && !strncmp(f->name, path, len)
            && !goal_field_is_default(f, base)) {
            return true;
        }
    }
    return false;
}

/* Returns a copy of the name of 'field'.  Of alternatives ("A.X|B.X") it is
 * the one whose message has other members in 'base', else the first. */
static char *
goal_field_path(const struct goal_struct *layout, const void *base,
                const struct goal_field *field)
{
    const char *best = field->name;

    for (const char *p = strchr(best, '|'); p; p = strchr(p + 1, '|')) {
        if (goal_path_has_siblings(layout, base, field, p + 1)) {
            best = p + 1;
        }
    }
    return xmemdup0(best, strcspn(best, "|"));
}

/* Returns the object that is the member of 'object' named 'name', adding it if
 * there is none. */
static struct json *
json_object_member(struct json *object, const char *name)
{
    struct json *member = shash_find_data(json_object(object), name);

    if (!member) {
        member = json_object_create();
        json_object_put(object, name, member);
    }
    return member;
}

static void
goal_field_to_json(const struct goal_struct *layout, const void *base,
                   const struct goal_field *field, struct json *object)
{
    char *path = goal_field_path(layout, base, field);
    char *dot = strchr(path, '.');

    if (dot) {
        *dot = '\0';
    }
    if (field->type == GF_STRINGS) {
        json_object_put(object, path,
                        goal_strings_to_json(goal_field_strings(field, base),
                                             dot ? dot + 1 : NULL));
    } else if (field->type == GF_STRUCTS) {
        json_object_put(object, path, goal_list_to_json(field, base));
    } else if (dot) {
        json_object_put(json_object_member(object, path), dot + 1,
                        goal_scalar_to_json(field, base));
    } else {
        json_object_put(object, path, goal_scalar_to_json(field, base));
    }
    free(path);
}

static struct json *
goal_struct_to_json(const struct goal_struct *layout, const void *base)
{
    struct json *object = json_object_create();

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (!goal_field_is_default(field, base)) {
            goal_field_to_json(layout, base, field, object);
        }
    }
    return object;
}

struct json *
goal_resource_to_json(const struct goal_resource *resource)
{
    struct json *object
        = goal_struct_to_json(goal_kinds[resource->kind].layout, resource);

    json_object_put_string(object, "id", resource->id);
    if (resource->revision) {
        json_object_put(object, "revision_number",
                        json_integer_create(resource->revision));
    }
    if (resource->request_id[0]) {
        json_object_put_string(object, "request_id", resource->request_id);
    }
    return object;
}

/* Text. */

static void goal_struct_format(const struct goal_struct *, const void *base,
                               int indent, struct ds *);

/* Appends the elements of a list, each beginning with a "- " that hangs to the
 * left of its lines. */
static void
goal_list_format(const struct goal_field *field, const void *base, int indent,
                 struct ds *ds)
{
    const struct goal_list *list = goal_field_list(field, base);

    for (size_t i = 0; i < list->n; i++) {
        size_t start = ds->length + indent + 2;

        goal_struct_format(field->sub, goal_list_elem(field, list, i),
                           indent + 4, ds);
        if (start < ds->length) {
            ds->string[start] = '-';
        }
    }
}

static void
goal_strings_format(const struct goal_strings *strings, struct ds *ds)
{
    for (size_t i = 0; i < strings->n; i++) {
        ds_put_format(ds, "%s%s", i ? ", " : "", strings->names[i]);
    }
    ds_put_char(ds, '\n');
}

/* Enumerations and truth values mean something at their default as well. */
static bool
goal_field_is_shown(const struct goal_field *field, const void *base)
{
    if (field->type == GF_BOOL
        || (field->type == GF_ENUM && !(field->flags & GFF_OPERATION))) {
        return true;
    }
    return !goal_field_is_default(field, base);
}

static void
goal_struct_format(const struct goal_struct *layout, const void *base,
                   int indent, struct ds *ds)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];
        char *path;

        if (!goal_field_is_shown(field, base)) {
            continue;
        }
        path = goal_field_path(layout, base, field);
        ds_put_char_multiple(ds, ' ', indent);
        ds_put_format(ds, "%s:", path);
        free(path);
        if (field->type == GF_STRUCTS) {
            ds_put_char(ds, '\n');
            goal_list_format(field, base, indent, ds);
        } else if (field->type == GF_STRINGS) {
            ds_put_char(ds, ' ');
            goal_strings_format(goal_field_strings(field, base), ds);
        } else {
            ds_put_char(ds, ' ');
            goal_scalar_format(field, base, ds);
            ds_put_char(ds, '\n');
        }
    }
}

void
goal_resource_format(const struct goal_resource *resource, struct ds *ds)
{
    ds_put_format(ds, "id: %s\n", resource->id);
    if (resource->revision) {
        ds_put_format(ds, "revision_number: %"PRIu32"\n", resource->revision);
    }
    if (resource->request_id[0]) {
        ds_put_format(ds, "request_id: %s\n", resource->request_id);
    }
    goal_struct_format(goal_kinds[resource->kind].layout, resource, 0, ds);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-text: resources from words, for tests. */

#include <config.h>

#undef NDEBUG
#include "goal-text.h"

#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "store/goal-fields.h"
#include "util.h"

static void parse_struct(const struct goal_struct *, void *base,
                         const char **p);

static uint64_t
parse_number(const struct goal_field *field, const char *s)
{
    for (uint32_t i = 0; field->names && field->names[i]; i++) {
        if (!strcmp(field->names[i], s)) {
            return i;
        }
    }
    return strtoull(s, NULL, 0);
}

void
goal_text_ip(const char *s, struct in6_addr *ip)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        *ip = in6_addr_mapped_ipv4(ip4);
    } else if (!ipv6_parse(s, ip)) {
        ovs_fatal(0, "%s: not an address", s);
    }
}

static void
parse_prefix(char *s, struct goal_prefix *prefix)
{
    char *slash = strchr(s, '/');

    if (slash) {
        *slash = '\0';
        prefix->plen = atoi(slash + 1);
    }
    goal_text_ip(s, &prefix->addr);
    if (!slash) {
        prefix->plen = IN6_IS_ADDR_V4MAPPED(&prefix->addr) ? 32 : 128;
    }
    prefix->given = 1;
}

static void
parse_scalar(const struct goal_field *field, void *base, char *s)
{
    void *p = goal_field_ptr(field, base);

    switch (field->type) {
    case GF_BOOL:
        *(bool *) p = !strcmp(s, "true");
        break;
    case GF_U32:
    case GF_ENUM:
        *(uint32_t *) p = parse_number(field, s);
        break;
    case GF_U64:
        *(uint64_t *) p = parse_number(field, s);
        break;
    case GF_STRING:
        free(*(char **) p);
        *(char **) p = xstrdup(s);
        break;
    case GF_MAC:
        if (!eth_addr_from_string(s, p)) {
            ovs_fatal(0, "%s: not a MAC", s);
        }
        break;
    case GF_IP:
        goal_text_ip(s, p);
        break;
    case GF_PREFIX:
        parse_prefix(s, p);
        break;
    case GF_STRINGS:
    case GF_STRUCTS:
        OVS_NOT_REACHED();
    }
}

/* Adds what '*p' starts with to the member of 'base' that 'field' is. */
static void
parse_member(const struct goal_field *field, void *base, const char **p)
{
    struct goal_list *list = goal_field_list(field, base);
    size_t len = strcspn(*p, ",]");
    char *s;

    if (field->type == GF_STRUCTS) {
        size_t size = field->sub->size;

        list->elems = xrealloc(list->elems, (list->n + 1) * size);
        goal_struct_init(field->sub, list->elems + list->n * size);
        parse_struct(field->sub, list->elems + list->n++ * size, p);
        return;
    }
    s = xmemdup0(*p, len);
    *p += len;
    if (field->type == GF_STRINGS) {
        struct goal_strings *strings = goal_field_strings(field, base);

        strings->names = xrealloc(strings->names, ((strings->n + 1)
                                                   * sizeof *strings->names));
        strings->names[strings->n++] = s;
        return;
    } else if (len) {
        parse_scalar(field, base, s);
    }
    free(s);
}

static void
parse_struct(const struct goal_struct *layout, void *base, const char **p)
{
    for (size_t i = 0; i < layout->n_fields && **p && **p != ']'; i++) {
        if (layout->fields[i].type == GF_STRUCTS) {
            while (**p == '[') {
                ++*p;
                parse_member(&layout->fields[i], base, p);
                *p += **p == ']';
            }
        } else {
            parse_member(&layout->fields[i], base, p);
        }
        *p += **p == ',';
    }
}

static const struct goal_field *
find_field(const struct goal_struct *layout, const char *name, size_t len)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct goal_field *field = &layout->fields[i];

        if (!strncmp(field->name, name, len)
            && strchr(".|", field->name[len])) {
            return field;
        }
    }
    ovs_fatal(0, "%s: no such member", name);
}

enum goal_kind
goal_text_kind(const char *s)
{
    enum goal_kind kind;

    if (!goal_kind_from_string(s, &kind)) {
        ovs_fatal(0, "%s: no such kind", s);
    }
    return kind;
}

struct goal_resource *
goal_text_resource(int n, char *words[])
{
    enum goal_kind kind = goal_text_kind(words[0]);
    struct goal_resource *r = goal_resource_create(kind, words[1]);

    for (int i = 2; i < n; i++) {
        const char *value = strchr(words[i], '=');

        if (!value) {
            ovs_fatal(0, "%s: not MEMBER=VALUE", words[i]);
        }
        value++;
        if (!strncmp(words[i], "revision=", 9)) {
            r->revision = atoi(value);
        } else if (!strncmp(words[i], "request_id=", 11)) {
            free(r->request_id);
            r->request_id = xstrdup(value);
        } else {
            parse_member(find_field(goal_kinds[kind].layout, words[i],
                                    value - words[i] - 1), r, &value);
        }
    }
    return r;
}

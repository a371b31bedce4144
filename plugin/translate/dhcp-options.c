/* SPDX-License-Identifier: Apache-2.0
 *
 * dhcp-options: DHCP options of goal state as bytes. */

#include <config.h>

#include "translate/dhcp-options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

enum option_type {
    OPT_ADDRESSES, OPT_ROUTES, OPT_U8, OPT_U16, OPT_U32, OPT_BOOL, OPT_DOMAINS,
    OPT_TEXT, OPT_BYTES, OPT_ANY,
};

struct option_info {
    uint8_t code;
    enum option_type type;
    const char *names;          /* Separated by spaces. */
};

static const struct option_info known[] = {
    { 1, OPT_ADDRESSES, "netmask subnet-mask" },
    { 2, OPT_U32, "time-offset" },
    { 3, OPT_ADDRESSES, "router routers" },
    { 4, OPT_ADDRESSES, "time-server time-servers" },
    { 6, OPT_ADDRESSES, "dns-server dns-servers domain-name-servers" },
    { 7, OPT_ADDRESSES, "log-server log-servers" },
    { 9, OPT_ADDRESSES, "lpr-server lpr-servers" },
    { 12, OPT_TEXT, "hostname host-name" },
    { 13, OPT_U16, "boot-file-size boot-size" },
    { 15, OPT_TEXT, "domain-name" },
    { 16, OPT_ADDRESSES, "swap-server" },
    { 17, OPT_TEXT, "root-path" },
    { 18, OPT_TEXT, "extension-path extensions-path" },
    { 19, OPT_BOOL, "ip-forward-enable ip-forwarding" },
    { 20, OPT_BOOL, "non-local-source-routing" },
    { 21, OPT_ADDRESSES, "policy-filter" },
    { 22, OPT_U16, "max-datagram-reassembly max-dgram-reassembly" },
    { 23, OPT_U8, "default-ttl default-ip-ttl" },
    { 26, OPT_U16, "mtu interface-mtu" },
    { 27, OPT_BOOL, "all-subnets-local" },
    { 28, OPT_ADDRESSES, "broadcast broadcast-address" },
    { 31, OPT_BOOL, "router-discovery" },
    { 32, OPT_ADDRESSES, "router-solicitation router-solicitation-address" },
    { 33, OPT_ADDRESSES, "static-route static-routes" },
    { 34, OPT_BOOL, "trailer-encapsulation" },
    { 35, OPT_U32, "arp-timeout arp-cache-timeout" },
    { 36, OPT_BOOL, "ethernet-encap ieee802-3-encapsulation" },
    { 37, OPT_U8, "tcp-ttl default-tcp-ttl" },
    { 38, OPT_U32, "tcp-keepalive tcp-keepalive-interval" },
    { 40, OPT_TEXT, "nis-domain" },
    { 41, OPT_ADDRESSES, "nis-server nis-servers" },
    { 42, OPT_ADDRESSES, "ntp-server ntp-servers" },
    { 43, OPT_BYTES, "vendor-encap vendor-encapsulated-options" },
    { 44, OPT_ADDRESSES, "netbios-ns netbios-name-servers" },
    { 45, OPT_ADDRESSES, "netbios-dd netbios-dd-server" },
    { 46, OPT_U8, "netbios-nodetype netbios-node-type" },
    { 47, OPT_TEXT, "netbios-scope" },
    { 48, OPT_ADDRESSES, "x-windows-fs font-servers" },
    { 49, OPT_ADDRESSES, "x-windows-dm x-display-manager" },
    { 51, OPT_U32, "lease-time dhcp-lease-time" },
    { 58, OPT_U32, "t1 dhcp-renewal-time" },
    { 59, OPT_U32, "t2 dhcp-rebinding-time" },
    { 60, OPT_TEXT, "vendor-class vendor-class-identifier" },
    { 64, OPT_TEXT, "nis+-domain nisplus-domain" },
    { 65, OPT_ADDRESSES, "nis+-server nisplus-servers" },
    { 66, OPT_TEXT, "tftp-server tftp-server-name" },
    { 67, OPT_TEXT, "bootfile-name bootfile" },
    { 69, OPT_ADDRESSES, "smtp-server" },
    { 70, OPT_ADDRESSES, "pop3-server" },
    { 119, OPT_DOMAINS, "domain-search" },
    { 120, OPT_BYTES, "sip-server" },
    { 121, OPT_ROUTES, "classless-static-route classless-static-routes "
                       "rfc3442-classless-static-routes" },
    { 125, OPT_BYTES, "vendor-id-encap" },
    { 150, OPT_ADDRESSES, "tftp-server-address server-ip-address" },
    { 249, OPT_ROUTES, "ms-classless-static-routes" },
    { 252, OPT_TEXT, "wpad" },
};

/* Set by the server alone: not for goal state. */
static bool
is_reserved(uint8_t code)
{
    return (!code || code == 255 || code == DHCP_REQUESTED_IP || code == 52
            || (code >= DHCP_MESSAGE_TYPE && code <= DHCP_MAX_SIZE)
            || code == DHCP_CLIENT_ID || code == 82);
}

void
dhcp_option_put(struct ofpbuf *b, uint8_t code, const void *value_,
                size_t len)
{
    const uint8_t *value = value_;

    do {
        uint8_t n = MIN(len, 255);

        ofpbuf_put(b, &code, 1);
        ofpbuf_put(b, &n, 1);
        ofpbuf_put(b, value, n);
        value += n;
        len -= n;
    } while (len);
}

void
dhcp_option_put_u32(struct ofpbuf *b, uint8_t code, uint32_t value)
{
    ovs_be32 be = htonl(value);

    dhcp_option_put(b, code, &be, sizeof be);
}

static bool
name_matches(const char *names, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = names; *p; p += strcspn(p, " "), p += *p == ' ') {
        if (!strncasecmp(p, name, len) && (p[len] == ' ' || !p[len])) {
            return true;
        }
    }
    return false;
}

/* Stores the code and type of the option called 'name'. */
static bool
find_option(const char *name, uint8_t *code, enum option_type *type)
{
    int number;

    if (!strncmp(name, "option:", 7)) {
        name += 7;
    }
    if (str_to_int(name, 10, &number)) {
        if (number < 1 || number > 254) {
            return false;
        }
        *code = number;
        *type = OPT_ANY;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            if (known[i].code == number) {
                *type = known[i].type;
            }
        }
        return true;
    }
    for (size_t i = 0; *name && i < ARRAY_SIZE(known); i++) {
        if (name_matches(known[i].names, name)) {
            *code = known[i].code;
            *type = known[i].type;
            return true;
        }
    }
    return false;
}

/* Values.  Each appends the bytes of the value to 'b' and returns true, or
 * returns false. */

static bool
put_address(struct ofpbuf *b, const char *word)
{
    ovs_be32 ip;

    if (!ip_parse(word, &ip)) {
        return false;
    }
    ofpbuf_put(b, &ip, sizeof ip);
    return true;
}

static bool
put_addresses(struct ofpbuf *b, char *words)
{
    char *save = NULL;
    bool any = false;

    for (char *word = strtok_r(words, ", ", &save); word;
         word = strtok_r(NULL, ", ", &save)) {
        if (!put_address(b, word)) {
            return false;
        }
        any = true;
    }
    return any;
}

/* RFC 3442: length of the prefix, its significant bytes, next hop. */
static bool
put_routes(struct ofpbuf *b, char *words)
{
    char *save = NULL;
    bool any = false;

    for (char *word = strtok_r(words, ", ", &save); word;
         word = strtok_r(NULL, ", ", &save)) {
        ovs_be32 net;
        unsigned int plen;
        char *error = ip_parse_cidr(word, &net, &plen);
        char *hop = error ? NULL : strtok_r(NULL, ", ", &save);
        uint8_t len = plen;

        if (!hop) {
            free(error);
            return false;
        }
        ofpbuf_put(b, &len, 1);
        ofpbuf_put(b, &net, DIV_ROUND_UP(plen, 8));
        if (!put_address(b, hop)) {
            return false;
        }
        any = true;
    }
    return any;
}

static bool
put_number(struct ofpbuf *b, const char *word, size_t size)
{
    char *end;
    errno = 0;
    long long int value = strtoll(word, &end, 10);
    long long int max = size == 4 ? UINT32_MAX : (1 << 8 * size) - 1;

    if (errno || end == word || *end || value > max
        || value < (size == 4 ? INT32_MIN : 0)) {
        return false;
    }
    for (size_t i = size; i-- > 0; ) {
        uint8_t byte = (uint64_t) value >> 8 * i;

        ofpbuf_put(b, &byte, 1);
    }
    return true;
}

static bool
put_domain(struct ofpbuf *b, const char *name)
{
    size_t start = b->size;

    while (*name) {
        size_t n = strcspn(name, ".");
        uint8_t len = n;

        if (!n || n > 63) {
            return false;
        }
        ofpbuf_put(b, &len, 1);
        ofpbuf_put(b, name, n);
        name += n;
        name += *name == '.';
    }
    ofpbuf_put_zeros(b, 1);
    return b->size - start > 1 && b->size - start <= 255;
}

static bool
put_domains(struct ofpbuf *b, char *words)
{
    char *save = NULL;
    bool any = false;

    for (char *word = strtok_r(words, ", ", &save); word;
         word = strtok_r(NULL, ", ", &save)) {
        if (!put_domain(b, word)) {
            return false;
        }
        any = true;
    }
    return any;
}

static bool
put_bytes(struct ofpbuf *b, const char *text)
{
    if (!strncasecmp(text, "hex:", 4)) {
        text += 4;
    }
    if (!*text) {
        return false;
    }
    while (*text) {
        int high = hexit_value(text[0]);
        int low = high >= 0 ? hexit_value(text[1]) : -1;

        if (low < 0) {
            return false;
        }
        uint8_t byte = high << 4 | low;
        ofpbuf_put(b, &byte, 1);
        text += 2;
        text += *text == ':';
    }
    return true;
}

static bool
put_text(struct ofpbuf *b, const char *text)
{
    ofpbuf_put(b, text, strlen(text));
    return *text;
}

static bool
put_any(struct ofpbuf *b, char *text)
{
    size_t start = b->size;
    char *copy = xstrdup(text);
    bool ok = put_addresses(b, copy);

    free(copy);
    if (!ok) {
        b->size = start;
        ok = (!strncasecmp(text, "hex:", 4)
              ? put_bytes(b, text) : put_text(b, text));
    }
    return ok;
}

static bool
put_value(struct ofpbuf *b, enum option_type type, char *text,
          const char **expected)
{
    switch (type) {
    case OPT_ADDRESSES:
        *expected = "IPv4 addresses, separated by commas";
        return put_addresses(b, text);
    case OPT_ROUTES:
        *expected = "pairs of a network and a next hop, separated by commas";
        return put_routes(b, text);
    case OPT_U8:
        *expected = "a number up to 255";
        return put_number(b, text, 1);
    case OPT_U16:
        *expected = "a number up to 65535";
        return put_number(b, text, 2);
    case OPT_U32:
        *expected = "a number of 32 bits";
        return put_number(b, text, 4);
    case OPT_BOOL:
        *expected = "0 or 1";
        return ((!strcmp(text, "0") || !strcmp(text, "1"))
                && put_number(b, text, 1));
    case OPT_DOMAINS:
        *expected = "domain names, separated by commas";
        return put_domains(b, text);
    case OPT_TEXT:
        *expected = "a text";
        return put_text(b, text);
    case OPT_BYTES:
        *expected = "bytes in hexadecimal, separated by colons";
        return put_bytes(b, text);
    case OPT_ANY:
        *expected = "a value";
        return put_any(b, text);
    }
    OVS_NOT_REACHED();
}

uint8_t
dhcp_option_put_text(struct ofpbuf *b, const char *name, const char *value,
                     char **errorp)
{
    const char *expected = NULL;
    enum option_type type;
    struct ofpbuf bytes;
    uint8_t code;

    *errorp = NULL;
    if (!find_option(name, &code, &type)) {
        *errorp = xasprintf("DHCP option \"%s\" is not known: give its number "
                            "(1 to 254)", name);
        return 0;
    }
    if (is_reserved(code)) {
        *errorp = xasprintf("DHCP option \"%s\" is set by the server itself",
                            name);
        return 0;
    }

    char *text = xstrdup(value);
    ofpbuf_init(&bytes, 64);
    if (put_value(&bytes, type, text, &expected)) {
        dhcp_option_put(b, code, bytes.data, bytes.size);
    } else {
        *errorp = xasprintf("DHCP option \"%s\": expected %s, found \"%s\"",
                            name, expected, value);
        code = 0;
    }
    ofpbuf_uninit(&bytes);
    free(text);
    return code;
}

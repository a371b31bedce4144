/* SPDX-License-Identifier: Apache-2.0
 *
 * curve-key: keys of CURVE, ZeroMQ's encryption, in files. */

#include <config.h>

#include "ingest/curve-key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "socket-util.h"
#include "util.h"

/* A certificate has a few hundred bytes, and metadata. */
#define MAX_FILE 65536

#define SPACE " \t\r"

/* A piece of the text. */
struct token {
    const char *s;
    size_t n;
};

struct parser {
    struct curve_keys *keys;
    bool in_curve;              /* ZPL: in section "curve"? */
    unsigned int n_bare;        /* Keys alone on their lines so far. */
};

static bool
is_space(char c)
{
    return c && strchr(SPACE, c);
}

static struct token
trim(struct token t)
{
    while (t.n && is_space(t.s[0])) {
        t.s++;
        t.n--;
    }
    while (t.n && is_space(t.s[t.n - 1])) {
        t.n--;
    }
    return t;
}

static bool
token_is(struct token t, const char *s)
{
    return t.n == strlen(s) && !memcmp(t.s, s, t.n);
}

static bool
token_starts(struct token t, const char *s)
{
    return t.n >= strlen(s) && !memcmp(t.s, s, strlen(s));
}

/* If 't' is a key, copies it to 'key' and returns true. */
static bool
copy_key(struct token t, char key[CURVE_KEY_LEN + 1])
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    uint8_t binary[32];
    char copy[CURVE_KEY_LEN + 1];

    if (t.n != CURVE_KEY_LEN || memchr(t.s, '\0', t.n)) {
        return false;
    }
    memcpy(copy, t.s, t.n);
    copy[t.n] = '\0';
    bool ok = (strspn(copy, z85) == t.n
               && zmq_z85_decode(binary, copy) != NULL);
    if (ok) {
        memcpy(key, copy, sizeof copy);
    }
    explicit_bzero(copy, sizeof copy);
    explicit_bzero(binary, sizeof binary);
    return ok;
}

/* Takes "NAME = VALUE" in a section of ZPL. */
static char *
parse_property(struct parser *p, struct token name, struct token value)
{
    char *key = (token_is(name, "public-key") ? p->keys->public
                 : token_is(name, "secret-key") ? p->keys->secret
                 : NULL);

    if (!p->in_curve || !key) {
        return NULL;
    }
    if (value.n >= 2 && (value.s[0] == '"' || value.s[0] == '\'')
        && value.s[value.n - 1] == value.s[0]) {
        value.s++;
        value.n -= 2;
    }
    if (key[0]) {
        return xasprintf("a second %.*s", (int) name.n, name.s);
    } else if (!copy_key(value, key)) {
        return xasprintf("the %.*s is not %d characters of Z85",
                         (int) name.n, name.s, CURVE_KEY_LEN);
    }
    return NULL;
}

/* Takes a key that is alone on its line. */
static char *
take_bare(struct parser *p, const char key[CURVE_KEY_LEN + 1])
{
    char *member = p->n_bare ? p->keys->secret : p->keys->public;

    if (p->n_bare >= 2 || member[0]) {
        return xstrdup("one key too many");
    }
    ovs_strlcpy(member, key, CURVE_KEY_LEN + 1);
    p->n_bare++;
    return NULL;
}

static char *
parse_line(struct parser *p, struct token line)
{
    bool indented = line.n && is_space(line.s[0]);
    struct token t = trim(line);
    char key[CURVE_KEY_LEN + 1];

    /* "#" and "=" are characters of Z85, too. */
    if (copy_key(t, key)) {
        char *error = take_bare(p, key);

        explicit_bzero(key, sizeof key);
        return error;
    }
    if (!t.n || t.s[0] == '#' || token_starts(t, "==")) {
        return NULL;
    }

    const char *equals = memchr(t.s, '=', t.n);
    if (equals) {
        struct token name = { t.s, equals - t.s };
        struct token value = { equals + 1, t.n - name.n - 1 };

        return parse_property(p, trim(name), trim(value));
    }
    if (!indented && (token_is(t, "curve") || token_is(t, "metadata"))) {
        p->in_curve = token_is(t, "curve");
        return NULL;
    }

    /* What is there may be secret: it is not quoted. */
    return xasprintf("neither a key (%d characters of Z85) nor a part of a "
                     "certificate", CURVE_KEY_LEN);
}

static char *
parse_lines(const char *text, size_t n, struct parser *p)
{
    for (unsigned int number = 1; n; number++) {
        const char *end = memchr(text, '\n', n);
        struct token line = { text, end ? end - text : n };
        char *error = parse_line(p, line);

        if (error) {
            char *msg = xasprintf("not a CURVE key: line %u: %s", number,
                                  error);
            free(error);
            return msg;
        }
        text += line.n + (end != NULL);
        n -= line.n + (end != NULL);
    }
    return NULL;
}

char *
curve_keys_parse(const char *text, size_t n, struct curve_keys *keys)
{
    struct parser p = { .keys = keys };
    char public[CURVE_KEY_LEN + 1];

    memset(keys, 0, sizeof *keys);
    char *error = parse_lines(text, n, &p);
    if (!error && !keys->public[0]) {
        error = xstrdup("not a CURVE key: there is no public key in it");
    } else if (!error && keys->secret[0]) {
        if (zmq_curve_public(public, keys->secret)) {
            error = xstrdup("this libzmq has no CURVE");
        } else if (strcmp(public, keys->public)) {
            error = xstrdup("not a CURVE key pair: the public key is not "
                            "that of the secret key");
        }
    }
    if (error) {
        explicit_bzero(keys, sizeof *keys);
    }
    return error;
}

/* Checks that 'fd' is a file that can be a key, and, if 'private', is
 * accessible to its owner only. */
static char *
check_file(int fd, const char *file, bool private)
{
    struct stat s;

    if (fstat(fd, &s)) {
        return xasprintf("%s: %s", file, ovs_strerror(errno));
    } else if (!S_ISREG(s.st_mode)) {
        return xasprintf("%s: not a file", file);
    } else if (private && s.st_mode & 077) {
        return xasprintf("%s: others than its owner have access (mode %04o); "
                         "run: chmod 600 %s", file,
                         (unsigned int) s.st_mode & 07777, file);
    } else if (s.st_size > MAX_FILE) {
        return xasprintf("%s: not a CURVE key: %"PRIdMAX" bytes", file,
                         (intmax_t) s.st_size);
    }
    return NULL;
}

static char *
read_keys(const char *file, bool private, struct curve_keys *keys)
{
    char *text;
    size_t n;

    memset(keys, 0, sizeof *keys);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return xasprintf("%s: %s", file, ovs_strerror(errno));
    }
    char *error = check_file(fd, file, private);
    if (error) {
        close(fd);
        return error;
    }

    text = xmalloc(MAX_FILE);
    int retval = read_fully(fd, text, MAX_FILE, &n);
    close(fd);
    if (retval > 0) {
        error = xasprintf("%s: %s", file, ovs_strerror(retval));
    } else {
        char *why = curve_keys_parse(text, n, keys);

        error = why ? xasprintf("%s: %s", file, why) : NULL;
        free(why);
    }
    explicit_bzero(text, MAX_FILE);
    free(text);
    return error;
}

char *
curve_keys_read_pair(const char *file, struct curve_keys *keys)
{
    char *error = read_keys(file, true, keys);

    if (!error && !keys->secret[0]) {
        memset(keys, 0, sizeof *keys);
        return xasprintf("%s: there is no secret key in it: is it the public "
                         "file?", file);
    }
    return error;
}

char *
curve_keys_read_public(const char *file, char public[CURVE_KEY_LEN + 1])
{
    struct curve_keys keys;
    char *error = read_keys(file, false, &keys);

    memcpy(public, keys.public, sizeof keys.public);
    explicit_bzero(&keys, sizeof keys);
    return error;
}

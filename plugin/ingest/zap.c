/* SPDX-License-Identifier: Apache-2.0
 *
 * zap: which CURVE keys may talk to a server, and as what. */

#include <config.h>

#include "ingest/zap.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "coverage.h"
#include "ingest/curve-key.h"
#include "ingest/zmq-channel.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(zap);

COVERAGE_DEFINE(zap_accepted);
COVERAGE_DEFINE(zap_refused);

/* RFC 27: version, sequence, domain, address, identity, mechanism, key. */
#define N_REQUEST_FRAMES 7
enum { F_VERSION, F_SEQUENCE, F_DOMAIN, F_ADDRESS, F_IDENTITY, F_MECHANISM,
       F_KEY };

#define RAW_KEY_LEN 32          /* Bytes of a key. */

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

struct zap_keys {
    char *dir;
    struct timespec mtime;      /* Of 'dir', when it was read. */
    struct shash users;         /* Key in Z85 -> user, char *. */
    struct sset names;          /* All users. */
};

struct zap {
    void *socket;               /* REP. */
    const struct zap_keys *keys;
};

static const struct {
    const char *prefix;
    enum zap_role role;
} roles[] = {
    { "node.", ZAP_NODE },
    { "controller.", ZAP_CONTROLLER },
    { "relay.", ZAP_RELAY },
};

/* The role that the user or file called 'user' would have. */
static enum zap_role
role_of(const char *user, const char **name)
{
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        size_t len = strlen(roles[i].prefix);

        if (!strncmp(user, roles[i].prefix, len) && user[len]) {
            *name = user + len;
            return roles[i].role;
        }
    }
    *name = "";
    return ZAP_NOBODY;
}

static void
read_key(struct zap_keys *zk, const char *file)
{
    size_t len = strlen(file);
    char public[CURVE_KEY_LEN + 1];
    const char *name;

    if (role_of(file, &name) == ZAP_NOBODY) {
        return;
    }
    if (len > 4 && !strcmp(file + len - 4, ".pub")) {
        len -= 4;
    }
    char *path = xasprintf("%s/%s", zk->dir, file);
    char *error = curve_keys_read_public(path, public);
    if (error) {
        VLOG_WARN_RL(&rl, "allowed keys: %s", error);
        free(error);
    } else {
        char *user = xmemdup0(file, len);

        sset_add(&zk->names, user);
        free(shash_replace(&zk->users, public, user));
    }
    free(path);
}

static char *
read_dir(struct zap_keys *zk)
{
    struct dirent *entry;
    struct stat st;
    DIR *dir;

    if (stat(zk->dir, &st) || !(dir = opendir(zk->dir))) {
        return xasprintf("%s: cannot read the allowed keys (%s)", zk->dir,
                         ovs_strerror(errno));
    }
    zk->mtime = st.st_mtim;
    sset_clear(&zk->names);
    while ((entry = readdir(dir)) != NULL) {
        read_key(zk, entry->d_name);
    }
    closedir(dir);
    return NULL;
}

char *
zap_keys_open(const char *dir, struct zap_keys **keysp)
{
    struct zap_keys *zk = xzalloc(sizeof *zk);

    zk->dir = xstrdup(dir);
    shash_init(&zk->users);
    sset_init(&zk->names);
    char *error = read_dir(zk);
    if (error) {
        zap_keys_destroy(zk);
        zk = NULL;
    }
    *keysp = zk;
    return error;
}

void
zap_keys_destroy(struct zap_keys *zk)
{
    if (zk) {
        shash_destroy_free_data(&zk->users);
        sset_destroy(&zk->names);
        free(zk->dir);
        free(zk);
    }
}

/* True if a key of 'old' is not in 'zk', or belongs to somebody else there. */
static bool
lacks_any(const struct zap_keys *zk, const struct shash *old)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, old) {
        const char *user = shash_find_data(&zk->users, node->name);

        if (!user || strcmp(user, node->data)) {
            return true;
        }
    }
    return false;
}

static bool
read_dir_again(struct zap_keys *zk)
{
    struct shash old = SHASH_INITIALIZER(&old);

    shash_swap(&zk->users, &old);
    char *error = read_dir(zk);
    if (error) {
        VLOG_WARN_RL(&rl, "%s", error);
        free(error);
        shash_swap(&zk->users, &old);
    }
    bool lost = lacks_any(zk, &old);
    shash_destroy_free_data(&old);
    return lost;
}

bool
zap_keys_refresh(struct zap_keys *zk)
{
    struct stat st;

    return (!stat(zk->dir, &st)
            && (st.st_mtim.tv_sec != zk->mtime.tv_sec
                || st.st_mtim.tv_nsec != zk->mtime.tv_nsec)
            && read_dir_again(zk));
}

enum zap_role
zap_keys_role(const struct zap_keys *zk, const char *user, const char **name)
{
    *name = "";
    return sset_contains(&zk->names, user) ? role_of(user, name) : ZAP_NOBODY;
}

/* The handler. */

char *
zap_open(void *context, const struct zap_keys *keys, struct zap **zapp)
{
    struct zap *zap = xzalloc(sizeof *zap);
    char *error = NULL;

    zap->keys = keys;
    zap->socket = zmq_socket(context, ZMQ_REP);
    if (!zap->socket || zmq_bind(zap->socket, "inproc://zeromq.zap.01")) {
        error = xasprintf("authentication handler: %s", zmq_strerror(errno));
        zap_close(zap);
        zap = NULL;
    }
    *zapp = zap;
    return error;
}

void
zap_close(struct zap *zap)
{
    if (zap) {
        if (zap->socket) {
            zmq_close(zap->socket);
        }
        free(zap);
    }
}

/* The user whose key is in 'frame', or NULL. */
static const char *
find_user(const struct zap *zap, zmq_msg_t *frame)
{
    char text[CURVE_KEY_LEN + 1];

    if (zmq_msg_size(frame) != RAW_KEY_LEN
        || !zmq_z85_encode(text, zmq_msg_data(frame), RAW_KEY_LEN)) {
        return NULL;
    }
    return shash_find_data(&zap->keys->users, text);
}

static void
send_answer(struct zap *zap, zmq_msg_t *sequence, const char *user)
{
    const char *code = user ? "200" : "400";
    const char *text = user ? "OK" : "this key is not allowed";

    zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(zap->socket, zmq_msg_data(sequence), zmq_msg_size(sequence),
             ZMQ_SNDMORE);
    zmq_send(zap->socket, code, strlen(code), ZMQ_SNDMORE);
    zmq_send(zap->socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(zap->socket, user, user ? strlen(user) : 0, ZMQ_SNDMORE);
    zmq_send(zap->socket, NULL, 0, 0);
}

/* Answers one request.  Returns false if there is none. */
static bool
answer(struct zap *zap)
{
    zmq_msg_t frames[N_REQUEST_FRAMES];
    const char *user = NULL;

    for (size_t i = 0; i < N_REQUEST_FRAMES; i++) {
        zmq_msg_init(&frames[i]);
    }
    size_t n = zmq_read_frames(zap->socket, frames, N_REQUEST_FRAMES);
    if (n == N_REQUEST_FRAMES
        && zmq_msg_size(&frames[F_MECHANISM]) == 5
        && !memcmp(zmq_msg_data(&frames[F_MECHANISM]), "CURVE", 5)) {
        user = find_user(zap, &frames[F_KEY]);
    }
    if (n) {
        if (user) {
            COVERAGE_INC(zap_accepted);
        } else {
            COVERAGE_INC(zap_refused);
            VLOG_INFO_RL(&rl, "connection from %.*s refused: its key is not "
                         "allowed", (int) zmq_msg_size(&frames[F_ADDRESS]),
                         (char *) zmq_msg_data(&frames[F_ADDRESS]));
        }
        send_answer(zap, &frames[F_SEQUENCE], user);
    }
    for (size_t i = 0; i < N_REQUEST_FRAMES; i++) {
        zmq_msg_close(&frames[i]);
    }
    return n > 0;
}

void
zap_run(struct zap *zap)
{
    while (zap && answer(zap)) {
        continue;
    }
}

void
zap_wait(struct zap *zap)
{
    if (zap) {
        zmq_socket_wait(zap->socket);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-notes: what an agent wants the next one to know, kept by the kernel. */

#include <config.h>

#include "apply/bpf-notes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bpf_notes);

struct bpf_notes {
    struct bpf_notes_config config;
    int fd;
};

/* The map of an agent before us, if it is as ours would be; negative if there
 * is none. */
static int
open_old(const char *path, const struct bpf_notes_config *config)
{
    struct bpf_map_info info = { .type = 0 };
    uint32_t len = sizeof info;
    int fd = bpf_obj_get(path);

    if (fd >= 0
        && (bpf_obj_get_info_by_fd(fd, &info, &len)
            || info.type != BPF_MAP_TYPE_HASH
            || info.key_size != config->key_size
            || info.value_size != config->value_size
            || info.max_entries != config->max)) {
        VLOG_INFO("%s: notes of another form are lost", path);
        close(fd);
        unlink(path);
        fd = -1;
    }
    return fd;
}

char *
bpf_notes_open(const char *dir, const struct bpf_notes_config *config,
               struct bpf_notes **notesp)
{
    /* (Only what is used takes memory.) */
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
    char *path = xasprintf("%s/%s", dir, config->name);
    int fd = open_old(path, config);
    char *error = NULL;

    *notesp = NULL;
    if (fd < 0) {
        fd = bpf_map_create(BPF_MAP_TYPE_HASH, config->name, config->key_size,
                            config->value_size, config->max, &opts);
        if (fd < 0 || bpf_obj_pin(fd, path)) {
            error = xasprintf("%s: %s", path, ovs_strerror(errno));
        }
    }
    if (!error) {
        *notesp = xmalloc(sizeof **notesp);
        (*notesp)->config = *config;
        (*notesp)->fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    free(path);
    return error;
}

void
bpf_notes_close(struct bpf_notes *notes)
{
    if (notes) {
        close(notes->fd);
        free(notes);
    }
}

void
bpf_notes_set(struct bpf_notes *notes, const void *key, const void *value)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

    if (notes && bpf_map_update_elem(notes->fd, key, value, BPF_ANY)) {
        VLOG_INFO_RL(&rl, "%s: not written down: %s", notes->config.name,
                     ovs_strerror(errno));
    }
}

void
bpf_notes_remove(struct bpf_notes *notes, const void *key)
{
    if (notes) {
        bpf_map_delete_elem(notes->fd, key);
    }
}

void
bpf_notes_for_each(const struct bpf_notes *notes,
                   void (*cb)(const void *key, const void *value, void *aux),
                   void *aux)
{
    if (!notes) {
        return;
    }

    char *keys = xmalloc(2 * notes->config.key_size);
    char *key = keys, *next = keys + notes->config.key_size;
    void *value = xmalloc(notes->config.value_size);
    const char *after = NULL;

    while (!bpf_map_get_next_key(notes->fd, after, next)) {
        char *swap = key;

        key = next;
        next = swap;
        after = key;
        if (!bpf_map_lookup_elem(notes->fd, key, value)) {
            cb(key, value, aux);
        }
    }
    free(value);
    free(keys);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf-notes: what an agent wants the next one to know, kept by the kernel. */

#ifndef APPLY_BPF_NOTES_H
#define APPLY_BPF_NOTES_H 1

/* What?
 * -----
 *
 * Some of what an agent knows is worth nothing after a reboot, and must not be
 * lost if it is killed: then it is too much for the disk, and too little for
 * the store.  Such notes are elements of a hash map that is pinned beside the
 * tables of the eBPF programs, which do not use it: writing one is a system
 * call, and they go when the tables do.
 *
 * Keys and values are structs of the caller's, without padding.  If their
 * sizes, or how many there may be, are others than they were, the notes of
 * before are lost.
 *
 * Usage
 * -----
 *
 * bpf_notes_open(); bpf_notes_for_each() for what has been left; then
 * bpf_notes_set() and _remove() with each change.  What cannot be written is
 * not there the next time: that is logged.
 *
 * Errors: strings for people, to be freed by the caller; null is success.
 *
 * Thread-safety: one thread at a time. */

#include <stddef.h>
#include <stdint.h>
#include "compiler.h"

struct bpf_notes;

struct bpf_notes_config {
    const char *name;           /* Of the map, at most 15 bytes. */
    uint32_t key_size, value_size;
    uint32_t max;
};

/* 'dir' is where maps are pinned: bpf_gateway_dir(). */
char *bpf_notes_open(const char *dir, const struct bpf_notes_config *,
                     struct bpf_notes **) OVS_WARN_UNUSED_RESULT;
void bpf_notes_close(struct bpf_notes *);

/* All of these take null for notes that could not be opened. */
void bpf_notes_set(struct bpf_notes *, const void *key, const void *value);
void bpf_notes_remove(struct bpf_notes *, const void *key);
void bpf_notes_for_each(const struct bpf_notes *,
                        void (*cb)(const void *key, const void *value,
                                   void *aux), void *aux);

#endif /* apply/bpf-notes.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * apply-bpf-dir: where programs and tables are pinned. */

#include <config.h>

#include "apply/apply-bpf-private.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply_bpf_dir);

/* Makes sure that there is a bpffs at 'base'. */
static char *
check_bpffs(const char *base)
{
    struct statfs fs;

    if (!statfs(base, &fs) && fs.f_type == BPF_FS_MAGIC) {
        return NULL;
    }
    if (mount("bpf", base, "bpf", 0, NULL)) {
        return xasprintf("%s is no bpffs, and one cannot be mounted there: %s",
                         base, ovs_strerror(errno));
    }
    VLOG_INFO("%s: mounted a bpffs", base);
    return NULL;
}

/* Removes the pins in 'path', and it. */
void
apply_bpf_remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.') {
            char *pin = xasprintf("%s/%s", path, entry->d_name);

            unlink(pin);
            free(pin);
        }
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(path);
}

/* The parent of all versions' directories, which the caller must free. */
static char *
parent_dir(const struct apply_bpf_config *config)
{
    const char *base = getenv("ALCOR_BPFFS");

    return (config->dir ? xstrdup(config->dir)
            : xasprintf("%s/alcor", base && base[0] ? base : "/sys/fs/bpf"));
}

char *
apply_bpf_make_dir(struct apply_bpf *ab, const char *prefix)
{
    const char *base = getenv("ALCOR_BPFFS");
    char *parent = parent_dir(&ab->config);
    char *error = (ab->config.dir ? NULL
                   : check_bpffs(base && base[0] ? base : "/sys/fs/bpf"));

    ab->dir = xasprintf("%s/%s%d", parent, prefix, FP_LAYOUT_VERSION);
    if (!error
        && ((mkdir(parent, 0700) && errno != EEXIST)
            || (mkdir(ab->dir, 0700) && errno != EEXIST))) {
        error = xasprintf("%s: %s", ab->dir, ovs_strerror(errno));
    }
    free(parent);
    return error;
}

bool
apply_bpf_is_built(void)
{
    return true;
}

char *
apply_bpf_find_dir(const char *prefix)
{
    const struct apply_bpf_config config = { .dir = NULL };
    char *parent = parent_dir(&config);
    char *dir = xasprintf("%s/%s%d", parent, prefix, FP_LAYOUT_VERSION);

    if (access(dir, F_OK) && !apply_bpf_has_others(dir)) {
        free(dir);
        dir = NULL;
    }
    free(parent);
    return dir;
}

bool
apply_bpf_is_installed(void)
{
    char *dir = apply_bpf_find_dir(APPLY_BPF_VERSIONS);

    free(dir);
    return dir != NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * open-files: how many files and connections the process may have. */

#include <config.h>

#include "open-files.h"

#include <errno.h>
#include <sys/resource.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(open_files);

void
open_files_raise(unsigned int least)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        VLOG_WARN("cannot find out how many files may be open: %s",
                  ovs_strerror(errno));
        return;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t old = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit)) {
            limit.rlim_cur = old;
        }
    }
    if (limit.rlim_cur < least) {
        VLOG_FATAL("%llu files may be open, which is not enough: expected at "
                   "least %u (see \"ulimit -Hn\", or LimitNOFILE of the "
                   "service)", (unsigned long long int) limit.rlim_cur, least);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * fault-point: places where a test can make something go wrong. */

#include <config.h>

#include "fault-point.h"

#ifdef ALCOR_FAULT_INJECTION

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "table.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fault_point);

enum fault_mode { MODE_OFF, MODE_FAIL, MODE_STALL, MODE_KILL, MODE_HOLD };

static const char *const mode_names[] = { "off", "fail", "stall", "kill",
                                         "hold" };

/* A point's state.  A stall begins with the verdict FAULT_STALL and ends when
 * the point is looked at after 'until', which is no new pass. */
struct fault {
    const char *name;
    const char *what;
    unsigned int programs;
    enum fault_mode mode;
    unsigned int count;         /* Times left to fail or stall; passes left
                                 * to kill at. */
    unsigned int passes;        /* So far. */
    bool stalled;
    long long int until;        /* If 'stalled'. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct fault faults[FAULT_N_POINTS] OVS_GUARDED_BY(mutex) = {
#define FAULT(NAME, PROGRAMS, STRING, WHAT)                 \
    [FAULT_##NAME] = { .name = STRING, .what = WHAT, .programs = PROGRAMS },
    FAULT_POINTS
#undef FAULT
};

/* Counts a pass of 'f' and returns what is to happen. */
static enum fault_mode
take(struct fault *f)
    OVS_REQUIRES(mutex)
{
    enum fault_mode mode = f->mode;

    f->passes++;
    if (mode == MODE_OFF || mode == MODE_HOLD) {
        return mode;
    }
    f->count--;
    if (mode == MODE_KILL) {
        if (!f->count) {
            raise(SIGKILL);
        }
        return MODE_OFF;
    }
    if (!f->count) {
        f->mode = MODE_OFF;
    }
    VLOG_INFO("%s: %s", f->name, mode_names[mode]);
    return mode;
}

enum fault_verdict
fault_point_pass(enum fault_point point)
{
    enum fault_verdict verdict = FAULT_NONE;
    struct fault *f;

    ovs_mutex_lock(&mutex);
    f = &faults[point];
    if (f->stalled) {
        f->stalled = time_msec() < f->until;
        verdict = f->stalled ? FAULT_STALL : FAULT_NONE;
    } else {
        enum fault_mode mode = take(f);

        f->stalled = mode == MODE_STALL;
        f->until = time_msec() + FAULT_STALL_TIME;
        verdict = (mode == MODE_STALL || mode == MODE_HOLD ? FAULT_STALL
                   : mode == MODE_FAIL ? FAULT_FAIL
                   : FAULT_NONE);
    }
    ovs_mutex_unlock(&mutex);
    return verdict;
}

bool
fault_point_pass_now(enum fault_point point)
{
    enum fault_mode mode;

    ovs_mutex_lock(&mutex);
    mode = take(&faults[point]);
    ovs_mutex_unlock(&mutex);
    if (mode == MODE_STALL) {
        poll(NULL, 0, FAULT_STALL_TIME);
    }
    return mode == MODE_FAIL;
}

/* Wakes up who stalls. */
void
fault_wait(void)
{
    ovs_mutex_lock(&mutex);
    for (int i = 0; i < FAULT_N_POINTS; i++) {
        struct fault *f = &faults[i];

        if (f->stalled && time_msec() > f->until + FAULT_STALL_TIME) {
            f->stalled = false; /* Nobody comes back to it. */
        } else if (f->stalled) {
            poll_timer_wait_until(f->until);
        }
    }
    ovs_mutex_unlock(&mutex);
}

/* Commands. */

/* Makes the point called 'name' do 'mode' 'count' times.  Returns null or an
 * error that the caller must free. */
static char *
set(unsigned int program, const char *name, const char *mode,
    const char *count_s)
{
    char *error = NULL;
    unsigned int count;

    if (!str_to_uint(count_s, 10, &count) || !count) {
        return xasprintf("%s: not a number above 0", count_s);
    }
    ovs_mutex_lock(&mutex);
    for (int i = 0; ; i++) {
        struct fault *f = &faults[i];

        if (i >= FAULT_N_POINTS) {
            error = xasprintf("%s: no such fault point", name);
            break;
        } else if (f->programs & program && !strcmp(f->name, name)) {
            size_t m = 0;

            while (m < ARRAY_SIZE(mode_names) && strcmp(mode, mode_names[m])) {
                m++;
            }
            if (m >= ARRAY_SIZE(mode_names)) {
                error = xasprintf("%s: neither fail, stall, kill, hold nor "
                                  "off", mode);
            } else {
                f->mode = m;
                f->count = count;
            }
            break;
        }
    }
    ovs_mutex_unlock(&mutex);
    return error;
}

static void
cmd_set(struct unixctl_conn *conn, int argc, const char *argv[],
        void *program)
{
    char *error = set((uintptr_t) program, argv[1], argv[2],
                      argc > 3 ? argv[3] : "1");

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

/* Forgets what was set, and the passes. */
static void
cmd_clear(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    ovs_mutex_lock(&mutex);
    for (int i = 0; i < FAULT_N_POINTS; i++) {
        faults[i].mode = MODE_OFF;
        faults[i].passes = 0;
        faults[i].stalled = false;
    }
    ovs_mutex_unlock(&mutex);
    unixctl_command_reply(conn, NULL);
}

static void
put_points(struct table *table, unsigned int program)
{
    ovs_mutex_lock(&mutex);
    for (int i = 0; i < FAULT_N_POINTS; i++) {
        const struct fault *f = &faults[i];

        if (f->programs & program) {
            table_add_row(table);
            table_add_cell(table)->text = xstrdup(f->name);
            table_add_cell(table)->text = xasprintf("%u", f->passes);
            table_add_cell(table)->text = xstrdup(mode_names[f->mode]);
            table_add_cell(table)->text
                = xasprintf("%u", f->mode ? f->count : 0);
            table_add_cell(table)->text = xstrdup(f->what);
        }
    }
    ovs_mutex_unlock(&mutex);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[],
         void *program)
{
    struct table_style style = TABLE_STYLE_DEFAULT;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct table table;

    style.format = (argc > 1 && !strcmp(argv[1], "--format=csv")
                    ? TF_CSV : TF_TABLE);
    table_init(&table);
    table_add_column(&table, "name");
    table_add_column(&table, "passes");
    table_add_column(&table, "mode");
    table_add_column(&table, "count");
    table_add_column(&table, "before or after");
    put_points(&table, (uintptr_t) program);
    table_format_reset();
    table_format(&table, &style, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    table_destroy(&table);
}

/* Takes what the environment says. */
static void
read_environment(unsigned int program)
{
    const char *env = getenv("ALCOR_FAULTS");
    char *copy = xstrdup(env ? env : "");
    char *save_ptr = NULL;

    for (char *name = strtok_r(copy, ",", &save_ptr); name;
         name = strtok_r(NULL, ",", &save_ptr)) {
        char *mode = name + strcspn(name, "=");
        char *count, *error;

        mode += *mode ? (*mode = '\0', 1) : 0;
        count = mode + strcspn(mode, ":");
        count += *count ? (*count = '\0', 1) : 0;
        error = set(program, name, mode, *count ? count : "1");
        if (error) {
            VLOG_FATAL("ALCOR_FAULTS: %s", error);
        }
    }
    free(copy);
}

void
fault_init(unsigned int program_)
{
    void *program = (void *) (uintptr_t) program_;

    VLOG_INFO("this is a build for tests: faults can be injected");
    unixctl_command_register("fault/list", "[--format=csv]", 0, 1, cmd_list,
                             program);
    unixctl_command_register("fault/set", "NAME MODE [COUNT]", 2, 3, cmd_set,
                             program);
    unixctl_command_register("fault/clear", "", 0, 0, cmd_clear, program);
    read_environment(program_);
}

#endif /* ALCOR_FAULT_INJECTION */

/* SPDX-License-Identifier: Apache-2.0
 *
 * agent-stopwatch: how long the stages of the main loop take. */

#include <config.h>

#include "agent-private.h"

#include "stopwatch.h"
#include "timeval.h"

#define STOPWATCH(STAGE, NAME) [STOPWATCH_##STAGE] = NAME,
static const char *const names[] = { AGENT_STOPWATCHES };
#undef STOPWATCH

/* To be called when the store is open, since a thread of the library's begins:
 * see apply_bridge().  Without a data plane nothing is measured: a sample
 * wakes up that thread, and there may be a thousand of us on the machine. */
void
agent_stopwatches_init(struct agent *agent)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        stopwatch_create(names[i], SW_US);
    }
    agent->has_stopwatches = !agent->options.dummy;
}

/* Ends 'stage', which began at 'begin' and in which something was done. */
void
agent_stopwatch_lap(const struct agent *agent, enum agent_stopwatch stage,
                    long long int begin)
{
    if (agent->has_stopwatches) {
        stopwatch_start(names[stage], begin);
        stopwatch_stop(names[stage], time_usec());
    }
}

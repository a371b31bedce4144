/* SPDX-License-Identifier: Apache-2.0
 *
 * again-group: has the datapath look a packet up once more. */

#ifndef TRANSLATE_AGAIN_GROUP_H
#define TRANSLATE_AGAIN_GROUP_H 1

/* A group of one bucket that is selected by the datapath's hash, for which the
 * packet is recirculated: what comes before it in the actions and what comes
 * after are different datapath flows.  So a meter in front of it saves the
 * second look-up, and what would be too much for one translation is split.
 *
 * Thread-safety: no state. */

#include <stdint.h>
#include "apply/of-pipeline.h"

struct plugin_output;

/* Outputs the group that goes on in 'stage'; everybody's is the same.  Returns
 * its number, or 0 if there is none left. */
uint32_t again_group(struct plugin_output *, enum of_stage stage);

#endif /* translate/again-group.h */

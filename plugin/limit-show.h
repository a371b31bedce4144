/* SPDX-License-Identifier: Apache-2.0
 *
 * limit-show: limits as a table for people. */

#ifndef LIMIT_SHOW_H
#define LIMIT_SHOW_H 1

/* What "limits/show" of the agent and of the relay prints (limit.h).
 *
 * Thread-safety: main thread only. */

struct simap;
struct table;

/* Makes '*table', which the caller must destroy, list all limits.  'usage' is
 * how much there is of each; 'key' the setting that changes them. */
void limits_to_table(struct table *, const struct simap *usage,
                     const char *key);

#endif /* limit-show.h */

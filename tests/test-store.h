/* SPDX-License-Identifier: Apache-2.0
 *
 * test-store: what the tests of the goal store share. */

#ifndef TEST_STORE_H
#define TEST_STORE_H 1

#include <stdint.h>

struct goal_changes;
struct goal_store;

/* test-store-raw.c: past the store, to its LMDB databases. */
void test_store_version(const char *dir, uint64_t version);
void test_store_print_names(const char *dir);

/* test-store-txn.c. */
void test_store_txn(struct goal_store *, struct goal_changes *, int n,
                    char *words[]);

#endif /* test-store.h */

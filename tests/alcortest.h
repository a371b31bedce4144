/* SPDX-License-Identifier: Apache-2.0
 *
 * alcortest: registering unit tests with the program tests/alcortest. */

#ifndef ALCORTEST_H
#define ALCORTEST_H 1

/* Each unit test is a subcommand of one program, whose main() is that of OVS's
 * tests/ovstest.c ("alcortest --help" lists them).  A test is a function
 *
 *     static void
 *     my_test(int argc, char *argv[])
 *     {
 *         ...
 *     }
 *
 *     ALCORTEST_REGISTER("my-test", my_test);
 *
 * that gets the arguments from its own name on, prints what it finds, and is
 * compared with what is expected by an .at file.  It fails by abort() or
 * exit(). */

#include "tests/ovstest.h"

#define ALCORTEST_REGISTER(NAME, FUNCTION) OVSTEST_REGISTER(NAME, FUNCTION)

#endif /* alcortest.h */

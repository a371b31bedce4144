/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz-targets: what is fuzzed, and how it is built and replayed. */

#ifndef FUZZ_TARGETS_H
#define FUZZ_TARGETS_H 1

/* Fuzzing
 * =======
 *
 * Each fuzz-NAME.c holds one target: a function that gives its input to a
 * parser and checks properties that hold whatever the input is.  It is built
 * in two ways:
 *
 * - Into tests/alcortest, where "fuzz-replay NAME FILE..." runs it over files.
 *   The rootless suite does that with the corpus beside this file, so that
 *   what was found once is not lost, without clang.
 *
 * - With clang -DALCOR_LIBFUZZER -fsanitize=fuzzer,address,undefined, by
 *   itself, for finding more.  What it finds goes into corpus/NAME/ under a
 *   name that says what it is.
 *
 * To add a target, write fuzz-NAME.c, and add it to the table in
 * fuzz-replay.c. */

#include <stddef.h>
#include <stdint.h>

typedef void fuzz_target(const uint8_t *data, size_t size);

fuzz_target fuzz_curve_key;
fuzz_target fuzz_envelope;
fuzz_target fuzz_goal_state;
fuzz_target fuzz_json;
fuzz_target fuzz_oam;
fuzz_target fuzz_punt;

#ifdef ALCOR_LIBFUZZER
#define FUZZ_TARGET(NAME)                                               \
    int LLVMFuzzerTestOneInput(const uint8_t *, size_t);                \
                                                                        \
    int                                                                 \
    LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)            \
    {                                                                   \
        NAME(data, size);                                               \
        return 0;                                                       \
    }
#else
#define FUZZ_TARGET(NAME)
#endif

#endif /* fuzz-targets.h */

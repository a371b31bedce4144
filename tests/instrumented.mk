# SPDX-License-Identifier: Apache-2.0
# What finds what tests alone do not.  Our programs a second time: below
# sanitized/ with ASan, UBSan and fault injection, on which "make check" runs; below fuzzing/ with
# clang's libFuzzer, for "make check-fuzz"; below valgrind/, scripts that run them
# under it, for "make check-valgrind".  Names of programs are the same.  And
# "make check-soak", which takes its time.

# Sanitizers.
if SANITIZED_CHECK
check_LIBRARIES = \
	sanitized/libalcor.a \
	sanitized/libalcoridl.a \
	sanitized/libalcorproto.a
check_PROGRAMS = \
	sanitized/alcor-agent \
	sanitized/alcor-ctl \
	sanitized/alcor-publish \
	sanitized/alcor-relay \
	sanitized/alcortest
fault_programs = sanitized/alcor-agent sanitized/alcortest
check_programs_env = \
	ALCOR_PROGRAMS='$(abs_top_builddir)/sanitized' \
	ALCOR_PROGRAM_FLAGS='$(CHECK_SANITIZER_FLAGS)'
endif

# Faults can be injected into them.  (A flag of the compiler's that is given
# twice does no harm.)
sanitized_cflags = $(AM_CFLAGS) $(CHECK_SANITIZER_FLAGS) \
	-DALCOR_FAULT_INJECTION
sanitized_libs_1 = $(alcor_libs:plugin/libalcor.a=sanitized/libalcor.a)
sanitized_libs_2 = \
	$(sanitized_libs_1:proto/libalcorproto.a=sanitized/libalcorproto.a)
sanitized_libs = \
	$(sanitized_libs_2:ovsdb-schema/libalcoridl.a=sanitized/libalcoridl.a)
sanitized_deps = \
	sanitized/libalcor.a sanitized/libalcoridl.a \
	sanitized/libalcorproto.a $(OVS_STATIC_LIB)

EXTRA_LIBRARIES = sanitized/libalcor.a
sanitized_libalcor_a_CFLAGS = $(sanitized_cflags)
sanitized_libalcor_a_SOURCES = $(plugin_libalcor_a_SOURCES)
EXTRA_LIBRARIES += sanitized/libalcoridl.a
sanitized_libalcoridl_a_CFLAGS = $(sanitized_cflags) -w
nodist_sanitized_libalcoridl_a_SOURCES = \
	$(nodist_ovsdb_schema_libalcoridl_a_SOURCES)
EXTRA_LIBRARIES += sanitized/libalcorproto.a
sanitized_libalcorproto_a_CFLAGS = $(sanitized_cflags) -w
nodist_sanitized_libalcorproto_a_SOURCES = \
	$(nodist_proto_libalcorproto_a_SOURCES)

EXTRA_PROGRAMS = sanitized/alcor-agent
sanitized_alcor_agent_CFLAGS = $(sanitized_cflags)
sanitized_alcor_agent_SOURCES = $(plugin_alcor_agent_SOURCES)
sanitized_alcor_agent_LDADD = $(sanitized_libs)
sanitized_alcor_agent_DEPENDENCIES = $(sanitized_deps)
EXTRA_PROGRAMS += sanitized/alcor-ctl
sanitized_alcor_ctl_CFLAGS = $(sanitized_cflags)
sanitized_alcor_ctl_SOURCES = $(utilities_alcor_ctl_SOURCES)
sanitized_alcor_ctl_LDADD = $(sanitized_libs)
sanitized_alcor_ctl_DEPENDENCIES = $(sanitized_deps)
EXTRA_PROGRAMS += sanitized/alcor-publish
sanitized_alcor_publish_CFLAGS = $(sanitized_cflags)
sanitized_alcor_publish_SOURCES = $(utilities_alcor_publish_SOURCES)
sanitized_alcor_publish_LDADD = $(sanitized_libs)
sanitized_alcor_publish_DEPENDENCIES = $(sanitized_deps)
EXTRA_PROGRAMS += sanitized/alcor-relay
sanitized_alcor_relay_CFLAGS = $(sanitized_cflags)
sanitized_alcor_relay_SOURCES = $(plugin_alcor_relay_SOURCES)
sanitized_alcor_relay_LDADD = $(sanitized_libs)
sanitized_alcor_relay_DEPENDENCIES = $(sanitized_deps)
EXTRA_PROGRAMS += sanitized/alcortest
sanitized_alcortest_CFLAGS = $(sanitized_cflags)
sanitized_alcortest_SOURCES = $(tests_alcortest_SOURCES)
sanitized_alcortest_LDADD = tests/ovstest.o $(sanitized_libs)
sanitized_alcortest_DEPENDENCIES = tests/ovstest.o $(sanitized_deps)

# Fuzzing.  One object of each kind of file for all targets, made by clang.
fuzz_targets = \
	fuzzing/fuzz-curve-key \
	fuzzing/fuzz-envelope \
	fuzzing/fuzz-goal-state \
	fuzzing/fuzz-json \
	fuzzing/fuzz-oam \
	fuzzing/fuzz-punt
fuzzing_cflags = -g -O1 -pthread -w -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
fuzzing_libs = fuzzing/libalcor.a $(OVS_STATIC_LIB) fuzzing/libalcorproto.a \
	$(PROTOBUF_C_LIBS) $(ZMQ_LIBS) $(LMDB_LIBS) $(OVS_DEP_LIBS) -ldl
fuzzing_deps = fuzzing/libalcor.a fuzzing/libalcorproto.a

EXTRA_LIBRARIES += fuzzing/libalcor.a
fuzzing_libalcor_a_CFLAGS = $(fuzzing_cflags)
fuzzing_libalcor_a_SOURCES = $(plugin_libalcor_a_SOURCES)
EXTRA_LIBRARIES += fuzzing/libalcorproto.a
fuzzing_libalcorproto_a_CFLAGS = $(fuzzing_cflags)
nodist_fuzzing_libalcorproto_a_SOURCES = \
	$(nodist_proto_libalcorproto_a_SOURCES)

fuzzing_program_cflags = $(fuzzing_cflags) -DALCOR_LIBFUZZER
fuzzing_ldflags = -fsanitize=fuzzer,address,undefined
EXTRA_PROGRAMS += fuzzing/fuzz-curve-key
fuzzing_fuzz_curve_key_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_curve_key_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_curve_key_SOURCES = tests/fuzz/fuzz-curve-key.c
fuzzing_fuzz_curve_key_LDADD = $(fuzzing_libs)
fuzzing_fuzz_curve_key_DEPENDENCIES = $(fuzzing_deps)
EXTRA_PROGRAMS += fuzzing/fuzz-envelope
fuzzing_fuzz_envelope_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_envelope_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_envelope_SOURCES = tests/fuzz/fuzz-envelope.c
fuzzing_fuzz_envelope_LDADD = $(fuzzing_libs)
fuzzing_fuzz_envelope_DEPENDENCIES = $(fuzzing_deps)
EXTRA_PROGRAMS += fuzzing/fuzz-goal-state
fuzzing_fuzz_goal_state_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_goal_state_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_goal_state_SOURCES = tests/fuzz/fuzz-goal-state.c
fuzzing_fuzz_goal_state_LDADD = $(fuzzing_libs)
fuzzing_fuzz_goal_state_DEPENDENCIES = $(fuzzing_deps)
EXTRA_PROGRAMS += fuzzing/fuzz-json
fuzzing_fuzz_json_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_json_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_json_SOURCES = tests/fuzz/fuzz-json.c
fuzzing_fuzz_json_LDADD = $(fuzzing_libs)
fuzzing_fuzz_json_DEPENDENCIES = $(fuzzing_deps)
EXTRA_PROGRAMS += fuzzing/fuzz-oam
fuzzing_fuzz_oam_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_oam_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_oam_SOURCES = tests/fuzz/fuzz-oam.c
fuzzing_fuzz_oam_LDADD = $(fuzzing_libs)
fuzzing_fuzz_oam_DEPENDENCIES = $(fuzzing_deps)
EXTRA_PROGRAMS += fuzzing/fuzz-punt
fuzzing_fuzz_punt_CFLAGS = $(fuzzing_program_cflags)
fuzzing_fuzz_punt_LDFLAGS = $(fuzzing_ldflags)
fuzzing_fuzz_punt_SOURCES = tests/fuzz/fuzz-punt.c
fuzzing_fuzz_punt_LDADD = $(fuzzing_libs)
fuzzing_fuzz_punt_DEPENDENCIES = $(fuzzing_deps)

$(sanitized_libalcor_a_OBJECTS) $(sanitized_alcor_agent_OBJECTS) \
$(sanitized_alcor_ctl_OBJECTS) $(sanitized_alcor_publish_OBJECTS) \
$(sanitized_alcor_relay_OBJECTS) \
$(sanitized_alcortest_OBJECTS) $(fuzzing_libalcor_a_OBJECTS): \
	| $(proto_c_headers) ovsdb-schema/alcor-idl.h \
	ovsdb-schema/alcor-relay-idl.h

# FUZZ_SECONDS for each target, or just those in FUZZ_TARGETS.
FUZZ_SECONDS = 600
check-fuzz: $(BUILT_SOURCES)
	@test '$(CLANG)' != no || { echo "check-fuzz needs clang" >&2; exit 1; }
	$(MAKE) CC='$(CLANG)' WERROR_FLAGS= SANITIZER_FLAGS= $(fuzz_targets)
	FUZZ_SECONDS='$(FUZZ_SECONDS)' $(srcdir)/tests/fuzz/run fuzzing \
		$(FUZZ_TARGETS)
PHONY_TARGETS += check-fuzz
EXTRA_DIST += tests/fuzz/run
CLEANFILES += $(fuzz_targets) fuzzing/libalcor.a fuzzing/libalcorproto.a

clean-fuzzing:
	rm -rf fuzzing/corpus fuzzing/found
PHONY_TARGETS += clean-fuzzing
CLEAN_LOCAL += clean-fuzzing

# The rootless suite under valgrind.
check-valgrind: all tests/atlocal $(TESTSUITE)
	$(srcdir)/tests/under-valgrind . \
		$(SHELL) $(TESTSUITE) -C tests -j2 $(TESTSUITEFLAGS)
PHONY_TARGETS += check-valgrind
EXTRA_DIST += \
	tests/under-valgrind \
	tests/valgrind.supp

clean-valgrind:
	rm -rf valgrind
PHONY_TARGETS += clean-valgrind
CLEAN_LOCAL += clean-valgrind

# Churn, for SOAK_MINUTES: memory, and the equivalence test without an end, of
# at least SOAK_STEPS steps.
SOAK_TESTSUITE = tests/soak-testsuite
SOAK_MINUTES = 30
SOAK_STEPS = 1200
check-soak: all $(check_PROGRAMS) tests/atlocal $(SOAK_TESTSUITE)
	rm -f tests/soak.log
	SOAK_MINUTES='$(SOAK_MINUTES)' SOAK_STEPS='$(SOAK_STEPS)' \
	SOAK_REPORT='$(abs_top_builddir)/tests/soak.log' \
	$(check_programs_env) \
		$(SHELL) $(SOAK_TESTSUITE) -C tests -j2 $(TESTSUITEFLAGS)
	tail -n 5 tests/soak.log
PHONY_TARGETS += check-soak

# Three minutes of it.
check-soak-short:
	$(MAKE) check-soak SOAK_MINUTES=2 SOAK_STEPS=300
PHONY_TARGETS += check-soak-short
EXTRA_DIST += \
	tests/soak-testsuite.at \
	tests/soak.at \
	tests/soak.py

$(SOAK_TESTSUITE): package.m4 tests/soak-testsuite.at \
	tests/alcor-macros.at tests/soak.at $(ovs_macros)
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += tests/soak.log
DISTCLEANFILES += $(SOAK_TESTSUITE)

clean-soak:
	test ! -f $(SOAK_TESTSUITE) || \
		$(SHELL) $(SOAK_TESTSUITE) -C tests --clean
PHONY_TARGETS += clean-soak
CLEAN_LOCAL += clean-soak

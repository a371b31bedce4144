# SPDX-License-Identifier: Apache-2.0
# The rootless suite (make check), the one with namespaces (make check-system;
# on the kernel datapath: make check-kernel),
# unit tests in C (tests/alcortest), benchmarks (make check-perf).
#
# To add a test file: x.at goes into testsuite_at and is m4_included by
# tests/testsuite.at (system-x.at: system_testsuite_at and
# tests/system-testsuite.at); unit tests in C go into tests/test-x.c, listed
# in tests_alcortest_SOURCES, and register with OVSTEST_REGISTER of OVS's
# "tests/ovstest.h"; scripts they need go into test_scripts.

testsuite_at = \
	tests/ack.at \
	tests/agent.at \
	tests/alcor-db.at \
	tests/apply-openflow.at \
	tests/completion.at \
	tests/crash.at \
	tests/desired-state.at \
	tests/equivalence.at \
	tests/external-plugin.at \
	tests/gateway.at \
	tests/lazy.at \
	tests/limits.at \
	tests/offload.at \
	tests/on-demand.at \
	tests/storm.at \
	tests/packet-in.at \
	tests/port-security.at \
	tests/publish.at \
	tests/relay.at \
	tests/rules.at \
	tests/resync.at \
	tests/transaction.at \
	tests/security-group.at \
	tests/smoke.at \
	tests/store-convert.at \
	tests/store-rules.at \
	tests/store.at \
	tests/translate.at \
	tests/transport.at \
	tests/wire.at \
	tests/zeta.at

system_testsuite_at = \
	tests/system-fast-path.at \
	tests/system-gateway.at \
	tests/system-hitless.at \
	tests/system-macros.at \
	tests/system-relay.at \
	tests/system-port-security.at \
	tests/system-security-group.at \
	tests/system-on-demand.at \
	tests/system-insight.at \
	tests/system-smoke.at \
	tests/system-spine.at \
	tests/system-offload-equal.at \
	tests/system-faults.at \
	tests/system-live.at \
	tests/system-offload.at \
	tests/system-nd.at \
	tests/system-routing.at \
	tests/system-dhcp.at \
	tests/system-switching.at \
	tests/system-zeta.at \
	tests/system-transaction.at

deb_testsuite_at = \
	tests/deb.at

test_scripts = \
	tests/alcor-controller.py \
	tests/alcor-dummy.py \
	tests/oam-fields.py \
	tests/live-flows.py \
	tests/offload-frames.py \
	tests/alcor-kill.py \
	tests/alcor-relay.py \
	tests/alcor-server.py \
	tests/alcor_controller.py \
	tests/alcor_goal.py \
	tests/alcor_process.py \
	tests/alcor_relay.py \
	tests/relay_keys.py \
	tests/relay_scenarios.py \
	tests/relay_slow.py \
	tests/rules.py \
	tests/rules_delivery.py \
	tests/rules_resources.py \
	tests/alcor_schema.py \
	tests/arp-probe.py \
	tests/crash-matrix.py \
	tests/dhcp-probe.py \
	tests/deb-host \
	tests/gateway-probe.py \
	tests/flood-frames.py \
	tests/insight-frames.py \
	tests/send-frames.py \
	tests/sequence.py \
	tests/equivalence.py \
	tests/flows.py \
	tests/power-cut.py \
	tests/equivalence_model.py \
	tests/loud-subscriber.py \
	tests/send-frame.py \
	tests/spoof.py \
	tests/topics.py \
	tests/traffic.py \
	tests/with-own-network \
	tests/zeta_gateway.py

fuzz_corpus = \
	tests/fuzz/corpus/curve-key/certificate \
	tests/fuzz/corpus/curve-key/empty \
	tests/fuzz/corpus/curve-key/odd-lines \
	tests/fuzz/corpus/curve-key/public-only \
	tests/fuzz/corpus/curve-key/two-lines \
	tests/fuzz/corpus/curve-key/unterminated \
	tests/fuzz/corpus/envelope/empty \
	tests/fuzz/corpus/envelope/goal-state-reply \
	tests/fuzz/corpus/envelope/goal-state-v1 \
	tests/fuzz/corpus/envelope/goal-state-v2-controller-style \
	tests/fuzz/corpus/envelope/goal-state-v2-empty \
	tests/fuzz/corpus/envelope/goal-state-v2-zeta \
	tests/fuzz/corpus/envelope/hello \
	tests/fuzz/corpus/envelope/host-request-on-demand \
	tests/fuzz/corpus/envelope/host-request-resync \
	tests/fuzz/corpus/envelope/not-utf8 \
	tests/fuzz/corpus/envelope/snapshot-end \
	tests/fuzz/corpus/envelope/unterminated \
	tests/fuzz/corpus/goal-state/configuration-twice \
	tests/fuzz/corpus/goal-state/every-kind \
	tests/fuzz/corpus/goal-state/gateway-twice-without-oneof \
	tests/fuzz/corpus/goal-state/goal-state-v1 \
	tests/fuzz/corpus/goal-state/goal-state-v2-controller-style \
	tests/fuzz/corpus/goal-state/goal-state-v2-empty \
	tests/fuzz/corpus/goal-state/goal-state-v2-zeta \
	tests/fuzz/corpus/goal-state/group \
	tests/fuzz/corpus/goal-state/id-not-utf8 \
	tests/fuzz/corpus/goal-state/id-with-null \
	tests/fuzz/corpus/goal-state/length-near-2-32 \
	tests/fuzz/corpus/goal-state/listed-for-ipv6-host \
	tests/fuzz/corpus/goal-state/many-empty-rules \
	tests/fuzz/corpus/json/both-of-oneof \
	tests/fuzz/corpus/json/every-kind \
	tests/fuzz/corpus/json/goal-state-v2-controller-style \
	tests/fuzz/corpus/json/goal-state-v2-empty \
	tests/fuzz/corpus/json/goal-state-v2-zeta \
	tests/fuzz/corpus/json/numbers \
	tests/fuzz/corpus/json/unknown-field \
	tests/fuzz/corpus/oam/all-ones \
	tests/fuzz/corpus/oam/another-destination \
	tests/fuzz/corpus/oam/deletion \
	tests/fuzz/corpus/oam/deletion-of-44 \
	tests/fuzz/corpus/oam/empty \
	tests/fuzz/corpus/oam/injection \
	tests/fuzz/corpus/oam/injection-of-20 \
	tests/fuzz/corpus/oam/multicast-mac \
	tests/fuzz/corpus/oam/no-host \
	tests/fuzz/corpus/oam/one-less \
	tests/fuzz/corpus/oam/one-more \
	tests/fuzz/corpus/punt/announce \
	tests/fuzz/corpus/punt/dhcp-1 \
	tests/fuzz/corpus/punt/dhcp-3 \
	tests/fuzz/corpus/punt/dhcp-4 \
	tests/fuzz/corpus/punt/dhcp-7 \
	tests/fuzz/corpus/punt/dhcp-8 \
	tests/fuzz/corpus/punt/dhcp-option-cut-off \
	tests/fuzz/corpus/punt/dhcp6-confirm \
	tests/fuzz/corpus/punt/dhcp6-information \
	tests/fuzz/corpus/punt/dhcp6-option-cut-off \
	tests/fuzz/corpus/punt/dhcp6-release \
	tests/fuzz/corpus/punt/dhcp6-renew \
	tests/fuzz/corpus/punt/dhcp6-request \
	tests/fuzz/corpus/punt/dhcp6-solicit \
	tests/fuzz/corpus/punt/fast-path-arrival \
	tests/fuzz/corpus/punt/fast-path-departure \
	tests/fuzz/corpus/punt/fast-path-routed \
	tests/fuzz/corpus/punt/icmp-error-0 \
	tests/fuzz/corpus/punt/icmp-error-1 \
	tests/fuzz/corpus/punt/icmp-error-2 \
	tests/fuzz/corpus/punt/icmp-error-3 \
	tests/fuzz/corpus/punt/icmp6-error-0 \
	tests/fuzz/corpus/punt/icmp6-error-1 \
	tests/fuzz/corpus/punt/icmp6-error-2 \
	tests/fuzz/corpus/punt/icmp6-error-3 \
	tests/fuzz/corpus/punt/probe \
	tests/fuzz/corpus/punt/resolve \
	tests/fuzz/corpus/punt/resolve-nd \
	tests/fuzz/corpus/punt/router-solicit \
	tests/fuzz/corpus/punt/spoofed \
	tests/fuzz/corpus/punt/unknown-routed \
	tests/fuzz/corpus/punt/unknown-udp \
	tests/fuzz/corpus/punt/uplink-hop-answer \
	tests/fuzz/corpus/punt/uplink-hop-ask \
	tests/fuzz/corpus/punt/vlan-cut

external_plugin = \
	tests/external-plugin/Makefile \
	tests/external-plugin/README.md \
	tests/external-plugin/rate-guard.c \
	tests/external-plugin/refused.c \
	tests/external-plugin/vlan-guard.c

EXTRA_DIST += tests/store-v3.mdb.gz
EXTRA_DIST += \
	$(external_plugin) \
	$(fuzz_corpus) \
	tests/perf/fanout.py \
	tests/perf/neighbors.py \
	tests/perf/offload.py \
	tests/perf/relay.py \
	tests/perf/restart.py \
	tests/perf/run \
	tests/perf/flood.py \
	tests/perf/port-first.py \
	tests/perf/security-groups.py \
	tests/perf/zeta.py \
	$(testsuite_at) \
	$(system_testsuite_at) \
	$(deb_testsuite_at) \
	$(test_scripts) \
	tests/alcor-macros.at \
	tests/deb-testsuite.at \
	tests/system-testsuite.at \
	tests/testsuite.at

# OVS's own test macros are taken from its tree at build time, never copied
# into ours.  They look for files of OVS below [abs_]top_srcdir, which in our
# suites is not OVS's.
ovs_macros = \
	ovs-macros/tests/ofproto-macros.at \
	ovs-macros/tests/ovs-macros.at \
	ovs-macros/tests/system-common-macros.at \
	ovs-macros/tests/system-userspace-macros.at
ovs-macros/tests/%.at: $(OVSDIR)/tests/%.at
	$(AM_V_at)$(MKDIR_P) ovs-macros/tests
	$(AM_V_GEN)sed 's/\$$\(abs_\)\{0,1\}top_srcdir/$$ovs_srcdir/g' \
		$(OVSDIR)/tests/$*.at > $@
CLEANFILES += $(ovs_macros)

# Unit tests.  The main program is OVS's, each test a subcommand.
noinst_PROGRAMS += tests/alcortest
tests_alcortest_SOURCES = \
	tests/alcortest.h \
	tests/fuzz/fuzz-curve-key.c \
	tests/fuzz/fuzz-envelope.c \
	tests/fuzz/fuzz-goal-state.c \
	tests/fuzz/fuzz-json.c \
	tests/fuzz/fuzz-oam.c \
	tests/fuzz/fuzz-punt.c \
	tests/fuzz/fuzz-replay.c \
	tests/fuzz/fuzz-targets.h \
	tests/goal-text.c \
	tests/goal-text.h \
	tests/test-ack.c \
	tests/test-apply-ovsdb.c \
	tests/test-desired-chunks.c \
	tests/test-desired-state.c \
	tests/test-flow-names.c \
	tests/test-gateway-cluster.c \
	tests/test-hello.c \
	tests/test-offload.c \
	tests/test-on-demand.c \
	tests/test-zeta.c \
	tests/test-punt.c \
	tests/test-resync-storm.c \
	tests/test-told-paths.c \
	tests/test-store-bench.c \
	tests/test-store-raw.c \
	tests/test-store-record.c \
	tests/test-store-txn.c \
	tests/test-store.c \
	tests/test-store.h \
	tests/test-transport.c \
	tests/test-wire.c
fast_path_tests = \
	tests/fast-path-frame.c \
	tests/fast-path-frame.h \
	tests/fast-path-run.c \
	tests/fast-path-run.h \
	tests/perf/fast-path-cost.c \
	tests/perf/live-frames.c \
	tests/test-apply-bpf.c \
	tests/test-bpf-gateway.c \
	tests/test-fast-path-gateway.c \
	tests/test-fast-path-tenant.c \
	tests/test-fast-path-uplink.c \
	tests/test-gateway-table.c
if HAVE_FAST_PATH
tests_alcortest_SOURCES += $(fast_path_tests)
endif
EXTRA_DIST += $(fast_path_tests) $(bench_sources)

# Benchmarks of eBPF programs.
bench_names = gateway live tenant uplink
bench_sources = \
	tests/perf/bench-gateway.bpf.c \
	tests/perf/bench-live.bpf.c \
	tests/perf/bench-tenant.bpf.c \
	tests/perf/bench-uplink.bpf.c \
	tests/perf/bench.bpf.h
if HAVE_FAST_PATH
bench_objects = $(bench_names:%=tests/perf/bench-%.bpf.o)
bench_skeletons = $(bench_names:%=tests/perf/bench-%.skel.h)
tests/perf/bench-%.bpf.o: tests/perf/bench-%.bpf.c tests/perf/bench.bpf.h \
	$(bpf_sources) $(bpf_headers)
	$(AM_V_at)$(MKDIR_P) tests/perf
	$(AM_V_GEN)$(BPF_COMPILE) -c $< -o $@
tests/perf/bench-%.skel.h: tests/perf/bench-%.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton $< name bench_$* > $@.tmp
	$(AM_V_at)mv $@.tmp $@
BUILT_SOURCES += $(bench_skeletons)
CLEANFILES += $(bench_objects) $(bench_skeletons)
$(tests_alcortest_OBJECTS): | $(bench_skeletons)
endif
tests_alcortest_LDADD = tests/ovstest.o $(alcor_libs)
tests_alcortest_DEPENDENCIES = tests/ovstest.o $(alcor_deps)
tests/ovstest.o: $(OVSDIR)/tests/ovstest.c
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_CC)$(COMPILE) -w -c -o $@ $(OVSDIR)/tests/ovstest.c
CLEANFILES += tests/ovstest.o

# The agent once more, with another layout of the fast path's maps: what one is
# upgraded to.  (Its own object comes before the library's.)
if HAVE_FAST_PATH
noinst_LIBRARIES += tests/next-layout/liblayout.a
tests_next_layout_liblayout_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DFP_LAYOUT_VERSION=999
tests_next_layout_liblayout_a_SOURCES = plugin/apply/apply-bpf-dir.c
noinst_PROGRAMS += tests/next-layout/alcor-agent
tests_next_layout_alcor_agent_SOURCES = $(plugin_alcor_agent_SOURCES)
tests_next_layout_alcor_agent_LDFLAGS = $(AM_LDFLAGS) -Wl,-z,muldefs
tests_next_layout_alcor_agent_LDADD = tests/next-layout/liblayout.a \
	$(alcor_libs)
tests_next_layout_alcor_agent_DEPENDENCIES = tests/next-layout/liblayout.a \
	$(alcor_deps)
$(tests_next_layout_liblayout_a_OBJECTS): | $(bpf_skeletons)
endif

# The suites.
TESTSUITE = tests/testsuite
SYSTEM_TESTSUITE = tests/system-testsuite
DEB_TESTSUITE = tests/deb-testsuite
AUTOTEST = $(AUTOM4TE) --language=autotest \
	-I $(builddir) -I ovs-macros -I $(srcdir) -I $(OVSDIR)

package.m4: Makefile
	$(AM_V_GEN)printf '%s\n' \
		'm4_define([AT_PACKAGE_NAME],      [$(PACKAGE_NAME)])' \
		'm4_define([AT_PACKAGE_TARNAME],   [$(PACKAGE_TARNAME)])' \
		'm4_define([AT_PACKAGE_VERSION],   [$(PACKAGE_VERSION)])' \
		'm4_define([AT_PACKAGE_STRING],    [$(PACKAGE_STRING)])' \
		'm4_define([AT_PACKAGE_BUGREPORT], [$(PACKAGE_BUGREPORT)])' > $@
CLEANFILES += package.m4

$(TESTSUITE): package.m4 tests/testsuite.at tests/alcor-macros.at \
	$(testsuite_at) $(ovs_macros)
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@

$(SYSTEM_TESTSUITE): package.m4 tests/system-testsuite.at \
	tests/alcor-macros.at $(system_testsuite_at) $(ovs_macros)
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@

$(DEB_TESTSUITE): package.m4 tests/deb-testsuite.at \
	$(deb_testsuite_at) $(ovs_macros)
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@

DISTCLEANFILES += tests/atconfig $(TESTSUITE) $(SYSTEM_TESTSUITE) \
	$(DEB_TESTSUITE)

# Tests of the rootless suite share nothing and wait most of the time, so three
# run at a time.  Options of Autotest go into TESTSUITEFLAGS, e.g.
# TESTSUITEFLAGS='-k transport -v -j4'.
check-local: all tests/atlocal $(TESTSUITE)
	$(check_programs_env) \
		$(SHELL) $(TESTSUITE) -C tests -j3 $(TESTSUITEFLAGS)

# Apart from the host's own network (see the script), two at a time: each test has
# its own names of namespaces, and waits most of the time.
check-system: all $(fault_programs) tests/atlocal $(SYSTEM_TESTSUITE)
	$(SHELL) $(srcdir)/tests/with-own-network \
		$(SHELL) $(SYSTEM_TESTSUITE) -C tests -j2 $(TESTSUITEFLAGS)

# The same on the kernel datapath, in virtual machines.
EXTRA_DIST += \
	tests/dataplane-numbers \
	tests/kernel-guest-init \
	tests/kernel-suite \
	tests/with-kernel-guest
KERNEL_TESTSUITE = tests/kernel-testsuite
$(KERNEL_TESTSUITE): $(SYSTEM_TESTSUITE)
	$(AM_V_at)cp $(SYSTEM_TESTSUITE) $@.tmp
	$(AM_V_at)mv $@.tmp $@
DISTCLEANFILES += $(KERNEL_TESTSUITE)

check-kernel: all tests/atlocal $(KERNEL_TESTSUITE)
	$(srcdir)/tests/kernel-suite $(KERNEL_TESTSUITE) $(TESTSUITEFLAGS)

# One test for each number of tests/dataplane-numbers: minutes instead of many.
# Part of utilities/run-tests.
check-kernel-core: all tests/atlocal $(KERNEL_TESTSUITE)
	$(srcdir)/tests/kernel-suite $(KERNEL_TESTSUITE) -k kernel-core \
		$(TESTSUITEFLAGS)

# Without the plugin that it is about, each test of the data plane fails.
EXTRA_DIST += tests/plugin-off
PLUGIN_OFF_TESTSUITE = tests/plugin-off-testsuite
$(PLUGIN_OFF_TESTSUITE): $(SYSTEM_TESTSUITE)
	$(AM_V_at)cp $(SYSTEM_TESTSUITE) $@.tmp
	$(AM_V_at)mv $@.tmp $@
DISTCLEANFILES += $(PLUGIN_OFF_TESTSUITE)

check-plugin-off: all tests/atlocal $(PLUGIN_OFF_TESTSUITE)
	$(srcdir)/tests/plugin-off $(PLUGIN_OFF_TESTSUITE) $(DP_NUMBERS)

# The Debian packages, built anew, on clean hosts (see tests/deb-host).
check-deb: all tests/atlocal $(DEB_TESTSUITE) deb
	$(SHELL) $(DEB_TESTSUITE) -C tests -j2 $(TESTSUITEFLAGS)

# Benchmarks: ratios measured in one run, not part of "make check".
check-perf: all
	OVSDIR='$(OVSDIR)' OVSBUILDDIR='$(OVSBUILDDIR)' PYTHON3='$(PYTHON3)' \
	ALCOR_BUILD_DIR='$(abs_top_builddir)' $(srcdir)/tests/perf/run
PHONY_TARGETS += check-deb check-kernel check-kernel-core check-perf check-plugin-off \
	check-system

include tests/instrumented.mk

clean-testsuite:
	for suite in $(TESTSUITE) $(SYSTEM_TESTSUITE) $(KERNEL_TESTSUITE) \
		$(DEB_TESTSUITE); do \
		test ! -f $$suite || $(SHELL) $$suite -C tests --clean; \
	done
PHONY_TARGETS += clean-testsuite
CLEAN_LOCAL += clean-testsuite

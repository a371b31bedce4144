# SPDX-License-Identifier: Apache-2.0
# plugin/apply/: desired against installed state: OpenFlow, OVSDB, next hops.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

plugin_libalcor_a_SOURCES += \
	plugin/apply/alcor-db-admin.c \
	plugin/apply/alcor-db-admin.h \
	plugin/apply/alcor-db-private.h \
	plugin/apply/alcor-db-rows.c \
	plugin/apply/alcor-db.c \
	plugin/apply/alcor-db.h \
	plugin/apply/apply-openflow-audit.c \
	plugin/apply/apply-openflow-readback.c \
	plugin/apply/apply-openflow-private.h \
	plugin/apply/apply-openflow-settle.c \
	plugin/apply/apply-openflow-sinks.c \
	plugin/apply/apply-openflow.c \
	plugin/apply/apply-openflow.h \
	plugin/apply/apply-ovsdb-installed.c \
	plugin/apply/apply-ovsdb-patch.c \
	plugin/apply/apply-ovsdb-prefixes.c \
	plugin/apply/apply-ovsdb-private.h \
	plugin/apply/apply-ovsdb-readback.c \
	plugin/apply/apply-ovsdb-sink.c \
	plugin/apply/apply-ovsdb-stand-in.c \
	plugin/apply/apply-ovsdb-tunnel.c \
	plugin/apply/apply-ovsdb.c \
	plugin/apply/apply-ovsdb.h \
	plugin/apply/commit.c \
	plugin/apply/commit.h \
	plugin/apply/desired-audit.c \
	plugin/apply/desired-state-private.h \
	plugin/apply/desired-state.c \
	plugin/apply/desired-state.h \
	plugin/apply/desired-unit.c \
	plugin/apply/device-buffer.c \
	plugin/apply/device-buffer.h \
	plugin/apply/flow-encode.c \
	plugin/apply/flow-encode.h \
	plugin/apply/gateway-device.c \
	plugin/apply/gateway-device.h \
	plugin/apply/group-encode.c \
	plugin/apply/group-encode.h \
	plugin/apply/meter-encode.c \
	plugin/apply/meter-encode.h \
	plugin/apply/flow-stats.c \
	plugin/apply/flow-stats.h \
	plugin/apply/port-stats.c \
	plugin/apply/port-stats.h \
	plugin/apply/next-hop-kernel.c \
	plugin/apply/next-hop-provider.h \
	plugin/apply/next-hop-underlay.c \
	plugin/apply/next-hop-underlay.h \
	plugin/apply/next-hop-vswitchd.c \
	plugin/apply/next-hop.c \
	plugin/apply/next-hop.h \
	plugin/apply/of-pipeline.c \
	plugin/apply/of-pipeline.h \
	plugin/apply/openflow-readback.c \
	plugin/apply/openflow-readback.h \
	plugin/apply/sink-dummy.c \
	plugin/apply/sink-provider.h \
	plugin/apply/unixctl-client.c \
	plugin/apply/unixctl-client.h

# The eBPF fast path and gateway, or what stands in for them.
fast_path_sources = \
	plugin/apply/apply-bpf-attach.c \
	plugin/apply/apply-bpf-dir.c \
	plugin/apply/apply-bpf-entry.c \
	plugin/apply/apply-bpf-hold.c \
	plugin/apply/apply-bpf-peer.c \
	plugin/apply/apply-bpf-upgrade.c \
	plugin/apply/apply-bpf-private.h \
	plugin/apply/apply-bpf-veth.c \
	plugin/apply/apply-bpf.c \
	plugin/apply/bpf-clock.c \
	plugin/apply/bpf-clock.h \
	plugin/apply/bpf-gateway-table.c \
	plugin/apply/bpf-gateway.c \
	plugin/apply/bpf-notes.c
fast_path_stubs = \
	plugin/apply/apply-bpf-absent.c \
	plugin/apply/bpf-gateway-absent.c
plugin_libalcor_a_SOURCES += \
	plugin/apply/apply-bpf.h \
	plugin/apply/bpf-gateway-oam.c \
	plugin/apply/bpf-gateway-table.h \
	plugin/apply/bpf-gateway.h \
	plugin/apply/bpf-notes.h
if HAVE_FAST_PATH
plugin_libalcor_a_SOURCES += $(fast_path_sources)
else
plugin_libalcor_a_SOURCES += $(fast_path_stubs)
endif
EXTRA_DIST += $(fast_path_sources) $(fast_path_stubs)

# SPDX-License-Identifier: Apache-2.0
# alcor-agent, and the library of everything in plugin/ but its main().
#
# fault-point.[ch], limit.[ch], limit-show.[ch] and open-files.[ch] may be used by
# all folders.
#
# To add a file, add it to plugin_libalcor_a_SOURCES in the automake.mk of its
# folder (the .h as well, so that it is distributed).  make reruns automake by
# itself.  Files of this folder are the agent's alone.

noinst_LIBRARIES += plugin/libalcor.a
plugin_libalcor_a_SOURCES = \
	plugin/fault-point.c \
	plugin/fault-point.h \
	plugin/limit-show.c \
	plugin/limit-show.h \
	plugin/limit.c \
	plugin/limit.h \
	plugin/open-files.c \
	plugin/open-files.h

sbin_PROGRAMS += plugin/alcor-agent
plugin_alcor_agent_SOURCES = \
	plugin/agent-commands.c \
	plugin/agent-config.c \
	plugin/agent-config.h \
	plugin/agent-db-rows.c \
	plugin/agent-db-rows.h \
	plugin/agent-db.c \
	plugin/agent-fast-path-config.c \
	plugin/agent-fast-path-ct.c \
	plugin/agent-fast-path-exchange.c \
	plugin/agent-fast-path-flows.c \
	plugin/agent-fast-path-show.c \
	plugin/agent-fast-path-stats.c \
	plugin/agent-fast-path.c \
	plugin/agent-fast-path.h \
	plugin/agent-gateway-claims.c \
	plugin/agent-gateway-claims.h \
	plugin/agent-gateway-endpoints.c \
	plugin/agent-gateway-endpoints.h \
	plugin/agent-gateway-private.h \
	plugin/agent-gateway-show.c \
	plugin/agent-gateway-told.c \
	plugin/agent-gateway.c \
	plugin/agent-gateway.h \
	plugin/agent-main.c \
	plugin/agent-audit.c \
	plugin/agent-ids.c \
	plugin/agent-limits.c \
	plugin/agent-errors.c \
	plugin/agent-underlay.c \
	plugin/agent-messages.c \
	plugin/agent-on-demand.c \
	plugin/agent-packets.c \
	plugin/agent-port-stats.c \
	plugin/agent-port-stats.h \
	plugin/agent-private.h \
	plugin/agent-resync.c \
	plugin/agent-snapshot.c \
	plugin/agent-stopwatch.c \
	plugin/agent-storm.c \
	plugin/agent-uplink.c \
	plugin/agent-transaction-doubt.c \
	plugin/agent-transaction-run.c \
	plugin/agent-transaction-status.c \
	plugin/agent-transaction-work.c \
	plugin/agent-transaction.c \
	plugin/agent-transaction.h \
	plugin/agent-transport.c \
	plugin/agent-zeta-commands.c \
	plugin/agent-zeta-xsk.c \
	plugin/agent-zeta.c \
	plugin/agent-zeta.h \
	plugin/agent.c \
	plugin/agent.h
plugin_alcor_agent_LDADD = $(alcor_libs)
plugin_alcor_agent_DEPENDENCIES = $(alcor_deps)

EXTRA_DIST += plugin/alcor-agent.8.in
man_MANS += plugin/alcor-agent.8
CLEANFILES += plugin/alcor-agent.8

# What plugins that are built elsewhere need: the headers that plugin-provider.h
# includes and flow-actions.h, in folders as here, and a pkg-config file.
# (tests/external-plugin.at says if one is missing.)
pluginincludedir = $(includedir)/openvswitch-alcor
plugin_applydir = $(pluginincludedir)/apply
plugin_apply_HEADERS = \
	plugin/apply/of-pipeline.h
plugin_storedir = $(pluginincludedir)/store
plugin_store_HEADERS = \
	plugin/store/goal-store.h \
	plugin/store/goal-types.h \
	plugin/store/id-store.h \
	plugin/store/volatile-store.h
plugin_translatedir = $(pluginincludedir)/translate
plugin_translate_HEADERS = \
	plugin/translate/flow-actions.h \
	plugin/translate/plugin-provider.h \
	plugin/translate/punt.h

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = utilities/openvswitch-alcor-plugin.pc
EXTRA_DIST += utilities/openvswitch-alcor-plugin.pc.in
CLEANFILES += utilities/openvswitch-alcor-plugin.pc
below_prefix = $(patsubst $(prefix)/%,$${prefix}/%,$(1))
utilities/openvswitch-alcor-plugin.pc: \
	utilities/openvswitch-alcor-plugin.pc.in Makefile
	$(AM_V_at)$(MKDIR_P) utilities
	$(AM_V_GEN)sed -e 's|[@]prefix[@]|$(prefix)|' \
		-e 's|[@]includedir[@]|$(call below_prefix,$(includedir))|' \
		-e 's|[@]plugindir[@]|$(call below_prefix,$(alcorplugindir))|' \
		-e 's|[@]OVSDIR[@]|$(OVSDIR)|' \
		-e 's|[@]OVSBUILDDIR[@]|$(OVSBUILDDIR)|' \
		-e 's|[@]OVSVERSION[@]|$(OVSVERSION)|' \
		-e 's|[@]VERSION[@]|$(VERSION)|' $< > $@.tmp
	$(AM_V_at)mv $@.tmp $@

include plugin/ingest/automake.mk
include plugin/store/automake.mk
include plugin/translate/automake.mk
include plugin/apply/automake.mk
include plugin/feedback/automake.mk
include plugin/relay/automake.mk

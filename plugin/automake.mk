# SPDX-License-Identifier: Apache-2.0
# alcor-agent, and the library of everything in plugin/ but its main().
#
# To add a file, add it to plugin_libalcor_a_SOURCES in the automake.mk of its
# folder (the .h as well, so that it is distributed).  make reruns automake by
# itself.  Files of this folder are the agent's alone.

noinst_LIBRARIES += plugin/libalcor.a
plugin_libalcor_a_SOURCES =

sbin_PROGRAMS += plugin/alcor-agent
plugin_alcor_agent_SOURCES = \
	plugin/agent-commands.c \
	plugin/agent-config.c \
	plugin/agent-config.h \
	plugin/agent-main.c \
	plugin/agent-messages.c \
	plugin/agent-private.h \
	plugin/agent-resync.c \
	plugin/agent-snapshot.c \
	plugin/agent.c \
	plugin/agent.h
plugin_alcor_agent_LDADD = $(alcor_libs)
plugin_alcor_agent_DEPENDENCIES = $(alcor_deps)

EXTRA_DIST += plugin/alcor-agent.8.in
man_MANS += plugin/alcor-agent.8
CLEANFILES += plugin/alcor-agent.8

include plugin/ingest/automake.mk
include plugin/store/automake.mk
include plugin/translate/automake.mk
include plugin/apply/automake.mk
include plugin/feedback/automake.mk

# SPDX-License-Identifier: Apache-2.0
# plugin/relay/: alcor-relay, which distributes goal state to many hosts.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

sbin_PROGRAMS += plugin/alcor-relay
plugin_alcor_relay_SOURCES = \
	plugin/relay/placement-db.c \
	plugin/relay/placement-private.h \
	plugin/relay/placement.c \
	plugin/relay/placement.h \
	plugin/relay/relay-acks-private.h \
	plugin/relay/relay-acks.c \
	plugin/relay/relay-answers.c \
	plugin/relay/relay-commands.c \
	plugin/relay/relay-db.c \
	plugin/relay/relay-distribute.c \
	plugin/relay/relay-intake.c \
	plugin/relay/relay-main.c \
	plugin/relay/relay-nodes.c \
	plugin/relay/relay-outbox.c \
	plugin/relay/relay-peers.c \
	plugin/relay/relay-private.h \
	plugin/relay/relay-replay.c \
	plugin/relay/relay-resolve.c \
	plugin/relay/relay-snapshot.c \
	plugin/relay/relay-upstream.c \
	plugin/relay/relay-verdicts.c \
	plugin/relay/relay.c \
	plugin/relay/relay.h
plugin_alcor_relay_LDADD = $(alcor_libs)
plugin_alcor_relay_DEPENDENCIES = $(alcor_deps)

EXTRA_DIST += plugin/relay/alcor-relay.8.in
man_MANS += plugin/relay/alcor-relay.8
CLEANFILES += plugin/relay/alcor-relay.8

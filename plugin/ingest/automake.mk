# SPDX-License-Identifier: Apache-2.0
# plugin/ingest/: from the wire to typed goals; the only place that sees protobuf.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

plugin_libalcor_a_SOURCES += \
	plugin/ingest/control-server.c \
	plugin/ingest/control-server.h \
	plugin/ingest/control.c \
	plugin/ingest/control.h \
	plugin/ingest/curve-key.c \
	plugin/ingest/curve-key.h \
	plugin/ingest/envelope.c \
	plugin/ingest/envelope.h \
	plugin/ingest/failover.c \
	plugin/ingest/failover.h \
	plugin/ingest/goal-check.c \
	plugin/ingest/goal-decode.c \
	plugin/ingest/goal-decode.h \
	plugin/ingest/goal-encode.c \
	plugin/ingest/goal-encode.h \
	plugin/ingest/goal-schema.c \
	plugin/ingest/goal-schema.h \
	plugin/ingest/host-filter.c \
	plugin/ingest/host-filter.h \
	plugin/ingest/host-lists.c \
	plugin/ingest/host-lists.h \
	plugin/ingest/loud-peers.c \
	plugin/ingest/loud-peers.h \
	plugin/ingest/proto-field-private.h \
	plugin/ingest/proto-field.c \
	plugin/ingest/proto-field.h \
	plugin/ingest/proto-json.c \
	plugin/ingest/proto-json.h \
	plugin/ingest/publishers.c \
	plugin/ingest/publishers.h \
	plugin/ingest/resync-private.h \
	plugin/ingest/resync-replay.c \
	plugin/ingest/resync.c \
	plugin/ingest/resync.h \
	plugin/ingest/server-payload.c \
	plugin/ingest/server-payload.h \
	plugin/ingest/slow-peers.c \
	plugin/ingest/slow-peers.h \
	plugin/ingest/socket-fd.c \
	plugin/ingest/socket-fd.h \
	plugin/ingest/transport-dummy.c \
	plugin/ingest/transport-provider.h \
	plugin/ingest/transport-zmq.c \
	plugin/ingest/transport.c \
	plugin/ingest/wire-walk.c \
	plugin/ingest/wire-walk.h \
	plugin/ingest/zap.c \
	plugin/ingest/zap.h \
	plugin/ingest/zmq-backlog.c \
	plugin/ingest/zmq-backlog.h \
	plugin/ingest/zmq-channel.c \
	plugin/ingest/zmq-channel.h \
	plugin/ingest/zmq-server.c \
	plugin/ingest/zmq-server.h

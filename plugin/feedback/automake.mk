# SPDX-License-Identifier: Apache-2.0
# plugin/feedback/: answers to the controller.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

plugin_libalcor_a_SOURCES += \
	plugin/feedback/ack.c \
	plugin/feedback/ack.h \
	plugin/feedback/offload-change.c \
	plugin/feedback/offload-told.c \
	plugin/feedback/offload-private.h \
	plugin/feedback/offload.c \
	plugin/feedback/offload.h \
	plugin/feedback/direct-path.c \
	plugin/feedback/direct-path.h \
	plugin/feedback/liveness.c \
	plugin/feedback/liveness.h \
	plugin/feedback/oam-socket.c \
	plugin/feedback/oam-socket.h \
	plugin/feedback/oam-xsk.c \
	plugin/feedback/oam-xsk.h \
	plugin/feedback/oam.c \
	plugin/feedback/oam.h \
	plugin/feedback/gateway-cluster.c \
	plugin/feedback/gateway-cluster.h \
	plugin/feedback/on-demand.c \
	plugin/feedback/on-demand.h \
	plugin/feedback/packet-in.c \
	plugin/feedback/packet-in.h \
	plugin/feedback/port-event.c \
	plugin/feedback/port-event.h \
	plugin/feedback/rejection.c \
	plugin/feedback/rejection.h \
	plugin/feedback/told-paths.c \
	plugin/feedback/told-paths.h \
	plugin/feedback/storm.c \
	plugin/feedback/storm.h

# SPDX-License-Identifier: Apache-2.0
# plugin/store/: the typed model of the goal state, durable.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

plugin_libalcor_a_SOURCES += \
	plugin/store/dep-key.h \
	plugin/store/goal-admission.c \
	plugin/store/goal-admission.h \
	plugin/store/goal-changes.c \
	plugin/store/goal-fields.h \
	plugin/store/goal-fit.c \
	plugin/store/goal-fit.h \
	plugin/store/goal-kinds.c \
	plugin/store/goal-merge.c \
	plugin/store/goal-merge.h \
	plugin/store/goal-print.c \
	plugin/store/goal-record.c \
	plugin/store/goal-record.h \
	plugin/store/goal-store-convert.c \
	plugin/store/goal-store-copy.c \
	plugin/store/goal-store-count.c \
	plugin/store/goal-store-env.c \
	plugin/store/goal-store-graves.c \
	plugin/store/goal-store-ids.c \
	plugin/store/goal-store-index.c \
	plugin/store/goal-store-map.c \
	plugin/store/goal-store-map.h \
	plugin/store/goal-store-numbers.c \
	plugin/store/goal-store-origin.c \
	plugin/store/goal-store-private.h \
	plugin/store/goal-store-sweep.c \
	plugin/store/goal-store-sync.c \
	plugin/store/goal-store-verify.c \
	plugin/store/goal-store-write.c \
	plugin/store/goal-store.c \
	plugin/store/goal-store.h \
	plugin/store/goal-txn-private.h \
	plugin/store/goal-txn-row.c \
	plugin/store/goal-txn-undo.c \
	plugin/store/goal-txn.c \
	plugin/store/goal-txn.h \
	plugin/store/goal-types.c \
	plugin/store/goal-types.h \
	plugin/store/id-store.c \
	plugin/store/id-store.h \
	plugin/store/vni-claims.c \
	plugin/store/vni-claims.h \
	plugin/store/volatile-store.c \
	plugin/store/volatile-store.h

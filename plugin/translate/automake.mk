# SPDX-License-Identifier: Apache-2.0
# plugin/translate/: plugins, from the store to desired state.
#
# To add a file, add it here: the .c and its .h.  make reruns automake by
# itself, and "make check-style" says what is not listed yet.

plugin_libalcor_a_SOURCES += \
	plugin/translate/activation.c \
	plugin/translate/activation.h \
	plugin/translate/again-group.c \
	plugin/translate/again-group.h \
	plugin/translate/announce.c \
	plugin/translate/arp-nd.c \
	plugin/translate/arp-nd.h \
	plugin/translate/dependency.c \
	plugin/translate/dependency.h \
	plugin/translate/dhcp-options.c \
	plugin/translate/dhcp-options.h \
	plugin/translate/dhcp.c \
	plugin/translate/dhcp4-reply.c \
	plugin/translate/dhcp4-reply.h \
	plugin/translate/dhcp6-reply.c \
	plugin/translate/dhcp6-reply.h \
	plugin/translate/fast-path.c \
	plugin/translate/fast-path.h \
	plugin/translate/egress-policy.c \
	plugin/translate/egress-policy.h \
	plugin/translate/gateway-map.c \
	plugin/translate/gateway-map.h \
	plugin/translate/flow-actions.c \
	plugin/translate/flow-actions.h \
	plugin/translate/flow-draft.c \
	plugin/translate/flow-draft.h \
	plugin/translate/goal-view.c \
	plugin/translate/goal-view.h \
	plugin/translate/group-hash.c \
	plugin/translate/group-hash.h \
	plugin/translate/icmp-error.c \
	plugin/translate/icmp-error.h \
	plugin/translate/l2-flood.c \
	plugin/translate/l2-switching.c \
	plugin/translate/l3-ecmp.c \
	plugin/translate/l3-errors.c \
	plugin/translate/l3-internet.c \
	plugin/translate/l3-router.h \
	plugin/translate/l3-routing.c \
	plugin/translate/l3-uplink-hop.c \
	plugin/translate/on-demand.c \
	plugin/translate/on-demand.h \
	plugin/translate/pipeline-base.c \
	plugin/translate/plugin-output.c \
	plugin/translate/plugin-output.h \
	plugin/translate/plugin-provider.h \
	plugin/translate/plugin-registry.c \
	plugin/translate/plugin-registry.h \
	plugin/translate/punt-output.c \
	plugin/translate/punt.c \
	plugin/translate/punt.h \
	plugin/translate/port-counters.c \
	plugin/translate/port-security.c \
	plugin/translate/security-group.c \
	plugin/translate/security-rules.c \
	plugin/translate/security-rules.h \
	plugin/translate/storm-control.c \
	plugin/translate/uplink-hop.h \
	plugin/translate/translator-lazy.c \
	plugin/translate/translator-private.h \
	plugin/translate/translator-records.c \
	plugin/translate/provider.c \
	plugin/translate/router-advert.c \
	plugin/translate/router-advert.h \
	plugin/translate/translator.c \
	plugin/translate/translator.h \
	plugin/translate/tunnel.c \
	plugin/translate/zeta-gateway.c \
	plugin/translate/zeta-gateway.h \
	plugin/translate/zeta-path.c

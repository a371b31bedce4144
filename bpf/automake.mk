# SPDX-License-Identifier: Apache-2.0
# The eBPF programs: compiled by clang, embedded in the agent as skeletons
# (bpf/NAME.skel.h, what bpftool makes of an object), and installed.
#
# To add a program, add its name to bpf_names; headers go into bpf_headers.

bpf_names = clock gateway hold patch tenant uplink

bpf_headers = \
	bpf/fast-path-bpf.h \
	bpf/fast-path-gateway.h \
	bpf/fast-path-packet.h \
	bpf/fast-path-tunnel.h \
	bpf/fast-path.h

bpf_sources = $(bpf_names:%=bpf/%.bpf.c)
bpf_objects = $(bpf_names:%=bpf/%.bpf.o)
bpf_skeletons = $(bpf_names:%=bpf/%.skel.h)

EXTRA_DIST += \
	bpf/clock.bpf.c \
	bpf/fast-path-bpf.h \
	bpf/fast-path-gateway.h \
	bpf/fast-path-packet.h \
	bpf/fast-path-tunnel.h \
	bpf/fast-path.h \
	bpf/gateway.bpf.c \
	bpf/hold.bpf.c \
	bpf/patch.bpf.c \
	bpf/tenant.bpf.c \
	bpf/uplink.bpf.c

if HAVE_FAST_PATH
alcorbpfdir = $(libdir)/openvswitch-alcor/bpf
alcorbpf_DATA = $(bpf_objects)
BUILT_SOURCES += $(bpf_skeletons)
CLEANFILES += $(bpf_objects) $(bpf_skeletons)

BPF_COMPILE = $(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra \
	$(WERROR_FLAGS) -Wno-address-of-packed-member -I$(top_srcdir) \
	$(LIBBPF_CFLAGS) `$(CLANG) --print-target-triple \
		| sed 's|\([^-]*\).*|-idirafter /usr/include/\1-linux-gnu|'`
bpf/%.bpf.o: bpf/%.bpf.c $(bpf_headers)
	$(AM_V_at)$(MKDIR_P) bpf
	$(AM_V_GEN)$(BPF_COMPILE) -c $< -o $@
bpf/%.skel.h: bpf/%.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton $< name fp_$* > $@.tmp
	$(AM_V_at)mv $@.tmp $@

$(plugin_libalcor_a_OBJECTS) $(tests_alcortest_OBJECTS): | $(bpf_skeletons)
endif

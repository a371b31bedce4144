# SPDX-License-Identifier: Apache-2.0
# Wire messages: C (protobuf-c) for the agent, Python for the tests.
#
# To add a schema file, add it to proto_files; the code is generated in the
# build tree and included as "proto/NAME.pb-c.h".

proto_files = \
	proto/common.proto \
	proto/dhcp.proto \
	proto/envelope.proto \
	proto/gateway.proto \
	proto/goalstate.proto \
	proto/goalstateprovisioner.proto \
	proto/neighbor.proto \
	proto/port.proto \
	proto/router.proto \
	proto/securitygroup.proto \
	proto/subnet.proto \
	proto/subscribeinfoprovisioner.proto \
	proto/vpc.proto

proto_c_sources = $(proto_files:.proto=.pb-c.c)
proto_c_headers = $(proto_files:.proto=.pb-c.h)

EXTRA_DIST += $(proto_files)
BUILT_SOURCES += $(proto_c_headers)
CLEANFILES += $(proto_c_sources) $(proto_c_headers)

# Generated code is not ours to fix, so no warnings.
noinst_LIBRARIES += proto/libalcorproto.a
proto_libalcorproto_a_CFLAGS = -pthread $(SANITIZER_FLAGS) -w
nodist_proto_libalcorproto_a_SOURCES = $(proto_c_sources) $(proto_c_headers)

# One run makes both files: that is what a pattern with two targets says.
# Imports name the folder ("proto/common.proto"), hence the path is the top.
proto/%.pb-c.c proto/%.pb-c.h: $(srcdir)/proto/%.proto
	$(AM_V_at)$(MKDIR_P) proto
	$(AM_V_GEN)$(PROTOC_C) --proto_path=$(srcdir) --c_out=. \
		$(srcdir)/proto/$*.proto

# Python modules for the tests, in proto/python of the build tree (tests/atlocal
# puts that into PYTHONPATH): 'from proto import goalstate_pb2'.
proto/python/.stamp: $(proto_files)
	$(AM_V_at)rm -rf proto/python && $(MKDIR_P) proto/python
	$(AM_V_GEN)$(PROTOC) --proto_path=$(srcdir) \
		--python_out=proto/python \
		$(addprefix $(srcdir)/,$(proto_files))
	$(AM_V_at)touch $@
BUILT_SOURCES += proto/python/.stamp

clean-proto-python:
	rm -rf proto/python
PHONY_TARGETS += clean-proto-python
CLEAN_LOCAL += clean-proto-python

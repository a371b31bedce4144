# SPDX-License-Identifier: Apache-2.0
# ovsdb-schema/: the database Alcor: schema, manual page alcor(5), IDL.
#
# After a change of alcor.ovsschema, raise its "version" and let make tell its
# new "cksum".  The agent converts databases of older versions in place.

run_python = \
	PYTHONDONTWRITEBYTECODE=yes \
	PYTHONPATH='$(OVSBUILDDIR)/python$(PATH_SEPARATOR)$(OVSDIR)/python' \
	$(PYTHON3)

alcor_schema = $(srcdir)/ovsdb-schema/alcor.ovsschema

alcordata_DATA = ovsdb-schema/alcor.ovsschema
EXTRA_DIST += \
	ovsdb-schema/alcor-idl.ann \
	ovsdb-schema/alcor-schema.h \
	ovsdb-schema/alcor.ovsschema \
	ovsdb-schema/alcor.xml

# IDL.  It is included as "ovsdb-schema/alcor-idl.h".
alcor_idl_built = \
	ovsdb-schema/alcor-idl.c \
	ovsdb-schema/alcor-idl.h \
	ovsdb-schema/alcor-idl.ovsidl
BUILT_SOURCES += ovsdb-schema/alcor-idl.h
CLEANFILES += $(alcor_idl_built)

alcor_idlc = $(run_python) $(OVSDIR)/ovsdb/ovsdb-idlc.in
ovsdb-schema/alcor-idl.ovsidl: ovsdb-schema/alcor.ovsschema \
	ovsdb-schema/alcor-idl.ann ovsdb-schema/alcor.ovsschema.stamp
	$(AM_V_GEN)$(alcor_idlc) annotate $(alcor_schema) \
		$(srcdir)/ovsdb-schema/alcor-idl.ann > $@.tmp
	$(AM_V_at)mv $@.tmp $@
# ovsdb-idlc takes a column named "key" to be free for its own variables.
ovsdb-schema/alcor-idl.c: ovsdb-schema/alcor-idl.ovsidl \
	ovsdb-schema/automake.mk
	$(AM_V_GEN)$(alcor_idlc) c-idl-source $< > $@.tmp
	$(AM_V_at)sed -e 's/const char \*key)/const char *key_)/' \
		-e 's/_string_create(key)/_string_create(key_)/' \
		$@.tmp > $@.tmp2
	$(AM_V_at)mv $@.tmp2 $@ && rm -f $@.tmp
ovsdb-schema/alcor-idl.h: ovsdb-schema/alcor-idl.ovsidl
	$(AM_V_GEN)$(alcor_idlc) c-idl-header $< > $@.tmp && mv $@.tmp $@

# Generated code is not ours to fix, so no warnings.
noinst_LIBRARIES += ovsdb-schema/libalcoridl.a
ovsdb_schema_libalcoridl_a_CFLAGS = -pthread $(SANITIZER_FLAGS) -w
nodist_ovsdb_schema_libalcoridl_a_SOURCES = \
	ovsdb-schema/alcor-idl.c \
	ovsdb-schema/alcor-idl.h \
	ovsdb-schema/alcor-schema.c

# The schema as a string, for programs that do not find the file.
CLEANFILES += ovsdb-schema/alcor-schema.c
ovsdb-schema/alcor-schema.c: ovsdb-schema/alcor.ovsschema
	$(AM_V_at)$(MKDIR_P) ovsdb-schema
	$(AM_V_GEN)sed -e '1i #include <config.h>' \
		-e '1i #include "ovsdb-schema/alcor-schema.h"' \
		-e '1i const char alcor_schema_text[] =' \
		-e 's/[\\"]/\\&/g; s/.*/"&\\n"/; $$s/$$/;/' \
		$(alcor_schema) > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# The schema's checksum, by OVS's script.
ovsdb-schema/alcor.ovsschema.stamp: ovsdb-schema/alcor.ovsschema
	$(AM_V_at)$(MKDIR_P) ovsdb-schema
	$(AM_V_GEN)$(OVSDIR)/build-aux/cksum-schema-check $(alcor_schema) $@
CLEANFILES += ovsdb-schema/alcor.ovsschema.stamp

# Manual page.
man5_MANS = ovsdb-schema/alcor.5
CLEANFILES += ovsdb-schema/alcor.5
ovsdb-schema/alcor.5: ovsdb-schema/alcor.ovsschema ovsdb-schema/alcor.xml
	$(AM_V_at)$(MKDIR_P) ovsdb-schema
	$(AM_V_GEN)$(run_python) $(OVSDIR)/ovsdb/ovsdb-doc \
		--version=$(VERSION) $(alcor_schema) \
		$(srcdir)/ovsdb-schema/alcor.xml > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# Generated headers come first also when only one target is made.
$(plugin_libalcor_a_OBJECTS) $(plugin_alcor_agent_OBJECTS) \
$(tests_alcortest_OBJECTS) $(utilities_alcor_ctl_OBJECTS): \
	| ovsdb-schema/alcor-idl.h

# The database Alcor_Relay, in the same way.
relay_schema = $(srcdir)/ovsdb-schema/alcor-relay.ovsschema

alcordata_DATA += ovsdb-schema/alcor-relay.ovsschema
EXTRA_DIST += \
	ovsdb-schema/alcor-relay-idl.ann \
	ovsdb-schema/alcor-relay.ovsschema \
	ovsdb-schema/alcor-relay.xml

BUILT_SOURCES += ovsdb-schema/alcor-relay-idl.h
CLEANFILES += \
	ovsdb-schema/alcor-relay-idl.c \
	ovsdb-schema/alcor-relay-idl.h \
	ovsdb-schema/alcor-relay-idl.ovsidl
nodist_ovsdb_schema_libalcoridl_a_SOURCES += \
	ovsdb-schema/alcor-relay-idl.c \
	ovsdb-schema/alcor-relay-idl.h

ovsdb-schema/alcor-relay-idl.ovsidl: ovsdb-schema/alcor-relay.ovsschema \
	ovsdb-schema/alcor-relay-idl.ann \
	ovsdb-schema/alcor-relay.ovsschema.stamp
	$(AM_V_GEN)$(alcor_idlc) annotate $(relay_schema) \
		$(srcdir)/ovsdb-schema/alcor-relay-idl.ann > $@.tmp
	$(AM_V_at)mv $@.tmp $@
ovsdb-schema/alcor-relay-idl.c: ovsdb-schema/alcor-relay-idl.ovsidl \
	ovsdb-schema/automake.mk
	$(AM_V_GEN)$(alcor_idlc) c-idl-source $< > $@.tmp
	$(AM_V_at)sed -e 's/const char \*key)/const char *key_)/' \
		-e 's/_string_create(key)/_string_create(key_)/' \
		$@.tmp > $@.tmp2
	$(AM_V_at)mv $@.tmp2 $@ && rm -f $@.tmp
ovsdb-schema/alcor-relay-idl.h: ovsdb-schema/alcor-relay-idl.ovsidl
	$(AM_V_GEN)$(alcor_idlc) c-idl-header $< > $@.tmp && mv $@.tmp $@

ovsdb-schema/alcor-relay.ovsschema.stamp: ovsdb-schema/alcor-relay.ovsschema
	$(AM_V_at)$(MKDIR_P) ovsdb-schema
	$(AM_V_GEN)$(OVSDIR)/build-aux/cksum-schema-check $(relay_schema) $@
CLEANFILES += ovsdb-schema/alcor-relay.ovsschema.stamp

man5_MANS += ovsdb-schema/alcor-relay.5
CLEANFILES += ovsdb-schema/alcor-relay.5
ovsdb-schema/alcor-relay.5: ovsdb-schema/alcor-relay.ovsschema \
	ovsdb-schema/alcor-relay.xml
	$(AM_V_at)$(MKDIR_P) ovsdb-schema
	$(AM_V_GEN)$(run_python) $(OVSDIR)/ovsdb/ovsdb-doc \
		--version=$(VERSION) $(relay_schema) \
		$(srcdir)/ovsdb-schema/alcor-relay.xml > $@.tmp
	$(AM_V_at)mv $@.tmp $@

$(plugin_alcor_relay_OBJECTS) $(utilities_alcor_ctl_OBJECTS): \
	| ovsdb-schema/alcor-relay-idl.h

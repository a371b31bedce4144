# SPDX-License-Identifier: Apache-2.0
# Scripts that install, build and check; the house rules as a make target.

house_rules = \
	utilities/checks/dataplane-numbers \
	utilities/checks/distributed \
	utilities/checks/documented \
	utilities/checks/first-include \
	utilities/checks/forbidden-calls \
	utilities/checks/include-direction \
	utilities/checks/line-style \
	utilities/checks/rate-limits \
	utilities/checks/sizes \
	utilities/checks/spdx

EXTRA_DIST += \
	$(house_rules) \
	utilities/build-ovs \
	utilities/checks/common.py \
	utilities/checks/run \
	utilities/guest-kernel \
	utilities/install-deps \
	utilities/m4/alcor.m4 \
	utilities/m4/ovs.m4 \
	utilities/run-tests

# Debian packages: "make deb" puts them into deb/.
EXTRA_DIST += \
	utilities/build-deb \
	utilities/debian/changelog \
	utilities/debian/control \
	utilities/debian/copyright \
	utilities/debian/openvswitch-alcor-dev.examples \
	utilities/debian/openvswitch-alcor-dev.install \
	utilities/debian/openvswitch-alcor-dev.lintian-overrides \
	utilities/debian/openvswitch-alcor-relay.default \
	utilities/debian/openvswitch-alcor-relay.dirs \
	utilities/debian/openvswitch-alcor-relay.install \
	utilities/debian/openvswitch-alcor-relay.lintian-overrides \
	utilities/debian/openvswitch-alcor-relay.logrotate \
	utilities/debian/openvswitch-alcor-relay.postrm \
	utilities/debian/openvswitch-alcor-relay.service \
	utilities/debian/openvswitch-alcor.README.Debian \
	utilities/debian/openvswitch-alcor.default \
	utilities/debian/openvswitch-alcor.dirs \
	utilities/debian/openvswitch-alcor.docs \
	utilities/debian/openvswitch-alcor.install \
	utilities/debian/openvswitch-alcor.lintian-overrides \
	utilities/debian/openvswitch-alcor.logrotate \
	utilities/debian/openvswitch-alcor.openvswitch-alcor-agent.service \
	utilities/debian/openvswitch-alcor.postinst \
	utilities/debian/openvswitch-alcor.postrm \
	utilities/debian/ovsdb-server.service.d/openvswitch-alcor.conf \
	utilities/debian/rules \
	utilities/debian/source/format \
	utilities/debian/sysctl.d/60-openvswitch-alcor.conf
deb:
	PYTHON3='$(PYTHON3)' '$(top_srcdir)/utilities/build-deb' \
		'$(abs_top_builddir)/deb'
PHONY_TARGETS += deb

# Programs.
bin_PROGRAMS += utilities/alcor-ctl
utilities_alcor_ctl_SOURCES = \
	utilities/alcor-ctl-local.c \
	utilities/alcor-ctl-status.c \
	utilities/alcor-ctl-topology.c \
	utilities/alcor-ctl-trace.c \
	utilities/alcor-ctl.c \
	utilities/alcor-ctl.h
utilities_alcor_ctl_LDADD = $(alcor_libs)
utilities_alcor_ctl_DEPENDENCIES = $(alcor_deps)

bin_PROGRAMS += utilities/alcor-publish
utilities_alcor_publish_SOURCES = \
	utilities/alcor-publish-input.c \
	utilities/alcor-publish-input.h \
	utilities/alcor-publish-pack.c \
	utilities/alcor-publish-result.c \
	utilities/alcor-publish-result.h \
	utilities/alcor-publish-session.c \
	utilities/alcor-publish-session-private.h \
	utilities/alcor-publish-transaction.c \
	utilities/alcor-publish-session.h \
	utilities/alcor-publish.c
utilities_alcor_publish_LDADD = $(alcor_libs)
utilities_alcor_publish_DEPENDENCIES = $(alcor_deps)

examples = \
	utilities/examples/neighbor.json \
	utilities/examples/port.json \
	utilities/examples/subnet.json \
	utilities/examples/two-hosts.json \
	utilities/examples/vpc.json \
	utilities/examples/zeta.json
examplesdir = $(datadir)/openvswitch-alcor/examples
dist_examples_DATA = $(examples)

# alcor-sandbox finds its library beside it in a checkout, else in
# ../share/openvswitch-alcor.
dist_bin_SCRIPTS = utilities/alcor-sandbox
sandboxlibdir = $(datadir)/openvswitch-alcor
dist_sandboxlib_DATA = utilities/sandbox-lib.sh
EXTRA_DIST += utilities/quickstart

# Completion in bash, under the name of each command.  (With "_" bash-completion
# finds it as well, and one of Open vSwitch's own would come first.)
bashcompdir = $(datadir)/bash-completion/completions
completed = alcor-ctl alcor-publish alcor-sandbox _ovs-appctl
EXTRA_DIST += utilities/alcor-completion.bash
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(bashcompdir)'
	for name in $(completed); do \
		$(INSTALL_DATA) '$(srcdir)/utilities/alcor-completion.bash' \
			"$(DESTDIR)$(bashcompdir)/$$name" || exit; \
	done
uninstall-local:
	for name in $(completed); do \
		rm -f "$(DESTDIR)$(bashcompdir)/$$name" || exit; \
	done

# What "make dist" would take, one file a line, for the rule that every file
# of the checkout is distributed.
distfiles: Makefile
	$(AM_V_GEN)for file in $(DISTFILES); do echo "$$file"; done \
		| sed 's|^$(srcdir)/||; s|^\./||' | LC_ALL=C sort -u > $@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += distfiles

# Manual pages.  Each NAME.8.in is listed in EXTRA_DIST and NAME.8 in man_MANS
# and CLEANFILES.  Directories are those that libopenvswitch has, in which the
# programs look: its lib/dirs.c tells.
EXTRA_DIST += \
	utilities/alcor-ctl.8.in \
	utilities/alcor-publish.8.in \
	utilities/alcor-sandbox.8.in
man_MANS = \
	utilities/alcor-ctl.8 \
	utilities/alcor-publish.8 \
	utilities/alcor-sandbox.8
CLEANFILES += \
	utilities/alcor-ctl.8 \
	utilities/alcor-publish.8 \
	utilities/alcor-sandbox.8

$(man_MANS): %.8: $(srcdir)/%.8.in Makefile
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_GEN)dirs=$(OVSBUILDDIR)/lib/dirs.c; \
	dir () { sed -n 's|.*"\(/[^"]*\)".*"OVS_'"$$1"'DIR".*|\1|p' $$dirs; }; \
	db=`sed -n '/^ovs_dbdir/,/^}/s|.*: "\(/[^"]*\)".*|\1|p' $$dirs`; \
	sed -e 's|[@]VERSION[@]|$(VERSION)|g' -e "s|[@]DBDIR[@]|$$db|g" \
		-e "s|[@]RUNDIR[@]|`dir RUN`|g" -e "s|[@]LOGDIR[@]|`dir LOG`|g" \
		-e 's|[@]PLUGINDIR[@]|$(alcorplugindir)|g' \
		-e 's|[@]PKGDATADIR[@]|$(alcordatadir)|g' $< > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# House rules (utilities/checks).  CHECK_STYLE="NAME..." runs only some.
check-style: distfiles
	@ALCOR_DISTFILES='$(abs_top_builddir)/distfiles' PYTHON3='$(PYTHON3)' \
		'$(top_srcdir)/utilities/checks/run' $(CHECK_STYLE)
PHONY_TARGETS += check-style

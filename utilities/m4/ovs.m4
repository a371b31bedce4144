# SPDX-License-Identifier: Apache-2.0
# Autoconf macros that find the Open vSwitch tree and how to link with it.

# ALCOR_CHECK_OVS
#
# Sets OVSDIR, OVSBUILDDIR, OVSVERSION, OVS_STATIC_LIB (libopenvswitch.a) and
# OVS_DEP_LIBS (what it needs).  Without --with-ovs-source, builds the tree
# that Debian's openvswitch-source ships (utilities/build-ovs).
AC_DEFUN([ALCOR_CHECK_OVS],
  [AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=DIR],
        [OVS source tree (default: build the one of openvswitch-source)])])
   AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [OVS build tree (default: the source tree)])])
   ALCOR_FIND_OVS_TREE
   ALCOR_FIND_OVS_VERSION
   ALCOR_FIND_OVS_LIBS
   AC_SUBST([OVSDIR])
   AC_SUBST([OVSBUILDDIR])
   AC_SUBST([OVSVERSION])])

# Sets OVSDIR and OVSBUILDDIR, both absolute and checked.
AC_DEFUN([ALCOR_FIND_OVS_TREE],
  [case $with_ovs_source:$with_ovs_build in
   yes:* | no:* | *:yes | *:no)
     AC_MSG_ERROR([--with-ovs-source and --with-ovs-build need a directory]) ;;
   :?*)
     AC_MSG_ERROR([--with-ovs-build needs --with-ovs-source as well]) ;;
   :)
     AC_MSG_NOTICE([no --with-ovs-source: using the distribution's OVS source])
     OVSDIR=`CC="$CC" "$srcdir"/utilities/build-ovs | tail -n 1`
     if test -z "$OVSDIR" || test ! -e "$OVSDIR/.alcor-built"; then
       AC_MSG_ERROR([building OVS failed (see above); give --with-ovs-source=DIR or install openvswitch-source])
     fi
     OVSBUILDDIR=$OVSDIR ;;
   *)
     OVSDIR=$with_ovs_source
     OVSBUILDDIR=${with_ovs_build-$with_ovs_source} ;;
   esac
   OVSDIR=`cd "$OVSDIR" 2>/dev/null && pwd`
   if test ! -f "$OVSDIR/vswitchd/bridge.c"; then
     AC_MSG_ERROR([$with_ovs_source is not an OVS source tree])
   fi
   OVSBUILDDIR=`cd "$OVSBUILDDIR" 2>/dev/null && pwd`
   if test ! -f "$OVSBUILDDIR/config.h"; then
     AC_MSG_ERROR([${with_ovs_build-$with_ovs_source} is not an OVS build tree (no config.h): configure and build OVS there first])
   fi])

# Sets OVSVERSION and checks that it is one we know.
AC_DEFUN([ALCOR_FIND_OVS_VERSION],
  [AC_MSG_CHECKING([Open vSwitch version])
   OVSVERSION=`$SED -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$OVSBUILDDIR/config.h"`
   AC_MSG_RESULT([$OVSVERSION])
   AS_VERSION_COMPARE([$OVSVERSION], [3.1.0],
     [AC_MSG_ERROR([Open vSwitch 3.1 or later is needed])])])

# Sets OVS_STATIC_LIB, and OVS_DEP_LIBS from libtool's notes on it.
AC_DEFUN([ALCOR_FIND_OVS_LIBS],
  [OVS_STATIC_LIB=$OVSBUILDDIR/lib/.libs/libopenvswitch.a
   if test ! -f "$OVS_STATIC_LIB" || test ! -f "$OVSBUILDDIR/lib/vswitch-idl.h"
   then
     AC_MSG_ERROR([$OVSBUILDDIR is not built (or without static libraries): run "make all" there])
   fi
   AC_MSG_CHECKING([what libopenvswitch needs])
   alcor_libs=`$SED -n "s/^dependency_libs='\(.*\)'/\1/p" "$OVSBUILDDIR/lib/libopenvswitch.la"`
   OVS_DEP_LIBS=
   for alcor_lib in $alcor_libs; do
     # Another libtool library of the same build: take its static archive.
     case $alcor_lib in
     *.la)
       alcor_dir=`AS_DIRNAME(["$alcor_lib"])`
       alcor_base=`basename "$alcor_lib" .la`
       case $alcor_dir in
       /*) ;;
       *) alcor_dir=$OVSBUILDDIR/$alcor_dir ;;
       esac
       alcor_lib=$alcor_dir/.libs/$alcor_base.a ;;
     esac
     OVS_DEP_LIBS="$OVS_DEP_LIBS $alcor_lib"
   done
   OVS_DEP_LIBS="$OVS_DEP_LIBS -lpthread -lrt -lm"
   AC_MSG_RESULT([$OVS_DEP_LIBS])
   AC_SUBST([WHOLE_ARCHIVE], [-Wl,--whole-archive])
   AC_SUBST([NO_WHOLE_ARCHIVE], [-Wl,--no-whole-archive])
   AC_SUBST([OVS_STATIC_LIB])
   AC_SUBST([OVS_DEP_LIBS])])

# SPDX-License-Identifier: Apache-2.0
# Autoconf macros for the tools, compiler options and libraries that we use.

# ALCOR_REQUIRE_PROG(VARIABLE, PROGRAM, DEBIAN-PACKAGE)
#
# Finds PROGRAM, or stops and says which package brings it.
AC_DEFUN([ALCOR_REQUIRE_PROG],
  [AC_ARG_VAR([$1], [path of $2])
   AC_PATH_PROG([$1], [$2], [no])
   if test "x$$1" = xno; then
     AC_MSG_ERROR([$2 not found: install $3 (or run utilities/install-deps)])
   fi])

# ALCOR_CHECK_PYTHON3
#
# The tests need modules that distributions package (zmq, google.protobuf,
# scapy), so the distribution's interpreter goes before whatever is first in
# PATH.
AC_DEFUN([ALCOR_CHECK_PYTHON3],
  [AC_ARG_VAR([PYTHON3], [Python 3 with the modules that the tests use])
   if test -z "$PYTHON3" && test -x /usr/bin/python3; then
     PYTHON3=/usr/bin/python3
   fi
   AC_PATH_PROG([PYTHON3], [python3], [no])
   if test "x$PYTHON3" = xno; then
     AC_MSG_ERROR([python3 not found: install python3])
   fi])

# ALCOR_CC_OPTION(OPTION)
#
# Appends OPTION to WARNING_FLAGS if the compiler knows it.
AC_DEFUN([ALCOR_CC_OPTION],
  [AS_VAR_PUSHDEF([cache], [alcor_cv_cc_$1])
   AC_CACHE_CHECK([whether $CC accepts $1], [cache],
     [alcor_save_cflags=$CFLAGS
      # An unknown -Wno-x is accepted silently, so ask for -Wx.
      CFLAGS="$CFLAGS $WARNING_FLAGS -Werror m4_bpatsubst([$1], [^-Wno-], [-W])"
      AC_COMPILE_IFELSE([AC_LANG_SOURCE([int x;])],
        [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
      CFLAGS=$alcor_save_cflags])
   AS_VAR_IF([cache], [yes], [WARNING_FLAGS="$WARNING_FLAGS $1"])
   AS_VAR_POPDEF([cache])])

# ALCOR_CHECK_WARNINGS
#
# The warnings that OVS itself enables.  -Wunused-parameter stays on: mark
# what a callback does not need with OVS_UNUSED.
AC_DEFUN([ALCOR_CHECK_WARNINGS],
  [WARNING_FLAGS=
   m4_foreach_w([alcor_option],
     [-Wall -Wextra -Wno-sign-compare -Wpointer-arith -Wformat
      -Wformat-security -Wswitch-enum -Wunused-parameter
      -Wbad-function-cast -Wcast-align -Wstrict-prototypes
      -Wold-style-definition -Wmissing-prototypes
      -Wmissing-field-initializers -fno-strict-aliasing -Wswitch-bool
      -Wlogical-not-parentheses -Wsizeof-array-argument -Wbool-compare
      -Wshift-negative-value -Wduplicated-cond -Wshadow -Wmultistatement-macros
      -Wcast-align=strict -Wno-null-pointer-arithmetic
      -Wthread-safety],
     [ALCOR_CC_OPTION(alcor_option)])
   AC_SUBST([WARNING_FLAGS])])

# ALCOR_ENABLE_WERROR
#
# --enable-Werror, for our code only: generated code is never held to it.
AC_DEFUN([ALCOR_ENABLE_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror], [treat warnings as errors])],
     [alcor_werror=$enableval], [alcor_werror=no])
   if test "x$alcor_werror" != xno; then
     WERROR_FLAGS=-Werror
   fi
   AC_SUBST([WERROR_FLAGS])])

# ALCOR_ENABLE_SANITIZERS
#
# ASan and UBSan for our code (OVS stays as it was built).  By default "make
# check" runs the rootless suite on instrumented copies of the programs, below
# sanitized/; --disable-sanitizers has it run what is installed, and
# --enable-sanitizers instruments everything.
AC_DEFUN([ALCOR_ENABLE_SANITIZERS],
  [AC_ARG_ENABLE([sanitizers],
     [AS_HELP_STRING([--enable-sanitizers],
        [build everything with ASan and UBSan (default: just what "make check" runs)])],
     [alcor_sanitizers=$enableval], [alcor_sanitizers=check])
   SANITIZER_FLAGS=
   CHECK_SANITIZER_FLAGS=
   if test "x$alcor_sanitizers" != xno; then
     alcor_flags="-fsanitize=address,undefined -fno-omit-frame-pointer"
     alcor_save_cflags=$CFLAGS
     CFLAGS="$CFLAGS $alcor_flags"
     AC_MSG_CHECKING([whether sanitized programs link])
     AC_LINK_IFELSE([AC_LANG_PROGRAM()],
       [AC_MSG_RESULT([yes])],
       [AC_MSG_RESULT([no])
        AC_MSG_ERROR([$CC cannot link with $alcor_flags: --disable-sanitizers does without])])
     CFLAGS=$alcor_save_cflags
     if test "x$alcor_sanitizers" = xcheck; then
       CHECK_SANITIZER_FLAGS=$alcor_flags
     else
       SANITIZER_FLAGS=$alcor_flags
     fi
   fi
   AC_SUBST([SANITIZER_FLAGS])
   AC_SUBST([CHECK_SANITIZER_FLAGS])
   AM_CONDITIONAL([SANITIZED_CHECK], [test "x$alcor_sanitizers" = xcheck])])

# ALCOR_ENABLE_FAULT_INJECTION
#
# --enable-fault-injection: what is installed has fault points
# (plugin/fault-point.h), too.  The copies that "make check" runs always have.
AC_DEFUN([ALCOR_ENABLE_FAULT_INJECTION],
  [AC_ARG_ENABLE([fault-injection],
     [AS_HELP_STRING([--enable-fault-injection],
        [build programs in which tests can cause faults (never for use)])],
     [alcor_faults=$enableval], [alcor_faults=no])
   FAULT_FLAGS=
   if test "x$alcor_faults" != xno; then
     FAULT_FLAGS=-DALCOR_FAULT_INJECTION
   fi
   AC_SUBST([FAULT_FLAGS])])

# ALCOR_CHECK_FAST_PATH
#
# Sees whether the eBPF fast path can be built and says so in the summary.
# --disable-fast-path leaves it out.
AC_DEFUN([ALCOR_CHECK_FAST_PATH],
  [AC_ARG_ENABLE([fast-path],
     [AS_HELP_STRING([--disable-fast-path],
                     [build without the eBPF fast path])],
     [], [enable_fast_path=yes])
   AC_PATH_PROG([CLANG], [clang], [no])
   AC_PATH_PROG([BPFTOOL], [bpftool], [no], [$PATH:/usr/sbin:/sbin])
   PKG_CHECK_MODULES([LIBBPF], [libbpf >= 1.0], [alcor_libbpf=yes],
                     [alcor_libbpf=no])
   alcor_missing=
   test "x$CLANG" = xno && alcor_missing="$alcor_missing clang"
   test "x$BPFTOOL" = xno && alcor_missing="$alcor_missing bpftool"
   test "x$alcor_libbpf" = xno && alcor_missing="$alcor_missing libbpf"
   FAST_PATH_LIBS=
   if test "x$enable_fast_path" = xno; then
     alcor_fast_path="no (--disable-fast-path)"
   elif test -z "$alcor_missing"; then
     alcor_fast_path=yes
     FAST_PATH_LIBS=$LIBBPF_LIBS
   else
     alcor_fast_path="no (missing:$alcor_missing)"
   fi
   AC_SUBST([FAST_PATH_LIBS])
   AM_CONDITIONAL([HAVE_FAST_PATH], [test "x$alcor_fast_path" = xyes])])

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Generates ./configure from the checkout (needs autoconf, automake, pkg-config).
set -e
cd "$(dirname "$0")"
mkdir -p utilities/build-aux
exec autoreconf --install --force "$@"

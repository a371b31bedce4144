# SPDX-License-Identifier: Apache-2.0
"""What the house-rule checks share: the files, C without comments, reports."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
FOLDERS = ('ingest', 'store', 'translate', 'apply', 'feedback', 'relay')

complaints = 0


def files(*patterns):
    """The files of the checkout (also those not added to git yet, but not
    what git ignores) whose names match one of the regular expressions
    'patterns', relative to the top."""
    try:
        out = subprocess.run(
            ['git', '-c', 'safe.directory=*', '-C', TOP, 'ls-files', '-z',
             '--cached', '--others', '--exclude-standard'],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        names = os.fsdecode(out.stdout).split('\0')
    except (OSError, subprocess.CalledProcessError):
        # Not a git checkout: a source tarball.
        names = [os.path.relpath(os.path.join(d, name), TOP)
                 for d, _, ns in os.walk(TOP) for name in ns]
        names = [n for n in names
                 if not n.startswith(('_build', 'autom4te.cache/',
                                      'utilities/build-aux/'))]
    return sorted({n for n in names
                   if n and os.path.isfile(os.path.join(TOP, n))
                   and any(re.search(p, n) for p in patterns)})


def read(name):
    with open(os.path.join(TOP, name), encoding='utf-8',
              errors='replace') as f:
        return f.read()


# A comment, string or character of C.
C_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
                     r"|'(?:\\.|[^'\\\n])*'", re.S)


def line_of(text, offset):
    """The number of the line of 'text' that 'offset' is in."""
    return text.count('\n', 0, offset) + 1


def c_code(text):
    """C source 'text' with comments and the contents of strings blanked;
    line breaks stay."""
    def blank(match):
        s = match.group(0)
        if s[0] in '"\'':
            return s[0] + re.sub(r'[^\n]', ' ', s[1:-1]) + s[0]
        return re.sub(r'[^\n]', ' ', s)

    return C_TOKEN.sub(blank, text)


def complain(name, line, what):
    """Reports that line 'line' of file 'name' breaks the rule and 'what' to
    do about it."""
    global complaints
    complaints += 1
    print('%s:%d: %s' % (name, line, what))


def finish():
    sys.exit(1 if complaints else 0)

/* SPDX-License-Identifier: Apache-2.0
 *
 * open-files: how many files and connections the process may have. */

#ifndef OPEN_FILES_H
#define OPEN_FILES_H 1

/* Open files
 * ==========
 *
 * Without a file descriptor to spare, libraries below us do not report an
 * error: they end the process (libzmq), or try to while they hold a lock (Open
 * vSwitch's), and then it neither works nor dies.  Where a service manager has
 * not said otherwise, 1024 are usual, of which a relay needs two for each
 * host.  So every daemon takes what it may have, and says at once if that
 * cannot do.
 *
 * Thread-safety: to be called before there are threads. */

/* Raises the limit to what is allowed.  If that is less than 'least', logs why
 * and exits. */
void open_files_raise(unsigned int least);

#endif /* open-files.h */

/* SPDX-License-Identifier: Apache-2.0
 *
 * alcor-schema: the schema of the database Alcor, as text. */

#ifndef OVSDB_SCHEMA_ALCOR_SCHEMA_H
#define OVSDB_SCHEMA_ALCOR_SCHEMA_H 1

/* The schema that is built in
 * ===========================
 *
 * alcor.ovsschema as it was when the program was built, word for word: its
 * version is alcorrec_get_db_version().  Who needs the schema reads the
 * installed file, so that an operator can look at what is used, and takes this
 * when there is none.  make writes alcor-schema.c.
 *
 * Thread-safety: it is constant. */

extern const char alcor_schema_text[];

#endif /* ovsdb-schema/alcor-schema.h */

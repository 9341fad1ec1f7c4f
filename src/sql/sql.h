/* SPDX-License-Identifier: Apache-2.0 */
/* A statement as telemetry may show it: its shape without its values, and a short summary.
 *
 *     SELECT id FROM orders WHERE name = 'Ann' AND n IN (1, 2)     what the application runs
 *     SELECT id FROM orders WHERE name = ? AND n IN (?)            text
 *     SELECT orders                                                summary
 *
 * Every literal becomes `?`: strings of each kind, numbers, TRUE and FALSE, what SET and PRAGMA
 * assign. Comments go, blanks shrink to one, lists and rows of literals to one. Parameters ($1, ?,
 * :name) stay. What does not end (a string, a comment) counts to the end of the text: rather too
 * much is hidden than a value shown. In SQLite a "word" may be a string; it is shown only where
 * none can stand.
 *
 * Threads: any; nothing is kept. Memory: no allocation, time in proportion to the text.
 * Source: PostgreSQL 15 chapter 4.1, SQLite's tokenizer; OpenTelemetry semantic conventions 1.44,
 * database spans ("Sanitization", "Generating a summary").
 */
#ifndef WEIR_SQL_SQL_H
#define WEIR_SQL_SQL_H

#include "base/view.h"

enum weir_sql_dialect {
    WEIR_SQL_POSTGRES,
    WEIR_SQL_POSTGRES_BACKSLASH, /* standard_conforming_strings is off */
    WEIR_SQL_SQLITE
};

enum { WEIR_SQL_TEXT_MAX = 2048, WEIR_SQL_SUMMARY_MAX = 255 };

struct weir_sql {
    char text[WEIR_SQL_TEXT_MAX + 1]; /* cut between two tokens when it is longer; NUL-terminated */
    size_t text_size;
    char summary[WEIR_SQL_SUMMARY_MAX + 1]; /* "" when no statement was recognised */
    uint32_t statements; /* separated by semicolons; from 2 on the summary begins with BATCH */
};

/* Reads any bytes. */
void weir_sql_scan(struct weir_view text, enum weir_sql_dialect dialect, struct weir_sql *ret);

#endif

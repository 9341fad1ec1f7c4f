/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a statement: what comes out is bounded, and whoever reads it finds no value in it.
 * The first byte chooses the dialect. */
#include "fuzz.h"
#include "sql/lex.h"
#include "sql/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct weir_sql sql;
    if (!size) return 0;
    enum weir_sql_dialect dialect = (enum weir_sql_dialect)(data[0] % 3);
    weir_sql_scan(weir_view(data + 1, size - 1), dialect, &sql);
    MUST(sql.text_size <= WEIR_SQL_TEXT_MAX && strlen(sql.summary) <= WEIR_SQL_SUMMARY_MAX);
    struct weir_sql_lexer lexer = {.text = weir_view(sql.text, sql.text_size), .dialect = dialect};
    struct weir_sql_token token;
    while ((token = weir_sql_next(&lexer)).type != WEIR_SQL_END)
        MUST(token.type != WEIR_SQL_LITERAL);
    return 0;
}

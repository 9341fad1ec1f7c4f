/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dlfcn.h>

#include "rd/rd.h"

static void test_linked_library_is_found(void **state) {
    (void)state;
    const struct weir_rd *rd = weir_rd(NULL);
    assert_non_null(rd);
    assert_ptr_equal(rd, weir_rd(NULL));
    assert_true(rd->version() >= 0x02000200);
    /* What is newer than the oldest supported version is there or NULL, as the version says. */
    assert_int_equal(rd->message_leader_epoch != NULL, rd->version() >= 0x02010000);
}

static void *find_but_one(void *arg, const char *symbol) {
    if (strcmp(symbol, arg) == 0) return NULL;
    void *found = dlsym(RTLD_DEFAULT, symbol);
    static int something;
    return found ? found : (void *)&something; /* a static build exports nothing */
}

static void test_missing_symbol_is_named(void **state) {
    (void)state;
    struct weir_rd rd;
    struct weir_error err = {0};
    char name[] = "rd_kafka_consumer_poll";
    assert_int_equal(weir_rd_fill(&rd, find_but_one, name, &err), WEIR_EUNSUPPORTED);
    assert_non_null(strstr(err.message, name));
}

static void test_error_types_are_kafkas(void **state) {
    (void)state;
    const struct weir_rd *rd = weir_rd(NULL);
    static const struct {
        rd_kafka_resp_err_t err;
        const char *type;
        int code;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PARTITION", WEIR_ENOTFOUND},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, "NOT_ENOUGH_REPLICAS", WEIR_EUNAVAILABLE},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "MESSAGE_TOO_LARGE", WEIR_ETOOBIG},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "_TRANSPORT", WEIR_EUNAVAILABLE},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "_MSG_TIMED_OUT", WEIR_ETIMEOUT},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "TOPIC_AUTHORIZATION_FAILED",
         WEIR_EFORBIDDEN},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, "ILLEGAL_GENERATION", WEIR_ECONFLICT},
        {RD_KAFKA_RESP_ERR_NO_ERROR, "NO_ERROR", WEIR_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(weir_rd_error_type(rd, cases[i].err), cases[i].type);
        assert_int_equal(weir_rd_code(cases[i].err), cases[i].code);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linked_library_is_found),
        cmocka_unit_test(test_missing_symbol_is_named),
        cmocka_unit_test(test_error_types_are_kafkas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

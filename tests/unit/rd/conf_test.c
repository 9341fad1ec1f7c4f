/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "rd/conf.h"

static const struct weir_rd *rd;

static int setup(void **state) {
    (void)state;
    return (rd = weir_rd(NULL)) ? 0 : -1;
}

static int parse(rd_kafka_conf_t *conf, const char *text, struct weir_error *err) {
    return weir_rd_conf_parse(rd, conf, weir_view_str(text), err);
}

static void assert_property(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[256];
    weir_rd_conf_get(rd, conf, name, text, sizeof text);
    assert_string_equal(text, value);
}

static void test_java_file_is_read(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = rd->conf_new();
    struct weir_error err = {0};
    assert_int_equal(
        parse(conf,
              "# a client of Confluent Cloud\n"
              "! another comment\r\n"
              "\n"
              "bootstrap.servers = a:9092,\\\n"
              "    b:9092\n"
              "security.protocol: SASL_SSL\r\n"
              "sasl.mechanism=PLAIN\n"
              "key.serializer=org.apache.kafka.common.serialization.StringSerializer\n"
              "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "
              "required username=\"alice\" password=\"a=b c\";\n"
              "linger.ms=7",
              &err),
        WEIR_OK);
    assert_property(conf, "bootstrap.servers", "a:9092,b:9092");
    assert_property(conf, "security.protocol", "sasl_ssl");
    assert_property(conf, "sasl.username", "alice");
    assert_property(conf, "sasl.password", "a=b c");
    assert_property(conf, "linger.ms", "7");
    rd->conf_destroy(conf);
}

static void test_faults_say_where_and_what(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int code;
        uint32_t line;
        const char *words;
    } cases[] = {
        {"linger.ms=1\n\nbootstrap.server=x\n", WEIR_EINVALID, 3,
         "did you mean 'bootstrap.servers'"},
        {"acks\n", WEIR_EINVALID, 1, "name=value"},
        {"=1\n", WEIR_EINVALID, 1, "name=value"},
        {"\nlinger.ms=soon\n", WEIR_EINVALID, 2, "linger.ms"},
        {"ssl.truststore.location=/x.jks\n", WEIR_EUNSUPPORTED, 1, "ssl.ca.location"},
        {"sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required;\n",
         WEIR_EUNSUPPORTED, 1, "sasl.kerberos"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rd_kafka_conf_t *conf = rd->conf_new();
        struct weir_error err = {0};
        assert_int_equal(parse(conf, cases[i].text, &err), cases[i].code);
        assert_int_equal(err.line, cases[i].line);
        assert_non_null(strstr(err.message, cases[i].words));
        rd->conf_destroy(conf);
    }
}

static void test_secrets_stay_out_of_messages(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = rd->conf_new();
    struct weir_error err = {0};
    int code = parse(conf, "ssl.key.pem=hunter2\nssl.key.password.x=hunter2\n", &err);
    assert_int_not_equal(code, WEIR_OK);
    assert_null(strstr(err.message, "hunter2"));
    rd->conf_destroy(conf);
}

static void test_file_is_named_in_errors(void **state) {
    (void)state;
    char path[] = "/tmp/weir-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(weir_fs_write_all(fd, "a=1\n", 4, -1), 0);
    close(fd);
    rd_kafka_conf_t *conf = rd->conf_new();
    struct weir_error err = {0};
    assert_int_equal(weir_rd_conf_load(rd, conf, path, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, ":1:"));
    unlink(path);
    assert_int_equal(weir_rd_conf_load(rd, conf, path, &err), WEIR_ENOTFOUND);
    assert_non_null(strstr(err.message, path));
    rd->conf_destroy(conf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_java_file_is_read),
        cmocka_unit_test(test_faults_say_where_and_what),
        cmocka_unit_test(test_secrets_stay_out_of_messages),
        cmocka_unit_test(test_file_is_named_in_errors),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

/* config_test.c – the document of /config, parsed and compared with where it comes from. */
#include "server/config.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "server/observe/trip.h"
#include "server/routes/routes.h"

struct document {
    struct options options;
    cJSON *root;
};

static const double EPOCH_UNIX_MS = 1234567890123.456;

static int make_document(void **state)
{
    static struct document document;
    char error[300] = "";
    char *arguments[] = {(char[]){"offloop"}, (char[]){"--port=1234"}, (char[]){"--allow-crash"},
                         NULL};
    unsetenv("PORT");
    memset(&document, 0, sizeof document);
    assert_int_equal(options_parse(&document.options, 3, arguments, error, sizeof error),
                     OPTIONS_RUN);
    document.options.database = "/tmp/offloop-7/offloop.db";
    document.options.database_origin = "TMPDIR";
    char *text = config_json(&document.options, "http://127.0.0.1:1234", EPOCH_UNIX_MS);
    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    document.root = cJSON_Parse(text);
    assert_non_null(document.root);
    cJSON_free(text);
    *state = &document;
    return 0;
}

static int free_document(void **state)
{
    cJSON_Delete(((struct document *)*state)->root);
    return 0;
}

static const cJSON *in(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(item);
    return item;
}

static const char *text_in(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(in(object, name));
    assert_non_null(text);
    return text;
}

static void test_what_it_is(void **state)
{
    const struct document *document = *state;
    double off_ms = in(document->root, "epoch_unix_ms")->valuedouble - EPOCH_UNIX_MS;
    assert_true(off_ms > -0.001 && off_ms < 0.001); /* whatever the wall clock says by now */
    assert_string_equal(text_in(document->root, "version"), OFFLOOP_VERSION);
    assert_string_equal(text_in(document->root, "patient"), "http://127.0.0.1:1234");
    assert_true(in(document->root, "cores")->valuedouble >= 1);
    assert_int_equal(in(document->root, "cell_ms")->valueint, 50);
    assert_int_equal(in(document->root, "blocked_after_ms")->valueint, 50);
}

static void test_the_options(void **state)
{
    const struct document *document = *state;
    const cJSON *rows = in(document->root, "options"), *row = rows->child;
    struct option_setting setting;
    size_t i = 0;
    for (; options_setting(&document->options, i, &setting); i++, row = row->next) {
        assert_non_null(row);
        assert_string_equal(text_in(row, "name"), setting.name);
        assert_string_equal(text_in(row, "value"), setting.value);
        assert_string_equal(text_in(row, "origin"), setting.origin);
        assert_string_equal(text_in(row, "help"), setting.help);
    }
    assert_int_equal(cJSON_GetArraySize(rows), i);
}

static void test_the_database(void **state)
{
    const struct document *document = *state;
    const cJSON *database = in(document->root, "database");
    assert_string_equal(text_in(database, "path"), "/tmp/offloop-7/offloop.db");
    assert_string_equal(text_in(database, "origin"), "TMPDIR");
}

static void test_where_work_can_be(void **state)
{
    const struct document *document = *state;
    const cJSON *row = in(document->root, "strategies")->child;
    for (size_t i = 0; strategy_at(i) != NULL; i++, row = row->next) {
        assert_string_equal(text_in(row, "name"), strategy_name(strategy_at(i)));
        assert_string_equal(text_in(row, "help"), strategy_help(strategy_at(i)));
    }
    assert_null(row);
    row = in(document->root, "sources")->child;
    for (size_t i = 0; source_at(i) != NULL; i++, row = row->next) {
        assert_string_equal(text_in(row, "name"), source_name(source_at(i)));
        assert_string_equal(text_in(row, "help"), source_help(source_at(i)));
    }
    assert_null(row);
}

/* Big bounds are rounded to a double's precision, as every reader of JSON would. */
static void check_parameter(const cJSON *row, const struct kernel_parameter *parameter)
{
    assert_string_equal(text_in(row, "name"), parameter->name);
    assert_true(in(row, "min")->valuedouble >= (double)parameter->min);
    assert_true(in(row, "min")->valuedouble <= (double)parameter->min);
    assert_true(in(row, "max")->valuedouble >= (double)parameter->max);
    assert_true(in(row, "max")->valuedouble <= (double)parameter->max);
    double fallback = in(row, "default")->valuedouble;
    assert_true(fallback >= (double)parameter->min && fallback <= (double)parameter->max);
}

static void test_the_kernels(void **state)
{
    const struct document *document = *state;
    const cJSON *row = in(document->root, "kernels")->child;
    for (size_t i = 0; kernel_at(i) != NULL; i++, row = row->next) {
        const cJSON *parameter = in(row, "parameters")->child;
        assert_string_equal(text_in(row, "name"), kernel_at(i)->name);
        for (size_t j = 0; parameter != NULL; j++, parameter = parameter->next)
            check_parameter(parameter, &kernel_at(i)->parameters[j]);
    }
    assert_null(row);
}

static void test_the_routes(void **state)
{
    const struct document *document = *state;
    const cJSON *row = in(document->root, "routes")->child;
    for (size_t i = 0; i < routes.count; i++, row = row->next)
        assert_string_equal(cJSON_GetStringValue(row), routes.routes[i].path);
    assert_null(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_is),   cmocka_unit_test(test_the_options),
        cmocka_unit_test(test_the_database), cmocka_unit_test(test_where_work_can_be),
        cmocka_unit_test(test_the_kernels),  cmocka_unit_test(test_the_routes),
    };
    return cmocka_run_group_tests_name("config", tests, make_document, free_document);
}

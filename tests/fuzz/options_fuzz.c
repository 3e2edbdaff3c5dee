/* options_fuzz.c – any command line gets a verdict: wrong ones a sentence, right ones values within
 * their bounds.
 *
 * The input is the arguments, divided by NUL. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/options.h"

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition))

enum { ARGUMENTS_MAX = 64, INPUT_MAX = 4096, ERROR_BYTES = 300 };

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "fuzz: this does not hold: %s\n", what);
    abort();
}

/* What a server could not start with. The numbers are those that --help states. */
static void check_values(const struct options *options)
{
    CHECK(options->host != NULL);
    CHECK(options->port <= 65535);
    CHECK(options->offload != NULL && options->slow_io != NULL);
    CHECK(options->threadpool_size >= 1 && options->threadpool_size <= 1024);
    CHECK(options->workers >= 1 && options->workers <= 1024);
    CHECK(options->max_queue <= 1000000);
    CHECK(options->database_connections >= 1 && options->database_connections <= 1024);
    CHECK(options->max_header_size >= 1024 && options->max_header_size <= 16 << 20);
    CHECK(options->max_body_size >= 1 && options->max_body_size <= 1 << 30);
    CHECK(options->max_connections >= 1 && options->max_connections <= 1000000);
    const unsigned times[] = {options->headers_timeout,    options->request_timeout,
                              options->keep_alive_timeout, options->write_timeout,
                              options->start_timeout,      options->drain_timeout};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        CHECK(times[i] >= 1 && times[i] <= 86400000);
}

/* A sentence for a terminal: not empty, one line, nothing that steers the terminal. */
static void check_error(const char *error)
{
    CHECK(memchr(error, '\0', ERROR_BYTES) != NULL && error[0] != '\0');
    for (; *error != '\0'; error++)
        CHECK(*error >= ' ' && *error <= '~');
}

static int split(char *text, size_t size, char **argv)
{
    int argc = 0;
    argv[argc++] = text + size; /* the name of the program: empty */
    for (size_t i = 0; i < size && argc < ARGUMENTS_MAX; i += strlen(text + i) + 1)
        argv[argc++] = text + i;
    argv[argc] = NULL;
    return argc;
}

/* An option to which the command line and the environment give no value has its default. */
static void forget_environment(void)
{
    static const char *const names[] = {"HOST", "PORT", "UV_THREADPOOL_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options;
    char error[ERROR_BYTES] = "", *argv[ARGUMENTS_MAX + 1];
    if (size > INPUT_MAX)
        return 0;
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    forget_environment();
    enum options_verdict verdict =
        options_parse(&options, split(text, size, argv), argv, error, sizeof error);
    if (verdict == OPTIONS_RUN)
        check_values(&options);
    else if (verdict == OPTIONS_WRONG)
        check_error(error);
    else
        CHECK(verdict == OPTIONS_HELP || verdict == OPTIONS_VERSION);
    free(text);
    return 0;
}

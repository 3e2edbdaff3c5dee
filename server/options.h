/* options.h – what can be set from outside: the option table and the values it fills.
 *
 * The command line wins over the environment, the environment over the default. */
#ifndef OFFLOOP_OPTIONS_H
#define OFFLOOP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_origin { OPTION_BY_DEFAULT, OPTION_BY_ENVIRONMENT, OPTION_BY_COMMAND_LINE };

enum { OPTIONS_MAX = 64, OPTION_VALUE_BYTES = 256 };

/* Times in milliseconds, sizes in bytes. Strings belong to the command line or the environment. */
struct options {
    const char *host;
    unsigned port;
    int observer; /* its port, or one of those below */
    const char *observer_host;
    unsigned blocked_after;
    bool reuse_port;
    unsigned cluster; /* server processes; 0: this one serves */
    const char *cluster_sched;
    const char *offload; /* the name of a strategy */
    const char *slow_io; /* the name of a source */
    unsigned threadpool_size;
    unsigned workers;
    bool worker_per_request;
    unsigned max_queue;
    unsigned shed_lag;
    unsigned slice_ms;
    unsigned offload_nice;
    unsigned processes;
    unsigned job_timeout;
    const char *kernel_program; /* NULL: beside the server's own program */
    bool allow_crash;
    const char *database;        /* NULL: where place.h says; in memory if nobody asks it */
    const char *database_origin; /* what led there; NULL: nobody has asked */
    unsigned database_connections;

    unsigned max_header_size;
    unsigned max_body_size;
    unsigned max_connections;
    unsigned max_requests_per_socket;
    unsigned headers_timeout;
    unsigned request_timeout;
    unsigned keep_alive_timeout;
    unsigned write_timeout;
    unsigned start_timeout;
    unsigned drain_timeout;

    unsigned char origins[OPTIONS_MAX]; /* of each row of the table, enum option_origin */
};

enum { OBSERVER_OFF = -1, OBSERVER_NEXT = -2 /* the port behind the server's */ };

enum options_verdict {
    OPTIONS_RUN,  /* go ahead */
    OPTIONS_HELP, /* print options_help */
    OPTIONS_VERSION,
    OPTIONS_WRONG, /* `error` has one line that says what is wrong and what is allowed */
};

/* Sets every option from its default, the environment and the arguments. Texts go on to point into
 * these. */
enum options_verdict options_parse(struct options *options, int argc, char **argv, char *error,
                                   size_t error_size);

/* What an option is set to, and by what. */
struct option_setting {
    const char *name, *help, *origin;
    char value[OPTION_VALUE_BYTES]; /* "true" or "false" for a flag, "" for none */
};

/* The setting of row `index`; returns false behind the last one. */
bool options_setting(const struct options *options, size_t index, struct option_setting *setting);

/* What to do if the server's port, or the observer's, could not be had for this reason (a negative
 * errno): words to put behind the sentence that says so, or "". */
const char *options_port_advice(bool observer, int error);

/* The text of --help, malloc'ed; NULL when memory is short. */
char *options_help(void);

#endif

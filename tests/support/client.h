/* client.h – a small HTTP client for tests, on the loop that the server under test runs on.
 *
 * It sends what it is told, byte for byte, and cuts what comes back into answers. Nothing in it
 * waits for time to pass: client_await and its kin run the loop until something has happened. A
 * client stays readable after it has left; clients_free frees them all. */
#ifndef OFFLOOP_TESTS_CLIENT_H
#define OFFLOOP_TESTS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct answer {
    int status;
    char *head; /* status line and field lines, ended by NUL */
    char *body; /* ended by NUL, which is not counted */
    size_t body_bytes;
    unsigned sequence; /* the first answer that any of the clients got has 1, the next 2, … */
};

/* All the clients of one loop. */
struct clients {
    uv_loop_t *loop;
    struct client *first;
    unsigned answers;
};

struct client {
    uv_tcp_t socket;
    uv_connect_t connect;
    struct clients *all;
    struct client *next;
    char *input; /* not yet cut into answers */
    size_t input_bytes, input_room_bytes;
    struct answer *answers;
    unsigned answer_count;
    size_t answers_room_bytes;
    unsigned writes; /* not yet taken by the socket */
    bool head_only;  /* answers have no content, for they answer HEAD */
    bool raw;        /* what comes is not cut into answers, but stays in `input` */
    bool deaf;       /* reads nothing */
    bool connected;
    bool ended; /* by the server, or by an error */
    int error;  /* 0, or the negative UV_E… code that ended it */
};

/* Connects to a port of 127.0.0.1. */
struct client *client_open(struct clients *clients, unsigned port);

/* The same, with a small receive buffer, out of which nothing is read. */
struct client *client_open_deaf(struct clients *clients, unsigned port);

/* A deaf one begins to read. */
void client_listen(struct client *client);

/* Sends text (printf style), or bytes, as soon as it is connected. */
void client_send(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void client_send_bytes(struct client *client, const void *bytes, size_t length);

/* Sends "GET target HTTP/1.1" with a Host. */
void client_get(struct client *client, const char *target);

/* Run the loop until the connection stands; until `count` answers are there (returns the last of
 * them) or the server has ended it (returns NULL); until the server has ended it. */
void client_await_connection(struct client *client);
const struct answer *client_await(struct client *client, unsigned count);
void client_await_end(struct client *client);

/* Leave: politely, or with a reset. May be called more than once. */
void client_leave(struct client *client);
void client_reset(struct client *client);

/* All leave; memory that is freed when the loop has run out of handles. */
void clients_leave(struct clients *clients);
void clients_free(struct clients *clients);

/* The value of a field line (any case of the name), or NULL; valid until the next call from this
 * thread. */
const char *answer_field(const struct answer *answer, const char *name);

/* What a JSON body has at "a/b/c". The test fails if it is not there. */
double answer_number(const struct answer *answer, const char *path);
void assert_answer_text(const struct answer *answer, const char *path, const char *expected);

/* Checks the status and that the body is a problem document that contains each of the words (ended
 * by NULL). */
void assert_problem(const struct answer *answer, int status, ...) __attribute__((sentinel));

#endif

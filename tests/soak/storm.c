/* storm.c – clients of every bad manner at once, for tests/soak/run.
 *
 *     storm mix PORT SECONDS SEED    visits without end, and a thermometer
 *     storm hold PORT COUNT          idle connections, until SIGTERM
 *
 * mix: VISITORS places, each taken by one visit after the other. A visit has a manner: it keeps its
 * connection and asks again, pipelines, leaves in mid-request or while its job runs, reads slowly,
 * or sends a byte now and then. Beside them one connection asks for /fast every BEAT_MS, whatever
 * happens; it must be answered all the time, and its longest wait is printed. Each visit is bounded
 * in time, so the program ends soon after its seconds are over.
 *
 * hold: COUNT connections are made, BURST at a time; each gets one answer and says nothing more.
 * "held COUNT" is printed when all of them stand.
 *
 * An answer is looked at only as far as its status and length: 200, what a refusal may say, and
 * nothing else. The exit status is 1 if anything else came or the thermometer broke. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <uv.h>

enum {
    VISITORS = 48,
    BURST = 200,
    BEAT_MS = 10,
    VISIT_MS = 4000,
    PATIENCE_MS = 2500, /* the thermometer's: a frozen server is not thawed by waiting */
    REQUEST_BYTES = 256 * 1024,
    INPUT_BYTES = 16 * 1024,
    HEAD_BYTES = 1024,
};

enum manner { KEEPS, PIPELINES, LEAVES_REQUEST, LEAVES_JOB, READS_SLOWLY, TRICKLES, MANNERS };

struct storm {
    uv_loop_t loop;
    struct sockaddr_in server;
    uint64_t random, end_ms;
    unsigned visits[MANNERS], answers, refusals, cut, wrong;
};

/* What is known of the answers on one connection. */
struct ear {
    char head[HEAD_BYTES];
    size_t head_bytes, body_left;
    unsigned answers;
};

struct visit {
    struct storm *storm;
    uv_tcp_t socket;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    enum manner manner;
    char request[REQUEST_BYTES];
    size_t length, sent;
    bool deaf; /* the slowest reader of all */
    unsigned wanted, rounds, open_handles;
    uint64_t begin_ms;
    struct ear ear;
};

static char input[INPUT_BYTES]; /* nobody looks at it twice */

/* splitmix64 (Steele, Lea, Flood 2014). */
static unsigned below(struct storm *storm, unsigned limit)
{
    uint64_t x = storm->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((x ^ (x >> 31)) % limit);
}

/* ------------------------------------------------------------------ listening to answers */

static void judge(struct storm *storm, int status)
{
    static const int expected[] = {200, 400, 404, 405, 408, 503};
    bool known = false;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        known |= status == expected[i];
    storm->answers++;
    storm->refusals += status == 503;
    if (known)
        return;
    storm->wrong++;
    fprintf(stderr, "storm: an answer with status %d\n", status);
}

static void end_head(struct storm *storm, struct ear *ear)
{
    ear->head[ear->head_bytes] = '\0';
    const char *length = strcasestr(ear->head, "\r\nContent-Length:");
    judge(storm, (int)strtol(ear->head + strlen("HTTP/1.1 "), NULL, 10));
    ear->body_left = length != NULL ? strtoull(strchr(length, ':') + 1, NULL, 10) : 0;
    ear->head_bytes = 0;
    ear->answers += ear->body_left == 0;
}

static void hear_head(struct storm *storm, struct ear *ear, char byte)
{
    if (ear->head_bytes == HEAD_BYTES - 1) {
        storm->wrong++;
        ear->head_bytes = 0;
    }
    ear->head[ear->head_bytes++] = byte;
    if (ear->head_bytes >= 4 && memcmp(ear->head + ear->head_bytes - 4, "\r\n\r\n", 4) == 0)
        end_head(storm, ear);
}

static void hear(struct storm *storm, struct ear *ear, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t skipped = ear->body_left < length ? ear->body_left : length;
        if (skipped == 0) {
            hear_head(storm, ear, *bytes);
            bytes++, length--;
            continue;
        }
        ear->body_left -= skipped;
        ear->answers += ear->body_left == 0;
        bytes += skipped, length -= skipped;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(input, sizeof input);
}

/* ------------------------------------------------------------------ what is asked */

static const char *any_target(struct storm *storm)
{
    static const char *const targets[] = {
        "/fast",
        "/fast",
        "/",
        "/healthz",
        "/nowhere",
        "/slow?ms=2&via=timer",
        "/slow?ms=2&via=sqlite",
        "/heavy?kernel=square-roots&n=20000&offload=none",
        "/heavy?kernel=sleep&n=1&offload=deferred",
        "/heavy?kernel=sleep&n=4&offload=sliced",
        "/heavy?kernel=square-roots&n=20000&offload=threadpool",
        "/heavy?kernel=square-roots&n=20000&offload=worker",
        "/heavy?kernel=square-roots&n=20000&offload=process",
        "/heavy?kernel=mandelbrot&n=64&format=png&offload=worker",
        "/heavy?kernel=mandelbrot&n=64&format=png&offload=process",
    };
    return targets[below(storm, sizeof targets / sizeof *targets)];
}

/* Work that would go on for a minute; on the loop itself, where nothing could stop it, less. */
static const char *endless_target(struct storm *storm)
{
    static const char *const targets[] = {
        "/slow?ms=60000&via=timer",
        "/slow?ms=60000&via=sqlite",
        "/heavy?kernel=sleep&n=3&offload=none",
        "/heavy?kernel=sleep&n=3&offload=deferred",
        "/heavy?kernel=sleep&n=60000&offload=sliced",
        "/heavy?kernel=sleep&n=60000&offload=threadpool",
        "/heavy?kernel=sleep&n=60000&offload=worker",
        "/heavy?kernel=sleep&n=60000&offload=process",
    };
    return targets[below(storm, sizeof targets / sizeof *targets)];
}

static void put_request(struct visit *visit, const char *target)
{
    int room = (int)(sizeof visit->request - visit->length);
    int length = snprintf(visit->request + visit->length, (size_t)room,
                          "GET %s HTTP/1.1\r\nHost: storm\r\n\r\n", target);
    if (length >= room)
        return;
    visit->length += (size_t)length;
    visit->wanted++;
}

/* For a client that reads nothing the kernel takes up to four megabytes. */
static unsigned request_count(struct visit *visit)
{
    enum { PIPELINE = 24, SLOW = 100, DEAF = 8000 };
    if (visit->deaf)
        return DEAF;
    if (visit->manner == READS_SLOWLY)
        return SLOW;
    return visit->manner == PIPELINES ? 2 + below(visit->storm, PIPELINE) : 1;
}

static const char *choose_target(struct visit *visit)
{
    if (visit->manner == READS_SLOWLY)
        return "/";
    return visit->manner == LEAVES_JOB ? endless_target(visit->storm) : any_target(visit->storm);
}

static void prepare(struct visit *visit)
{
    visit->length = visit->sent = 0;
    for (unsigned count = request_count(visit); count > 0; count--)
        put_request(visit, choose_target(visit));
    if (visit->manner == LEAVES_REQUEST)
        visit->length = 1 + below(visit->storm, (unsigned)visit->length - 1);
}

/* ------------------------------------------------------------------ the end of a visit */

static void visit_begin(struct visit *visit);

static void on_closed(uv_handle_t *handle)
{
    struct visit *visit = handle->data;
    if (--visit->open_handles > 0)
        return;
    if (uv_now(&visit->storm->loop) < visit->storm->end_ms)
        visit_begin(visit);
}

static void visit_end(struct visit *visit)
{
    if (uv_is_closing((uv_handle_t *)&visit->timer))
        return;
    uv_close((uv_handle_t *)&visit->timer, on_closed);
    bool rudely = below(visit->storm, 2) == 0;
    if (!rudely || uv_tcp_close_reset(&visit->socket, on_closed) != 0)
        uv_close((uv_handle_t *)&visit->socket, on_closed);
}

/* ------------------------------------------------------------------ one visit */

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void on_written(uv_write_t *write, int status)
{
    struct visit *visit = write->data;
    if (status < 0)
        visit_end(visit);
}

/* The next so many bytes of the request. */
static void send_some(struct visit *visit, size_t bytes)
{
    uv_buf_t buffer = uv_buf_init(visit->request + visit->sent, (unsigned)bytes);
    visit->sent += bytes;
    visit->write.data = visit;
    if (uv_write(&visit->write, (uv_stream_t *)&visit->socket, &buffer, 1, on_written) != 0)
        visit_end(visit);
}

static void go_on(struct visit *visit)
{
    if (visit->ear.answers < visit->wanted)
        return;
    if (visit->manner != KEEPS || visit->rounds-- == 0) {
        visit_end(visit);
        return;
    }
    prepare(visit);
    send_some(visit, visit->length);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct visit *visit = stream->data;
    if (length < 0) {
        visit_end(visit);
        return;
    }
    hear(visit->storm, &visit->ear, buffer->base, (size_t)length);
    if (visit->manner == READS_SLOWLY)
        uv_read_stop(stream); /* until the timer comes again */
    go_on(visit);
}

static bool is_over(const struct visit *visit)
{
    return uv_now(&visit->storm->loop) - visit->begin_ms > VISIT_MS;
}

static void on_timer(uv_timer_t *timer)
{
    struct visit *visit = timer->data;
    bool leaves = visit->manner == LEAVES_REQUEST || visit->manner == LEAVES_JOB;
    if (leaves || is_over(visit)) {
        visit->storm->cut += !leaves && !visit->deaf;
        visit_end(visit);
    } else if (visit->manner == READS_SLOWLY && !visit->deaf) {
        uv_read_start((uv_stream_t *)&visit->socket, on_alloc, on_read);
    } else if (visit->manner == TRICKLES && visit->sent < visit->length) {
        send_some(visit, 1);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct visit *visit = connect->data;
    struct storm *storm = visit->storm;
    if (status != 0) {
        visit_end(visit);
        return;
    }
    unsigned delay_ms = 5 + below(storm, 60);
    prepare(visit);
    if (visit->manner != TRICKLES)
        send_some(visit, visit->length);
    if (visit->manner != READS_SLOWLY)
        uv_read_start((uv_stream_t *)&visit->socket, on_alloc, on_read);
    uv_timer_start(&visit->timer, on_timer, delay_ms, delay_ms);
}

static void visit_begin(struct visit *visit)
{
    struct storm *storm = visit->storm;
    int small = 4096;
    *visit = (struct visit){.storm = storm, .open_handles = 2};
    visit->manner = (enum manner)below(storm, MANNERS);
    visit->rounds = below(storm, 30);
    visit->deaf = visit->manner == READS_SLOWLY && below(storm, 4) == 0;
    visit->begin_ms = uv_now(&storm->loop);
    storm->visits[visit->manner]++;
    uv_timer_init(&storm->loop, &visit->timer);
    uv_tcp_init_ex(&storm->loop, &visit->socket, AF_INET);
    visit->timer.data = visit->socket.data = visit->connect.data = visit;
    if (visit->manner == READS_SLOWLY)
        (void)uv_recv_buffer_size((uv_handle_t *)&visit->socket, &small);
    if (uv_tcp_connect(&visit->connect, &visit->socket, (const struct sockaddr *)&storm->server,
                       on_connected) != 0)
        visit_end(visit);
}

/* ------------------------------------------------------------------ the thermometer */

struct thermometer {
    struct storm *storm;
    uv_tcp_t socket;
    uv_timer_t timer;
    uv_connect_t connect;
    struct ear ear;
    uint64_t asked_ms, longest_ms;
    unsigned asked;
    bool broken;
};

static void ask(struct thermometer *thermometer)
{
    static char request[] = "GET /fast HTTP/1.1\r\nHost: storm\r\n\r\n";
    uv_buf_t buffer = uv_buf_init(request, sizeof request - 1);
    thermometer->asked++;
    thermometer->asked_ms = uv_now(&thermometer->storm->loop);
    if (uv_try_write((uv_stream_t *)&thermometer->socket, &buffer, 1) != (int)buffer.len)
        thermometer->broken = true;
}

static void thermometer_end(struct thermometer *thermometer)
{
    uv_close((uv_handle_t *)&thermometer->timer, NULL);
    uv_close((uv_handle_t *)&thermometer->socket, NULL);
}

static void on_beat(uv_timer_t *timer)
{
    struct thermometer *thermometer = timer->data;
    uint64_t now_ms = uv_now(timer->loop), waited_ms = now_ms - thermometer->asked_ms;
    bool answered = thermometer->ear.answers == thermometer->asked;
    if (!answered && waited_ms > PATIENCE_MS)
        thermometer->broken = true;
    if (thermometer->broken || (answered && now_ms >= thermometer->storm->end_ms))
        thermometer_end(thermometer);
    else if (answered)
        ask(thermometer);
}

static void on_temperature(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct thermometer *thermometer = stream->data;
    if (length < 0) {
        thermometer->broken = true;
        uv_read_stop(stream);
        return;
    }
    hear(thermometer->storm, &thermometer->ear, buffer->base, (size_t)length);
    uint64_t waited_ms = uv_now(stream->loop) - thermometer->asked_ms;
    if (waited_ms > thermometer->longest_ms)
        thermometer->longest_ms = waited_ms;
}

static void on_thermometer_connected(uv_connect_t *connect, int status)
{
    struct thermometer *thermometer = connect->data;
    thermometer->broken = status != 0;
    uv_timer_start(&thermometer->timer, on_beat, 0, BEAT_MS);
    if (status == 0)
        uv_read_start((uv_stream_t *)&thermometer->socket, on_alloc, on_temperature);
}

static void thermometer_begin(struct thermometer *thermometer, struct storm *storm)
{
    *thermometer = (struct thermometer){.storm = storm};
    uv_timer_init(&storm->loop, &thermometer->timer);
    uv_tcp_init(&storm->loop, &thermometer->socket);
    thermometer->timer.data = thermometer->socket.data = thermometer->connect.data = thermometer;
    if (uv_tcp_connect(&thermometer->connect, &thermometer->socket,
                       (const struct sockaddr *)&storm->server, on_thermometer_connected) != 0)
        abort();
}

/* ------------------------------------------------------------------ mix */

static int mix(struct storm *storm, unsigned seconds)
{
    static struct visit visits[VISITORS];
    struct thermometer thermometer;
    storm->end_ms = uv_now(&storm->loop) + 1000u * (uint64_t)seconds;
    thermometer_begin(&thermometer, storm);
    for (int i = 0; i < VISITORS; i++) {
        visits[i].storm = storm;
        visit_begin(&visits[i]);
    }
    uv_run(&storm->loop, UV_RUN_DEFAULT);
    printf("visits: %u keep-alive, %u pipelined, %u left in mid-request, %u left their job, "
           "%u slow readers, %u trickles\n",
           storm->visits[KEEPS], storm->visits[PIPELINES], storm->visits[LEAVES_REQUEST],
           storm->visits[LEAVES_JOB], storm->visits[READS_SLOWLY], storm->visits[TRICKLES]);
    printf("answers: %u, %u of them refusals (503), %u visits cut short, %u wrong\n",
           storm->answers, storm->refusals, storm->cut, storm->wrong);
    printf("/fast: %u answers, longest wait %" PRIu64 " ms%s\n", thermometer.ear.answers,
           thermometer.longest_ms, thermometer.broken ? ", and then none" : "");
    return thermometer.broken || storm->wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ------------------------------------------------------------------ hold */

struct hold {
    struct storm *storm;
    unsigned count, begun, held;
    struct held *connections;
    uv_signal_t signal;
};

struct held {
    struct hold *hold;
    uv_tcp_t socket;
    uv_connect_t connect;
    struct ear ear;
    bool lost;
};

static void held_begin(struct hold *hold);

static void held_lost(struct held *held)
{
    held->hold->storm->wrong += !held->lost;
    held->lost = true;
    uv_read_stop((uv_stream_t *)&held->socket);
}

static void on_held_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct held *held = stream->data;
    struct hold *hold = held->hold;
    if (length < 0) {
        held_lost(held);
        return;
    }
    hear(hold->storm, &held->ear, buffer->base, (size_t)length);
    if (held->ear.answers != 1)
        return;
    if (++hold->held == hold->count) {
        printf("held %u\n", hold->held);
        fflush(stdout);
    }
    held_begin(hold);
}

static void on_held_connected(uv_connect_t *connect, int status)
{
    static char request[] = "GET /fast HTTP/1.1\r\nHost: storm\r\n\r\n";
    struct held *held = connect->data;
    uv_buf_t buffer = uv_buf_init(request, sizeof request - 1);
    if (status != 0 || uv_try_write(connect->handle, &buffer, 1) < 0 ||
        uv_read_start(connect->handle, on_alloc, on_held_read) != 0)
        held_lost(held);
}

static void held_begin(struct hold *hold)
{
    if (hold->begun == hold->count)
        return;
    struct held *held = &hold->connections[hold->begun++];
    held->hold = hold;
    uv_tcp_init(&hold->storm->loop, &held->socket);
    held->socket.data = held->connect.data = held;
    if (uv_tcp_connect(&held->connect, &held->socket, (const struct sockaddr *)&hold->storm->server,
                       on_held_connected) != 0)
        held_lost(held);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct hold *hold = signal->data;
    (void)number;
    for (unsigned i = 0; i < hold->begun; i++)
        uv_close((uv_handle_t *)&hold->connections[i].socket, NULL);
    uv_close((uv_handle_t *)signal, NULL);
}

static int hold_all(struct storm *storm, unsigned count)
{
    struct hold hold = {.storm = storm, .count = count};
    hold.connections = calloc(count, sizeof *hold.connections);
    if (hold.connections == NULL)
        return EXIT_FAILURE;
    uv_signal_init(&storm->loop, &hold.signal);
    hold.signal.data = &hold;
    uv_signal_start(&hold.signal, on_signal, SIGTERM);
    for (unsigned i = 0; i < BURST; i++)
        held_begin(&hold);
    uv_run(&storm->loop, UV_RUN_DEFAULT);
    free(hold.connections);
    printf("held %u to the end, %u lost\n", hold.held, storm->wrong);
    return storm->wrong > 0 || hold.held < count ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ------------------------------------------------------------------ main */

static void raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    struct storm storm = {.random = argc > 4 ? strtoull(argv[4], NULL, 10) : 1};
    if (argc < 4) {
        fputs("storm: mix PORT SECONDS [SEED], or hold PORT COUNT\n", stderr);
        return 2;
    }
    raise_limit();
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&storm.loop) != 0 ||
        uv_ip4_addr("127.0.0.1", atoi(argv[2]), &storm.server) != 0)
        return EXIT_FAILURE;
    unsigned number = (unsigned)strtoul(argv[3], NULL, 10);
    int status = strcmp(argv[1], "hold") == 0 ? hold_all(&storm, number) : mix(&storm, number);
    return uv_loop_close(&storm.loop) == 0 ? status : EXIT_FAILURE;
}

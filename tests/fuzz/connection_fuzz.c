/* connection_fuzz.c – connections as a whole: any bytes, in any pieces, and whatever else may
 * happen.
 *
 * An input is a small program. Two bytes choose the limits and the end; then bytes are what the
 * current peer sends, but for ESCAPE, which begins a command of three bytes: ESCAPE, the command,
 * its argument. A piece is delivered by the next command. So a transcript of HTTP is a program too,
 * and mutations of the text stay programs.
 *
 * After every command: memory is bounded, and no connection stands still for longer than its
 * time-outs allow. In the end: everything is closed and freed, every request was answered or
 * abandoned, exactly once, and every peer got its answers in order, and all of them unless there is
 * an excuse. */
#include <string.h>

#include "tests/fuzz/allocation.h"
#include "tests/fuzz/bench.h"

enum { ESCAPE = 0xfe, SMALL_WINDOW = 100, WIDE_WINDOW = 1 << 20 };

/* The commands; the argument is a in the comments. */
enum command {
    COMMAND_TURN,        /* a turns of the loop, at least one */
    COMMAND_PEER,        /* go on with peer a, which connects if it has not */
    COMMAND_END,         /* the peer sends no more */
    COMMAND_RESET,       /* the peer resets the connection */
    COMMAND_PASS,        /* a ticks of the server's clock pass */
    COMMAND_FREEZE,      /* the loop is busy for a times 100 ms */
    COMMAND_ANSWER,      /* the deferred request of peer a is answered */
    COMMAND_NARROW,      /* the peer's socket takes a bytes more, and then none */
    COMMAND_WIDEN,       /* the peer reads a times 256 bytes */
    COMMAND_BREAK,       /* writing to the peer fails from now on */
    COMMAND_DRAIN,       /* the server drains */
    COMMAND_CUT,         /* the server drains, and is cut */
    COMMAND_ACCEPT_FAIL, /* the next accept4 fails, or (a odd) the next uv_tcp_open */
    COMMAND_MEMORY_FAIL, /* the allocation number a from now on fails */
    COMMAND_REPEAT,      /* the last byte of the piece comes a times 64 times more */
    COMMAND_LITERAL,     /* the byte a, whatever it is */
    COMMAND_COUNT,
};

enum ending { EXPIRE, STALL, DRAIN, CUT }; /* time-outs end it, of peers that read or do not; … */

struct run {
    struct bench *bench;
    struct fake_peer *peer;
    enum ending ending;
    struct http_limits limits;
    size_t base_bytes; /* of memory, with no connection */
    bool is_cut;
    char piece[BENCH_INPUT_MAX];
    size_t piece_bytes;
};

static struct run run;

/* ------------------------------------------------------------------ what must hold */

/* A generous bound, but a bound: what has come and waits, what is being parsed, what goes out. */
static size_t connection_bound(void)
{
    enum { STRUCTURES = 2048, INBOX = 2 * 65536, OUTBOX = 4 * 65536 + BENCH_BIG_BYTES };
    size_t body = 2 * run.limits.max_body_bytes + 4096;
    return STRUCTURES + INBOX + OUTBOX + 2 * run.limits.max_header_bytes + 2 * body;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The clock is coarse, and its next tick is a little later when a drain begins. */
static uint64_t slack_ms(void)
{
    enum { SLACK_TICKS = 4, DRAIN_GRACE_MS = 100 };
    return (uint64_t)SLACK_TICKS * run.bench->server.tick_ms + DRAIN_GRACE_MS;
}

/* The longest chain without an event: idle, then a request that never ends, then the lingering. */
static uint64_t patience_ms(void)
{
    const struct http_limits *limits = &run.limits;
    enum { LINGER_MS = 30000 };
    uint64_t longest = later(limits->headers_timeout_ms, limits->keep_alive_timeout_ms);
    return longest + limits->request_timeout_ms + limits->write_timeout_ms + LINGER_MS +
           2 * slack_ms();
}

/* Time-outs: of a connection on which nothing happens, whatever it sends; and of a peer that takes
 * nothing of what it is owed. A request that is deferred may take as long as it likes. */
static void check_progress(const struct fake_peer *peer)
{
    const struct bench *bench = run.bench;
    size_t index = (size_t)(peer - bench->uv.peers);
    uint64_t now = bench->uv.lived_ms, slack = slack_ms();
    bool waits = bench_waiting(run.bench, peer) != NULL;
    if (waits || peer->state != FAKE_OPEN)
        return;
    FUZZ_CHECK(now - later(bench->spoke_ms[index], peer->progress_ms) <= patience_ms());
    uint64_t since = later(later(peer->owed_ms, peer->progress_ms), bench->spoke_ms[index]);
    FUZZ_CHECK(fake_peer_owed(peer) == 0 || now - since <= run.limits.write_timeout_ms + slack);
}

static void check_now(void)
{
    size_t open = 0;
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        open += run.bench->uv.peers[i].stream != NULL;
        check_progress(&run.bench->uv.peers[i]);
    }
    if (!run.bench->is_closed)
        FUZZ_CHECK(allocation_live() <= run.base_bytes + (open + 1) * connection_bound());
}

/* May something be missing from what this peer received? */
static bool is_excused(const struct fake_peer *peer)
{
    bool left = peer->broken || peer->ending == UV_ECONNRESET;
    bool abandoned = false, cut = false;
    for (size_t i = 0; i < run.bench->record_count; i++) {
        const struct bench_record *record = &run.bench->records[i];
        abandoned |= record->peer == peer && record->abandoned;
        cut |= record->peer == peer && record->cut;
    }
    bool stalled =
        peer->lost > 0 && peer->closed_ms - peer->progress_ms >= run.limits.write_timeout_ms;
    return left || stalled || cut || run.is_cut || allocation_has_failed() ||
           (abandoned && peer->ended); /* it left while it had something to wait for */
}

/* ------------------------------------------------------------------ commands */

static void deliver(void)
{
    if (run.piece_bytes == 0)
        return;
    fake_peer_send(run.peer, run.piece, run.piece_bytes);
    run.piece_bytes = 0;
    fake_uv_turn(&run.bench->uv);
}

static void put_bytes(unsigned char byte, size_t count)
{
    size_t room = sizeof run.piece - run.piece_bytes;
    count = count < room ? count : room;
    memset(run.piece + run.piece_bytes, byte, count);
    run.piece_bytes += count;
}

static struct fake_peer *peer_at(unsigned argument)
{
    return &run.bench->uv.peers[argument % FAKE_PEERS];
}

static void go_to_peer(unsigned argument)
{
    run.peer = peer_at(argument);
    if (run.peer->state != FAKE_UNUSED)
        return;
    fake_peer_connect(run.peer);
    run.peer->window = WIDE_WINDOW;
    fake_uv_turn(&run.bench->uv);
}

static void cut(void)
{
    bench_drain(run.bench);
    if (!run.bench->is_closed)
        http_server_cut(&run.bench->server);
    run.is_cut = true;
}

/* What happens in the loop. */
static void take_loop_command(enum command command, unsigned argument)
{
    struct bench *bench = run.bench;
    if (command == COMMAND_PASS)
        bench_pass(bench, argument);
    else if (command == COMMAND_FREEZE)
        bench_freeze(bench, (uint64_t)argument * 100);
    else if (command == COMMAND_ANSWER)
        bench_answer(bench, peer_at(argument));
    else if (command == COMMAND_DRAIN)
        bench_drain(bench);
    else if (command == COMMAND_CUT)
        cut();
    else if (command == COMMAND_MEMORY_FAIL)
        allocation_fail_at(argument);
    else if (command == COMMAND_ACCEPT_FAIL && argument % 2)
        bench->uv.next_open_error = UV_EMFILE;
    else if (command == COMMAND_ACCEPT_FAIL)
        bench->uv.next_accept_error = argument & 2 ? UV_ECONNABORTED : UV_EMFILE;
    for (unsigned i = 0; command == COMMAND_TURN && i < argument % 16; i++)
        fake_uv_turn(&bench->uv);
}

/* What the current peer does. */
static void take_peer_command(enum command command, unsigned argument)
{
    struct fake_peer *peer = run.peer;
    if (command == COMMAND_PEER)
        go_to_peer(argument);
    else if (command == COMMAND_END && peer->ending == 0)
        peer->ending = UV_EOF;
    else if (command == COMMAND_RESET)
        peer->ending = UV_ECONNRESET;
    else if (command == COMMAND_NARROW)
        peer->window = argument;
    else if (command == COMMAND_WIDEN && peer->window < WIDE_WINDOW)
        peer->window += (size_t)argument * 256;
    else if (command == COMMAND_BREAK)
        peer->broken = true;
}

static void take_command(enum command command, unsigned argument)
{
    if (command == COMMAND_REPEAT) {
        if (run.piece_bytes > 0)
            put_bytes((unsigned char)run.piece[run.piece_bytes - 1], (size_t)argument * 64);
        return;
    }
    if (command == COMMAND_LITERAL) {
        put_bytes((unsigned char)argument, 1);
        return;
    }
    deliver();
    take_peer_command(command, argument);
    take_loop_command(command, argument);
    fake_uv_turn(&run.bench->uv);
    check_now();
}

static void take_program(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != ESCAPE) {
            put_bytes(data[i], 1);
        } else if (size - i > 2) {
            take_command(data[i + 1] % COMMAND_COUNT, data[i + 2]);
            i += 2;
        }
    }
    deliver();
    check_now();
}

/* ------------------------------------------------------------------ the beginning and the end */

/* Two bits of the input choose one of four; the first is the default. */
static unsigned choose(uint8_t byte, unsigned shift, const unsigned choices[4])
{
    return choices[byte >> shift & 3];
}

static struct http_limits choose_limits(uint8_t sizes, uint8_t times)
{
    static const unsigned headers[] = {16384, 256, 1024, 70000};
    static const unsigned bodies[] = {1 << 20, 64, 5000, 100000};
    static const unsigned connections[] = {100, 1, 2, 3};
    static const unsigned requests[] = {0, 1, 2, 5};
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.max_header_bytes = choose(sizes, 0, headers);
    limits.max_body_bytes = choose(sizes, 2, bodies);
    limits.max_connections = choose(sizes, 4, connections);
    limits.max_requests_per_socket = choose(sizes, 6, requests);
    limits.headers_timeout_ms = choose(times, 0, (const unsigned[]){1000, 100, 700, 300});
    limits.request_timeout_ms = choose(times, 2, (const unsigned[]){2000, 400, 60, 1000});
    limits.keep_alive_timeout_ms = choose(times, 4, (const unsigned[]){500, 80, 1, 2000});
    limits.write_timeout_ms = 300;
    return limits;
}

static void begin(uint8_t sizes, uint8_t times)
{
    memset(&run, 0, offsetof(struct run, piece));
    run.piece_bytes = 0;
    run.limits = choose_limits(sizes, times);
    run.ending = times >> 6 & 3;
    run.bench = bench_open(&run.limits);
    run.base_bytes = allocation_live();
    go_to_peer(0);
}

static void answer_all(void)
{
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        /* Each answer may let the next deferred request in. */
        while (bench_waiting(run.bench, &run.bench->uv.peers[i]) != NULL)
            bench_answer(run.bench, &run.bench->uv.peers[i]);
    }
}

static void open_windows(void)
{
    for (size_t i = 0; i < FAKE_PEERS; i++)
        run.bench->uv.peers[i].window = SIZE_MAX;
}

/* Turns and answers until nothing is left to be done now. */
static void finish_what_is_due(void)
{
    do {
        answer_all();
        fake_uv_rest(&run.bench->uv);
    } while (fake_uv_turn(&run.bench->uv));
    answer_all();
}

/* So much time that every time-out has come, with the answers that become possible. */
static void expire(void)
{
    for (int i = 0; i < 4; i++) {
        finish_what_is_due();
        bench_pass(run.bench, (unsigned)(patience_ms() / run.bench->server.tick_ms));
    }
    finish_what_is_due();
    for (size_t i = 0; i < FAKE_PEERS; i++) {
        enum fake_peer_state state = run.bench->uv.peers[i].state;
        FUZZ_CHECK(state != FAKE_ACCEPTED && state != FAKE_OPEN);
    }
}

static void end(void)
{
    if (run.ending != STALL)
        open_windows();
    if (run.ending == CUT)
        cut();
    else if (run.ending == DRAIN)
        bench_drain(run.bench);
    if (run.ending != CUT)
        expire();
    bench_drain(run.bench);
    fake_uv_rest(&run.bench->uv);
    bench_check_end(run.bench);
    for (size_t i = 0; i < FAKE_PEERS; i++)
        bench_check_stream(run.bench, &run.bench->uv.peers[i],
                           !is_excused(&run.bench->uv.peers[i]));
    allocation_unwatch();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > BENCH_INPUT_MAX)
        return 0;
    begin(data[0], data[1]);
    take_program(data + 2, size - 2);
    end();
    return 0;
}

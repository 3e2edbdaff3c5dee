/* fake_uv.h – the part of libuv that server/http/ uses, in memory: no descriptor, no system call,
 * no clock but its own.
 *
 * Programs link this in the place of libuv, so the server under test is the real one, byte for
 * byte. A peer is the far end of a connection. Its owner says what it sends, how much it takes,
 * when it leaves, and when time passes; nothing happens but in fake_uv_turn, which is one turn of
 * the loop in libuv's order: timers, finished writes, what can be read and written, closed handles.
 * So a run is the same each time.
 *
 * What libuv promises is kept (a close callback comes a turn later and after the callbacks of all
 * writes; end of input stops the reading; a try-write does not overtake a write that waits), and
 * what it forbids ends the program: closing twice, writing after the shutdown.
 *
 * One thread; one fake_uv at a time. */
#ifndef OFFLOOP_TESTS_FUZZ_FAKE_UV_H
#define OFFLOOP_TESTS_FUZZ_FAKE_UV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { FAKE_PEERS = 8, FAKE_TIMERS = 4, FAKE_LISTENER_FD = 999 };

enum fake_peer_state {
    FAKE_UNUSED,
    FAKE_WAITING,  /* connected, and not yet accepted */
    FAKE_ACCEPTED, /* the server has its descriptor, and no connection with it */
    FAKE_OPEN,
    FAKE_CLOSED, /* by the server */
};

struct fake_bytes {
    char *bytes;
    size_t length, capacity;
};

struct fake_peer {
    enum fake_peer_state state;
    uv_stream_t *stream;     /* the server's end, while open */
    struct fake_bytes sent;  /* by the peer */
    size_t taken;            /* how much of it the server has read */
    int ending;              /* what comes behind it: nothing (0), UV_EOF or UV_ECONNRESET */
    bool ended;              /* and it has been read */
    struct fake_bytes taker; /* what the peer has received */
    size_t window;           /* so many bytes more go into its socket */
    bool broken;             /* writing to it fails */
    bool shut;               /* the server has ended its half */
    uv_write_t *first_write, *last_write;
    uint64_t progress_ms; /* when a byte was last written to it, or it was accepted */
    uint64_t owed_ms;     /* when the bytes that wait began to wait */
    size_t lost;          /* bytes that still waited when the server closed */
    uint64_t closed_ms;
};

struct fake_uv {
    uv_loop_t loop; /* for the server; its data is this */
    uint64_t now_ms;
    uint64_t lived_ms;     /* the same without the time for which the loop was busy */
    uv_poll_t *listener;   /* that is polled, or NULL */
    int next_accept_error; /* negative: of the next accept4 … */
    int next_open_error;   /* … or of the next uv_tcp_open */
    uv_timer_t *timers[FAKE_TIMERS];
    uv_handle_t *closing;
    unsigned open_handles;
    struct fake_peer peers[FAKE_PEERS];
    struct fake_peer *current; /* whose callback runs, or NULL */
};

/* Makes a new one of it; memory of an earlier life is used again. */
void fake_uv_open(struct fake_uv *uv);

/* A client connects; the listener hears of it in the next turn. */
void fake_peer_connect(struct fake_peer *peer);

/* More bytes for the server. Behind an ending they are ignored. */
void fake_peer_send(struct fake_peer *peer, const char *bytes, size_t length);

/* One turn of the loop. Returns false if there was nothing to do. */
bool fake_uv_turn(struct fake_uv *uv);

/* Turns until there is nothing to do at this moment; ends the program if that never comes. */
void fake_uv_rest(struct fake_uv *uv);

/* So many bytes wait for the peer to take them. */
size_t fake_peer_owed(const struct fake_peer *peer);

/* Says what is wrong and ends the program, so that the fuzzer keeps the input. */
_Noreturn void fuzz_fail(const char *what);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition))

#endif

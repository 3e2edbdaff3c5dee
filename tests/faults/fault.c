/* fault.c – see fault.h. One kind is armed at a time; a call of that kind counts down, and strikes
 * at zero. */
#include "tests/faults/fault.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

enum { SMALL_BUFFER_BYTES = 4096, PORTS_MAX = 2 };

static atomic_uint armed;
static atomic_int calls_left;
static atomic_bool struck;
static atomic_long allocations;
static atomic_uint ports[PORTS_MAX];

const char *fault_name(enum fault_kind kind)
{
    static const char *const names[] = {"nothing fails",
#define FAULT_NAME(kind, what) what,
                                        FAULT_KINDS(FAULT_NAME)
#undef FAULT_NAME
    };
    return names[kind];
}

void fault_arm(enum fault_kind kind, unsigned n)
{
    atomic_store(&struck, false);
    atomic_store(&calls_left, (int)n);
    atomic_store(&armed, (unsigned)kind);
}

bool fault_disarm(void)
{
    atomic_store(&armed, FAULT_NONE);
    return atomic_load(&struck);
}

bool fault_has_struck(void)
{
    return atomic_load(&struck);
}

void fault_watch_port(unsigned port)
{
    static unsigned next;
    atomic_store(&ports[next++ % PORTS_MAX], port);
}

long fault_allocations(void)
{
    return atomic_load(&allocations);
}

static bool strikes(enum fault_kind kind)
{
    if (atomic_load(&armed) != kind || atomic_fetch_sub(&calls_left, 1) != 1)
        return false;
    atomic_store(&struck, true);
    return true;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* ------------------------------------------------------------------ memory */

static void *counted(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add(&allocations, 1);
    return memory;
}

static void counted_free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub(&allocations, 1);
    free(memory);
}

/* What realloc moves was counted when it was made. */
static void *counted_realloc(void *memory, size_t bytes)
{
    void *moved = realloc(memory, bytes);
    return memory == NULL ? counted(moved) : moved;
}

/* The server's objects call these. */
void *fault_malloc(size_t bytes);
void *fault_calloc(size_t count, size_t bytes);
void *fault_realloc(void *memory, size_t bytes);
void fault_free(void *memory);

void *fault_malloc(size_t bytes)
{
    return strikes(FAULT_SERVER_MEMORY) ? NULL : counted(malloc(bytes));
}

void *fault_calloc(size_t count, size_t bytes)
{
    return strikes(FAULT_SERVER_MEMORY) ? NULL : counted(calloc(count, bytes));
}

void *fault_realloc(void *memory, size_t bytes)
{
    return strikes(FAULT_SERVER_MEMORY) ? NULL : counted_realloc(memory, bytes);
}

void fault_free(void *memory)
{
    counted_free(memory);
}

static void *uv_memory(size_t bytes)
{
    return strikes(FAULT_UV_MEMORY) ? NULL : counted(malloc(bytes));
}

static void *uv_zeroed_memory(size_t count, size_t bytes)
{
    return strikes(FAULT_UV_MEMORY) ? NULL : counted(calloc(count, bytes));
}

static void *json_memory(size_t bytes)
{
    return strikes(FAULT_JSON_MEMORY) ? NULL : counted(malloc(bytes));
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int bytes)
{
    return strikes(FAULT_SQLITE_MEMORY) ? NULL : sqlite_memory.xMalloc(bytes);
}

static void *sqlite_realloc(void *memory, int bytes)
{
    return strikes(FAULT_SQLITE_MEMORY) ? NULL : sqlite_memory.xRealloc(memory, bytes);
}

/* libuv's realloc is for the table of watchers alone: it ends the program when that cannot grow. */
void fault_prepare(void)
{
    cJSON_Hooks hooks = {.malloc_fn = json_memory, .free_fn = counted_free};
    uv_replace_allocator(uv_memory, counted_realloc, uv_zeroed_memory, counted_free);
    cJSON_InitHooks(&hooks);
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    sqlite3_mem_methods methods = sqlite_memory;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_initialize();
}

/* ------------------------------------------------------------------ libraries */

int fault_uv_queue_work(uv_loop_t *loop, uv_work_t *request, uv_work_cb work,
                        uv_after_work_cb after_work);
int fault_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *argument);
int fault_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options,
                              uv_thread_cb entry, void *argument);
int fault_sqlite3_open_v2(const char *path, sqlite3 **connection, int flags, const char *vfs);
int fault_sqlite3_prepare_v2(sqlite3 *connection, const char *sql, int bytes,
                             sqlite3_stmt **statement, const char **tail);
int fault_sqlite3_exec(sqlite3 *connection, const char *sql,
                       int (*row)(void *, int, char **, char **), void *data, char **error);
int fault_sqlite3_step(sqlite3_stmt *statement);

int fault_uv_queue_work(uv_loop_t *loop, uv_work_t *request, uv_work_cb work,
                        uv_after_work_cb after_work)
{
    return strikes(FAULT_QUEUE_WORK) ? UV_ENOMEM : uv_queue_work(loop, request, work, after_work);
}

int fault_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *argument)
{
    return strikes(FAULT_THREAD) ? UV_EAGAIN : uv_thread_create(thread, entry, argument);
}

int fault_uv_thread_create_ex(uv_thread_t *thread, const uv_thread_options_t *options,
                              uv_thread_cb entry, void *argument)
{
    return strikes(FAULT_THREAD) ? UV_EAGAIN
                                 : uv_thread_create_ex(thread, options, entry, argument);
}

int fault_sqlite3_open_v2(const char *path, sqlite3 **connection, int flags, const char *vfs)
{
    int rc = sqlite3_open_v2(path, connection, flags, vfs);
    return strikes(FAULT_SQLITE_CALL) ? SQLITE_CANTOPEN : rc; /* a handle may come with an error */
}

int fault_sqlite3_prepare_v2(sqlite3 *connection, const char *sql, int bytes,
                             sqlite3_stmt **statement, const char **tail)
{
    *statement = NULL;
    return strikes(FAULT_SQLITE_CALL) ? SQLITE_BUSY
                                      : sqlite3_prepare_v2(connection, sql, bytes, statement, tail);
}

int fault_sqlite3_exec(sqlite3 *connection, const char *sql,
                       int (*row)(void *, int, char **, char **), void *data, char **error)
{
    return strikes(FAULT_SQLITE_CALL) ? SQLITE_FULL
                                      : sqlite3_exec(connection, sql, row, data, error);
}

int fault_sqlite3_step(sqlite3_stmt *statement)
{
    return strikes(FAULT_SQLITE_CALL) ? SQLITE_IOERR : sqlite3_step(statement);
}

/* ------------------------------------------------------------------ system calls */

/* The definitions behind this program's: the C library's, or a sanitizer's in front of it. */
static struct {
    __typeof__(&read) read;
    __typeof__(&write) write;
    __typeof__(&accept4) accept4;
    __typeof__(&posix_spawnp) posix_spawnp;
    __typeof__(&socketpair) socketpair;
    __typeof__(&bind) bind;
    __typeof__(&listen) listen;
} next;

#define FIND(name) next.name = (__typeof__(next.name))(uintptr_t)dlsym(RTLD_NEXT, #name)

/* As early as can be: something may want to read before main begins. */
static __attribute__((constructor)) void find_system_calls(void)
{
    FIND(read);
    FIND(write);
    FIND(accept4);
    FIND(posix_spawnp);
    FIND(socketpair);
    FIND(bind);
    FIND(listen);
}

static bool is_watched_port(unsigned port)
{
    for (int i = 0; i < PORTS_MAX; i++) {
        if (port != 0 && atomic_load(&ports[i]) == port)
            return true;
    }
    return false;
}

/* Is it the server's end of a connection (AF_INET), or of a pipe to a child process (AF_UNIX)? 0 if
 * it is neither. */
static sa_family_t servers_end(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (atomic_load(&armed) == FAULT_NONE)
        return 0;
    int error = errno;
    bool is_socket = getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    errno = error;
    if (!is_socket || address.ss_family != AF_INET)
        return is_socket && address.ss_family == AF_UNIX ? AF_UNIX : 0;
    return is_watched_port(ntohs(((struct sockaddr_in *)&address)->sin_port)) ? AF_INET : 0;
}

ssize_t read(int fd, void *buffer, size_t size)
{
    sa_family_t end = servers_end(fd);
    if (end != 0 && size > 0) {
        if (strikes(FAULT_READ))
            return fail(end == AF_UNIX ? EIO : ECONNRESET);
        if (strikes(FAULT_READ_SHORT))
            size = 1;
    }
    return next.read(fd, buffer, size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (servers_end(fd) != 0) {
        if (strikes(FAULT_WRITE))
            return fail(EPIPE);
        if (strikes(FAULT_WRITE_FULL))
            return fail(EAGAIN);
        if (strikes(FAULT_WRITE_SHORT))
            size = 1;
    }
    return next.write(fd, bytes, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (strikes(FAULT_ACCEPT_FULL))
        return fail(EMFILE);
    if (strikes(FAULT_ACCEPT_GONE))
        return fail(ECONNABORTED);
    return next.accept4(fd, address, length, flags);
}

int posix_spawnp(pid_t *pid, const char *program, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[],
                 char *const environment[])
{
    if (strikes(FAULT_FORK))
        return EAGAIN;
    return next.posix_spawnp(pid, program, actions, attributes, arguments, environment);
}

/* libuv's, for the pipes to a child process. */
int socketpair(int domain, int type, int protocol, int fds[2])
{
    return strikes(FAULT_SOCKET) ? fail(EMFILE) : next.socketpair(domain, type, protocol, fds);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return strikes(FAULT_LISTEN) ? fail(EADDRINUSE) : next.bind(fd, address, length);
}

/* A connection inherits its buffers: small ones, so that answers have to wait for their client. */
int listen(int fd, int backlog)
{
    int small = SMALL_BUFFER_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return strikes(FAULT_LISTEN) ? fail(EADDRINUSE) : next.listen(fd, backlog);
}

/* The server's objects call these two; its clients make sockets as well. */
int fault_socket(int domain, int type, int protocol);
int fault_setsockopt(int fd, int level, int option, const void *value, socklen_t length);

int fault_socket(int domain, int type, int protocol)
{
    return strikes(FAULT_SOCKET) ? fail(EMFILE) : socket(domain, type, protocol);
}

int fault_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return strikes(FAULT_SOCKET) ? fail(EMFILE) : setsockopt(fd, level, option, value, length);
}

/* And these three; allocators map memory as well. */
int fault_memfd_create(const char *name, unsigned flags);
int fault_ftruncate(int fd, off_t length);
void *fault_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);

int fault_memfd_create(const char *name, unsigned flags)
{
    return strikes(FAULT_MAPPING) ? fail(ENOMEM) : memfd_create(name, flags);
}

int fault_ftruncate(int fd, off_t length)
{
    return strikes(FAULT_MAPPING) ? fail(ENOMEM) : ftruncate(fd, length);
}

void *fault_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (!strikes(FAULT_MAPPING))
        return mmap(address, length, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

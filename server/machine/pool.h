/* pool.h – libuv's thread pool, made where it can be told that it cannot be had.
 *
 * libuv makes all threads of its pool at the first use, and calls abort() if one of them cannot be
 * made: where processes are short (RLIMIT_NPROC, pids.max of a cgroup) one request would end the
 * server. So whoever needs the pool asks here first. The pool belongs to the process, and so does
 * what is kept here. */
#ifndef OFFLOOP_MACHINE_POOL_H
#define OFFLOOP_MACHINE_POOL_H

/* Makes the pool unless it is there: with as many threads as UV_THREADPOOL_SIZE says, or with fewer
 * if only these can be had. Returns how many it has (at least 1), or a negative UV_E… code: then no
 * thread can be had, and uv_queue_work and the like must not be called; the answer stays the same
 * for a while (backoff.h). Cheap once the pool is there. Any thread; the first call should come
 * before there are threads that read the environment. */
int pool_ready(void);

#endif

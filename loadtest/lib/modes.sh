# shellcheck shell=bash
# modes.sh – what the experiment knows of each mode. To add one: a name in all_modes and a line in each
# function below.

# shellcheck source=loadtest/lib/cores.sh
source "$(dirname "${BASH_SOURCE[0]}")/cores.sh"

# What MODES=all stands for, in the order of the table.
all_modes() {
    echo none deferred sliced threadpool worker worker-per-request process cluster-none cluster-rr
}

# As many members as there are cores, as everybody runs it, but at least two, and no more than heavy
# connections: else a member would be left over.
cluster_size() {
    local size
    size=$(cores)
    size=$((size < ${HEAVY_CONNECTIONS:-4} ? size : ${HEAVY_CONNECTIONS:-4}))
    echo $((size > 2 ? size : 2))
}

# The server's options for this mode; an error status for an unknown one.
mode_options() {
    case $1 in
        none | deferred | sliced | threadpool | worker | process) echo "--offload=$1" ;;
        worker-per-request) echo "--offload=worker --worker-per-request" ;;
        cluster-none | cluster-rr)
            echo "--offload=none --cluster=$(cluster_size) --cluster-sched=${1#cluster-}" ;;
        *) return 1 ;;
    esac
}

# The claim to be proved: `blocks` (the worst /fast waits at least one whole kernel) or `free` (it waits
# less than any kernel ran).
mode_claim() {
    case $1 in
        none | deferred | cluster-*) echo blocks ;;
        *) echo free ;;
    esac
}

# Where the kernels run.
mode_place() {
    case $1 in
        none) echo "on the event loop itself, as in every Express tutorial" ;;
        deferred) echo "on the event loop too, only later" ;;
        sliced) echo "on the event loop, a slice per turn" ;;
        threadpool) echo "on libuv's thread pool (uv_queue_work)" ;;
        worker) echo "on worker threads of their own" ;;
        process) echo "in child processes" ;;
        worker-per-request) echo "on a new thread for each job" ;;
        cluster-none) echo "on the event loops of $(cluster_size) server processes, spread by Linux" ;;
        cluster-rr) echo "on the event loops of $(cluster_size) server processes, dealt out in turn" ;;
    esac
}

# What a Node programmer would write for it.
mode_in_node() {
    case $1 in
        none) echo "on the main thread" ;;
        deferred) echo "an async function, setImmediate" ;;
        sliced) echo "partitioning with setImmediate" ;;
        threadpool) echo "libuv's pool: crypto.pbkdf2, zlib, native addons" ;;
        worker) echo "worker_threads with a pool, Piscina" ;;
        worker-per-request) echo "new Worker() in the handler" ;;
        process) echo "child_process.fork" ;;
        cluster-none) echo "cluster with SCHED_NONE" ;;
        cluster-rr) echo "cluster, as it is by default (SCHED_RR)" ;;
    esac
}

# Whether /slow's queries share the threads of the kernels.
mode_shares_pool() {
    [ "$1" = threadpool ]
}

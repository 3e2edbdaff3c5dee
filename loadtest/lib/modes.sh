# shellcheck shell=bash
# modes.sh – what the experiment knows of each mode. To add one: a name in all_modes and a line in each
# function below.

# What MODES=all stands for, in the order of the table.
all_modes() {
    echo none deferred sliced threadpool worker worker-per-request process
}

# The server's options for this mode; an error status for an unknown one.
mode_options() {
    case $1 in
        none | deferred | sliced | threadpool | worker | process) echo "--offload=$1" ;;
        worker-per-request) echo "--offload=worker --worker-per-request" ;;
        *) return 1 ;;
    esac
}

# The claim to be proved: `blocks` (the worst /fast waits at least one whole kernel) or `free` (it waits
# less than any kernel ran).
mode_claim() {
    case $1 in
        none | deferred) echo blocks ;;
        *) echo free ;;
    esac
}

# Where the kernels run, in Node's words where Node has one.
mode_place() {
    case $1 in
        none) echo "on the event loop itself, as in every Express tutorial" ;;
        deferred) echo "on the event loop too, only later (Node: async, setImmediate)" ;;
        sliced) echo "on the event loop, a slice per turn (Node: partitioning)" ;;
        threadpool) echo "on libuv's thread pool (uv_queue_work)" ;;
        worker) echo "on worker threads of their own (Node: worker_threads, Piscina)" ;;
        process) echo "in child processes (Node: child_process.fork)" ;;
        worker-per-request) echo "on a new thread for each job (Node: new Worker() in the handler)" ;;
    esac
}

# Whether /slow's queries share the threads of the kernels.
mode_shares_pool() {
    [ "$1" = threadpool ]
}

# shellcheck shell=bash disable=SC2034 # read by the other files
# settings.sh – what is measured and for how long.

# name | generator | its arguments | what it is. Quick runs end at the word full.
WORKLOADS='
saturated|load|-c 64|keep-alive, 64 connections, the server full
saturated-16|load|-c 64 -d 16|16-deep pipelining, 64 connections, the server full
varied|load|-c 64 -v|the same, but no request like the one before it
varied-16|load|-c 64 -d 16 -v|16-deep pipelining, no request like the one before it
accepts|load|-c 64 -m close|a connection for each request, 64 at a time
keep-64|wrk|-c 64|wrk, keep-alive, 64 connections
full
keep-1|wrk|-c 1|wrk, keep-alive, 1 connection
keep-256|wrk|-c 256|wrk, keep-alive, 256 connections
keep-1000|wrk|-c 1000|wrk, keep-alive, 1,000 connections
pipelined|wrk|-c 64 -s pipeline.lua|wrk, 16-deep pipelining, 64 connections
close|wrk|-c 64 closing|wrk, Connection: close, 64 connections
browser-varied|load|-c 64 -f 600 -v|600 bytes of header fields, no request like the one before it, the server full
browser|wrk|-c 64 browser|wrk, 600 bytes of header fields, 64 connections
'

# What a browser sends: 600 bytes of field lines behind wrk's own Host.
BROWSER_FIELDS=(
    'Connection: keep-alive'
    'Cache-Control: max-age=0'
    'Upgrade-Insecure-Requests: 1'
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36'
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8'
    'Sec-Fetch-Site: none'
    'Sec-Fetch-Mode: navigate'
    'Sec-Fetch-User: ?1'
    'Sec-Fetch-Dest: document'
    'Accept-Encoding: gzip, deflate, br, zstd'
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8,fr;q=0.7'
    'Cookie: theme=dark; session=0123456789abcdef0123456789abcdef'
)

# Where an observer listens: so far above its server.
OBSERVER_ABOVE=1000

# In the order in which they take turns.
SERVERS='limit offloop nginx h2o node-http fastify express'

settings() {
    : "${BUILD:=build}" "${BENCH:=full}" "${PORT_BASE:=18600}" "${SERVER_CORE:=0}" "${LOAD_CORE:=1}"
    : "${OUT:=$BUILD/bench}" "${DOCS:=docs}"
    case $BENCH in
        quick) ROUNDS=2 SECONDS_EACH=0.25 WARMUP=0.2 STARTS=3 KERNEL_RUNS=2 GROWTH_ROUNDS=1 GROWTH_SECONDS=0.3 HANDOVER='2 100'
            OVERHEAD_ROUNDS=4 OVERHEAD_SECONDS=0.2 SCRAPES=100 FREEZE_MS=2500 AGREEMENT_ROUNDS=1 AGREEMENT_SECONDS=4 IDLE_SECONDS=3 ;;
        full) ROUNDS=3 SECONDS_EACH=0.9 WARMUP=1.5 STARTS=9 KERNEL_RUNS=3 GROWTH_ROUNDS=1 GROWTH_SECONDS=0.6 HANDOVER='3 300'
            OVERHEAD_ROUNDS=24 OVERHEAD_SECONDS=0.25 SCRAPES=100 FREEZE_MS=4000 AGREEMENT_ROUNDS=3 AGREEMENT_SECONDS=4 IDLE_SECONDS=10 ;;
        *) fail "BENCH is quick or full, not '$BENCH'" 2 ;;
    esac
}

# The rows of this run.
workloads() {
    awk -v bench="$BENCH" '$0 == "full" { if (bench == "quick") exit; next } NF' <<<"$WORKLOADS"
}

workload_title() {
    awk -F'|' -v name="$1" '$1 == name { print $4 }' <<<"$WORKLOADS"
}

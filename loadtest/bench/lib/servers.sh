# shellcheck shell=bash disable=SC2154 # settings and paths: set by run
# servers.sh – how each server is started, what it is called, and which ones are here. Every one of them
# listens on a port of its own, in the order of SERVERS, and stays for the whole run: its turns alternate with the
# others', and between them it costs nothing.

declare -A pid_of=() port_of=() version_of=()
available=()

server_title() {
    case $1 in
        limit) echo "the limit (raw epoll)" ;;
        nginx) echo "nginx, return 200" ;;
        h2o) echo "h2o, a file" ;;
        node-http) echo "node:http" ;;
        fastify) echo "Fastify" ;;
        express) echo "Express" ;;
        *) echo "$1" ;;
    esac
}

# Sets `command` for a server on a port; status 1 if it is not here.
server_command() {
    local name=$1 port=$2
    case $name in
        limit) command=("$BUILD/bench-limit" "$port") ;;
        limit-closing) command=("$BUILD/bench-limit" "$port" close) ;;
        offloop) command=("$BUILD/offloop" --port "$port" --observer "$((port + OBSERVER_ABOVE))") ;;
        unobserved) command=("$BUILD/offloop" --port "$port" --observer off) ;;
        nginx)
            [ -n "$nginx" ] || return 1
            command=("$nginx" -c "$(configured nginx.conf "$port")")
            ;;
        h2o)
            [ -n "$h2o" ] || return 1
            command=("$h2o" -c "$(configured h2o.conf "$port")")
            ;;
        node-http | express | fastify)
            [ -e "$peers/$name.js" ] || return 1
            command=("$node" "$peers/$name.js" "$port")
            ;;
    esac
}

# configured FILE PORT – the name of the filled in configuration.
configured() {
    local folder=$work/$1-$2
    mkdir -p "$folder/files"
    printf 'fast: the event loop answered at once\n' >"$folder/files/fast"
    sed "s|PORT|$2|; s|FOLDER|$folder|g" "$here/peers/$1" >"$folder/$1"
    echo "$folder/$1"
}

server_version() {
    case $1 in
        offloop) "$BUILD/offloop" --version ;;
        nginx) "$nginx" -v 2>&1 | sed 's|.*nginx/|nginx |' ;;
        h2o) "$h2o" --version | sed -n '1s/version //p' ;;
        node-http) echo "Node.js $("$node" --version)" ;;
        express | fastify) echo "$(server_title "$1") $(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$peers/node_modules/$1/package.json")" ;;
    esac
}

# answers PORT – whether /fast is a 200 there.
answers() {
    "$BUILD/bench-load" -s 0 "$1" >/dev/null 2>&1
}

# launch NAME PORT – starts it on its core and waits until it answers; its pid is in $spawned. Status 1, and it is ended
# and missing, if it does not.
launch() {
    local name=$1 port=$2 tries=0
    ! answers "$port" || fail "somebody else answers on port $port; set PORT_BASE"
    server_command "$name" "$port"
    spawn /dev/null "$work/$name-$port.log" taskset -c "$SERVER_CORE" "${command[@]}"
    until answers "$port"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] || ! kill -0 "$spawned" 2>/dev/null; then
            miss "$name does not answer on port $port: $(tail -n 3 "$work/$name-$port.log")"
            end_one "$spawned"
            return 1
        fi
        sleep 0.1
    done
}

launch_all() {
    local name port=$PORT_BASE
    for name in $SERVERS limit-closing unobserved; do
        port=$((port + 1))
        if ! server_command "$name" "$port"; then
            say "without $name: ${missing[$name]:-it is not here}"
            continue
        fi
        progress "starting $name"
        launch "$name" "$port" || continue
        pid_of[$name]=$spawned port_of[$name]=$port version_of[$name]=$(server_version "$name")
        [[ $name == limit-closing || $name == unobserved ]] || available+=("$name")
    done
    for name in limit limit-closing offloop unobserved; do
        [ -n "${pid_of[$name]:-}" ] || fail "nothing can be compared without $name"
    done
}

end_one() {
    end TERM "$1" || true
}

end_servers() {
    [ "${#pid_of[@]}" -eq 0 ] || end TERM "${pid_of[@]}" || true
}

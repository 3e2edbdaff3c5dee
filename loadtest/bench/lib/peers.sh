# shellcheck shell=bash disable=SC2034,SC2154 # paths and versions: shared with run and servers.sh
# peers.sh – the servers that offloop is set beside, fetched when they are not here.
#
# nginx and h2o are Debian packages that start a service when they are installed. So they are not installed:
# an installed one is used, or else the package is downloaded, which needs no root, and the program
# in it unpacked into the build folder. The npm packages go there as well, by the lock file and without their scripts.

declare -A missing=()
nginx='' h2o='' node='' peers=''

# found PROGRAM – its path, also outside an ordinary user's PATH.
found() {
    command -v "$1" || PATH=$PATH:/usr/sbin:/sbin command -v "$1"
}

# runs PROGRAM – whether its libraries are here as well.
runs() {
    [ -x "$1" ] && ! ldd "$1" | grep -q 'not found'
}

# unpacked PACKAGE PATH – the program PATH of a Debian package, from the build folder; empty if it cannot be had.
unpacked() {
    local folder
    folder=$(readlink -m "$OUT/peers/debian")
    if [ ! -x "$folder/$2" ] && command -v apt-get >/dev/null; then
        mkdir -p "$folder"
        (cd "$folder" && apt-get download -qq "$1" && dpkg-deb --fsys-tarfile "$1"_*.deb | tar -x "./$2" &&
            rm "$1"_*.deb) >/dev/null 2>&1 || return 0
    fi
    ! runs "$folder/$2" || echo "$folder/$2"
}

debian_peer() { # command, package, path in it
    found "$1" || unpacked "$2" "$3"
}

npm_peers() {
    local folder
    folder=$(readlink -m "$OUT/peers/npm")
    node=$(command -v node || command -v nodejs) || return 0
    mkdir -p "$folder"
    cp "$here"/peers/*.js "$folder"
    peers=$folder
    cmp -s "$here/peers/package-lock.json" "$folder/node_modules/.installed" && return 0
    cp "$here"/peers/package*.json "$folder"
    if (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) >"$OUT/npm.log" 2>&1; then
        cp "$folder/package-lock.json" "$folder/node_modules/.installed"
    else
        missing[express]="npm could not install it (see $OUT/npm.log)" missing[fastify]=${missing[express]:-}
        rm -f "$folder/express.js" "$folder/fastify.js"
    fi
}

find_peers() {
    progress "looking for the peers"
    missing[nginx]='no such command, and apt-get could not download it'
    missing[h2o]=${missing[nginx]}
    missing[node-http]='there is no node' missing[express]='there is no node' missing[fastify]='there is no node'
    nginx=$(debian_peer nginx nginx usr/sbin/nginx)
    h2o=$(debian_peer h2o h2o usr/bin/h2o)
    npm_peers
}

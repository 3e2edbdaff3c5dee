# shellcheck shell=bash
# cores.sh – how many cores this shell and what it starts may use: affinity and cgroup quotas, as the server
# counts them (server/machine/cores.c).

# The quota in a folder, "QUOTA PERIOD"; nothing if there is none.
quota_in() {
    if [ -r "$1/cpu.max" ]; then
        grep -v max "$1/cpu.max" || true
    elif [ -r "$1/cpu.cfs_quota_us" ]; then
        echo "$(<"$1/cpu.cfs_quota_us") $(<"$1/cpu.cfs_period_us")" | grep -v '^-' || true
    fi
}

# Where the files of this process's cgroup are, and where the hierarchy is mounted; v1 before v2.
cgroup_folders() {
    local version point root group
    point=$(awk '{ split($0, half, " - "); split(half[2], fs, " ")
        if (fs[1] == "cgroup" && ("," fs[3] ",") ~ /,cpu,/) { v1 = $5 " " $4 }
        if (fs[1] == "cgroup2" && v2 == "") { v2 = $5 " " $4 } }
        END { print v1 != "" ? "1 " v1 : v2 != "" ? "2 " v2 : "" }' /proc/self/mountinfo)
    [ -n "$point" ] || return 0
    read -r version point root <<<"$point"
    group=$(awk -F: -v version="$version" 'version == 2 ? $2 == "" : ("," $2 ",") ~ /,cpu,/ { print $3; exit }' \
        /proc/self/cgroup)
    [ "$root" = / ] || group=${group#"$root"}
    [ -d "$point$group" ] || group=
    echo "$point${group%/} $point"
}

cores() {
    local count folder point quota period
    count=$(nproc)
    read -r folder point <<<"$(cgroup_folders)"
    while [ -n "$folder" ]; do
        read -r quota period <<<"$(quota_in "$folder")"
        if [ -n "$quota" ] && [ $((quota / period)) -lt "$count" ]; then
            count=$((quota / period > 1 ? quota / period : 1))
        fi
        [ "$folder" != "$point" ] || break
        folder=${folder%/*}
    done
    echo "$count"
}

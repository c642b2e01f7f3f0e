# The other Pythons: those that the machine has (on the PATH, or pyenv's); else Debian's, which root can
# unpack beside its own system. Sourced by run.

pyenv=${PYENV_ROOT:-$HOME/.pyenv} # before run makes a home of its own
declare -A debian=([3.13]=trixie [3.14]=sid)

# find_python 3.12: where the machine has it.
find_python() {
    local python
    for python in $(type -ap "python$1") "$pyenv/versions/$1".*/bin/python; do
        "$python" -c "import sys, ensurepip; sys.exit(sys.version_info[:2] != (${1/./, }))" 2>/dev/null || continue
        echo "$python"
        return
    done
    return 1
}

# need_debian 3.14: the Debian with that Python, in $work. Fails with a line where there can be none.
need_debian() {
    local suite=${debian[$1]:-} file
    [ -n "$suite" ] || { echo "this machine has none, and neither has a Debian of today"; return 1; }
    command -v debootstrap >/dev/null || install debootstrap || return 1
    [ "$(id -u)" = 0 ] || { echo "this machine has none, and only root can unpack Debian's"; return 1; }
    debootstrap --variant=minbase --include=python3-venv,ca-certificates "$suite" "$work/$suite" >"$work/$suite.log" 2>&1 \
        || { echo "Debian $suite could not be unpacked: $(tail -n 1 "$work/$suite.log")"; return 1; }
    for file in resolv.conf hosts pip.conf ssl/certs/ca-certificates.crt; do # the way to the network
        [ ! -e "/etc/$file" ] || cp -L "/etc/$file" "$work/$suite/etc/$file"
    done
}

# inside DIR COMMAND…: in the Debian of DIR, which sees this folder and $work where they are. What is
# mounted for that ends with the command.
inside() {
    work=$work unshare --mount bash -euc 'for dir in "$PWD" "$work" /proc /dev; do
            mkdir -p "$0$dir"
            mount --rbind "$dir" "$0$dir"
        done
        exec chroot "$0" env --chdir="$PWD" "$@"' "$@"
}

# test_on VERSION COMMAND…: the demo and tests/safechat, with the Python that COMMAND runs.
test_on() {
    local venv=$work/venv$1
    shift
    "$@" -m venv "$venv"
    local command=("${@:1:$#-1}" env -u CI PATH="$venv/bin:$PATH" python) # without CI: fewer examples
    "${command[@]}" -m pip install --quiet --upgrade pip
    "${command[@]}" -m pip install --quiet -c constraints.txt -e ".[course]"
    "${command[@]}" -m odev demo
    "${command[@]}" -m pytest -p no:cacheprovider tests/safechat
}

# test_on_other VERSION: what test_on does, where there is such a Python; 3, after a line that says why, where not.
test_on_other() {
    local python command
    if python=$(find_python "$1"); then
        command=("$python")
    elif need_debian "$1"; then
        command=(inside "$work/${debian[$1]}" python3)
    else
        return 3
    fi
    time test_on "$1" "${command[@]}"
}

# test_on_others VERSION…: at the same time, for tests wait more than they compute. Each one's last line; what
# failed is shown whole, and fails.
test_on_others() {
    local version status failed=
    local -A running=()
    for version in "$@"; do
        test_on_other "$version" >"$work/$version.log" 2>&1 & # not in an `if`, where errexit is off
        running[$version]=$!
    done
    for version in "$@"; do
        status=0
        wait "${running[$version]}" || status=$?
        case $status in
            0) echo "Python $version: $(grep -E '^(=+ .* passed|real)' "$work/$version.log" | tr -s '\n\t=' ' ')" ;;
            3) not_run "tests/safechat and the demo on Python $version: $(tail -n 1 "$work/$version.log")" ;;
            *) cat "$work/$version.log"; echo "Python $version failed"; failed=1 ;;
        esac
    done
    [ -z "$failed" ]
}

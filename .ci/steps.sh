# Steps, and lanes of steps beside each other. Sourced by run. A step is a function or a command; what it
# writes is shown when it has ended, with its seconds.

failed=$work/failed   # the names of the steps that failed
seconds=$work/seconds # how long each step took

# step NAME COMMAND…: the next step goes on where this one fails; `end_steps` fails then.
step() {
    local name=$1 log began=$SECONDS status=0
    shift
    log=$(mktemp "$work/step-XXXXXX")
    printf -- '-- %s …\n' "$name"
    (set -euo pipefail; "$@") >"$log" 2>&1 & # not in an `if`, where errexit is off
    wait $! || status=$?
    [ "$status" = 0 ] || echo "$name" >>"$failed"
    printf '%5d s  %s\n' $((SECONDS - began)) "$name" >>"$seconds"
    { # in one piece: the other lane writes too
        printf '\n== %s\n' "$name"
        cat "$log"
        [ "$status" = 0 ] || printf '== FAILED (%d): %s\n' "$status" "$name"
    } >"$log.shown"
    flock "$work" cat "$log.shown"
}

# need NAME COMMAND…: a step without which no other can run.
need() {
    step "$@"
    [ ! -e "$failed" ] || end_steps
}

# end_steps: the seconds of all, what could not be run, what failed.
end_steps() {
    printf '\n== seconds of the steps, %d in all\n' "$SECONDS"
    cat "$seconds"
    [ ! -e "$missing" ] || cat "$missing"
    [ -e "$failed" ] || exit 0
    printf 'FAILED: %s\n' "$(paste -sd';' "$failed")"
    exit 1
}

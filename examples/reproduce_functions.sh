# shellcheck shell=bash disable=SC2154
# Functions of reproduce.sh and reproduce_hour.sh, which read this file and set here, mode and limit.

python=${PYTHON:-python}
SECONDS=0 # Of this call; bash counts them.

fail() {
    echo "error: $*" >&2
    exit 2
}

check_installed() {
    "$python" -c "import modeling_dlfa" 2>/dev/null ||
        fail "$python has no modeling_dlfa. Install it (pip install -e '.[all]'), or name another: PYTHON=..."
}

# Calls a script of this folder, or the command.
package() {
    local command=("$python" -m modeling_dlfa "${@:2}")
    [[ $1 == dlfa ]] || command=("$python" "$here/$1" "${@:2}")
    local status=0
    if [[ -z $limit ]]; then
        "${command[@]}" || status=$?
    elif ((SECONDS < limit)); then
        timeout --foreground -s INT -k 20 $((limit - SECONDS)) "${command[@]}" || status=$?
    else
        status=124
    fi
    if [[ -n $limit ]] && ((status == 124 || status == 137)); then
        echo "Stopped after $limit seconds. Call again with the same options to continue." >&2
        exit 124
    fi
    return $status
}

complete() {
    [[ -e $1 && -f $1.done ]]
}

# step TARGET COMMAND ...: runs or prints a command unless its target is complete.
step() {
    local target=$1 command resume=()
    shift
    command=$(printf '%q ' "$@")
    command=${command% }
    if complete "$target"; then
        [[ $(<"$target.done") == "$command" ]] || fail "$target was made by another command: $(<"$target.done")
This one would be: $command
Give the options of before, choose another --output_dir, or remove $target."
        [[ $mode != run ]] || echo "Complete: $target"
        return
    fi
    echo "$command"
    [[ $mode == run ]] || return 0
    [[ ! -f $target/arguments.json ]] || resume=(--resume_from_checkpoint last)
    mkdir -p "$(dirname "$target")"
    package "$@" ${resume[@]+"${resume[@]}"}
    echo "$command" >"$target.done"
}

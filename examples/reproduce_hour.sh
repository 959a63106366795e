#!/usr/bin/env bash
# All four tasks within an hour of one H100, in nine pieces of at most ten minutes; see usage.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

usage() {
    cat <<'END'
Usage: examples/reproduce_hour.sh [PIECE] [OPTION ...] [-- OPTION OF dlfa train ...]

Runs PIECE, a number from 1 to 9, or else the next one that is not done: for xnli, pawsx, ner and pos a sweep over all
layers (one seed) and the training of the selected layer beside the baseline (three seeds); last the tables, cards and
one page. A piece that its time limit or anything else stops goes on when it is called again.

Each task trains on 10,000 English rows twice (626 steps of 32) and tests 500 rows a language, so this is not the
published recipe. It assumes 12 training steps a second for one model, 4 for the 13 systems of a sweep, and 2,500 and
600 test inputs a second, in bf16, which fills 85 % of each limit; --cost measures what it takes here. Downloads are
not counted: fetch models and data before.

  --output_dir FOLDER    where everything goes (runs/hour)
  --cost                 measure what is left to do, and stop
  --dry_run              print the commands that are left, and stop

--model, --data and --pooling are those of reproduce.sh. Options behind -- come last: -- --max_train_samples 5000.
END
}

here=$(dirname "${BASH_SOURCE[0]}")
source "$here/reproduce_functions.sh"
# Seconds: 4 sweeps, 4 trainings and the tables, with 20 seconds each to come to an end, are 3,600.
declare -A limits=([sweep]=280 [train]=540 [report]=140)
sizes=(--max_train_samples 10000 --max_eval_samples 1000 --max_test_samples 500 --num_train_epochs 2
    --learning_rate 5e-5 --warmup_steps 60 --save_dtype float16)
piece="" output_dir=runs/hour mode=run limit=${limits[report]} options=() extra=()

while (($#)); do
    case $1 in
        --help | -h)
            usage
            exit
            ;;
        --output_dir | --model | --data | --pooling)
            [[ -n ${2:-} && $2 != --* ]] || fail "$1 needs a value. See --help."
            if [[ $1 == --output_dir ]]; then output_dir=$2; else options+=("$1" "$2"); fi
            shift
            ;;
        --cost | --dry_run) mode=${1#--} ;;
        --)
            shift
            extra=("$@")
            break
            ;;
        *)
            [[ $1 =~ ^[1-9]$ && -z $piece ]] || fail "unexpected argument $1: give one piece, from 1 to 9. See --help."
            piece=$1
            ;;
    esac
    shift
done
check_installed

tasks=(xnli pawsx ner pos)
pieces=()
for task in "${tasks[@]}"; do
    pieces+=("$task sweep" "$task train")
done
pieces+=("all report")

# reproduce TASK OPTION ...: calls the other script with this one's sizes.
reproduce() {
    "$here/reproduce.sh" "$@" --seeds "1 2 3" --output_dir "$output_dir/$1" ${options[@]+"${options[@]}"} \
        -- "${sizes[@]}" ${extra[@]+"${extra[@]}"}
}

if [[ $mode != run ]]; then
    for task in "${tasks[@]}"; do
        reproduce "$task" "--$mode"
    done
    exit
fi

if [[ -z $piece ]]; then
    for piece in {1..9}; do
        read -r task name <<<"${pieces[piece - 1]}"
        complete "$output_dir/$task/$name" || break
    done
fi
read -r task name <<<"${pieces[piece - 1]}"
echo "Piece $piece of 9: $task $name, at most ${limits[$name]} seconds."
if [[ $name != report ]]; then
    reproduce "$task" --only "$name" --limit "${limits[$name]}"
else
    runs=()
    for task in "${tasks[@]}"; do
        reproduce "$task" --only report --limit $((SECONDS < limit ? limit - SECONDS : 0))
        runs+=("$output_dir/$task/sweep" "$output_dir/$task/train")
    done
    step "$output_dir/all/report" dlfa report "${runs[@]}" --overwrite --output_dir "$output_dir/all/report"
    echo "All pieces are done: $output_dir/all/report/report.html, $output_dir/TASK/card.md"
fi

#!/usr/bin/env bash
# One task from the sweep over layers to the card, on a single GPU; see usage.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

usage() {
    cat <<'END'
Usage: examples/reproduce.sh TASK [OPTION ...] [-- OPTION OF dlfa train ...]

TASK is xnli, pawsx, ner or pos. Sweeps all layers in one pass with the first seed, selects a layer on English
validation data, trains it alone beside the baseline with all seeds, and writes report/ and card.md. The recipe is the
task's, in bf16; options behind -- change it in every command. First it measures what all this will cost. Call it
again with the same options to continue: finished steps are skipped, interrupted ones go on.

  --model NAME           encoder, a Hub id or folder (google-bert/bert-base-multilingual-cased)
  --data FOLDER          files in place of the Hub's data, laid out as docs/studies.md says
  --train_file, --validation_file, --test_file FILE
                         the same with files of any name
  --seeds "1 2 ..."      a run of each system for each seed ("1 2 3 4 5")
  --pooling KIND         cls or mean, for xnli and pawsx (cls)
  --output_dir FOLDER    where everything goes (runs/reproduce/MODEL-TASK)
  --augment              also self-augmentation, for xnli and pawsx; see docs/studies.md
  --text FILES           its unlabelled texts, such as 'text/{language}.txt' (those in the folder of --data)
  --teacher NAME         its masked language model (the encoder itself)
  --switch_languages "de ru ..."
                         its target languages (those of the task that have a text)
  --only STEP            sweep, train, report or augment, without measuring the cost
  --limit SECONDS        stop after so long, with exit status 124, without measuring the cost
  --cost                 measure what is left to do, and stop
  --dry_run              print the commands that are left, and stop

PYTHON names the interpreter (python).
END
}

here=$(dirname "${BASH_SOURCE[0]}")
source "$here/reproduce_functions.sh"
source "$here/reproduce_augment.sh"
task="" model=google-bert/bert-base-multilingual-cased data="" train_file="" validation_file="" test_file=""
seeds="1 2 3 4 5" pooling="" output_dir="" text="" teacher="" switch_languages="" only="" limit="" mode=run
steps=(sweep train report) extra=()

while (($#)); do
    case $1 in
        --help | -h)
            usage
            exit
            ;;
        --model | --data | --train_file | --validation_file | --test_file | --seeds | --pooling | --output_dir | \
            --text | --teacher | --switch_languages | --only | --limit)
            [[ -n ${2:-} && $2 != --* ]] || fail "$1 needs a value. See --help."
            declare "${1#--}=$2"
            shift
            ;;
        --augment) steps+=(augment) ;;
        --cost | --dry_run) mode=${1#--} ;;
        --)
            shift
            extra=("$@")
            break
            ;;
        -*) fail "there is no option $1. Options of dlfa train go behind --. See --help." ;;
        *)
            [[ -z $task ]] || fail "unexpected argument $1: $task is the task already. See --help."
            task=$1
            ;;
    esac
    shift
done

tasks=(xnli pawsx ner pos)
[[ -n $task ]] || fail "name a task: ${tasks[*]}. See --help."
[[ " ${tasks[*]} " == *" $task "* ]] || fail "there is no task $task. Choose one of: ${tasks[*]}."
[[ $limit =~ ^[0-9]*$ ]] || fail "--limit $limit is not a number of seconds."
[[ -z $limit ]] || command -v timeout >/dev/null || fail "--limit needs timeout, of the GNU coreutils. Install them."
[[ $seeds =~ ^[0-9]+(\ [0-9]+)*$ ]] || fail "--seeds $seeds: give numbers, such as \"1 2 3\"."
case $only in
    "") ;;
    sweep | train | report | augment) steps=("$only") ;;
    *) fail "there is no step $only. Choose one of: sweep, train, report, augment." ;;
esac
for word in ${extra[@]+"${extra[@]}"}; do
    case ${word%%=*} in
        --model_name_or_path | --*_file | --seeds | --pooling | --output_dir | --fusion_layers | --baseline | \
            --mixup | --resume_from_checkpoint | --overwrite | --num_shards)
            fail "$word cannot go behind --: this script sets it. See --help for its own options."
            ;;
        --max_train_samples)
            [[ " ${steps[*]} " != *" augment "* ]] || fail "$word would leave out switched rows. Shorten --train_file."
            ;;
    esac
done
check_installed

if [[ -n $data ]]; then
    case $task in
        xnli) train=nli-en/train validation=nli-en/dev test=xnli/dev ;;
        pawsx) train=pawsx/train-en validation=pawsx/validation-en test=pawsx/dev ;;
        ner) train=panx/train-en validation=panx/dev-en test=panx/dev ;;
        pos) train=udpos/train-en validation=udpos/dev-en test=udpos/test ;;
    esac
    train_file=${train_file:-$data/$train.tsv} validation_file=${validation_file:-$data/$validation.tsv}
    test_file=${test_file:-"$data/$test-{language}.tsv"} text=${text:-"$data/text/{language}.txt"}
fi
output=${output_dir:-runs/reproduce/$(basename "$model")-$task}
read -ra all_seeds <<<"$seeds"
same=(--model_name_or_path "$model" --bf16 True)
[[ -z $pooling || $task == ner || $task == pos ]] || same+=(--pooling "$pooling")
same+=(${extra[@]+"${extra[@]}"})
[[ " ${steps[*]} " != *" augment "* ]] || check_augment
files=()
for name in train_file validation_file test_file; do
    [[ -z ${!name} ]] || files+=("--$name" "${!name}")
done

# Sets the layer, which the sweep selects.
select_layer() {
    layer=0 # In every encoder; the cost is that of any other.
    if complete "$output/sweep"; then
        layer=$("$python" "$here/reproduce_steps.py" layer "$output/sweep")
    elif [[ $mode == run ]]; then
        fail "$output/sweep is not complete, so no layer is selected. Run the sweep first (--only sweep)."
    else
        echo "# --fusion_layers 0 stands for the layer that the sweep will select."
    fi
}

sweep() {
    step "$output/sweep" dlfa sweep "$task" --one_pass "${same[@]}" ${files[@]+"${files[@]}"} \
        --seeds "${all_seeds[0]}" --save_models False --output_dir "$output/sweep"
}

train() {
    select_layer
    step "$output/train" dlfa train "$task" "${same[@]}" ${files[@]+"${files[@]}"} \
        --fusion_layers "$layer" --baseline --seeds "${all_seeds[@]}" --output_dir "$output/train"
}

report() {
    [[ $mode != run ]] || complete "$output/train" ||
        fail "$output/train is not complete. Train first (--only train)."
    step "$output/report" dlfa report "$output/sweep" "$output/train" --overwrite --output_dir "$output/report"
    step "$output/card.md" reproduce_steps.py card "$output/train" "$output/card.md"
}

run_steps() {
    local name
    for name in "${steps[@]}"; do
        "$name"
    done
}

cost() {
    local plan
    plan=$(mode=dry_run run_steps)
    [[ $plan != *"dlfa sweep "* && $plan != *"dlfa train "* ]] || package estimate.py <<<"$plan"
}

case $mode in
    dry_run) run_steps ;;
    cost) cost ;;
    run)
        [[ -n $only$limit ]] || cost
        run_steps
        [[ -n $only ]] || echo "Done: $output/report/report.html, $output/card.md"
        ;;
esac

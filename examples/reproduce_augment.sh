# shellcheck shell=bash disable=SC2154
# Self-augmentation, read by reproduce.sh: what switched words and mixed embeddings gain over plain English.
# The plain runs are those of its step `train`; docs/augmentation.md explains variants and controls.

check_augment() {
    [[ $task == xnli || $task == pawsx ]] || fail "--augment is for xnli and pawsx, not for $task. Leave it out."
    [[ -n $text ]] || fail "--augment needs unlabelled texts: add --text 'text/{language}.txt', English among them."
    "$python" -c "import fontTools" 2>/dev/null || fail "--augment needs fonttools: pip install -e '.[train,glyphs]'."
    [[ -n $switch_languages ]] ||
        switch_languages=$("$python" "$here/reproduce_steps.py" targets "$task" "$text")
}

augment() {
    local work=$output/augment variants=(mask none random same_language only_copies) best=mask
    local ask learn into targets place variant options longest=()
    for place in ${extra[@]+"${!extra[@]}"}; do
        [[ ${extra[place]} != --max_length ]] || longest=(--max_length "${extra[place + 1]}")
    done
    if [[ -z $train_file ]]; then
        step "$work/rows" reproduce_steps.py rows "$task" "$work/rows"
        train_file=$work/rows/train.jsonl validation_file=$work/rows/validation.jsonl
        test_file="$work/rows/test-{language}.jsonl"
    fi
    read -ra targets <<<"$switch_languages"
    into=(--languages "${targets[@]}")
    ask=(dlfa augment "$task" --train_file "$train_file" --teacher "${teacher:-$model}" --language_text "$text"
        --overwrite ${longest[@]+"${longest[@]}"})
    learn=(dlfa train "$task" "${same[@]}" --validation_file "$validation_file" --test_file "$test_file"
        --seeds "${all_seeds[@]}")

    for variant in "${variants[@]}"; do
        case $variant in
            mask | none) options=("${into[@]}" --masking "$variant") ;;
            random) options=("${into[@]}" --candidates random) ;;
            same_language) options=(--candidates same_language) ;;
            only_copies) options=("${into[@]}" --only_copies) ;;
        esac
        step "$work/$variant.jsonl" "${ask[@]}" "${options[@]}" --output_file "$work/$variant.jsonl"
        step "$work/$variant" "${learn[@]}" --train_file "$work/$variant.jsonl" --fusion last \
            --output_dir "$work/$variant"
    done
    step "$work/mixup.safetensors" "${ask[@]}" "${into[@]}" --mixup_file "$work/mixup.safetensors"
    step "$work/mixup" "${learn[@]}" --train_file "$train_file" --mixup "$work/mixup.safetensors" --fusion last \
        --output_dir "$work/mixup"

    # DLFA with the best of them on English validation data; the controls do not compete.
    if complete "$work/mask" && complete "$work/none" && complete "$work/mixup"; then
        best=$(basename "$("$python" "$here/reproduce_steps.py" best "$work/mask" "$work/none" "$work/mixup")")
    else
        echo "# $best stands for the best of mask, none and mixup."
    fi
    options=(--train_file "$work/$best.jsonl")
    [[ $best != mixup ]] || options=(--train_file "$train_file" --mixup "$work/mixup.safetensors")
    select_layer
    step "$work/dlfa" "${learn[@]}" "${options[@]}" --fusion_layers "$layer" --output_dir "$work/dlfa"
    step "$work/scaling" dlfa scaling "$work/$best" "$work/dlfa" --overwrite --output_dir "$work/scaling"
    step "$work/report" dlfa report "$output/train" "${variants[@]/#/$work/}" "$work/mixup" "$work/dlfa" \
        "$work/scaling" --overwrite --output_dir "$work/report"
}

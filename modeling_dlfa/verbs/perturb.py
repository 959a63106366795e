"""Writes labelled files anew with visual noise in a share of their words, to see how robust a model is.

`dlfa perturb --noise homoglyphs --share 0.1 --seed 1 test-ru.tsv --output_file noisy-ru.tsv`
`dlfa perturb --noise diacritics 'xnli/test-{language}.tsv' --output_file 'noisy/test-{language}.tsv'`: the files of
all languages.

Labels and tags are kept. The words at the same places are chosen in every language and for every noise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..command.parser import CommandParser
from ..errors import InputError


def main(argv: Sequence[str]) -> None:
    """Writes the files, and says how many words were changed."""
    parser = CommandParser(prog="dlfa perturb", description=__doc__)
    parser.add_argument("input", help="TSV or CoNLL; {language} stands for the code.")
    parser.add_argument(
        "--output_file", required=True, help="Output file of the same format, with {language} as well."
    )
    parser.add_argument("--noise", choices=("homoglyphs", "diacritics", "leetspeak"), required=True)
    parser.add_argument("--share", type=float, default=0.1, help="Share of the words to change; 0.1 if left out.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the choice of words; 0 if left out.")
    parser.add_argument(
        "--languages", nargs="+", default=["all"], help="Language codes, or all (those that have a file)."
    )
    parser.add_argument(
        "--columns", nargs="+", default=[], help="Names of the text columns; those of our tasks are found if left out."
    )
    parser.add_argument(
        "--tokenizer", help="Folder or Hub id of a tokenizer: count the changes that its normalisation undoes."
    )
    parser.add_argument("--report_file", help="Also write every count as JSON.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the output files.")
    given = parser.parse_args(argv)

    from pathlib import Path

    from ..data.files import PLACEHOLDER, expand_files, languages_on_disk
    from ..files.folders import free_file
    from ..files.writing import write_json
    from ..glyphs.vocabulary import load_tokenizer
    from ..perturbation import Changer, check_noisy_file, perturb_file

    Changer(given.noise, share=given.share)
    several = PLACEHOLDER in given.input
    if several != (PLACEHOLDER in given.output_file):
        raise InputError(f"Put {PLACEHOLDER} into both names, the input's and --output_file's, or into neither.")
    if not several and given.languages != ["all"]:
        raise InputError(f"--languages needs {PLACEHOLDER} in the file names. Add it, or leave --languages out.")
    found = languages_on_disk(given.input) if given.languages == ["all"] and several else given.languages
    if not found:
        raise InputError(f"{given.input}: no file exists for any language. Check the path.")
    files = expand_files(given.input, found)
    outputs = {code: given.output_file.replace(PLACEHOLDER, code) for code in files}
    for code, path in files.items():
        check_noisy_file(str(path), outputs[code], given.overwrite, list(map(str, files.values())))
    if given.report_file:
        written = {"inputs": files.values(), "outputs": outputs.values()}
        free_file(given.report_file, "--report_file", overwrite=given.overwrite, **written)
    tokenizer = load_tokenizer(given.tokenizer) if given.tokenizer else None
    options = {"share": given.share, "seed": given.seed, "columns": given.columns}
    records = {}
    for code, path in files.items():
        outcome = perturb_file(
            path, outputs[code], given.noise, tokenizer=tokenizer, overwrite=given.overwrite, **options
        )
        records[outputs[code]] = outcome.record()
        print(f"{outputs[code]}: {outcome.summary()}", flush=True)
        if not outcome.changer.total.changed:
            print(f"warning: {outputs[code]}: nothing is changed.", file=sys.stderr)
    if given.report_file:
        setting = {"noise": given.noise, "share": given.share, "seed": given.seed, "tokenizer": given.tokenizer}
        write_json(Path(given.report_file), {**setting, "files": records})

"""The treebanks of Universal Dependencies that make up XTREME's part-of-speech task, by language."""

from __future__ import annotations

# XTREME puts all treebanks of a language in UD 2.7 together (google-research/xtreme, scripts/download_data.sh) and
# drops those without their text (ar_nyuad, en_esl, en_gumreddit, fr_ftb, ja_bccwj). Names: the Hub's configurations.
TEST_TREEBANKS: dict[str, tuple[str, ...]] = {
    language: tuple(f"{language}_{name}" for name in names.split())
    for language, names in {
        "af": "afribooms",
        "ar": "padt pud",
        "bg": "btb",
        "de": "gsd hdt lit pud",
        "el": "gdt",
        "en": "ewt gum lines partut pronouns pud",
        "es": "ancora gsd pud",
        "et": "edt ewt",
        "eu": "bdt",
        "fa": "perdt seraji",
        "fi": "ftb ood pud tdt",
        "fr": "fqb gsd partut pud sequoia spoken",
        "he": "htb",
        "hi": "hdtb pud",
        "hu": "szeged",
        "id": "csui gsd pud",
        "it": "isdt partut postwita pud twittiro vit",
        "ja": "gsd modern pud",
        "kk": "ktb",
        "ko": "gsd kaist pud",
        "lt": "alksnis hse",
        "mr": "ufal",
        "nl": "alpino lassysmall",
        "pl": "lfg pdb pud",
        "pt": "bosque gsd pud",
        "ro": "nonstandard rrt simonero",
        "ru": "gsd pud syntagrus taiga",
        "ta": "mwtt ttb",
        "te": "mtg",
        "th": "pud",
        "tl": "trg ugnayan",
        "tr": "boun gb imst pud",
        "uk": "iu",
        "ur": "udtb",
        "vi": "vtb",
        "yo": "ytb",
        "zh": "cfl gsd gsdsimp hk pud",
    }.items()
}

# Those of them that have training and development data.
ENGLISH_TREEBANKS = ("en_ewt", "en_gum", "en_lines", "en_partut")

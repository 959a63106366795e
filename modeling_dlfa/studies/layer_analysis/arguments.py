"""The options of a layer analysis. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field

SIMILARITIES = ("cka", "cosine", "centroids")


@dataclass
class LayerAnalysisArguments:
    """What to analyse, on which sentences, and where the results go."""

    model_name_or_path: str = field(
        metadata={"help": "Hub id or folder of an encoder, or of a DLFA checkpoint, whose backbone is analysed."}
    )
    aligned_file: str = field(
        metadata={"help": "TSV file whose header names languages; a row is the same sentence in each."}
    )
    output_dir: str = field(metadata={"help": "Where results, report and figures go."})
    languages: list[str] = field(
        default_factory=lambda: ["all"], metadata={"help": "Columns of the aligned file, such as en de ar, or all."}
    )
    pos_train_file: str | None = field(
        default=None,
        metadata={"help": "Words with parts of speech in the source language, as for `dlfa train pos`."},
    )
    pos_test_file: str | None = field(
        default=None, metadata={"help": "The same to test on; {language} in the name stands for the language code."}
    )
    source_language: str = field(default="en", metadata={"help": "Language of the part-of-speech training file."})
    max_sentences: int = field(default=1000, metadata={"help": "Rows of the aligned file, drawn by the seed."})
    max_pos_train_sentences: int = field(default=1000, metadata={"help": "Sentences to train on, drawn by the seed."})
    max_pos_test_sentences: int = field(
        default=300, metadata={"help": "Test sentences per language, drawn by the seed."}
    )
    n_resamples: int = field(default=500, metadata={"help": "Half-samples of the sentences, for intervals."})
    n_permutations: int = field(default=9999, metadata={"help": "Permutations of the languages, for p-values."})
    figure_similarity: str = field(
        default="cka",
        metadata={"help": "Similarity of languages to draw: cka, cosine or centroids.", "choices": SIMILARITIES},
    )
    seed: int = field(default=42, metadata={"help": "Seed of every random draw."})
    batch_size: int = field(default=32, metadata={"help": "Inputs computed at once."})
    max_length: int | None = field(
        default=None, metadata={"help": "Longest input in tokens; what the model reads if left out."}
    )
    device: str | None = field(
        default=None, metadata={"help": "cpu, cuda, cuda:1, mps, ...; the accelerator, if there is one."}
    )
    states_dir: str | None = field(
        default=None,
        metadata={"help": "Folder that keeps hidden states for the next call; OUTPUT_DIR/states if left out."},
    )
    overwrite: bool = field(default=False, metadata={"help": "Replace an earlier analysis in the output directory."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not the model's."})
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    cache_dir: str | None = field(default=None, metadata={"help": "Folder in which downloads are kept."})
    token: str | None = field(default=None, metadata={"help": "Hub token; the stored login if left out."})

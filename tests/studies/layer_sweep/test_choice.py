"""Selection of a layer from the runs of a sweep."""

from __future__ import annotations

import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.results.results import Results
from modeling_dlfa.studies.layer_sweep.choice import best_layer, ranked_layers, select_layer


def results(scores: dict[tuple[int, int], float]) -> Results:
    """A sweep that was only validated: by layer and seed, with a baseline that is better than all."""
    runs = [
        {"system": f"aif-layer{layer}", "baseline": False, "fusion_layers": [layer], "seed": seed, "score": score}
        for (layer, seed), score in scores.items()
    ]
    runs.append({"system": "last", "baseline": True, "fusion_layers": [], "seed": 1, "score": 1.0})
    records = [{**run, "name": "x", "validation": {"accuracy": run["score"]}} for run in runs]
    command = {"task": "xnli", "command": "python x", "model_name_or_path": "org/encoder"}
    about = {"metric": "accuracy", "source_language": "en", "languages": []}
    return Results.from_dict({**command, **about, "runs": records})


def test_the_best_mean_is_selected_and_each_seed_alone_may_differ() -> None:
    found = results({(2, 1): 0.5, (10, 1): 0.9, (2, 2): 0.8, (10, 2): 0.3})
    assert select_layer(found) == 2
    assert (select_layer(found, seed=1), select_layer(found, seed=2)) == (10, 2)


def test_of_equal_layers_the_lowest() -> None:
    assert select_layer(results({(10, 1): 0.5, (9, 1): 0.5, (3, 1): 0.4})) == 9
    assert ranked_layers({"0": 0.1, "1": 0.3, "2": 0.3}) == ["1", "2", "0"] and best_layer({"4": 0, "5": 0}) == "4"


def test_without_a_validated_layer_nothing_is_selected() -> None:
    with pytest.raises(InputError, match="no validated run that fuses one lower layer"):
        select_layer(results({}))

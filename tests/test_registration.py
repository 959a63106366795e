"""The package is imported without torch, and its models are found by the Auto classes all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CONFIG = "{'model_type': 'bert', 'num_hidden_layers': 3, 'hidden_size': 8, 'num_attention_heads': 2, 'vocab_size': 9}"
# Each in a process of its own: what is imported first differs.
WAYS = {
    "nothing is imported": "import sys; assert not {'torch', 'transformers'} & {*sys.modules}",
    "looked up by name": "from transformers import AutoConfig; found = type(AutoConfig.for_model('dlfa'))",
    "transformers' models first": "import transformers.modeling_utils; from transformers import AutoConfig;"
    "found = type(AutoConfig.for_model('dlfa'))",
    "the public name": "from modeling_dlfa import DlfaConfig as found; assert found._auto_class == 'AutoConfig'",
    "all names": "from modeling_dlfa import *; found = DlfaModel.config_class",
    "the file of the configuration": "from modeling_dlfa.configuration_dlfa import DlfaConfig as found\n"
    "from transformers import AutoModelForTokenClassification as Auto\n"
    f"Auto.from_config(found({CONFIG}))",
    "a file that imports it": "import modeling_dlfa.fusion_dlfa; from transformers import AutoModel\n"
    f"from modeling_dlfa import DlfaConfig as found; AutoModel.from_config(found({CONFIG}))",
    "pickled": "import pickle; from transformers.models.auto.configuration_auto import CONFIG_MAPPING\n"
    "assert 'dlfa' in pickle.loads(pickle.dumps(CONFIG_MAPPING))",
}


@pytest.mark.parametrize("way", WAYS)
def test_however_the_package_is_reached(way: str, run_python: Callable[..., Any]) -> None:
    check = "\nif 'found' in globals(): assert found.__module__ == 'modeling_dlfa.configuration_dlfa', found"
    run_python("-c", "import modeling_dlfa\n" + WAYS[way] + check)


def test_transformers_first(run_python: Callable[..., Any]) -> None:
    run_python("-c", "from transformers import AutoConfig\nimport modeling_dlfa\nAutoConfig.for_model('dlfa')")


def test_a_name_that_does_not_exist() -> None:
    import modeling_dlfa

    assert "DlfaModel" in dir(modeling_dlfa)
    with pytest.raises(AttributeError, match="DlfaDecoder"):
        _ = modeling_dlfa.DlfaDecoder

"""Secrets do not get into what is recorded."""

from __future__ import annotations

import pytest

from modeling_dlfa.command.redaction import command_line, hide_secrets, without_secrets

TOKEN = "hf_" + "abcDEF123" * 4


def test_the_command_is_recorded_without_its_tokens() -> None:
    argv = ["run.py", "--hub_token", "hf_secret", "--token=hf_secret", "--seeds", "1", "2", "--tokenizer_name", "a b"]
    command = command_line(argv)
    assert "hf_secret" not in command
    assert command == "python run.py --hub_token '***' '--token=***' --seeds 1 2 --tokenizer_name 'a b'"


@pytest.mark.parametrize(
    "argv",
    [
        ["--hub-token", TOKEN],
        ["--push_to_hub_token", "word"],
        ["--api_key=word"],
        ["--wandb-api-key", "word"],
        ["--model_revision", TOKEN],
        [f"--dataset_name={TOKEN}"],
        [TOKEN],
        [f"https://user:{TOKEN}@host.org/model"],
        ["https://user:word@host.org/model"],
        [f"https://host.org/model?revision=main&token={TOKEN}"],
        ["https://host.org/model?access_token=word&x=1"],
        ["--lr_scheduler_kwargs", f'{{"a": "{TOKEN}"}}'],
    ],
)
def test_secrets_are_hidden_by_name_and_by_value(argv: list[str]) -> None:
    command = command_line(["run.py", *argv, "--seeds", "1"])
    assert TOKEN not in command and "word" not in command.replace("wandb", "") and "***" in command
    assert command.endswith("--seeds 1")


@pytest.mark.parametrize(
    "argv",
    [
        ["--tokenizer_name", "hf_model", "--include_num_input_tokens_seen", "all"],
        ["--model_revision", "d1bb6be000000000000000000000000000000000"],
        ["https://host.org/model?revision=main"],
    ],
)
def test_what_is_not_secret_stays(argv: list[str]) -> None:
    assert "***" not in command_line(["run.py", *argv])


def test_secrets_of_the_environment_and_of_the_caller_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plainwords")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "falsehoods")
    assert hide_secrets("a plainwords b falsehoods") == "a *** b falsehoods"
    record = {"recipe": {"x": 1.5, "y": None, "z": ["mysecretvalue", 2]}, "ok": True}
    assert without_secrets(record, ["mysecretvalue", None]) == {
        "recipe": {"x": 1.5, "y": None, "z": ["***", 2]},
        "ok": True,
    }

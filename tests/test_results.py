"""What `results.json` says of the command."""

from __future__ import annotations

from modeling_dlfa.results import command_line


def test_the_command_is_recorded_without_its_tokens() -> None:
    argv = ["run.py", "--hub_token", "hf_secret", "--token=hf_secret", "--seeds", "1", "2", "--tokenizer_name", "a b"]
    command = command_line(argv)
    assert "hf_secret" not in command
    assert command == "python run.py --hub_token '***' '--token=***' --seeds 1 2 --tokenizer_name 'a b'"

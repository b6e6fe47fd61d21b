"""Words that the text tower does not know, told once and in one line."""

import json
import shutil

from musicrl_jax.data import captions, text
from musicrl_jax.runs import run_config, system, unknown_words

TOKENIZER = text.TextTokenizer(words=("a", "slow", "tango"))


def test_known_words_are_passed_over_in_silence(caplog):
    unknown_words.warn(TOKENIZER, ["a slow tango", "Tango!"], "the prompts")
    assert caplog.messages == []


def test_the_most_frequent_words_come_first_and_once(caplog):
    texts = ["a slow zither", "zither and quokka"] + [f"w{n}" for n in range(9)]
    unknown_words.warn(TOKENIZER, texts, "the prompts")
    (line,) = caplog.messages
    assert "the prompts" in line
    assert ": zither, and, quokka, w0, w1, w2, w3, w4 and 4 more." in line


def test_both_files_of_a_run_are_looked_at(tmp_path, caplog):
    source = system.networks_directory()
    shutil.copy(source / "mulan.safetensors", tmp_path)
    held_out = json.loads((source / system.HELD_OUT_PROMPTS).read_text())
    held_out["prompts"][0]["text"] += " with a quokka"
    (tmp_path / system.HELD_OUT_PROMPTS).write_text(json.dumps(held_out))
    file = tmp_path / "captions.jsonl"
    captions.build_caption_file(["a slow waltz", "a zzyzx waltz"], file)
    config = run_config.RunConfig(networks=str(tmp_path), captions=str(file))
    unknown_words.warn_of_run(config)
    first, second = caplog.messages
    assert "zzyzx" in first
    assert str(file) in first
    assert "quokka" in second


def test_the_starters_own_prompts_are_known(caplog):
    unknown_words.warn_of_run(run_config.RunConfig())
    assert caplog.messages == []

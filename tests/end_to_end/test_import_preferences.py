"""A hand-written data set with recordings becomes a preference set of policy tokens."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import preferences
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.runs import heard_parts, import_preferences, tokenizers

RATE = 16_000
SEMANTIC = semantic_config.SemanticConfig(
    fft_size=640, num_mels=8, width=8, blocks=1, kernel=3, token_block=1, clusters=16,
    target_size=4, target_width=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def hearing(networks, tmp_path_factory):
    """Returns the tiny networks with a semantic tokenizer beside them."""
    folder = tmp_path_factory.mktemp("hearing")
    for name in ("codec", "mulan", "musiclm"):
        file = f"{name}.safetensors"
        (folder / file).write_bytes((networks / file).read_bytes())
    abstract = semantic_adapter.make_semantic(SEMANTIC).abstract_params()
    keys = iter(jax.random.split(jax.random.key(0), 200))
    params = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape), abstract
    )
    fields = dataclasses.asdict(SEMANTIC)
    weights.save_weights(folder / "semantic.safetensors", params, "semantic", fields)
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for number, seconds in enumerate((3.0, 3.0, 2.0, 0.5)):
        sound = np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE))
        waveform.write_wav(folder / f"{number}.wav", sound.astype(np.float32), RATE)
    return folder


def battle(number, first, second, **fields):
    return {
        "battle_uuid": f"u{number}",
        "prompt": "a waltz",
        "user_pseudonym": f"p{number}",
        "audio_a": f"audio_files/{first}.mp3",
        "system_a": "x",
        "audio_b": f"audio_files/{second}.mp3",
        "system_b": "y",
        "preference": "A",
        "total_listening_time_a": 9.0,
        "total_listening_time_b": 9.0,
    } | fields


def write_battles(folder, rows):
    folder.mkdir()
    for number, row in enumerate(rows):
        (folder / f"{number}.json").write_text(json.dumps(row))
    return str(folder)


def config(hearing, recordings, tmp_path, **fields):
    settings = {"seconds": 1.0, "batch_size": 2, "workers": 2}
    places = {"audio": str(recordings), "out": str(tmp_path / "set")}
    return import_preferences.ImportPreferencesConfig(
        **(places | {"networks": str(hearing)} | settings | fields)
    )


def test_own_votes_become_pairs_of_tokens(hearing, recordings, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "prompt;audio_a;audio_b;choice;user\na waltz;0.wav;1.wav;B;ann\n"
        "a waltz;1.wav;2.wav;tie;bob\n"
    )
    summary = import_preferences.run(
        config(hearing, recordings, tmp_path, own=str(path))
    )
    assert summary["votes"] == 2
    found = preferences.read_preferences(tmp_path / "set")
    assert [(p.a, p.b, p.choice, p.user) for p in found.pairs] == [
        (0, 1, "b", "ann"),
        (1, 2, "tie", "bob"),
    ]
    assert {(pair.source, pair.licence) for pair in found.pairs} == {("own", "own")}
    again = config(
        hearing, recordings, tmp_path, own=str(path), seconds=4.0,
        out=str(tmp_path / "long"), max_bad_share=1.0,
    )  # fmt: skip
    with pytest.raises(
        errors.InputError, match=r"lists the 2 others; the first: .*4 s"
    ):
        import_preferences.run(again)


def test_a_clip_against_itself_is_skipped_and_listed(hearing, recordings, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "prompt,audio_a,audio_b,choice\na waltz,0.wav,1.wav,b\n"
        "a waltz,2.wav,2.wav,a\na waltz,1.wav,2.wav,a\n"
    )
    summary = import_preferences.run(
        config(hearing, recordings, tmp_path, own=str(path))
    )
    assert (summary["votes"], summary["skipped"]) == (2, 1)
    (line,) = (tmp_path / "set.skipped.jsonl").read_text().splitlines()
    problem = json.loads(line)
    assert problem["row"] == 3
    assert f"both clips are {recordings / '2.wav'}" in problem["reason"]


def test_a_user_votes_once_on_two_clips(hearing, recordings, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "prompt,audio_a,audio_b,choice,user\n"
        "a waltz,0.wav,1.wav,,ann\na waltz,0.wav,1.wav,b,ann\n"
        "a waltz,0.wav,1.wav,b,ann\na waltz,1.wav,0.wav,b,ann\n"
        "a waltz,0.wav,1.wav,b,bob\na tango,0.wav,1.wav,b,ann\n"
        "a waltz,0.wav,1.wav,b,\na waltz,0.wav,1.wav,b,\n"
    )
    settings = config(hearing, recordings, tmp_path, own=str(path), max_bad_share=0.5)
    summary = import_preferences.run(settings)
    assert (summary["votes"], summary["skipped"]) == (5, 2)
    assert summary["left_out"] == {"no choice": 1}
    lines = (tmp_path / "set.skipped.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [4, 5]
    assert "row 3 has the same identity, ann on 'a waltz'" in lines[0]


def test_battles_become_pairs_of_tokens(hearing, recordings, tmp_path):
    rows = [
        battle(0, 0, 1),
        battle(1, 1, 2, preference="TIE"),
        battle(2, 0, 1, preference="BOTH_BAD"),
        battle(3, 0, 1, total_listening_time_b=1.0),
        battle(4, 0, 77),
        battle(5, 0, 3),  # shorter than a second
        battle(0, 1, 2),
    ]
    told = []
    summary = import_preferences.run(
        config(
            hearing,
            recordings,
            tmp_path,
            music_arena=write_battles(tmp_path / "battles", rows),
            max_bad_share=0.2,
        ),
        lambda *done: told.append(done),
    )
    assert (summary["votes"], summary["clips"], summary["read"]) == (2, 3, 6)
    assert summary["left_out"] == {"no choice": 1, "not listened to both": 1}
    assert told[-1] == (4, 4)
    skipped = (tmp_path / "set.skipped.jsonl").read_text().splitlines()
    reasons = [json.loads(line)["reason"] for line in skipped]
    assert len(reasons) == summary["skipped"] == 3
    for reason, words in zip(
        reasons, ("same identity", "no audio file", "must have 1 s"), strict=True
    ):
        assert words in reason
    found = preferences.read_preferences(tmp_path / "set")
    assert not found.facts.simulated
    assert [(p.a, p.b, p.choice, p.user) for p in found.pairs] == [
        (0, 1, "a", "p0"),
        (1, 2, "tie", "p1"),
    ]
    assert {pair.licence for pair in found.pairs} == {"CC-BY-4.0"}
    sound = waveform.read_part(recordings / "1.wav", RATE, 0, RATE)
    networks, params = tokenizers.load(hearing, 4)
    alone = networks.clip_tokens(params, jax.numpy.stack([sound, sound]))
    np.testing.assert_array_equal(found.tokens[1], alone[0])


def comparison(**fields):
    return {
        "question-type": "Music Quality",
        "description": "a tango",
        "model-1": "x",
        "track-1-id": 0,
        "track-1-begin": "00:00:01",
        "model-2": "y",
        "track-2-id": 0,
        "track-2-begin": "00:00:00",
        "answer": 2,
    } | fields


def test_parts_begin_where_they_were_heard(hearing, recordings, tmp_path):
    survey = tmp_path / "survey.jsonl"
    row = comparison()
    survey.write_text(json.dumps(row) + "\n")
    import_preferences.run(
        config(hearing, recordings, tmp_path, aime=str(survey), licence="CC0-1.0")
    )
    found = preferences.read_preferences(tmp_path / "set")
    (pair,) = found.pairs
    assert (pair.choice, pair.licence, pair.user) == ("b", "CC0-1.0", "unknown")
    networks, params = tokenizers.load(hearing, 4)
    encoder = heard_parts.PartEncoder(
        networks=networks, params=params, samples=RATE, batch_size=2, workers=1
    )
    path = str(recordings / "0.wav")
    parts = [heard_parts.Part(path=path, begin_seconds=begin) for begin in (1.0, 0.0)]
    tokens, bad = encoder.encode(parts, lambda done: None)
    assert not bad
    np.testing.assert_array_equal(found.tokens, np.stack([tokens[p] for p in parts]))
    assert (found.tokens[0] != found.tokens[1]).any()


def test_no_more_is_used_than_raters_heard(hearing, recordings, tmp_path):
    survey = tmp_path / "survey.jsonl"
    ends = ("00:00:02", "00:00:02", "00:00:01.5")
    rows = [
        comparison() | {"track-1-end": end, "track-2-end": "00:00:01"} for end in ends
    ]
    survey.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = config(hearing, recordings, tmp_path, aime=str(survey))
    longer = dataclasses.replace(settings, seconds=1.5)
    with pytest.raises(errors.InputError, match=r"parts of 1 s.* --seconds 1\.$"):
        import_preferences.run(longer)
    summary = import_preferences.run(settings)
    assert (summary["votes"], summary["skipped"]) == (2, 1)
    (line,) = (tmp_path / "set.skipped.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 3
    assert "heard 0.5 s; 1 are used" in json.loads(line)["reason"]


def test_only_allowed_licences_are_used(hearing, recordings, tmp_path):
    battles = write_battles(tmp_path / "battles", [battle(0, 0, 1)])
    with pytest.raises(errors.InputError, match="another licence"):
        import_preferences.run(
            config(
                hearing,
                recordings,
                tmp_path,
                music_arena=battles,
                licences=("CC0-1.0",),
            )
        )
    assert not (tmp_path / "set").exists()


def test_too_many_broken_rows_leave_their_list(hearing, recordings, tmp_path):
    rows = [battle(0, 0, 1), battle(1, 0, 1, preference="?")]
    battles = write_battles(tmp_path / "battles", rows)
    with pytest.raises(errors.InputError, match="1 good and 1 bad rows"):
        import_preferences.run(
            config(hearing, recordings, tmp_path, music_arena=battles)
        )
    assert (tmp_path / "set.skipped.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("content", ["", "\n\n", "prompt,audio_a,audio_b,choice\n"])
def test_an_empty_file_is_called_so(hearing, recordings, tmp_path, content):
    path = tmp_path / "votes.csv"
    path.write_text(content)
    with pytest.raises(errors.InputError, match=r"votes\.csv must have rows; .* right"):
        import_preferences.run(config(hearing, recordings, tmp_path, own=str(path)))


def test_a_data_set_must_be_named(hearing, recordings, tmp_path):
    with pytest.raises(errors.InputError, match="got none"):
        import_preferences.run(config(hearing, recordings, tmp_path))


@pytest.mark.parametrize(
    "fields",
    [
        {"aime": "a.csv", "cmi_pref": "b.csv"},
        {"aime": "a.csv", "seconds": 0.0},
        {"aime": "a.csv", "max_bad_share": 1.5},
        {"aime": "a.csv", "min_seconds": -1.0},
    ],
)
def test_bad_configs_are_refused(fields):
    with pytest.raises(errors.InputError):
        import_preferences.ImportPreferencesConfig(audio="a", out="o", **fields)

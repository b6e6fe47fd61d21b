"""Five hand-written rows of each preference data set, in its own schema."""

import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import (
    aime,
    cmi_pref,
    items,
    music_arena,
    musiceval,
    own_votes,
    records,
    songeval,
    votes,
)

BATTLE = {
    "battle_uuid": "u1",
    "date": "2025-07-29T00:16:19.799690-04:00",
    "prompt": " Folk singer making\na confession",
    "is_instrumental": False,
    "is_prebaked": True,
    "user_pseudonym": "f9b5",
    "audio_a": "audio_files/01-2025JULAUG/one-a.mp3",
    "system_a": "acestep",
    "audio_b": "audio_files/01-2025JULAUG/one-b.mp3",
    "system_b": "riffusion-fuzz-1-1",
    "preference": "B",
    "total_listening_time_a": 35.5,
    "total_listening_time_b": 4.3,
    "feedback": "",
    "listen_data_a": None,
}


def split(found):
    found = list(found)
    problems = [one for one in found if isinstance(one, items.Problem)]
    return [one for one in found if isinstance(one, votes.Vote)], problems


def test_music_arena(tmp_path):
    rows = [
        BATTLE,
        BATTLE | {"battle_uuid": "u2", "preference": "TIE"},
        BATTLE | {"battle_uuid": "u3", "preference": "BOTH_BAD"},
        BATTLE | {"battle_uuid": "u4", "audio_b": ""},
        BATTLE | {"battle_uuid": "u5", "preference": "MAYBE"},
    ]
    folder = tmp_path / "battle_data" / "01-2025JULAUG"
    folder.mkdir(parents=True)
    for number, row in enumerate(rows):
        (folder / f"{number}.json").write_text(json.dumps(row))
    good, problems = split(music_arena.read_votes(tmp_path))
    assert [vote.choice for vote in good] == ["b", "tie", None]
    first = good[0]
    assert first.prompt == "Folk singer making a confession"
    assert first.clip_a.places == ("audio_files/01-2025JULAUG/one-a.mp3",)
    assert (first.clip_a.model, first.clip_b.model) == ("acestep", "riffusion-fuzz-1-1")
    assert (first.user, first.licence) == ("f9b5", "CC-BY-4.0")
    assert first.question == votes.MUSIC
    assert [(one.row, one.absent) for one in problems] == [(4, True), (5, False)]
    assert "MAYBE" in problems[1].reason
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.InputError, match=r"no \.json files"):
        list(music_arena.read_votes(tmp_path / "empty"))


AIME = """\
question-type,description,model-1,track-1-id,track-1-begin,track-1-end,\
model-2,track-2-id,track-2-begin,track-2-end,answer
Music Quality,"newage, celtic",Suno v3,5331,00:00:53,00:01:03,\
MusicGen Large,1226,00:00:00,00:00:10,1
Music Quality,jazz,Udio,42,00:00:00,00:00:10,Suno v3,77,01:00:05,01:00:15,2
Text Alignment,rock,Udio,1,00:00:00,00:00:10,Suno v3,2,00:00:00,00:00:10,1
Music Quality,rock,Udio,1,00:00:00,00:00:10,Suno v3,2,00:00:00,00:00:10,0
Music Quality,rock,Udio,1,53,00:00:10,Suno v3,2,00:00:00,00:00:10,1
Music Quality,rock,Udio,1,00:00:53,00:00:10,Suno v3,2,00:00:00,00:00:10,1
"""


def test_aime(tmp_path):
    path = tmp_path / "survey.csv"
    path.write_text(AIME)
    good, problems = split(aime.read_votes(path))
    assert [vote.choice for vote in good] == ["a", "b", "a"]
    assert [vote.question for vote in good] == ["music", "music", "text_adherence"]
    assert good[0].prompt == "newage, celtic"
    assert good[0].clip_a.begin_seconds == 53
    assert good[1].clip_b.begin_seconds == 3605
    assert good[1].clip_b.end_seconds == 3615
    assert [votes.part_seconds(vote) for vote in good] == [10.0, 10.0, 10.0]
    assert {"42", "0042", "000042"} <= set(good[1].clip_a.places)
    assert good[0].clip_b.model == "MusicGen Large"
    assert good[0].clip_a.listened_seconds is None
    assert [one.row for one in problems] == [5, 6, 7]
    assert "answer" in problems[0].reason
    assert "must look like" in problems[1].reason
    assert "must end after second 53" in problems[2].reason


CMI = {
    "audio-path": "cmi-pref/gen-audio/aaa.mp3",
    "audio2": "cmi-pref/gen-audio/bbb.mp3",
    "prompt": "anime rock",
    "lyrics": "",
    "prompt id": "90502",
    "ref-audio-path": "",
    "preference-musicality": "model_b",
    "confidence_preference-musicality": "2.0",
    "preference-alignment": "model_a",
    "confidence_preference-alignment": "1.0",
    "user id": "604",
    "model_a": "songgen",
    "model_b": "yue",
    "source": "cmi-arena-annotation",
    "split": "train",
}


def test_cmi_pref(tmp_path):
    renamed = {"audio-path": "audio-a", "audio2": "audio-b", "prompt": "text"}
    other = {renamed.get(name, name): value for name, value in CMI.items()}
    rows = [
        CMI,
        other | {"total_listening_time_a": 6.5, "total_listening_time_b": 3.0},
        CMI | {"preference-musicality": "", "confidence_preference-musicality": ""},
        CMI | {"confidence_preference-musicality": "9"},
        CMI | {"preference-musicality": "neither"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    good, problems = split(cmi_pref.read_votes(path, "CC-BY-NC-SA-4.0"))
    assert [vote.choice for vote in good] == ["b", "b", None]
    assert [vote.confidence for vote in good] == [0.25, 0.25, None]
    assert good[0].clip_a.places == good[1].clip_a.places
    assert good[1].clip_b.listened_seconds == 3.0
    assert good[0].user == "604"
    assert [one.row for one in problems] == [4, 5]


def test_own_votes(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "Prompt;Audio_A;audio_b;choice;USER;confidence\n"
        "a waltz;x/1.wav;x/2.wav;A;ann;0.5\n"
        "a waltz;x/1.wav;x/2.wav;tie;;\n"
        "a waltz;x/1.wav;x/2.wav;;bob;\n"
        "a waltz;x/1.wav;x/2.wav;left;bob;\n"
        "a waltz;x/1.wav;;b;bob;\n"
    )
    good, problems = split(own_votes.read_votes(path))
    assert [(vote.choice, vote.user) for vote in good] == [
        ("a", "ann"), ("tie", "unknown"), (None, "bob"),
    ]  # fmt: skip
    assert (good[0].clip_a.places, good[0].confidence) == (("x/1.wav",), 0.5)
    assert (good[0].source, good[0].licence) == ("own", "own")
    assert [one.row for one in problems] == [5, 6]
    assert "got 'left'" in problems[0].reason
    assert "audio_b must name a file" in problems[1].reason
    assert [vote.identity for vote in good] == [
        "ann on 'a waltz': x/1.wav, x/2.wav", "3", "4",
    ]  # fmt: skip
    lines = tmp_path / "votes.jsonl"
    row = {"prompt": "a waltz", "audio_a": "1.wav", "audio_b": "2.wav", "choice": "b"}
    lines.write_text(json.dumps(row) + "\n" + json.dumps({"prompt": "x"}) + "\n")
    (vote,), (problem,) = split(own_votes.read_votes(lines, "CC0-1.0"))
    assert (vote.choice, vote.user, vote.licence) == ("b", "unknown", "CC0-1.0")
    assert "lacks choice" in problem.reason


def test_a_data_set_without_a_licence_gives_no_votes(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(CMI) + "\n")
    good, problems = split(cmi_pref.read_votes(path))
    assert not good
    assert "licence" in problems[0].reason


MOS = """\
audiomos2025-track1-S002_P044.wav,3.4,3.2
audiomos2025-track1-S003_P044.wav,2.4,4.2
audiomos2025-track1-S004_P044.wav,3.4,1.0
audiomos2025-track1-S001_P044.wav,5.0,5.0
audiomos2025-track1-S005_P099.wav,3.0,3.0
audiomos2025-track1-S005_P045.wav,9.0,3.0
"""


def test_musiceval(tmp_path):
    (tmp_path / "sets").mkdir()
    path = tmp_path / "sets" / "train_mos_list.txt"
    path.write_text(MOS)
    with pytest.raises(errors.InputError, match="must lie beside"):
        list(musiceval.read_votes(path))
    (tmp_path / "prompt_info.txt").write_text("id\ttext\nP044\tA slow waltz.\n")
    (tmp_path / "demo_prompt_info.txt").write_text(
        "id\ttext\naudiomos2025-track1-S001_P044.wav\tA demo of its own.\n"
    )
    good, problems = split(musiceval.read_votes(path))
    names = [
        (vote.clip_a.model, vote.clip_b.model, vote.choice, round(vote.confidence, 6))
        for vote in good
    ]
    assert names == [
        ("S002", "S003", "a", 0.25),
        ("S002", "S004", "tie", 0.0),
        ("S003", "S004", "b", 0.25),
    ]
    assert {vote.prompt for vote in good} == {"A slow waltz."}
    assert {vote.licence for vote in good} == {"CC-BY-NC-4.0"}
    assert [(one.row, one.name) for one in problems] == [
        (5, "audiomos2025-track1-S005_P099.wav"),
        (6, "audiomos2025-track1-S005_P045.wav"),
    ]


def test_songeval(tmp_path):
    def song(number, *scores):
        raters = [
            {"Coherence": 1, "Musicality": score, "Memorability": 5, "Clarity": 3,
             "Naturalness": 2}
            for score in scores
        ]  # fmt: skip
        return {"file_name": f"mp3/{number}.mp3", "annotation": raters}

    rows = [song(0, 4, 5, 3), song(1, 1, 2, 3), song(2), song(3, 7), song(4, 4)]
    path = tmp_path / "metadata.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (vote,), problems = split(songeval.read_votes(path))
    assert (vote.clip_a.places, vote.clip_b.places) == (("mp3/0.mp3",), ("mp3/1.mp3",))
    assert (vote.choice, vote.confidence) == ("a", 0.5)
    assert vote.licence == "CC-BY-NC-SA-4.0"
    assert [one.row for one in problems] == [3, 4]


def test_both_clips_must_have_been_played_where_that_is_known():
    def heard(first, second):
        return votes.Vote(
            row=1,
            identity="1",
            prompt="a waltz",
            clip_a=votes.Clip(places=("a",), listened_seconds=first),
            clip_b=votes.Clip(places=("b",), listened_seconds=second),
            choice="a",
            source="test",
            licence="CC0-1.0",
        )

    assert votes.listened_to_both(heard(5.0, 9.0), 5.0)
    assert not votes.listened_to_both(heard(4.9, 9.0), 5.0)
    assert not votes.listened_to_both(heard(None, 0.0), 5.0)
    assert votes.listened_to_both(heard(None, None), 5.0)


def test_broken_rows_are_problems_and_other_files_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\n[1]\n{"a": \n"\xff"\n')
    found = list(records.read(path))
    assert found[0] == (1, {"a": 1})
    assert [one.row for one in found[1:]] == [3, 4, 5]
    (tmp_path / "wide.jsonl").write_text('{"a": 1}', encoding="utf-16")
    with pytest.raises(errors.InputError, match="must be UTF-8 text"):
        list(records.read(tmp_path / "wide.jsonl"))
    (tmp_path / "latin.csv").write_text("pr\xe9,a\nx,y\n", encoding="latin-1")
    with pytest.raises(errors.InputError, match="begin with the names of columns; the"):
        list(records.read(tmp_path / "latin.csv"))
    with pytest.raises(errors.InputError, match="read_parquet"):
        list(records.read(tmp_path / "rows.parquet"))

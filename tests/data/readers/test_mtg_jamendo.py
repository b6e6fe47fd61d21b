import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, mtg_jamendo

HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
START = "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6"


def _read(path, *lines):
    (path / "t.tsv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return list(mtg_jamendo.read_items(path / "t.tsv"))


def test_tags_are_labels_and_the_caption(tmp_path):
    tags = "genre---punkrock\tgenre---rock\tinstrument---guitar\tmood/theme---happy"
    (item,) = _read(tmp_path, f"{START}\t{tags}")
    assert item == items.Item(
        row=2,
        identity="track_0000214",
        places=("14/214.mp3",),
        captions=("punkrock, rock, guitar, happy",),
        attributes={
            "genre": "punkrock, rock",
            "instrument": "guitar",
            "mood": "happy",
        },
    )


def test_a_track_without_tags_has_no_caption(tmp_path):
    for item in _read(tmp_path, START + "\t", START):
        assert (item.captions, item.attributes) == ((), {})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("track_0000214\tartist_000014\talbum_0000", "3 fields"),
        (f"{START}\trock", "genre---rock"),
        (f"{START}\tgenre---", "genre---rock"),
        (f"{START}\tlyrics---rude", "lyrics"),
        (START.replace("14/214.mp3", ""), "PATH"),
        (START.replace("track_0000214", " "), "TRACK_ID"),
    ],
)
def test_bad_rows_are_listed(tmp_path, bad, reason):
    problem, good = _read(tmp_path, bad, START)
    assert (type(problem), problem.row) == (items.Problem, 2)
    assert reason in problem.reason
    assert good.identity == "track_0000214"


def test_other_files_are_refused(tmp_path):
    (tmp_path / "t.tsv").write_text(HEADER.replace("\t", ",") + START + "\n")
    with pytest.raises(errors.InputError, match="TRACK_ID"):
        list(mtg_jamendo.read_items(tmp_path / "t.tsv"))

import csv

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import fma, items

COLUMNS = (
    ("", ""),
    ("album", "comments"),
    ("album", "information"),
    ("album", "tags"),
    ("artist", "name"),
    ("set", "split"),
    ("set", "subset"),
    ("track", "duration"),
    ("track", "genre_top"),
    ("track", "genres"),
    ("track", "genres_all"),
    ("track", "license"),
    ("track", "tags"),
    ("track", "title"),
)
LICENCE = "Attribution-NonCommercial-ShareAlike 3.0 International"
GENRES = (
    "genre_id,#tracks,parent,title,top_level\n21,12693,0,Hip-Hop,21\n76,1,21,Rap,21\n"
)


def _row(number, **changes):
    values = {
        "information": "<p>Many\nlines</p>",
        "split": "training",
        "subset": "small",
        "duration": "168",
        "genre_top": "Hip-Hop",
        "genres": "[21, 76]",
        "license": LICENCE,
        "title": "Food",
    } | changes
    lists = {("album", "tags"): "[]", ("track", "tags"): changes.get("tags", "[]")}
    cells = [lists.get(column) or values.get(column[1], "") for column in COLUMNS]
    return [number, *cells[1:]]


def _read(path, rows, columns=COLUMNS):
    with (path / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[c[0] for c in columns], [c[1] for c in columns]])
        writer.writerow(["track_id"] + [""] * (len(columns) - 1))
        writer.writerows(rows)
    return list(fma.read_items(path / "tracks.csv"))


def test_tracks_have_places_licences_genres_and_tags(tmp_path):
    (tmp_path / "genres.csv").write_text(GENRES)
    first, second = _read(tmp_path, [_row("2", tags="['east coast']"), _row("140")])
    assert first == items.Item(
        row=4,
        identity="000002",
        places=("000/000002.mp3",),
        captions=("Hip-Hop, Rap, east coast",),
        attributes={"genre": "Hip-Hop", "genres": "Hip-Hop, Rap"},
        licence=LICENCE,
    )
    assert (second.row, second.places) == (6, ("000/000140.mp3",))


def test_large_numbers_have_folders_of_their_first_digits(tmp_path):
    (item,) = _read(tmp_path, [_row("155320")])
    assert item.places == ("155/155320.mp3",)


def test_without_names_of_genres_the_top_one_is_left(tmp_path):
    first, second = _read(tmp_path, [_row("2"), _row("3", genre_top="", genres="[]")])
    assert first.captions == ("Hip-Hop",)
    assert (second.captions, second.attributes) == ((), {})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (_row("two"), "track_id must be a number"),
        (_row(""), "track_id must be a number"),
        (_row("5")[:6], "6 fields"),
        (_row("5", genres="[21,"), "track.genres must be a list"),
    ],
)
def test_bad_rows_are_listed(tmp_path, bad, reason):
    problem, good = _read(tmp_path, [bad, _row("7")])
    assert (type(problem), problem.row) == (items.Problem, 4)
    assert reason in problem.reason
    assert good.identity == "000007"


def test_a_half_header_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match=r"track\.license"):
        _read(tmp_path, [], COLUMNS[:9])
    (tmp_path / "tracks.csv").write_text("")
    with pytest.raises(errors.InputError, match="track_id"):
        list(fma.read_items(tmp_path / "tracks.csv"))


def test_damaged_names_of_genres_are_refused(tmp_path):
    (tmp_path / "genres.csv").write_text(GENRES + "77,3")
    with pytest.raises(errors.InputError, match="row 4"):
        _read(tmp_path, [_row("2")])

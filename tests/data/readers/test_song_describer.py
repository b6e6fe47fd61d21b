import pytest

from musicrl_jax.data.readers import items, song_describer

HEADER = (
    "caption_id,track_id,caption,is_valid_subset,familiarity,artist_id,album_id,path,"
    "duration"
)
ROWS = (
    '859,1004034,"A retro, bubbly groove",True,0,368880,118196,34/1004034.mp3,202.5',
    "990,1004034,Un vals lento con acordeón,,1,368880,118196,34/1004034.mp3,202.5",
)


def _read(path, header, *rows):
    (path / "sdd.csv").write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return list(song_describer.read_items(path / "sdd.csv"))


def test_each_caption_is_an_item_of_its_recording(tmp_path):
    first, second = _read(tmp_path, HEADER, *ROWS)
    assert first.captions == ("A retro, bubbly groove",)
    assert second.captions == ("Un vals lento con acordeón",)
    assert [item.identity for item in (first, second)] == ["859", "990"]
    assert first.places == second.places == ("34/1004034.mp3",)
    assert first.attributes == {"caption_licence": "CC-BY-SA-4.0"}


def test_labels_are_kept_where_the_file_has_them(tmp_path):
    (item,) = _read(
        tmp_path,
        HEADER + ",genre,instrument,mood/theme",
        ROWS[0] + ",\"['electronic', 'pop']\",[],\"['happy']\"",
    )
    assert item.attributes["genre"] == "electronic, pop"
    assert item.attributes["mood"] == "happy"
    assert "instrument" not in item.attributes


@pytest.mark.parametrize(
    "bad",
    [
        "1,2,,True,0,3,4,34/2.mp3,20",
        "1,2,a waltz,True,0,3,4,,20",
        ",2,a waltz,True,0,3,4,34/2.mp3,20",
        "1,2,a wal",
    ],
)
def test_bad_rows_are_listed(tmp_path, bad):
    first, problem = _read(tmp_path, HEADER, ROWS[0], bad)
    assert isinstance(first, items.Item)
    assert (type(problem), problem.row) == (items.Problem, 3)

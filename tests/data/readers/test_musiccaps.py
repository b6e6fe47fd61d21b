import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, musiccaps

HEADER = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,"
    "is_balanced_subset,is_audioset_eval\n"
)
GOOD = (
    '-0Gj8-vB1q4,30,40,"/m/0140xf,/m/02cjck","[\'low quality\', \'sad soprano\']","A '
    'low quality recording.\nSomeone sings, ""sadly"".\n\nNo drums.",4,False,True\n'
)
OTHER = '0fqtiRZ6bZ8,0,10,/m/04rlf,[],ゆっくりしたワルツ。,6,True,True\n'  # fmt: skip


def _read(path, *lines):
    (path / "caps.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    return list(musiccaps.read(path / "caps.csv"))


def test_captions_of_many_lines_are_one_row(tmp_path):
    first, second = _read(tmp_path, GOOD, OTHER)
    assert first == musiccaps.CapsRow(
        row=2,
        ytid="-0Gj8-vB1q4",
        start="30",
        end="40",
        caption='A low quality recording. Someone sings, "sadly". No drums.',
        aspects=("low quality", "sad soprano"),
    )
    assert (second.row, second.caption, second.tags) == (6, "ゆっくりしたワルツ。", "")


def test_further_columns_do_no_harm(tmp_path):
    path = tmp_path / "caps.csv"
    path.write_text(HEADER.strip() + ",openai\n" + OTHER.strip() + ",a waltz\n")
    assert [row.ytid for row in musiccaps.read(path)] == ["0fqtiRZ6bZ8"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("abc,0,10,/m/04rlf,[],,6,True,True\n", "caption must have text"),
        ('abc,0,10,/m/04rlf,[],"  \n",6,True,True\n', "caption must have text"),
        (",0,10,/m/04rlf,[],a waltz,6,True,True\n", "ytid must have text"),
        ("abc,0,10,/m/04rlf,[],a waltz\n", "6 fields"),
        ("abc,0,10,/m/04rlf,['cut,a waltz,6,True,True\n", "aspect_list"),
    ],
)
def test_bad_rows_are_listed_with_their_line(tmp_path, bad, reason):
    first, problem, last = _read(tmp_path, GOOD, bad, OTHER)
    assert isinstance(problem, items.Problem)
    assert problem.row == 6
    assert reason in problem.reason
    assert (first.ytid, last.ytid) == ("-0Gj8-vB1q4", "0fqtiRZ6bZ8")


def test_a_file_that_was_cut_off_keeps_its_whole_rows(tmp_path):
    whole, cut = _read(tmp_path, OTHER, GOOD[:-60])
    assert whole.ytid == "0fqtiRZ6bZ8"
    assert (type(cut), cut.row) == (items.Problem, 3)


def test_items_have_both_captions_and_every_name_of_the_audio(tmp_path):
    _read(tmp_path, GOOD, OTHER)
    first, second = musiccaps.read_items(tmp_path / "caps.csv")
    assert first.captions[1] == "low quality, sad soprano"
    assert first.places[0] == "-0Gj8-vB1q4"
    assert "[-0Gj8-vB1q4]-[30-40]" in first.places
    assert first.attributes == {"caption_licence": "CC-BY-SA-4.0"}
    assert first.licence == ""
    assert second.captions == ("ゆっくりしたワルツ。",)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "caps.csv"
    path.write_text("caption_id,caption\n1,x\n")
    with pytest.raises(errors.InputError, match="ytid"):
        list(musiccaps.read(path))

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, tables


def _write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_start_where_they_start_and_empty_ones_are_left_out(tmp_path):
    path = _write(tmp_path / "t.csv", 'a,b\r\n"one\r\n""1""",2\r\n\r\n,\r\n3,4\r\n')
    found = list(tables.rows(path))
    assert [row.row for row in found] == [1, 2, 6]
    assert found[1].cells == ('one\r\n"1"', "2")


def test_a_mark_of_byte_order_is_no_part_of_the_header(tmp_path):
    path = _write(tmp_path / "t.csv", "a,b\n1,2\n", "utf-8-sig")
    header, found = tables.with_header(path, ["a"])
    assert header == ["a", "b"]
    assert [row.named(header) for row in found] == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_spreadsheets_delimiters_and_headers_in_other_cases(tmp_path, mark):
    lines = [["Task ", "RATER", "Note, if any"], ["t1", "a;b", "x, y"]]
    text = "\n".join(mark.join(f'"{cell}"' for cell in line) for line in lines)
    path = _write(tmp_path / "t.csv", text + "\n")
    header, found = tables.with_header(path, ["task", "rater"])
    assert header == ["task", "rater", "Note, if any"]
    (row,) = found
    assert row.named(header) == {"task": "t1", "rater": "a;b", "Note, if any": "x, y"}


def test_the_columns_that_were_found_are_named(tmp_path):
    path = _write(tmp_path / "t.csv", "one;two\n1;2\n")
    with pytest.raises(errors.InputError, match="Columns found: one, two"):
        tables.with_header(path, ["task"])


def test_a_cut_off_quotation_costs_one_row(tmp_path):
    path = _write(tmp_path / "t.csv", 'a,b\n1,2\n3,"cut in ha')
    good, bad = list(tables.rows(path))[1:]
    assert good.cells == ("1", "2")
    assert (bad.row, type(bad)) == (3, items.Problem)
    assert "end of data" in bad.reason


def test_a_missing_quotation_mark_does_not_hide_the_rest(tmp_path):
    lines = ["a,b", '1,"good"', '2,"no end', '3,"good"', '4,"good"', '5,"good"']
    path = _write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    found = list(tables.rows(path))
    kept = [row.cells[0] for row in found if isinstance(row, tables.Row)]
    assert kept == ["a", "1", "4", "5"]
    assert [row.row for row in found if isinstance(row, items.Problem)] == [3]


def test_rows_of_other_encodings_are_problems(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,caf\xe9\n2,ok\n")
    bad, good = list(tables.rows(path))[1:]
    assert (bad.row, "UTF-8" in bad.reason) == (2, True)
    assert good.cells == ("2", "ok")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_files_of_other_encodings_are_refused(tmp_path, encoding):
    path = _write(tmp_path / "t.csv", "a,b\n1,2\n", encoding)
    with pytest.raises(errors.InputError, match=r"t\.csv must be UTF-8 text"):
        tables.with_header(path, ["a"])


def test_quotation_marks_may_be_letters(tmp_path):
    path = _write(tmp_path / "t.tsv", 'a\tb\n7" mix\tx\n')
    found = tables.rows(path, delimiter="\t", quoted=False)
    assert list(found)[1].cells == ('7" mix', "x")


@pytest.mark.parametrize("content", ["", "a,c\n1,2\n", '"a,b'])
def test_files_of_other_columns_are_refused(tmp_path, content):
    path = _write(tmp_path / "t.csv", content)
    with pytest.raises(errors.InputError, match=r"t\.csv needs the columns a, b"):
        tables.with_header(path, ["a", "b"])


def test_rows_of_other_lengths_and_bad_values_are_problems(tmp_path):
    path = _write(tmp_path / "t.csv", "a,b\n1\n2,3\nx,4\n")
    header, found = tables.with_header(path, ["a"])
    parsed = list(tables.parsed(found, lambda row: int(row.named(header)["a"])))
    assert parsed[1] == 2
    assert "1 fields; the header has 2" in parsed[0].reason
    assert (parsed[2].row, parsed[2].name) == (4, "x")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("['rock', 'a  b', 'rock', '']", ("rock", "a b")),
        ('["don\'t"]', ("don't",)),
        ("[21, 76]", ("21", "76")),
        ("[]", ()),
        ("", ()),
    ],
)
def test_lists_in_cells(cell, expected):
    assert tables.listed({"x": cell}, "x") == expected
    assert tables.listed({}, "x") == ()


@pytest.mark.parametrize("cell", ["['cut", "rock", "3", "__import__('os')", "[f(1)]"])
def test_what_is_no_list_is_refused(cell):
    with pytest.raises(ValueError, match="must be a list"):
        tables.listed({"x": cell}, "x")


@pytest.mark.parametrize(
    "cell",
    ["-" * 20_000 + "1", "-" * 19_000 + "1", "[" * 19_000, "{[]: 1}"],
    ids=["long", "signs", "brackets", "key"],
)
def test_a_nonsense_cell_costs_its_row_and_no_more(cell):
    with pytest.raises(ValueError, match="must be a list"):
        tables.listed({"x": cell}, "x")


def test_lists_hold_no_half_characters():
    with pytest.raises(ValueError, match="surrogate"):
        tables.listed({"x": r"['half \ud800']"}, "x")


def test_texts_come_on_one_line_and_may_not_be_empty():
    assert tables.text({"x": " a\n slow\twaltz "}, "x") == "a slow waltz"
    with pytest.raises(ValueError, match="empty"):
        tables.text({"x": " \n"}, "x")

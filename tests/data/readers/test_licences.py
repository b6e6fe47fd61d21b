import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import licences

URL = "http://creativecommons.org/licenses/by-nc/3.0/"
BLOCKS = (
    "14/214.mp3\nTitle by Artist from Jamendo: http://www.jamendo.com/track/214\n"
    f"Available under a Creative Commons Attribution-NonCommercial license: {URL}\n",
    "20/200.mp3\nOther -- by Artist from Jamendo: http://www.jamendo.com/track/200\n"
    "Available under the Free Art License\n",
)
EXPECTED = {"14/214": URL, "20/200": "Available under the Free Art License"}


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "--\n"])
@pytest.mark.parametrize("between", ["\n", " \n\n", "--\n"])
def test_each_file_has_the_address_of_its_licence(tmp_path, between, end, line_break):
    text = (between.join(BLOCKS) + end).replace("\n", line_break)
    (tmp_path / "l.txt").write_bytes(text.encode())
    assert licences.read(tmp_path / "l.txt") == EXPECTED


@pytest.mark.parametrize("cut", ["30/3.mp3", "30/3.mp3\nTitle by Artist: http://x\n"])
def test_a_block_that_is_not_whole_gives_no_licence(tmp_path, cut):
    (tmp_path / "l.txt").write_text("\n".join((BLOCKS[0], cut, "", BLOCKS[1])))
    assert licences.read(tmp_path / "l.txt") == EXPECTED


@pytest.mark.parametrize("text", ["", "14/214.mp3\n", "a,b\n1,2\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(errors.InputError, match="it has none"):
        licences.read(tmp_path / "l.txt")

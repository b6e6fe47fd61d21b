"""What cannot be asked is refused in one line, before any work."""

import pytest

from musicrl_jax.cli import main


@pytest.fixture
def refused(capsys):
    """Runs a command that ends with exit code 2; returns its line of error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_votes_are_of_one_data_set(refused):
    assert "got none" in refused("votes")
    line = refused("votes", "--aime", "a.csv", "--cmi_pref", "b.csv")
    assert "got aime and cmi_pref" in line


def test_preferences_need_networks(refused, tmp_path):
    out, missing = str(tmp_path / "set"), str(tmp_path / "none")
    line = refused("preferences", "--out", out, "--networks", missing)
    assert "is none" in line
    assert not list(tmp_path.iterdir())


def test_populations_compare_two_models(refused):
    assert "two models or more" in refused("population", "--policy", "base=a")

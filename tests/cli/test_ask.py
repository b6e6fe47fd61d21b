"""Options of one source of preferences are no options of the other."""

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


def test_imports_take_no_captions(refused):
    line = refused(
        "preferences", "import", "--music_arena", "battles", "--captions", "5"
    )
    assert "captions" in line


def test_simulations_take_no_recordings(refused):
    assert "audio" in refused("preferences", "--audio", "recordings")


def test_imports_are_of_one_data_set(refused):
    assert "got none" in refused("preferences", "import")
    line = refused("preferences", "import", "--aime", "a.csv", "--cmi_pref", "b.csv")
    assert "got aime and cmi_pref" in line


def test_populations_compare_two_models(refused):
    assert "two models or more" in refused("population", "--policy", "base=a")

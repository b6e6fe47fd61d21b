"""A run directory serves one `finetune` at a time."""

import os

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import directory_lock


def test_a_second_is_refused_and_told_who_works_there(tmp_path):
    with (
        directory_lock.only_one(tmp_path, "finetune"),
        pytest.raises(errors.InputError, match=f"process {os.getpid()} does"),
        directory_lock.only_one(tmp_path, "finetune"),
    ):
        pass


def test_the_next_one_may_have_it(tmp_path):
    for _ in range(2):
        with directory_lock.only_one(tmp_path / "run", "finetune"):
            pass

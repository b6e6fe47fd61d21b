"""Objects that somebody may have broken: read, missing, or refused by name."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.transport import json_objects
from musicrl_jax.transport import store as stores

REMEDY = "Put it back."


def read(folder, data, make=dict):
    store = stores.open_store(str(folder))
    if data is not None:
        store.put_if_absent("config/x.json", data)
    return json_objects.read(store, (f"{folder}/", "config/x.json"), make, REMEDY)


def test_what_is_there_is_made_and_what_is_missing_is_none(tmp_path):
    assert read(tmp_path, None) is None
    assert read(tmp_path, b'{"a": 1}', make=lambda fields: fields["a"]) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{", "invalid start byte"),
        (b"[1]", r"it is no object but \[1\]"),
        (b"[" * 100_000, "recursion"),
        (b"{}", "it lacks 'a'"),
    ],
)
def test_a_broken_object_is_named_with_the_remedy(tmp_path, data, words):
    with pytest.raises(errors.InputError, match=words) as refused:
        read(tmp_path, data, make=lambda fields: fields["a"])
    assert str(refused.value).startswith(f"{tmp_path}/config/x.json must be the JSON")
    assert str(refused.value).endswith(REMEDY)


def test_kinds_of_fields():
    kinds = {"a": float, "b": dict, "c": str, "d": list, "e": int}
    fields = {"a": 1, "b": {}, "c": "", "d": [], "e": 2}
    json_objects.check(fields, kinds, needed=tuple(kinds))
    json_objects.check({}, kinds)
    with pytest.raises(KeyError, match="c"):
        json_objects.check({}, kinds, needed=("c",))
    for name, wrong in (("a", True), ("b", []), ("c", None), ("d", {}), ("e", 0.5)):
        with pytest.raises(TypeError, match=f"{name} must be .*; got"):
            json_objects.check(fields | {name: wrong}, kinds)

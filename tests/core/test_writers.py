from musicrl_jax.core import writers


def test_rows_come_back_and_a_torn_line_is_left_out(tmp_path):
    path = tmp_path / "metrics" / "learner.jsonl"
    memory = writers.MemoryWriter()
    both = writers.ManyWriters([writers.JsonLinesWriter(path), memory])
    both.write(1, {"reward/total": 0.5})
    both.write(2, {"reward/total": 0.75})
    with path.open("a") as file:
        file.write('{"step": 3, "rew')
    rows = writers.read_json_lines(path)
    assert rows == [
        {"step": 1, "reward/total": 0.5},
        {"step": 2, "reward/total": 0.75},
    ]
    assert memory.rows[1] == (2, {"reward/total": 0.75})

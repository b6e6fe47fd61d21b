import numpy as np

from musicrl_jax.core import protocols, writers


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


def test_rows_after_a_torn_line_are_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "rew')
    writer = writers.JsonLinesWriter(path)
    writer.write(3, {})
    assert writers.read_json_lines(path) == [{"step": 1}, {"step": 3}]
    assert writer.newest_step() == 3


def test_rows_that_come_again_are_removed(tmp_path):
    path = tmp_path / "x.jsonl"
    writer = writers.JsonLinesWriter(path)
    writer.keep_until(0)
    assert writer.newest_step() is None
    for step in (2, 4, 6):
        writer.write(step, {"loss": 0.1 * step, "clips": step})
    kept = path.read_text().splitlines(keepends=True)[:2]
    with path.open("a") as file:
        file.write('{"step": 8, "lo')
    writer.keep_until(5)
    assert path.read_text() == "".join(kept)
    assert list(tmp_path.iterdir()) == [path]


def test_counts_stay_whole_numbers(tmp_path):
    path = tmp_path / "x.jsonl"
    row = {"pairs": 240, "clips": 3, "share": 0.5}
    writers.JsonLinesWriter(path).write(0, row)
    text = path.read_text(encoding="utf-8")
    assert text == '{"step": 0, "pairs": 240, "clips": 3, "share": 0.5}\n'


def test_each_writer_gets_what_it_takes():
    class Sounds:
        def __init__(self):
            self.steps = []

        def write_samples(self, step, samples):
            self.steps.append(step)

    numbers, sounds = writers.MemoryWriter(), Sounds()
    both = writers.ManyWriters([numbers, sounds])
    both.write(1, {"loss": 0.5})
    silence = {"clip": np.zeros(2, np.float32)}
    both.write_samples(2, protocols.Samples(waveforms=silence, sample_rate_hz=8_000))
    assert numbers.rows == [(1, {"loss": 0.5})]
    assert sounds.steps == [2]

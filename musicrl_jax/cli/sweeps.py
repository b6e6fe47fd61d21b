"""`musicrl sweep`: many trials over gin bindings."""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from musicrl_jax.cli import options, output, sweep_options

if TYPE_CHECKING:
    from musicrl_jax.runs import sweep as sweeps


def sweep(
    out: sweep_options.Out,
    vary: sweep_options.Vary,
    random: sweep_options.Random = None,
    task: sweep_options.Task = "finetune",
    command: sweep_options.Command = None,
    parallel: sweep_options.Parallel = 1,
    print_commands: sweep_options.PrintCommands = False,
    table_only: sweep_options.TableOnly = False,
    trials_dir: sweep_options.TrialsDir = None,
    metrics: sweep_options.Metrics = "metrics/evaluator",
    metric: sweep_options.Metric = "reward/total",
    mode: sweep_options.Better = sweep_options.Mode.MAX,
    at: sweep_options.Judged = sweep_options.At.LAST,
    show: sweep_options.Show = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: sweep_options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Run a trial for each of many bindings; the same command goes on."""
    # Reading gin takes longer than `--help` may.
    from musicrl_jax.cli import sweep_trials
    from musicrl_jax.runs import sweep_results

    folder = pathlib.Path(out)
    template = sweep_trials.read_template(command, task)
    trials = sweep_trials.make_trials(
        sweep_trials.choose(vary, random, seed),
        task,
        trials_dir or str(folder / "trials"),
        gin_file,
        gin_param,
    )
    if print_commands:
        _print_commands(trials, folder, template)
        return
    if not table_only:
        _run(trials, folder, template, parallel)
    judge = sweep_results.Judge(
        metrics=metrics, metric=metric, mode=mode, at=at, show=tuple(show or ())
    )
    rows = judge.table(trials, folder)
    sweep_results.write_csv(rows, folder / "results.csv")
    best = judge.best(rows)
    if json:
        output.show({"best": best, "trials": rows}, as_json=True)
    else:
        _show(rows, metric, best)
    sweep_results.check_none_failed(rows, folder)


def _show(
    rows: Sequence[Mapping[str, object]],
    metric: str,
    best: Mapping[str, object] | None,
) -> None:
    output.show([_short(row) for row in rows], as_json=False)
    print(f"\nbest by {metric}: {best['trial'] if best else 'none has it yet'}")


def _short(row: Mapping[str, object]) -> dict[str, object]:
    """Returns a row as the terminal shows it."""
    numbers = {name: f"{x:.4g}" for name, x in row.items() if isinstance(x, float)}
    absent = {name: "-" for name, x in row.items() if x is None}
    return dict(row) | numbers | absent


def _print_commands(
    trials: "Sequence[sweeps.Trial]", folder: pathlib.Path, template: tuple[str, ...]
) -> None:
    """Prints the command of each trial that is not done, for other engines."""
    from musicrl_jax.runs import sweep as sweeps
    from musicrl_jax.runs import sweep_results

    records = sweeps.Records(folder=folder / "records")
    for trial in trials:
        if sweep_results.status(trial, records) != sweep_results.DONE:
            print(shlex.join(sweeps.command(trial, template)))


def _run(
    trials: "Sequence[sweeps.Trial]",
    folder: pathlib.Path,
    template: tuple[str, ...],
    parallel: int,
) -> None:
    """Runs the trials here that have not ended well yet."""
    from musicrl_jax.cli import progress
    from musicrl_jax.runs import directory_lock, stopping
    from musicrl_jax.runs import sweep as sweeps

    records = sweeps.Records(folder=folder / "records")
    found = [records.read(trial) for trial in trials]
    left = [
        trial
        for trial, record in zip(trials, found, strict=True)
        if record is None or record["code"]
    ]
    with (
        directory_lock.only_one(folder, "sweep"),
        stopping.StopRequest() as stop,
    ):
        sweeps.Engine(
            out=folder,
            template=template,
            parallel=parallel,
            stop=stop,
            report=progress.Progress("sweep"),
        ).run(left)


COMMANDS = (sweep,)

"""`musicrl report`: the paper's figures for one or several runs, as one page."""

import collections
import dataclasses
import io
import pathlib
from collections.abc import Sequence

import soundfile

from musicrl_jax.core import errors
from musicrl_jax.evaluation import facts as metric_facts
from musicrl_jax.evaluation import figures, result_files, run_charts, run_report
from musicrl_jax.runs import measured_run
from musicrl_jax.transport import configuration, keys

BASE = "base"
EXAMPLES = 3
OPERATIVE_GIN = "config/operative.gin"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report shows beside its runs.

    Attributes:
      out: the folder that is written.
      base: what the reference that runs call "base" is called.
      ablations: JSON of reward-model ablations; None for none. Likewise a rater
        `study` and a simulated `population`.
    """

    out: pathlib.Path
    base: str = BASE
    ablations: pathlib.Path | None = None
    study: pathlib.Path | None = None
    population: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: the page, and how many runs and measurements it shows."""

    report: str
    runs: int
    measurements: int


def write(run_dirs: Sequence[str], options: ReportOptions) -> Written:
    """Writes the report.

    Raises:
      InputError: where a run or result cannot be read, or `out` cannot be written to.
    """
    runs = [measured_run.open_run(run_dir) for run_dir in run_dirs]
    empty = [run.run_dir for run in runs if not run.evaluations]
    if empty:
        raise errors.InputError(
            f"A report needs runs that were measured; {', '.join(empty)} has no "
            "measurement yet. Wait for its evaluator, or leave it out."
        )
    report = run_report.Report(
        runs=[
            _part(run, name, options.base)
            for run, name in zip(runs, _names(runs), strict=True)
        ],
        ablations=result_files.read_ablations(options.ablations)
        if options.ablations
        else (),
        study=result_files.read_votes(options.study, simulated=False)
        if options.study
        else None,
        population=result_files.read_votes(options.population, simulated=True)
        if options.population
        else None,
    )
    path = run_report.write(options.out, report)
    count = sum(len(run.evaluations) for run in runs)
    return Written(report=str(path), runs=len(runs), measurements=count)


def _names(runs: Sequence[measured_run.MeasuredRun]) -> list[str]:
    """Returns the runs' names, whole paths where two have the same."""
    counts = collections.Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else run.run_dir for run in runs]


def _part(run: measured_run.MeasuredRun, name: str, base: str) -> run_report.RunPart:
    """Returns what the report says of one run."""
    own = run.facts.kl_ref != BASE
    kl_ref = run.facts.kl_ref if own else base
    selected = run.selected()
    step = None if selected is None else selected.step
    metrics = _metrics(run)
    rows = () if metrics is None else tuple(metrics.actors.values())
    return run_report.RunPart(
        curves=run_charts.RunCurves(
            name=name,
            kl_ref=kl_ref,
            own_reference=own,
            facts=run.facts,
            evaluations=run.evaluations,
            flag=run.flag,
            selected_step=step,
            actors=[actor[-1] for actor in rows if actor],
        ),
        metrics=metrics,
        chosen="" if selected is None else f"step {step}: {selected.reason}",
        examples=_examples(run, step, (kl_ref, name)),
        config=_config_text(run),
    )


def _metrics(run: measured_run.MeasuredRun) -> metric_facts.RunFacts | None:
    """Returns the metrics of a run's processes, None where they are not on a disk."""
    folder = pathlib.Path(run.run_dir) / "metrics"
    if not (folder / "learner.jsonl").is_file():
        return None
    clips = int(run.of_learner("batch_clips"))
    return metric_facts.read_facts(folder, clips)


def _config_text(run: measured_run.MeasuredRun) -> str:
    """Returns the resolved configuration: as gin where the run keeps it so."""
    data = run.store.get(OPERATIVE_GIN) or run.store.get(configuration.TEXT) or b""
    return data.decode()


def _examples(
    run: measured_run.MeasuredRun, selected: int | None, names: tuple[str, str]
) -> list[run_report.Example]:
    """Returns the first kept prompts, of the reference and of a later policy.

    `names` are those of the reference and of the run. The later policy is the selected
    one; where none was, the last one before over-optimisation.
    """
    last = run.evaluations[-1].step if run.flag is None else run.flag.step
    step = last if selected is None else selected
    models = (names[0], f"{names[1]}, step {step}")
    found = []
    for number, caption in enumerate(run.facts.captions[:EXAMPLES]):
        before = run.store.get(keys.sample_key(0, number))
        after = run.store.get(keys.sample_key(step, number))
        if before is not None and after is not None and step > 0:
            picture = _spectrograms(models, (before, after))
            found.append(
                run_report.Example(
                    caption=caption,
                    models=models,
                    before=before,
                    after=after,
                    picture=picture,
                )
            )
    return found


def _spectrograms(titles: tuple[str, str], clips: tuple[bytes, bytes]) -> bytes:
    sounds, rate = [], 0
    for title, data in zip(titles, clips, strict=True):
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        sounds.append(figures.Sound(title=title, waveform=samples))
    return figures.spectrograms([sounds], rate)

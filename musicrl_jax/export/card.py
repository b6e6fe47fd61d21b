"""The model card and the README of an artefact, in Markdown."""

import dataclasses
from collections.abc import Mapping

CARD, README = "MODEL_CARD.md", "README.md"

_LIMITS = """\
## Limits

- Clips have one length, {seconds:g} s; another needs another export.
- Mono, {sample_rate_hz} Hz. Quality is that of the networks it was made from: see
  {networks_card}.
- Rewards are means over the run's held-out prompts, scored by the networks that its
  evaluator had. A reward that the policy was trained on tends to overstate; KL says how
  far the policy went for it.
- Names that begin with `simulated_` are scores of models trained on SIMULATED raters
  or users: no person judged anything.
- No person has listened to this model unless a rater study says so elsewhere.
"""

_README = """\
# Serving this model

`serve.py` needs Python 3.11 or newer, `jax`, `numpy`, `safetensors` and `flatbuffers`,
and no package of MusicRL:

    pip install jax numpy safetensors flatbuffers     # jax[cuda12] or jax[tpu] there
    python serve.py "a slow waltz played by strings" --seed 7 --out waltz.wav

or, as a library, `serve.Model("path/of/this/folder").music(captions, seed=7)`, which
returns `tokens` and `waveform` (float32, {sample_rate_hz} Hz, [-1, 1]). All clips of a
call run as one batch; a new batch size compiles once. Clips last {seconds:g} s.

Every file is compared with `manifest.json` when the model is loaded; `sha256sum --check
manifest.sha256` seals the manifest itself.

## Files

- `programs/music.bin`, `programs/sampler.bin`: serialised `jax.export` programs for
  cpu, cuda and tpu, with a symbolic batch size b. Arguments and results:
  - `music(weights, ids, keys, temperature)` -> `tokens`, `waveform`
  - `sampler(weights["policy"], conditioning, keys, temperature)` -> `tokens`,
    `log_probs`
  - `weights`: for each folder below, tensors by name
  - `ids`: int32 [b, {text_width}], captions by `vocabulary.txt`, padded with 0
  - `conditioning`: int32 [b, {conditioning_tokens}], MuLan tokens of captions
  - `keys`: [b] typed JAX keys, one a clip (`serve.clip_keys`)
  - `temperature`: float32; the model was trained at {temperature:g}
  - `tokens`: int32 [b, {num_frames}, {tokens_per_frame}]
- `{folders}`: weights, safetensors files with `model.safetensors.index.json`
- `config.json`: sizes of the networks; `vocabulary.txt`: known words, one a line, whose
  line number is their id; other words share {buckets} ids behind them by CRC-32
- `MODEL_CARD.md`: where it comes from; `operative.gin`, where there is one: the run's

Check it where the package is installed: `musicrl export --verify .`
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a policy comes from.

    Attributes:
      name: of the run or the weights file.
      step: of the learner; None for a weights file.
      kl: nats per clip to `kl_ref`; None where it was not measured.
      kl_ref: the policy that KL is measured against.
      rewards: mean of each reward at the step, and `first` before training.
      first: see `rewards`.
      licence: of the weights.
      networks_card: the card of the networks beside it; empty for none.
      git: revision of the package.
    """

    name: str
    step: int | None
    kl: float | None
    kl_ref: str
    rewards: Mapping[str, float]
    first: Mapping[str, float]
    licence: str
    networks_card: str
    git: str


def model_card(origin: Origin, sizes: Mapping[str, float | str]) -> str:
    """Returns the card.

    Args:
      origin: of the policy.
      sizes: `seconds`, `sample_rate_hz` and what `readme` takes.
    """
    where = origin.networks_card or "whoever trained them (they came without a card)"
    parts = [
        f"# {origin.name}",
        "A text-to-music model: captions in, waveform out. Exported by musicrl_jax "
        f"(revision {origin.git}).",
        "## Source\n\n" + _source(origin),
        _measured(origin),
        _LIMITS.format(networks_card=where, **sizes).strip(),
        f"## Licence\n\n{origin.licence}",
    ]
    return "\n\n".join(parts) + "\n"


def readme(sizes: Mapping[str, float | str]) -> str:
    """Returns how to serve an artefact of these sizes."""
    return _README.format(**sizes)


def _source(origin: Origin) -> str:
    if origin.step is None:
        return f"The weights file `{origin.name}`, as it is; nothing was measured here."
    kl = "not measured"
    if origin.kl is not None:
        kl = f"{origin.kl:.4g} nats per clip from `{origin.kl_ref}`"
    return f"Run `{origin.name}`, learner step {origin.step}. KL: {kl}."


def _measured(origin: Origin) -> str:
    if not origin.rewards:
        return "## Rewards\n\nNone were measured of this policy."
    rows = [
        f"| {name} | {_number(origin.first.get(name))} | {_number(value)} |"
        for name, value in sorted(origin.rewards.items())
    ]
    head = f"| reward | first measured | step {origin.step} |\n| --- | --- | --- |"
    return "## Rewards\n\n" + "\n".join([head, *rows])


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"

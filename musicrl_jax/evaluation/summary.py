"""What happened, in words that need no background."""

from collections.abc import Mapping

from musicrl_jax.evaluation import comparison, facts


def lines(
    found: comparison.Comparison,
    run: facts.RunFacts,
    *,
    kl: Mapping[str, float],
    wall_seconds: float,
    report: str,
) -> list[str]:
    """Returns about ten lines for the terminal.

    Args:
      found: before against after.
      run: the metrics of the run.
      kl: `sequence` and `token` in nats, and `budget`.
      wall_seconds: of the whole demo.
      report: where the report lies.
    """
    return [
        f"Fine-tuned {run.steps} steps on {run.trajectories_used:,} clips of the "
        f"model's own making, in {_minutes(wall_seconds)}.",
        reward_words(found),
        kinds_words(found),
        judge_words(found),
        f"Distance from the starting model: {kl['sequence']:.1f} nats a clip "
        f"({kl['token']:.4f} a token); the budget was {kl['budget']:g}.",
        entropy_words(found),
        sound_words(found),
        f"Waiting: the learner {run.learner_wait_share:.0%} of its time, actors "
        f"{run.actor_wait_share:.0%}; {_used(run)}",
        f"Listen to before and after, prompt by prompt: {report}",
        "Next: " + advice(found),
    ]


def reward_words(found: comparison.Comparison) -> str:
    """Returns how the trained reward moved."""
    row = found.row("reward/total")
    change = row.result
    return (
        f"Text adherence (MuLan score, the trained reward) on {change.pairs} prompts "
        f"that it was not trained on: {change.before:.3f} -> {change.after:.3f} "
        f"({change.difference:+.3f} +- {change.standard_error:.3f}, "
        f"{change.in_standard_errors:+.1f} standard errors): {row.words}."
    )


def judge_words(found: comparison.Comparison) -> str:
    """Returns how the judge that was not trained on moved."""
    row = found.row("attribute/any")
    change = row.result
    rose = "up" in found.row("reward/total").words
    with_it = "with the reward" if rose else "although the reward did not rise"
    verdict = {
        "no measurable change": "it did not measurably move",
        "clearly up": f"clearly up, {with_it}",
        "probably up": f"probably up, {with_it}",
        "clearly down": "it clearly fell: look at the samples",
        "probably down": "it probably fell: look at the samples",
    }[row.words]
    points = f"{100 * change.difference:+.1f} +- {100 * change.standard_error:.1f}"
    return (
        "Independent judge (a classifier that is no part of the reward): of the genre "
        f"and instrument that a caption names it hears {change.before:.0%} -> "
        f"{change.after:.0%}, mean over {change.pairs} captions ({points} points): "
        f"{verdict}."
    )


def kinds_words(found: comparison.Comparison) -> str:
    """Returns how the trained reward moved on each kind of prompt."""
    parts = [
        f"{comparison.GROUPS[row.group]} {row.result.difference:+.3f} +- "
        f"{row.result.standard_error:.3f} ({row.words})"
        for row in found.rows
        if row.name == "reward/total" and row.group in comparison.GROUPS
    ]
    return "By kind of prompt: " + "; ".join(parts) + "."


def entropy_words(found: comparison.Comparison) -> str:
    """Returns whether the variety of tokens lasted."""
    parts = [
        f"{name} {before:.2f} -> {found.after.entropy[name]:.2f}"
        for name, before in found.before.entropy.items()
    ]
    kept = all(
        found.after.entropy[name] > 0.8 * before
        for name, before in found.before.entropy.items()
    )
    verdict = "it did not collapse" if kept else "it SHRANK by more than a fifth"
    return (
        "Variety of tokens (entropy of their frequencies over all clips, in nats): "
        f"{', '.join(parts)}; {verdict}."
    )


def sound_words(found: comparison.Comparison) -> str:
    """Returns silence and clipping before and after."""
    silence = found.row("sound/silence").result
    clipping = found.row("sound/clipping").result
    return (
        f"Sound: silent frames {silence.before:.2%} -> {silence.after:.2%}, clipped "
        f"samples {clipping.before:.2%} -> {clipping.after:.2%}."
    )


def advice(found: comparison.Comparison) -> str:
    """Returns what to do next, given what moved."""
    reward = found.row("reward/total").words
    judge = found.row("attribute/any").words
    if "up" not in reward:
        return (
            "more steps (LearnerConfig.steps) or clips a step "
            "(LearnerConfig.batch_clips); the reward has not risen yet."
        )
    if "down" in judge:
        return (
            "a larger LearnerConfig.kl_weight or fewer steps; the reward is being "
            "gained at the expense of what it should stand for."
        )
    return (
        "your own captions and reward (README.md, 'Your own captions'), or more steps "
        "within a larger LearnerConfig.kl_budget_nats."
    )


def _used(run: facts.RunFacts) -> str:
    dropped = run.trajectories_dropped
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in sorted(dropped.items())
    )
    broken = run.clips_not_finite
    return (
        f"clips were at most {run.max_staleness} updates old when used, packets "
        f"dropped: {reasons or 'none'}."
        + (f" {broken} clips had no finite reward." if broken else "")
    )


def _minutes(seconds: float) -> str:
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest} s" if whole else f"{rest} s"

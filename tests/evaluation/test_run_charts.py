"""Panels of several runs: all that is written on them can be read."""

import itertools

import pytest
from matplotlib.backends import backend_agg

from musicrl_jax.evaluation import figures, history, run_charts

REWARDS = ("text_adherence", "simulated_quality", "simulated_user_preference")
SUMS = {
    "r": {"text_adherence": 1.0, "simulated_quality": 0.5},
    "u": {"simulated_user_preference": 0.3},
    "ru": {"simulated_user_preference": 0.25},
    "joint": dict.fromkeys(REWARDS, 0.3),
}


def runs(prefix):
    """Returns four runs with sums of their own, one with another's reference."""
    made = []
    for name, trained in SUMS.items():
        row = {f"reward/{x}": 0.5 for x in (*REWARDS, "total")}
        row |= {"tokens/repetition": 0.2, "entropy/semantic": 1.0}
        evaluations = [
            history.Evaluation(
                step=step, digest="", row=row | {"kl/sequence": 2.0 * step}, rewards={}
            )
            for step in range(3)
        ]
        facts = history.Facts(kl_ref="base", trained=trained, held_out=[])
        made.append(
            run_charts.RunCurves(
                name=prefix + name,
                kl_ref=f"{prefix}r" if name == "ru" else "base",
                own_reference=name == "ru",
                facts=facts,
                evaluations=evaluations,
                selected_step=1,
            )
        )
    return made


def written(canvas):
    """Returns the boxes of all titles and labels, in dots, by their text."""
    renderer = backend_agg.FigureCanvasAgg(canvas).get_renderer()
    canvas.draw(renderer)
    texts = [
        text
        for place in canvas.axes
        if place.get_visible()
        for text in (
            place.title,
            place._left_title,
            place.xaxis.label,
            place.yaxis.label,
        )
        if text.get_text()
    ]
    texts += canvas.legends[0].get_texts()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


@pytest.mark.parametrize("prefix", ["", "/somewhere/far/away/on/a/large/disk/runs/"])
@pytest.mark.parametrize(
    "panels",
    [
        run_charts.reward_against_kl,
        run_charts.reward_against_step,
        run_charts.courses,
    ],
)
def test_titles_and_labels_of_four_runs_can_be_read(panels, prefix):
    canvas = figures.draw_curves(panels(runs(prefix)), one_legend=True)
    boxes = written(canvas)
    for place in canvas.axes:
        assert not place.get_visible() or place.get_position().width > 0.34
    for text, box in boxes:
        assert canvas.bbox.x0 <= box.x0, text
        assert box.x1 <= canvas.bbox.x1, text
        assert canvas.bbox.y0 <= box.y0, text
        assert box.y1 <= canvas.bbox.y1, text
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), (one, other)

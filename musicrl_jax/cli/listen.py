"""Commands that end in sound: `demo` and `generate`."""

from typing import Annotated

import typer

from musicrl_jax.cli import options, running


def demo(
    out: Annotated[
        str, typer.Option("--out", help="Folder for the report and the audio.")
    ] = "demo_run",
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Fine-tune the starter model and compare before with after."""
    running.run(
        "demo",
        gin_file or ["gin/experiments/demo.gin"],
        gin_param,
        {"out": out, "seed": seed},
        as_json=json,
    )


def generate(
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", help="What to play; repeatable.", show_default=False),
    ] = None,
    prompts_file: Annotated[
        str | None, typer.Option("--prompts_file", help="Prompts, one a line.")
    ] = None,
    paper_prompts: Annotated[
        bool, typer.Option("--paper_prompts", help="The paper's 101 prompts.")
    ] = False,
    out: Annotated[
        str, typer.Option("--out", help="WAV file, or a folder for several prompts.")
    ] = "generated.wav",
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Length of each clip.")
    ] = None,
    networks: Annotated[
        str | None,
        typer.Option("--networks", help="Folder of networks (default: starter)."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="Weights file, or a run (its best step)."),
    ] = None,
    gin_file: options.GinFiles = None,
    gin_param: options.GinParams = None,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Play captions: text in, a WAV file out."""
    running.run(
        "generate",
        gin_file,
        gin_param,
        {
            "prompts": tuple(prompt or ()),
            "prompts_file": prompts_file,
            "paper_prompts": paper_prompts or None,
            "out": out,
            "seconds": seconds,
            "networks": networks,
            "policy": policy,
            "seed": seed,
        },
        as_json=json,
    )


COMMANDS = (demo, generate)

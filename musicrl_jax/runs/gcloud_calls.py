"""Runs a line of gcloud."""

import shlex
import subprocess

from musicrl_jax.core import errors


def call(line: list[str], timeout_seconds: float = 1800.0) -> str:
    """Runs a line; returns what it prints.

    Raises:
      InputError: there is no gcloud here.
      TemporaryError: it failed or took too long; says its last words.
    """
    try:
        done = subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise errors.InputError(
            "TPU VMs are made with gcloud; there is none on the PATH. Install the "
            "Google Cloud CLI, or see the lines with --dry_run."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise errors.TemporaryError(
            f"gcloud took more than {timeout_seconds:g} s: {shlex.join(line)}."
        ) from error
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise errors.TemporaryError(
            f"gcloud ended with code {done.returncode}: {words[0]} "
            f"({shlex.join(line[:6])})."
        )
    return done.stdout

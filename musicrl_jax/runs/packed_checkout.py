"""The files of a checkout, packed for machines that are to run it."""

import pathlib
import subprocess
import tarfile

from musicrl_jax.core import errors

CHECKOUT = pathlib.Path(__file__).parents[2]


def pack(target: pathlib.Path, checkout: pathlib.Path = CHECKOUT) -> int:
    """Writes a .tar.gz of what git knows or does not ignore; returns how many files.

    Raises:
      InputError: `checkout` is none.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        capture_output=True,
        check=False,
    )
    names = sorted(name for name in listed.stdout.decode().split("\0") if name)
    if listed.returncode or not (checkout / "setup.cfg").is_file():
        raise errors.InputError(
            f"TPU VMs are sent a git checkout of musicrl_jax; {checkout} is none. "
            "Install the package from a checkout with `make install`."
        )
    present = [name for name in names if (checkout / name).is_file()]
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for name in present:
            archive.add(checkout / name, arcname=name)
    return len(present)

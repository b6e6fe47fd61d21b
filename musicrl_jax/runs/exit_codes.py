"""What the end of a role tells whoever started it."""

from musicrl_jax.core import errors

# Would end so again: bad input, a contradiction in the run directory, another config.
HOPELESS = (
    errors.InputError.exit_code,
    errors.InvariantError.exit_code,
    errors.ConfigMismatchError.exit_code,
)
PREEMPTED = errors.Preempted.exit_code
RETRY = errors.TemporaryError.exit_code

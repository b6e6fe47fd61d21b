"""Our sampling loop beside a flat decoder of our own layers, over 6,750 tokens a clip.

30 s of 750 frames of 9 tokens of 1,024, 8 clips. The flat decoder draws one token a
step; it has as many parameters, and keys and values of all tokens. A step of ours reads
its whole cache, filled or not. To be kind to the flat one its cache has half as many
places, what a loop that reads no empty ones would see in the mean; as its steps then
all cost the same, those of 27 frames are timed. See `measuring` for the environment.
"""

import jax
import jax.numpy as jnp
import measuring as m

from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.models.soundstorm import config as soundstorm
from musicrl_jax.runs import token_by_token
from musicrl_jax.sampling import loop

FRAMES, POSITIONS, PART = 750, 9, 27


def main():
    layout = configs.make_layout(coarse_size=1024, coarse_steps=2, semantic_size=1024)
    sizes = configs.MusicLMConfig(**(vars(m.SIZES) | {"window_frames": FRAMES}))
    policy = adapter.make_policy(sizes, layout)
    params = jax.jit(policy.init)(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), m.CLIPS)
    conditioning = jnp.zeros((m.CLIPS, m.STATES), jnp.int32)
    # One given level, which stands for the conditioning, and the 9 that are drawn.
    flat_sizes = soundstorm.SoundStormConfig(
        width=256,
        heads=4,
        levels=1 + POSITIONS,
        coarse_levels=1,
        codebook_size=1024,
    )
    places = FRAMES * POSITIONS // 2
    peer = token_by_token.beside(flat_sizes, m.count(params), places)
    theirs = jax.jit(peer.init)(jax.random.key(2))
    given = jnp.zeros((m.CLIPS, PART, 1), jnp.int32)
    timed = m.measure(
        {
            "ours": lambda: loop.sample(
                policy, params, conditioning, keys, FRAMES, 0.99
            ),
            "flat_part": lambda: peer.refine(theirs, given, keys),
        },
        repeats=3,
    )
    whole = FRAMES / PART
    m.report(
        tokens=FRAMES * POSITIONS,
        parameters={"ours": m.count(params), "flat": m.count(theirs)},
        flat_layers=peer.layers,
        **timed,
        flat_cpu_seconds=round(whole * timed["flat_part"]["cpu_seconds"], 1),
        times_faster=round(whole * m.times(timed, "flat_part"), 1),
    )


if __name__ == "__main__":
    main()

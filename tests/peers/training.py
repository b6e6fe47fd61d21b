"""Seconds of our supervised and KL-REINFORCE steps beside torch's supervised step.

See `measuring` for the environment. Each step is forward, backward and Adam with decay
over 8 clips of 250 frames of 4 tokens. Ours also clips the gradient's norm and leaves
out updates that are not finite; the KL-REINFORCE step is the learner's own, with
reference and value network.
"""

import jax
import jax.numpy as jnp
import measuring as m
import numpy as np
import torch
import transformers
from torch.nn import functional
from torch_musiclm import TorchMusicLM

from musicrl_jax.runs import bench_work


def config(part):
    """Returns the bench of one part at our sizes."""
    base = bench_work.BenchConfig(
        part=part, layout=m.LAYOUT, musiclm=m.SIZES, clip_seconds=m.FRAMES / 25
    )
    learner = vars(base.learner) | {"batch_clips": m.CLIPS}
    return bench_work.BenchConfig(
        **vars(base) | {"learner": type(base.learner)(**learner)}
    )


def torch_step(model, loss):
    """Returns a step of AdamW on `loss`."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def same_network(tokens):
    params = jax.jit(m.POLICY.init)(jax.random.key(0))
    port = TorchMusicLM(m.SIZES, params).train()
    conditioning = torch.randint(0, 256, (m.CLIPS, m.STATES))

    def loss():
        logits = port.logits(tokens, conditioning)
        return functional.cross_entropy(logits.flatten(0, 2), tokens.flatten())

    return torch_step(port, loss)


def musicgen_decoder(tokens):
    sizes = m.musicgen_decoder(dropout=0.0)
    decoder = transformers.MusicgenForCausalLM(sizes).train()
    start = torch.full((m.CLIPS, 1, m.CODEBOOKS), m.ENTRIES)
    ids = torch.cat([start, tokens[:, :-1]], 1).permute(0, 2, 1).flatten(0, 1)
    states = torch.randn(m.CLIPS, m.STATES, sizes.hidden_size)

    def loss():
        return decoder(
            input_ids=ids, encoder_hidden_states=states, labels=tokens, use_cache=False
        ).loss

    return torch_step(decoder, loss)


def main():
    m.one_thread()
    drawn = jax.random.randint(
        jax.random.key(0), (m.CLIPS, m.FRAMES, m.CODEBOOKS), 0, m.ENTRIES
    )
    tokens = torch.tensor(np.asarray(jnp.asarray(drawn))).long()
    timed = m.measure(
        {
            "ours": bench_work.pretrain(config("pretrain")).call,
            "kl_reinforce": bench_work.update(config("update")).call,
            "torch_same_network": same_network(tokens),
            "torch_musicgen_decoder": musicgen_decoder(tokens),
        },
        repeats=5,
    )
    peers = ("torch_same_network", "torch_musicgen_decoder")
    m.report(
        **timed,
        times_faster={name: m.times(timed, name) for name in peers},
        kl_reinforce_over_supervised=m.times(timed, "kl_reinforce"),
    )


if __name__ == "__main__":
    main()

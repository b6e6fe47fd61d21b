"""Clip-frames a second of our sampling loop beside MusicGen's and loops in torch.

See `measuring` for the environment. Ours returns log-probabilities too, drawn from the
whole distribution; MusicGen draws from its 250 likeliest entries, its default.
"""

import jax
import jax.numpy as jnp
import measuring as m
import numpy as np
import torch
import transformers
from torch_musiclm import TorchMusicLM

from musicrl_jax.sampling import loop


def musicgen():
    """Returns MusicGen with a decoder of our size and a very small text encoder."""
    decoder = m.musicgen_decoder()
    text = transformers.T5Config(
        d_model=64, d_kv=16, d_ff=64, num_layers=1, num_heads=4
    )
    codec = transformers.EncodecConfig(
        num_filters=4, codebook_size=m.ENTRIES, target_bandwidths=[2.2]
    )
    model = transformers.MusicgenForConditionalGeneration(
        transformers.MusicgenConfig(
            text_encoder=text, audio_encoder=codec, decoder=decoder
        )
    ).eval()
    settings = model.generation_config
    settings.decoder_start_token_id = settings.pad_token_id = m.ENTRIES
    settings.bos_token_id, settings.eos_token_id = m.ENTRIES, None
    settings.do_sample, settings.top_k = True, 250
    model.audio_encoder.decode = lambda codes, *_, **__: type(
        "Decoded", (), {"audio_values": torch.zeros(m.CLIPS, 1, 8)}
    )()
    return model


def generate(model):
    ids = torch.ones(m.CLIPS, m.STATES, dtype=torch.long)
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            guidance_scale=None,
            max_new_tokens=m.FRAMES,
        )


@torch.inference_mode()
def by_hand(decoder):
    """Draws from MusicGen's decoder in a loop of a few lines."""
    states = torch.randn(m.CLIPS, m.STATES, decoder.config.hidden_size)
    ids = torch.full((m.CLIPS * m.CODEBOOKS, 1), m.ENTRIES)
    cache = transformers.EncoderDecoderCache(
        transformers.DynamicCache(), transformers.DynamicCache()
    )
    for _ in range(m.FRAMES):
        out = decoder(
            input_ids=ids,
            encoder_hidden_states=states,
            past_key_values=cache,
            use_cache=True,
        )
        best, entries = torch.topk(out.logits[:, -1], 250)
        drawn = torch.multinomial(torch.softmax(best, -1), 1)
        ids = entries.gather(-1, drawn)


def check(port, params, conditioning, clips):
    """Raises unless torch's teacher-forced log-probabilities are those of our draws."""
    given = [torch.tensor(np.asarray(x)).long() for x in (clips.tokens, conditioning)]
    with torch.inference_mode():
        log_policy = (port.logits(*given) / 0.99).log_softmax(-1)
    found = log_policy.gather(-1, given[0][..., None])[..., 0]
    np.testing.assert_allclose(found, clips.log_probs, atol=1e-3)


def main():
    m.one_thread()
    params = jax.jit(m.POLICY.init)(jax.random.key(0))
    port, model = TorchMusicLM(m.SIZES, params), musicgen()
    keys = jax.random.split(jax.random.key(1), m.CLIPS)
    conditioning = jnp.arange(m.CLIPS * m.STATES).reshape(m.CLIPS, m.STATES)
    asked = torch.tensor(np.asarray(conditioning)).long()

    def ours():
        return loop.sample(m.POLICY, params, conditioning, keys, m.FRAMES, 0.99)

    check(port, params, conditioning, ours())

    def torch_same():
        port.sample(asked, m.FRAMES, 0.99)

    timed = m.measure(
        {
            "ours": ours,
            "torch_same_network": torch_same,
            "torch_musicgen_decoder": lambda: by_hand(model.decoder),
            "musicgen_generate": lambda: generate(model),
        },
        repeats=5,
    )
    work = m.CLIPS * m.FRAMES
    for row in timed.values():
        row["clip_frames_per_second"] = round(work / row["cpu_seconds"], 1)
        # 25 frames a second in ours, 50 in MusicGen; both at 50 here.
        row["audio_seconds_per_second_at_50_hz"] = round(
            row["clip_frames_per_second"] / 50, 2
        )
    m.report(
        parameters={
            "ours": m.count(params),
            "musicgen_decoder": sum(p.numel() for p in model.decoder.parameters()),
        },
        **timed,
        times_faster={name: m.times(timed, name) for name in timed if name != "ours"},
    )


if __name__ == "__main__":
    main()

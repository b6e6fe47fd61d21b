"""MusicLM's network by hand in torch, on the same parameters."""

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, params, heads, rotary):
        super().__init__()
        self.heads, self.rotary = heads, rotary
        attention, mlp = params["attention"], params["mlp"]
        self.norms = nn.ParameterList(
            [params["attention_norm"]["scale"], params["mlp_norm"]["scale"]]
        )
        self.kernels = nn.ParameterList(
            [
                attention["project_in"]["kernel"],
                attention["project_out"]["kernel"],
                mlp["expand"]["kernel"],
                mlp["contract"]["kernel"],
            ]
        )

    def forward(self, x, angles, mask=None, cache=None):
        """Runs places of `x`; a cache is (keys, values) and the first place."""
        batch, length, width = x.shape
        into, out, expand, contract = self.kernels
        y = functional.rms_norm(x, (width,), self.norms[0], 1e-6) @ into
        y = y.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = y
        if self.rotary:
            queries, keys = rotate(queries, angles), rotate(keys, angles)
        if cache is not None:
            past, first = cache
            past[0][:, :, first : first + length] = keys
            past[1][:, :, first : first + length] = values
            keys, values = (part[:, :, : first + length] for part in past)
        y = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask
        )
        x = x + y.transpose(1, 2).reshape(batch, length, width) @ out
        y = functional.rms_norm(x, (width,), self.norms[1], 1e-6)
        return x + functional.gelu(y @ expand, approximate="tanh") @ contract


def rotate(x, angles):
    cosine, sine = angles
    low, high = x.chunk(2, dim=-1)
    return torch.cat([low * cosine - high * sine, high * cosine + low * sine], -1)


class TorchMusicLM(nn.Module):
    """The policy of `sizes`; parameters are ours, copied.

    Sampling keeps preallocated keys and values and reads what is filled of them.
    """

    def __init__(self, sizes, params):
        super().__init__()
        self.sizes = sizes
        copied = copy(params)
        temporal, depth = copied["temporal"], copied["depth"]
        self.parts = nn.ParameterDict(
            {
                "frames": temporal["frames"]["table"],
                "conditioning": temporal["conditioning"]["table"],
                "start": temporal["start"],
                "summarise": temporal["summarise"]["kernel"],
                "condition_state": temporal["condition_state"]["kernel"],
                "norm": temporal["norm"]["scale"],
                "tokens": depth["tokens"]["table"],
                "places": depth["places"],
                "project": depth["project"]["kernel"],
                "depth_norm": depth["norm"]["scale"],
                "heads": copied["heads"],
            }
        )
        self.temporal = blocks(temporal, sizes.layers, sizes.heads, True)
        self.depth = blocks(depth, sizes.depth_layers, sizes.depth_heads, False)
        half = sizes.width // sizes.heads // 2
        rates = 10_000.0 ** (-torch.arange(half) / half)
        angles = torch.arange(4096)[:, None] * rates
        self.turns = torch.cos(angles), torch.sin(angles)

    def angles(self, first, last):
        return tuple(part[first:last] for part in self.turns)

    def embed(self, table, ids):
        return torch.stack([table[i][ids[..., i]] for i in range(ids.shape[-1])], -2)

    def condition(self, conditioning):
        prefix = self.embed(self.parts["conditioning"], conditioning)
        return prefix, prefix.sum(1) @ self.parts["summarise"]

    def finish(self, x, summary):
        x = functional.rms_norm(x, x.shape[-1:], self.parts["norm"], 1e-6)
        return x + (summary @ self.parts["condition_state"])[:, None]

    def logits(self, tokens, conditioning):
        """Teacher forcing: logits of every token."""
        batch, frames, positions = tokens.shape
        prefix, summary = self.condition(conditioning)
        start = self.parts["start"].expand(batch, 1, -1)
        x = self.embed(self.parts["frames"], tokens[:, :-1]).sum(2)
        x = torch.cat([prefix, torch.cat([start, x], 1) + summary[:, None]], 1)
        places = prefix.shape[1]
        mask = torch.ones(places + frames, places + frames).tril().bool()
        mask[:places, :places] = True
        for block in self.temporal:
            x = block(x, self.angles(0, places + frames), mask)
        states = self.finish(x[:, places:], summary).flatten(0, 1)
        before = self.embed(self.parts["tokens"], tokens.flatten(0, 1))[:, :-1]
        x = (
            functional.pad(before, (0, 0, 1, 0))
            + (states @ self.parts["project"])[:, None]
        )
        x = x + self.parts["places"]
        causal = torch.ones(positions, positions).tril().bool()
        for block in self.depth:
            x = block(x, None, causal)
        x = functional.rms_norm(x, x.shape[-1:], self.parts["depth_norm"], 1e-6)
        logits = torch.einsum("bqe,qev->bqv", x, self.parts["heads"])
        return logits.view(batch, frames, positions, -1)

    @torch.inference_mode()
    def sample(self, conditioning, frames, temperature):
        """Draws clips; returns tokens and their log-probabilities."""
        batch, places = conditioning.shape
        prefix, summary = self.condition(conditioning)
        caches = [
            empty(batch, block, places + frames, prefix) for block in self.temporal
        ]
        x = prefix
        for block, cache in zip(self.temporal, caches, strict=True):
            x = block(x, self.angles(0, places), None, (cache, 0))
        x = self.parts["start"].expand(batch, 1, -1)
        drawn = []
        for place in range(places, places + frames):
            x = x + summary[:, None]
            for block, cache in zip(self.temporal, caches, strict=True):
                x = block(x, self.angles(place, place + 1), None, (cache, place))
            tokens, log_probs = self.frame(self.finish(x, summary)[:, 0], temperature)
            drawn.append((tokens, log_probs))
            x = self.embed(self.parts["frames"], tokens).sum(1)[:, None]
        return tuple(torch.stack(part, 1) for part in zip(*drawn, strict=True))

    def frame(self, state, temperature):
        count = self.parts["heads"].shape[0]
        state = (state @ self.parts["project"])[:, None]
        caches = [empty(len(state), block, count, state) for block in self.depth]
        found = []
        for i in range(count):
            x = state + self.parts["places"][i]
            if found:
                x = x + self.parts["tokens"][i - 1][found[-1][0]][:, None]
            for block, cache in zip(self.depth, caches, strict=True):
                x = block(x, None, None, (cache, i))
            x = functional.rms_norm(
                x[:, 0], x.shape[-1:], self.parts["depth_norm"], 1e-6
            )
            log_policy = ((x @ self.parts["heads"][i]) / temperature).log_softmax(-1)
            token = torch.multinomial(log_policy.exp(), 1)
            found.append((token[:, 0], log_policy.gather(-1, token)[:, 0]))
        return tuple(torch.stack(part, 1) for part in zip(*found, strict=True))


def blocks(part, layers, heads, rotary):
    stacked = part["stack"]["layers"]
    return nn.ModuleList(Block(cut(stacked, i), heads, rotary) for i in range(layers))


def cut(tree, i):
    if isinstance(tree, dict):
        return {name: cut(leaf, i) for name, leaf in tree.items()}
    return tree[i].clone()


def copy(tree):
    if hasattr(tree, "items"):
        return {name: copy(leaf) for name, leaf in tree.items()}
    return torch.tensor(tree.__array__())


def empty(batch, block, slots, like):
    shape = (batch, block.heads, slots, like.shape[-1] // block.heads)
    return torch.zeros(shape), torch.zeros(shape)

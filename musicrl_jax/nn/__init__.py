"""Network parts with no knowledge of music: attention, caches, blocks.

    positions     rotary position embedding
    attention     masks, and self-attention with and without a cache
    cache         keys and values of the past, in a ring
    block         pre-norm transformer blocks and stacks of them
    causal        causal convolutions that go on where they stopped
    quantizer     residual quantiser of both codec families
    conformer     attention and convolution in one block
    clustering    k-means of points in memory; `streaming_kmeans` of a stream

Compute runs in the config's dtype, norms and softmax in float32, parameters are
float32. Layer parameters of a stack carry the layer number as their first axis.
"""

"""The semantic tokenizer: masked prediction, then clusters of a middle layer.

`network` is the encoder (ConvNeXt or conformer blocks), `losses` its masked prediction
of random-projection targets (BEST-RQ, 2202.01855; MusicLM's w2v-BERT in its place),
`clusters` the k-means of its features, `bag_tuning` what brings both nearer to what a
clip is, `adapter` the `core.protocols.SemanticTokenizer` that they make.
"""

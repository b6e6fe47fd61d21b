"""The semantic tokenizer: masked prediction, then clusters of a middle layer.

`network` is the encoder, `losses` its masked prediction of random-projection targets
(BEST-RQ, 2202.01855; MusicLM's w2v-BERT in its place), `adapter` the
`core.protocols.SemanticTokenizer` that a trained encoder with k-means makes.
"""

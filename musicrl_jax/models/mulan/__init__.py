"""MuLan: captions and audio in one space of unit vectors, and its residual codes.

`network` holds the two towers, `losses` their contrastive loss, `adapter` the
`core.protocols.JointEmbedder` of a trained pair (MuLan: Huang et al., 2208.12415).
"""

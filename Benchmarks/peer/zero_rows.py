"""Rows of zeros in a prompt, counted instead of computed.

A folder without T5 has rows of zeros where T5's would be, and diffusers computes each. Equal rows
stay equal through every block, so one of them may stand for n in attention, with ln n added to its
logit. This is an option, to tell what the trick alone is worth.
"""

import math

import torch
import torch.nn.functional as F


def shorten(rows, count):
    """Leaves one of the `count` rows of zeros at the end: [T, J] -> [T - count + 1, J]."""
    return rows[: len(rows) - count + 1].clone()


class CountedRowsProcessor:
    """diffusers' JointAttnProcessor2_0 with a last key that stands for `count`."""

    def __init__(self, count):
        self.bias = math.log(count)

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        def project(x, layers, norms):
            q, k, v = (heads(layer(x)) for layer in layers)
            return norms[0](q) if norms[0] else q, norms[1](k) if norms[1] else k, v

        q, k, v = project(
            hidden_states, (attn.to_q, attn.to_k, attn.to_v), (attn.norm_q, attn.norm_k))
        mask = None
        if encoder_hidden_states is not None:
            text = project(
                encoder_hidden_states, (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj),
                (attn.norm_added_q, attn.norm_added_k))
            q, k, v = (torch.cat(pair, dim=2) for pair in zip((q, k, v), text))
            mask = q.new_zeros(1, 1, 1, k.shape[2])
            mask[..., -1] = self.bias
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        attended = attended.transpose(1, 2).flatten(2)
        count = hidden_states.shape[1]
        image = attn.to_out[1](attn.to_out[0](attended[:, :count]))
        if encoder_hidden_states is None:
            return image
        context = attended[:, count:]
        return image, context if attn.context_pre_only else attn.to_add_out(context)

"""Counts of compiled programs against closed forms."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from musicrl_jax.core import sharding
from musicrl_jax.planning import costs, hlo, roofline, traffic


def compiled(function, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arrays).compile()


def module(function, *shapes):
    return hlo.parse(compiled(function, *shapes).as_text())


def test_a_product_counts_two_m_k_n():
    assert costs.flops(module(jnp.matmul, (3, 5), (5, 7))) == 2 * 3 * 5 * 7


@pytest.mark.parametrize("turns", [1, 6, 40])
def test_a_loop_counts_as_often_as_it_turns(turns):
    def repeated(x, w):
        return jax.lax.scan(lambda c, _: (c @ w, None), x, length=turns)[0]

    assert costs.flops(module(repeated, (8, 8), (8, 8))) == turns * 2 * 8**3


def test_loops_within_loops_multiply():
    def inner(x, w):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, length=3)[0]

    def outer(x, w):
        return jax.lax.scan(lambda c, _: (inner(c, w), None), x, length=5)[0]

    assert costs.flops(module(outer, (8, 8), (8, 8))) == 15 * 2 * 8**3


def test_recomputation_is_work_that_is_done():
    def layers(x, w, again):
        body = lambda c, _: (jnp.tanh(c @ w), None)  # noqa: E731 - wrapped below
        body = jax.checkpoint(body) if again else body
        return jnp.sum(jax.lax.scan(body, x, length=4)[0])

    shapes = ((16, 8), (8, 8))
    plain = costs.flops(module(jax.grad(lambda *a: layers(*a, False), (0, 1)), *shapes))
    again = costs.flops(module(jax.grad(lambda *a: layers(*a, True), (0, 1)), *shapes))
    once = 4 * 2 * 16 * 8 * 8
    assert plain == 3 * once
    assert again == 4 * once


def test_a_convolution_counts_taps_that_meet_the_input():
    def convolve(x, w):
        return jax.lax.conv_general_dilated(
            x, w, (2,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC")
        )

    window = "window={size=3 stride=2 pad=1_1}, dim_labels=b0f_0io->b0f"
    text = f"""
HloModule m
ENTRY %main (a: f32[2,9,3], b: f32[3,3,4]) -> f32[2,5,4] {{
  %a = f32[2,9,3]{{2,1,0}} parameter(0)
  %b = f32[3,3,4]{{2,1,0}} parameter(1)
  ROOT %c = f32[2,5,4]{{2,1,0}} convolution(%a, %b), {window}
}}
"""
    assert jax.eval_shape(
        convolve, jnp.zeros((2, 9, 3)), jnp.zeros((3, 3, 4))
    ).shape == (2, 5, 4)
    # Of 5 windows of 3 taps, the first and the last have a tap outside.
    assert costs.flops(hlo.parse(text)) == 2 * 2 * 4 * 3 * (5 * 3 - 2)


def test_traffic_is_what_is_read_and_written():
    found = costs.memory_bytes(module(lambda x, y: x + y, (256, 4), (256, 4)))
    assert found == 3 * 256 * 4 * 4


def test_a_slice_of_a_stack_costs_the_slice():
    def walk(stack):
        return jax.lax.scan(lambda c, x: (c + x, None), stack[0], stack)[0]

    stacked, one = 64 * 1000 * 4, 1000 * 4
    found = costs.memory_bytes(module(walk, (64, 1000)))
    # Each turn reads the sum and one row and writes the sum; copies come on top.
    assert 3 * stacked <= found <= 6 * stacked + 8 * one


def test_a_part_of_an_array_costs_the_part():
    text = """
HloModule m
ENTRY %main (a: f32[24,1000]) -> f32[1,1000] {
  %a = f32[24,1000]{1,0} parameter(0)
  ROOT %s = f32[1,1000]{1,0} slice(%a), slice={[3:4], [0:1000]}
}
"""
    assert costs.memory_bytes(hlo.parse(text)) == 2 * 4000


def test_rows_of_a_table_cost_the_rows():
    text = """
HloModule m
ENTRY %main (a: f32[900,64], i: s32[8,1]) -> f32[8,64] {
  %a = f32[900,64]{1,0} parameter(0)
  %i = s32[8,1]{1,0} parameter(1)
  ROOT %g = f32[8,64]{1,0} gather(%a, %i), offset_dims={1}, slice_sizes={1,64}
}
"""
    assert costs.memory_bytes(hlo.parse(text)) == 2 * 8 * 64 * 4 + 8 * 4


def over_four(function, spec_in, spec_out, shape):
    mesh = sharding.make_mesh(sharding.MeshConfig(data=1, fsdp=4))
    lay = [NamedSharding(mesh, spec) for spec in (spec_in, spec_out)]
    x = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=lay[0])
    program = jax.jit(function, out_shardings=lay[1]).lower(x).compile()
    return traffic.collectives(hlo.parse(program.as_text()), 4), program


def test_a_gather_sends_all_other_parts():
    cut, whole = PartitionSpec("fsdp"), PartitionSpec()
    (found,), program = over_four(lambda x: x * 2, cut, whole, (16, 8))
    assert (found.kind, found.group, found.times) == ("all-gather", 4, 1)
    assert found.sent_bytes == 16 * 8 * 4 * 3 / 4
    needs = roofline.measure(program, 4)
    assert needs.largest_gather == 16 * 8 * 4
    assert needs.arguments == 4 * 8 * 4


def test_a_sum_over_devices_goes_round_twice():
    cut, whole = PartitionSpec("fsdp"), PartitionSpec()
    (found,), _ = over_four(lambda x: jnp.sum(x, 0), cut, whole, (16, 8))
    assert found.kind == "all-reduce"
    assert found.sent_bytes == 2 * 8 * 4 * 3 / 4


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("replica_groups={{0,1,2},{3,4,5}}", 3),
        ("replica_groups=[2,8]<=[16]", 8),
        ("replica_groups=mesh['a'=2,'b'=4,'c'=2] {'b','c'}", 8),
        ("channel_id=3", 16),
    ],
)
def test_groups_are_read_in_all_their_spellings(text, size):
    assert traffic.group_size(text, 16) == size


STACKED = """
%take (p: bf16[24,64,32]) -> bf16[64,32] {
  %p = bf16[24,64,32]{2,1,0} parameter(0)
  %s = bf16[1,64,32]{2,1,0} slice(%p), slice={[3:4], [0:64], [0:32]}
  ROOT %b = bf16[64,32]{1,0} bitcast(%s)
}

%layer (q: bf16[24,64,32], x: bf16[8,64]) -> bf16[8,32] {
  %q = bf16[24,64,32]{2,1,0} parameter(0)
  %x = bf16[8,64]{1,0} parameter(1)
  %w = bf16[64,32]{1,0} fusion(%q), kind=kLoop, calls=%take
  ROOT %y = bf16[8,32]{1,0} dot(%x, %w), lhs_contracting_dims={1}
}

ENTRY %main (a: bf16[24,64,32], b: bf16[8,64]) -> bf16[8,32] {
  %a = bf16[24,64,32]{2,1,0} parameter(0)
  %b = bf16[8,64]{1,0} parameter(1)
  ROOT %out = bf16[8,32]{1,0} fusion(%a, %b), kind=kOutput, calls=%layer
}
"""

PREFETCHED = """
ENTRY %main (a: bf16[8,762,96]) -> bf16[8,191,96] {
  %a = bf16[8,762,96]{2,1,0} parameter(0)
  %begin = (bf16[8,762,96]{2,1,0}, bf16[8,191,96]{2,1,0:S(1)}, s32[]) slice-start(%a)
  ROOT %end = bf16[8,191,96]{2,1,0:S(1)} slice-done(%begin)
}
"""


def test_a_fusion_within_a_fusion_reads_the_slice_that_it_takes():
    layer, given, made = 64 * 32 * 2, 8 * 64 * 2, 8 * 32 * 2
    assert costs.memory_bytes(hlo.parse(STACKED)) == layer + given + made


def test_a_slice_that_is_fetched_ahead_is_read_once():
    assert costs.memory_bytes(hlo.parse(PREFETCHED)) == 8 * 191 * 96 * 2


def test_a_copy_to_fast_memory_is_read_once():
    copied = """
ENTRY %main (a: bf16[8,96]) -> bf16[8,96] {
  %a = bf16[8,96]{1,0} parameter(0)
  %begin = (bf16[8,96]{1,0:S(1)}, bf16[8,96]{1,0}, u32[]) copy-start(%a)
  ROOT %end = bf16[8,96]{1,0:S(1)} copy-done(%begin)
}
"""
    assert costs.memory_bytes(hlo.parse(copied)) == 8 * 96 * 2


BETWEEN = """
%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[] add(%x, %y)
}

ENTRY %main (a: f32[64,8]) -> f32[64,8] {
  %a = f32[64,8]{1,0} parameter(0)
  %start = token[] after-all()
  %s = (f32[64,8]{1,0}, u32[], token[]) send(%a, %start), channel_id=2, ATTRIBUTES
  %r = (f32[64,8]{1,0}, u32[], token[]) recv(%start), channel_id=1, ATTRIBUTES
  %sent = token[] send-done(%s), channel_id=2
  %got = (f32[64,8]{1,0}, token[]) recv-done(%r), channel_id=1
  ROOT %b = f32[64,8]{1,0} get-tuple-element(%got), index=0
}
"""


def between(kind):
    attributes = (
        "is_host_transfer=true, frontend_attributes={_xla_host_transfer_handler_name="
        f'"xla_megascale_runtime",_xla_megascale_transfer_type="{kind}"}}'
    )
    return hlo.parse(BETWEEN.replace("ATTRIBUTES", attributes))


@pytest.mark.parametrize(
    ("kind", "slices", "times"),
    [
        ("ALL_REDUCE", 2, 1),
        ("ALL_REDUCE", 4, 1.5),
        ("ALL_GATHER", 4, 3),
        ("ALL_TO_ALL", 4, 0.75),
        ("ONE_TO_ONE", 4, 1),
    ],
)
def test_what_a_chip_sends_to_other_slices(kind, slices, times):
    assert traffic.sent_between_slices(between(kind), slices) == times * 64 * 8 * 4


def test_what_is_sent_is_read_once_and_what_comes_is_written_once():
    assert costs.memory_bytes(between("ALL_REDUCE")) == 2 * 64 * 8 * 4


def test_within_a_slice_nothing_is_sent_to_others():
    other = BETWEEN.replace("ATTRIBUTES", "is_host_transfer=true")
    assert traffic.sent_between_slices(hlo.parse(other), 2) == 0


def test_gathered_shapes_show_logits_that_are_gathered():
    """What the tests at full size forbid is seen where it happens."""
    cut, whole = PartitionSpec("fsdp"), PartitionSpec()
    found, _ = over_four(lambda x: x @ jnp.ones((8, 17)), cut, whole, (16, 8))
    (shape,) = traffic.gathers(found)
    assert shape.dims == (16, 17)

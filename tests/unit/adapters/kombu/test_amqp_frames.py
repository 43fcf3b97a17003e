"""Frames are cut and written by hand: against amqp's own idea of them."""

from __future__ import annotations

from itertools import pairwise
from struct import pack, unpack

import amqp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.broker.kombu_frames import split_frames, verdict_frames
from taskq.ports import Settlement, Verdict

frames = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 65535), st.binary(max_size=50)), max_size=8
)


def written(frame: tuple[int, int, bytes]) -> bytes:
    kind, channel, payload = frame
    return pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


@given(frames, st.lists(st.integers(0, 500), max_size=10))
def test_frames_come_out_whole_however_they_are_cut(
    sent: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    """Any stream, in any pieces, gives the frames that were written, and no rest."""
    stream = b"".join(map(written, sent))
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    got, rest = [], b""
    for start, end in pairwise(at):
        found, rest = split_frames(rest + stream[start:end])
        got += found

    assert got == sent
    assert rest == b""


def test_a_frame_that_does_not_end_is_no_frame() -> None:
    """Garbage is refused, not read as something else."""
    with pytest.raises(amqp.exceptions.UnexpectedFrame):
        split_frames(pack(">BHI", 1, 1, 2) + b"ab" + b"\x00")


# The channel knows no other: what is parked is published, and then acknowledged.
OF_THE_CHANNEL = [verdict for verdict in Verdict if verdict is not Verdict.PARK]


class BrokerModel:
    """What a channel holds out, and what verdicts do to it."""

    def __init__(self, tags: list[int]) -> None:
        self.out = list(tags)
        self.acked: list[int] = []
        self.rejected: dict[int, bool] = {}

    def read(self, frame: bytes) -> None:
        _, _, _, _, method, tag, flag, _ = unpack(">BHIHHQBB", frame)
        if method == 90:
            self.out.remove(tag)
            self.rejected[tag] = bool(flag)
            return
        hit = [one for one in self.out if one <= tag] if flag else [tag]
        assert set(hit) <= set(self.out)
        self.acked += hit
        self.out = [one for one in self.out if one not in hit]


@given(
    st.lists(st.integers(1, 10), min_size=1, max_size=12),
    st.lists(st.sampled_from([None, *OF_THE_CHANNEL]), min_size=12, max_size=12),
    st.randoms(),
)
def test_verdicts_reach_their_deliveries(
    gaps: list[int], verdicts: list[Verdict | None], shuffle: object
) -> None:
    """Whatever is said of what is out, in whatever order: each gets its verdict, no other does."""
    channel_tags = [sum(gaps[: at + 1]) for at in range(len(gaps))]
    given_out = dict(enumerate(channel_tags, start=1))
    said = {tag: verdict for tag, verdict in zip(given_out, verdicts, strict=False) if verdict}
    settlements = [Settlement(tag, verdict) for tag, verdict in said.items()]
    shuffle.shuffle(settlements)  # type: ignore[attr-defined]  # Hypothesis' random
    model = BrokerModel(channel_tags)
    for frame in verdict_frames(1, given_out, settlements):
        model.read(frame)

    done = {Verdict.ACK, Verdict.CLAIM}
    assert sorted(model.acked) == [given_out[tag] for tag, one in said.items() if one in done]
    assert model.rejected == {
        given_out[tag]: one is Verdict.REQUEUE for tag, one in said.items() if one not in done
    }


def test_the_oldest_are_acked_in_one_frame() -> None:
    """A batch that is settled from the front costs one frame."""
    given_out = {tag: tag for tag in range(1, 101)}
    settlements = [Settlement(tag, Verdict.ACK) for tag in range(1, 91)]

    assert len(verdict_frames(1, given_out, settlements)) == 1

"""The promises of a codec, kept by the one on kombu's registries."""

from __future__ import annotations

import pytest

from taskq.adapters.broker.serializers import KombuCodec
from taskq_testing.conformance.codec import CodecSuite


class TestKombuCodec(CodecSuite):
    @pytest.fixture
    def codec(self) -> KombuCodec:
        return KombuCodec()

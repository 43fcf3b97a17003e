"""Workers that read signed messages only, with the program of a Celery user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.test_alias import ALIAS, CELERY, PROGRAMS, run
from tests.real.workers import worker
from tests.unit.compat.test_security import make


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Make the keys of the house, which are trusted, and those of somebody else."""
    (tmp_path / "trusted").mkdir()
    for name in ("house", "stranger"):
        key, cert = make(name)
        (tmp_path / f"{name}.key").write_text(key)
        (tmp_path / f"{name}.crt").write_text(cert)
    (tmp_path / "trusted" / "house.crt").write_text((tmp_path / "house.crt").read_text())
    return tmp_path


@pytest.mark.parametrize("broker", ["redis_url", "amqp_url"])
def test_only_what_the_house_has_signed_is_run(
    request: pytest.FixtureRequest, redis_url: str, broker: str, keys: Path
) -> None:
    """Calls, retries and chains of the house run; a stranger's message is refused, and said."""
    env = {
        **ALIAS,
        "PROGRAM_BROKER": request.getfixturevalue(broker),
        "PROGRAM_BACKEND": redis_url,
        "PROGRAM_KEYS": str(keys),
        "PROGRAM_KEY": "house",
    }
    with worker(keys, "-c", "1", app="signed", env=env, cwd=PROGRAMS, command=CELERY) as house:
        run("signed.py", "stranger", env={**env, "PROGRAM_KEY": "stranger"})
        house.wait_for(r"Task signed.add\[refused\] received", timeout_s=60)
        house.wait_for("was rejected, its message cannot be read", timeout_s=60)
        out = run("signed.py", "trusted", env=env)

    assert "sent" in out

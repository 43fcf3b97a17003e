"""Who is there, who answers, and who is elected."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskq.core.cluster import (
    ANSWERERS,
    MOST_MEMBERS,
    SLOWEST_S,
    Change,
    Cluster,
    News,
)
from taskq.core.election import MOST_ELECTIONS, OPEN_S, Candidate, Elected, Elections
from tests.unit.core.helpers import at


def cluster_of(*names: str) -> Cluster:
    cluster = Cluster("me@h")
    for name in names:
        cluster.heard(name, 2.0, at(0))
    return cluster


def test_who_is_heard_joins_once() -> None:
    """A heartbeat is as good as a greeting."""
    cluster = Cluster("me@h")

    assert cluster.heard("a@h", 2.0, at(0)) == News("a@h", Change.JOINED)
    assert cluster.heard("a@h", 2.0, at(2)) is None
    assert (cluster.size, sorted(cluster.names)) == (2, ["a@h", "me@h"])


def test_one_does_not_join_oneself() -> None:
    """One's own events come back as well."""
    cluster = Cluster("me@h")

    assert cluster.heard("me@h", 2.0, at(0)) is None
    assert cluster.left("me@h") is None
    assert cluster.size == 1


def test_who_says_good_bye_has_left() -> None:
    """Once."""
    cluster = cluster_of("a@h")

    assert cluster.left("a@h") == News("a@h", Change.LEFT)
    assert cluster.left("a@h") is None
    assert cluster.wake_at_s is None


def test_who_is_silent_for_three_beats_is_lost() -> None:
    """And not before; whoever is heard meanwhile stays."""
    cluster = cluster_of("a@h", "b@h")
    cluster.heard("b@h", 2.0, at(4))

    assert cluster.wake_at_s == 6
    assert cluster.lost(at(5.9)) == []
    assert cluster.lost(at(6)) == [News("a@h", Change.LOST)]
    assert cluster.lost(at(10)) == [News("b@h", Change.LOST)]


def test_a_worker_says_itself_how_often_it_beats() -> None:
    """Within reason: what comes over the wire may say anything."""
    cluster = Cluster("me@h")
    for name, freq in (("none", None), ("fast", 0.001), ("slow", 60.0), ("never", 1e9)):
        cluster.heard(name, freq, at(0))
    lost = [news.hostname for news in cluster.lost(at(6))]

    assert sorted(lost) == ["fast", "none"]
    assert [news.hostname for news in cluster.lost(at(180))] == ["slow"]
    assert [news.hostname for news in cluster.lost(at(3 * SLOWEST_S))] == ["never"]


def test_there_is_an_end_to_what_is_remembered() -> None:
    """Names can be made up."""
    cluster = cluster_of(*(f"w{number}" for number in range(MOST_MEMBERS + 5)))

    assert cluster.size == MOST_MEMBERS + 1


def test_in_a_small_cluster_all_answer() -> None:
    """A client that greets may want to hear all."""
    cluster = cluster_of(*(f"w{number}" for number in range(ANSWERERS - 1)))

    assert all(cluster.answers(f"n{number}") for number in range(100))


@given(st.sets(st.text(max_size=8), min_size=ANSWERERS, max_size=60), st.text(max_size=8))
def test_as_many_answer_as_should(names: set[str], newcomer: str) -> None:
    """Those who know each other agree on who does, without a word."""
    clusters = []
    for name in sorted(names):
        cluster = Cluster(name)
        for other in names:
            cluster.heard(other, 2.0, at(0))
        clusters.append(cluster)

    assert sum(cluster.answers(newcomer) for cluster in clusters) == ANSWERERS


# -- elections ---------------------------------------------------------------------------------


def candidate(clock: int, name: str) -> Candidate:
    return Candidate(clock, f"{name}.1", name, "task", {"task": name})


def test_a_single_vote_wins() -> None:
    """Whoever is alone elects itself."""
    elections = Elections()
    elections.stands("e", candidate(7, "a"), at(0))

    assert elections.decided({"a"}, at(0), settled=True) == [Elected("e", candidate(7, "a"))]
    assert elections.decided({"a"}, at(9), settled=True) == []
    assert elections.wake_at_s is None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_all_who_have_heard_the_same_agree(stood: list[tuple[int, str]], chance: object) -> None:
    """Whatever came first: the lowest clock wins, then the first name."""
    known = {name: candidate(clock, name) for clock, name in reversed(stood)}
    shuffled = list(known.values())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    elections = Elections()
    for one in shuffled:
        elections.stands("e", one, at(0))
    (elected,) = elections.decided(set(known), at(0), settled=True)

    assert elected.winner.rank == min(one.rank for one in known.values())


def test_an_election_waits_for_all_that_are_there() -> None:
    """But not for ever: somebody may have other things to do."""
    elections = Elections()
    elections.stands("e", candidate(2, "a"), at(0))

    assert elections.decided({"a", "b"}, at(1), settled=True) == []
    assert elections.wake_at_s == OPEN_S
    (elected,) = elections.decided({"a", "b"}, at(OPEN_S), settled=True)
    assert elected.winner == candidate(2, "a")


def test_who_has_just_come_does_not_decide_alone() -> None:
    """It has not heard of the others yet."""
    elections = Elections()
    elections.stands("e", candidate(2, "a"), at(0))

    assert elections.decided({"a"}, at(1), settled=False) == []
    elections.stands("e", candidate(1, "b"), at(2))
    (elected,) = elections.decided({"a"}, at(OPEN_S), settled=False)
    assert elected.winner.hostname == "b"


def test_a_vote_that_comes_too_late_elects_nobody() -> None:
    """The election is over."""
    elections = Elections()
    elections.stands("e", candidate(2, "a"), at(0))
    elections.decided({"a"}, at(0), settled=True)
    elections.stands("e", candidate(1, "b"), at(1))

    assert elections.decided({"a", "b"}, at(1), settled=True) == []


def test_there_is_an_end_to_elections() -> None:
    """The oldest are forgotten."""
    elections = Elections()
    for number in range(MOST_ELECTIONS + 1):
        elections.stands(str(number), candidate(1, "a"), at(0))
    decided = elections.decided({"a"}, at(0), settled=True)

    assert [one.election_id for one in decided] == [
        str(number) for number in range(1, MOST_ELECTIONS + 1)
    ]

"""Commits ended jobs, and with the last member of a chord all that ends the chord.

An intake that is given such a member answers with the results of all members.  What follows from
those (``chording``) is committed together with it; if that completes the next chord further out,
once more.  So what ends a chord, at all levels, is one step wherever a commit is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from taskq.core.effects import Commit, Finish
from taskq.ports import (
    ChordEnding,
    ChordFull,
    Completion,
    Intake,
    Job,
    ResultStore,
    Settlement,
    TakesAlong,
    Verdict,
)

# ``ending(job, full, levels)``; see ``chording``.
EndingOf = Callable[[Job, ChordFull, int], ChordEnding]

# Chords in chords: a message that nests deeper is refused when it is read.
MOST_LEVELS: Final = 1000


class Committing:
    """The commits of one worker."""

    def __init__(self, intake: Intake, store: ResultStore, ending_of: EndingOf) -> None:
        self._intake, self._store, self._ending_of = intake, store, ending_of
        self._and_take = intake.commit_and_take if isinstance(intake, TakesAlong) else None
        # What was made for a commit that broke off: it is not made, nor told to errbacks, twice.
        self._made: dict[tuple[int, str], ChordEnding] = {}

    def commit(self, asked: Commit, settlements: Sequence[Settlement] = ()) -> None:
        """Commit what ended, and settle what is given beside."""
        completions = [self._completion(finish) for finish in asked.finished]
        completions += [Completion(settlement=one) for one in settlements]
        if asked.takes and self._and_take is not None:
            full = self._and_take(completions, self._store)
        else:
            full = self._intake.commit(completions, self._store)
        if full:
            self._end_chords(asked.finished, completions, full)

    def _completion(self, finish: Finish) -> Completion:
        ending, settlement = finish.ending, finish.settlement
        chord = ending.chord
        if chord is None or not self._store.counts_chords:
            chord = None
        elif settlement is not None and settlement.verdict is Verdict.REQUEUE:
            return Completion(settlement=settlement)  # its end is told elsewhere
        return Completion(
            ending.follow_ups,
            ending.result,
            settlement,
            chord,
            growth=ending.growth,
            begins=finish.begins,
        )

    def _end_chords(
        self,
        finished: Sequence[Finish],
        completions: Sequence[Completion],
        full: Sequence[ChordFull],
    ) -> None:
        jobs = [finish.job for finish in finished]
        todo = list(completions)
        for _ in range(MOST_LEVELS):
            some = [(jobs[each.number], todo[each.number], each) for each in full]
            jobs = [job for job, _, _ in some]
            todo = [self._with_ending(job, done, each) for job, done, each in some]
            full = self._intake.commit(todo, self._store)
            if not full:
                self._made.clear()
                return
        raise AssertionError("a chord's ending was given, and is asked for again")

    def _with_ending(self, job: Job, completion: Completion, full: ChordFull) -> Completion:
        key = job.token, full.group_id
        ending = self._made.get(key)
        if ending is None:
            ending = self._made[key] = self._ending_of(job, full, len(completion.endings))
        return replace(completion, endings=(*completion.endings, ending))

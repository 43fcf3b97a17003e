"""What a commit means for chords where the store is no part of the step that settles.

Each intake calls these, so the order that loses nothing is written once.  A member is counted
before anything of its chord's end is done, and settled after all of it: who is killed in between
leaves a message that comes again, is not counted twice, has the same right, and begins anew.  So
a chord's end may be done twice, under the same ids; once it is noted in the store, never again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from taskq.ports.messages import Outgoing
from taskq.ports.results import (
    ChordEnding,
    ChordFull,
    ChordPart,
    Completion,
    GrowsChords,
    ResultStore,
)

__all__ = ["end_chords", "grow_chords", "weigh_chords"]


def grow_chords(completions: Iterable[Completion], store: ResultStore) -> None:
    """Let chords wait for the members that these completions send; before they are sent."""
    for completion in completions:
        growth = completion.growth
        if growth is not None and not completion.goes_on:
            assert isinstance(store, GrowsChords), "asked for when the member was added"
            store.grow_chord(growth.group_id, growth.by, growth.mark)


def weigh_chords(
    number: int, completion: Completion, store: ResultStore
) -> ChordFull | tuple[ChordEnding, ...]:
    """Count the parts of a completion; returns the endings that are due, or what is missing."""
    if completion.chord is None:
        return ()
    due: list[ChordEnding] = []
    for part, ending in completion.levels:
        # What has an ending was counted when that was asked for.
        if ending is None and not _is_full(part, store):
            break
        if not store.close_chord(part.group_id, part.mark):
            break  # another member ends it, or it has ended
        if ending is None:
            return ChordFull(number, part.group_id, tuple(store.chord_parts(part.group_id)))
        due.append(ending)
    return tuple(due)


def _is_full(part: ChordPart, store: ResultStore) -> bool:
    progress = [store.count_chord(each) for each in part.each][-1]
    return progress.size is not None and progress.done >= progress.size


def end_chords(
    endings: Sequence[ChordEnding],
    store: ResultStore,
    publish: Callable[[Sequence[Outgoing]], None],
) -> None:
    """Do what ends some chords, and note that it is done."""
    if not endings:
        return
    if messages := [each for ending in endings for each in ending.follow_ups]:
        publish(messages)
    if records := [each for ending in endings for each in ending.results]:
        store.store(records)
    for ending in endings:
        store.end_chord(ending.group_id)

"""``taskq events``: a monitor for terminals.

The upper part lists tasks, the latest first; the lower one tells of the selected task and of the
workers.  Keys: j and k (or the arrows) select, i shows all that is known of a task, r its result, t
its traceback, c revokes it, l sets the rate limit of its name, q leaves.

``CursesMonitor`` draws and hears keys, in a thread of its own; events are captured beside it.
"""

from __future__ import annotations

import curses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from textwrap import wrap
from typing import Any, ClassVar, Final

from taskq.app.events.state import State
from taskq.cli.watching import Watch
from taskq.current import app_or_default
from taskq.errors import OperationalError, TaskqError

__all__ = ["CursesMonitor", "DisplayThread", "capture_events", "evtop"]

# What a row shows, and how wide it is at least; what is left goes to id and name.
STATE_WIDTH: Final = 9
TIME_WIDTH: Final = 8
WORKER_WIDTH: Final = 16
UUID_WIDTH: Final = 12
# Lines below the tasks: a rule, three of the task, two of the workers, the keys.
FOOTER: Final = 8
HEADER: Final = 2
ESCAPE: Final = 27
REPLY_S: Final = 1.0
# How often the screen is drawn though nothing was pressed.
DELAY_MS: Final = 250

COLORS: Final[Mapping[str, int]] = {
    "SUCCESS": curses.COLOR_GREEN,
    "FAILURE": curses.COLOR_RED,
    "REVOKED": curses.COLOR_MAGENTA,
    "REJECTED": curses.COLOR_RED,
    "STARTED": curses.COLOR_CYAN,
    "RETRY": curses.COLOR_YELLOW,
}


class CursesMonitor:
    """Draws what events have told, and does what keys ask for."""

    keymap: ClassVar[dict[Any, Callable[[], object]]] = {}
    keyalias: ClassVar[Mapping[int, str]] = {
        curses.KEY_DOWN: "J",
        curses.KEY_UP: "K",
        curses.KEY_ENTER: "I",
    }
    foreground = curses.COLOR_WHITE
    background = -1  # the terminal's own
    screen_delay = DELAY_MS
    win: Any = None
    selected_task: str | None = None
    selected_position = 0
    selected_str = "Selected: "
    online_str = "Workers online: "
    info_str = "Info: "
    help_title = "Keys: "
    help = "j:next k:previous i:info t:traceback r:result c:revoke l:rate limit ^c:quit"
    greet = "taskq events"

    def __init__(self, state: State, app: Any, keymap: Mapping[Any, Any] | None = None) -> None:
        self.app, self.state = app, state
        self._over = threading.Event()
        self._lock = threading.RLock()
        self.keymap = {  # type: ignore[misc]  # a table for each monitor
            "J": self.move_selection_down,
            "K": self.move_selection_up,
            "C": self.revoke_selection,
            "T": self.selection_traceback,
            "R": self.selection_result,
            "I": self.selection_info,
            "L": self.selection_rate_limit,
            "Q": self._over.set,
            **(keymap or {}),
        }

    # -- the screen --------------------------------------------------------------------------------

    def init_screen(self) -> None:
        """Take the terminal."""
        self.win = curses.initscr()
        curses.noecho()
        curses.cbreak()
        self.win.keypad(True)
        self.win.timeout(self.screen_delay)
        if curses.has_colors():
            curses.start_color()
            curses.use_default_colors()
            for number, color in enumerate(COLORS.values(), start=1):
                curses.init_pair(number, color, self.background)
        try:
            curses.curs_set(0)
        except curses.error:
            self.win.leaveok(True)  # a terminal that always shows its cursor

    def resetscreen(self) -> None:
        """Give the terminal back as it was."""
        if self.win is None:
            return
        self.win.keypad(False)
        curses.nocbreak()
        curses.echo()
        curses.endwin()
        self.win = None

    @property
    def screen_width(self) -> int:
        """Columns."""
        return int(self.win.getmaxyx()[1])

    @property
    def screen_height(self) -> int:
        """Lines."""
        return int(self.win.getmaxyx()[0])

    @property
    def display_width(self) -> int:
        """Columns that are written."""
        return max(1, self.screen_width - 1)

    @property
    def display_height(self) -> int:
        """Lines for tasks."""
        return max(1, self.screen_height - FOOTER - HEADER)

    @property
    def limit(self) -> int:
        """How many tasks are shown."""
        return self.display_height

    def safe_add_str(self, y: int, x: int, string: str, *args: Any, **kwargs: Any) -> None:
        """Write, as far as there is room."""
        if y < self.screen_height and self.display_width - x > 0:
            text = "".join(each if each.isprintable() else "?" for each in string)
            try:
                self.win.addstr(y, x, text[: self.display_width - x], *args, **kwargs)
            except curses.error:
                return  # the terminal has just become smaller; the next picture fits

    # -- what there is -----------------------------------------------------------------------------

    @property
    def tasks(self) -> Sequence[tuple[str, Any]]:
        """The tasks that are shown, the latest first."""
        shown: list[tuple[str, Any]] = self.state.freeze_while(self._latest)
        return shown

    def _latest(self) -> list[tuple[str, Any]]:
        return list(self.state.tasks_by_time(limit=self.limit))

    @property
    def workers(self) -> Sequence[str]:
        """The workers that are there."""
        return [name for name, worker in list(self.state.workers.items()) if worker.alive]

    def format_row(self, uuid: str, task: str, worker: str, timestamp: str, state: str) -> str:
        """Return one line: id and name share what room the others leave."""
        left = self.display_width - (STATE_WIDTH + TIME_WIDTH + WORKER_WIDTH + 4)
        uuid_width = min(36, max(UUID_WIDTH, left // 2))
        name_width = max(8, left - uuid_width)
        return " ".join(
            _fit(text, width)
            for text, width in (
                *((uuid, uuid_width), (task, name_width), (worker, WORKER_WIDTH)),
                *((timestamp, TIME_WIDTH), (state, STATE_WIDTH)),
            )
        )

    # -- drawing -----------------------------------------------------------------------------------

    def draw(self) -> None:
        """Draw all of it, as it is at one moment."""
        with self._lock:
            self.win.erase()
            self.state.freeze_while(self._draw)
            self.win.refresh()

    def _draw(self) -> None:
        self.safe_add_str(0, 0, self.greet, curses.A_DIM)
        heading = self.format_row("UUID", "TASK", "WORKER", "TIME", "STATE")
        self.safe_add_str(1, 0, heading, curses.A_BOLD | curses.A_UNDERLINE)
        tasks = self._latest()
        if self.selected_task is None and tasks:
            self.selected_task = tasks[0][0]
        for lineno, (_, task) in enumerate(tasks):
            self.display_task_row(HEADER + lineno, task)
        self._draw_footer()

    def display_task_row(self, lineno: int, task: Any) -> None:
        """Draw one task."""
        moment = datetime.fromtimestamp(task.timestamp or 0).strftime("%H:%M:%S")  # noqa: DTZ006 - for who sits here
        worker = task.worker.hostname if task.worker is not None else ""
        line = self.format_row(task.uuid, task.name or "?", worker, moment, task.state)
        chosen = curses.A_STANDOUT if task.uuid == self.selected_task else curses.A_NORMAL
        self.safe_add_str(lineno, 0, line, chosen)
        at = min(len(line), self.display_width) - STATE_WIDTH
        self.safe_add_str(lineno, at, _fit(task.state, STATE_WIDTH), chosen | _color(task.state))

    def _draw_footer(self) -> None:
        top = self.screen_height - FOOTER
        self.safe_add_str(top, 0, "─" * self.display_width, curses.A_DIM)
        lines = [
            (self.selected_str, self._told_of_selected()),
            (self.info_str, self._counted()),
            (self.online_str, ", ".join(sorted(self.workers)) or "none"),
            (self.help_title, self.help.replace("^c", "q")),
        ]
        y = top + 1
        for title, text in lines:
            self.safe_add_str(y, 0, title, curses.A_BOLD)
            room = self.display_width - len(title)
            for part in wrap(text, max(10, room))[:2] or [""]:
                self.safe_add_str(y, len(title), part)
                y += 1

    def _told_of_selected(self) -> str:
        task = self.state.tasks.get(self.selected_task or "")
        if task is None:
            return "no task"
        shown = task.info(extra=["runtime", "result", "exception"])
        told = " ".join(f"{name}={value}" for name, value in shown.items() if value is not None)
        return f"{task.uuid} {told}"

    def _counted(self) -> str:
        state = self.state
        return (
            f"events:{state.event_count} tasks:{state.task_count}"
            f" workers:{len(self.workers)}/{len(state.workers)}"
        )

    # -- keys --------------------------------------------------------------------------------------

    def nap(self) -> None:
        """Wait for a key, not for long."""
        self.handle_keypress()

    def handle_keypress(self) -> None:
        """Do what a key asks for."""
        try:
            key = self.win.getkey().upper()
        except curses.error:
            return  # none was pressed
        if len(key) > 1:
            key = self.keyalias.get(getattr(curses, key, -1), key)
        handler = self.keymap.get("I" if key == "\n" else key)
        if handler is not None:
            handler()

    def find_position(self) -> int:
        """Return where the selected task stands."""
        ids = [uuid for uuid, _ in self.tasks]
        return ids.index(self.selected_task) if self.selected_task in ids else 0

    def move_selection(self, direction: int = 1) -> None:
        """Select another task."""
        tasks = self.tasks
        if tasks:
            position = self.find_position() + direction
            self.selected_position = max(0, min(position, len(tasks) - 1))
            self.selected_task = tasks[self.selected_position][0]

    def move_selection_up(self) -> None:
        """Select the one above."""
        self.move_selection(-1)

    def move_selection_down(self) -> None:
        """Select the one below."""
        self.move_selection(1)

    def readline(self, x: int, y: int) -> str:
        """Let a line be typed at a place; escape gives it up."""
        typed = ""
        self.win.timeout(-1)
        try:
            while True:
                self.safe_add_str(y, x, typed + "_ ")
                self.win.refresh()
                key = self.win.getch()
                if key in {curses.KEY_ENTER, ord("\n"), ord("\r")}:
                    return typed
                if key == ESCAPE:
                    return ""
                if key in {curses.KEY_BACKSPACE, 8, 127}:
                    typed = typed[:-1]
                elif 32 <= key < 127:  # noqa: PLR2004 - what can be seen
                    typed += chr(key)
        finally:
            self.win.timeout(self.screen_delay)

    # -- what is shown over it ---------------------------------------------------------------------

    def alert(self, callback: Callable[[int, int], Iterator[int] | None], title: str = "") -> None:
        """Show something until a key is pressed; ``callback(columns, line)`` writes it."""
        with self._lock:
            self.win.erase()
            self.safe_add_str(0, 0, title, curses.A_BOLD | curses.A_UNDERLINE)
            callback(self.screen_width, 2)
            self.safe_add_str(self.screen_height - 1, 0, "Press any key to go back", curses.A_DIM)
            self.win.refresh()
            self.win.timeout(-1)
            try:
                self.win.getch()
            finally:
                self.win.timeout(self.screen_delay)

    def _show(self, title: str, text: str) -> None:
        def write(columns: int, line: int) -> None:
            parts = [part for row in text.splitlines() for part in wrap(row, columns - 1) or [""]]
            for y, part in enumerate(parts[: self.screen_height - line - 2], start=line):
                self.safe_add_str(y, 0, part)

        self.alert(write, title)

    def alert_remote_control_reply(self, reply: Any) -> None:
        """Show what workers have answered."""
        rows = [
            f"{worker}: {answer.get('error') or answer.get('ok')}"
            for each in reply or ()
            for worker, answer in each.items()
        ]
        self._show("Remote Control Command Replies", "\n".join(rows) or "no reply")

    @property
    def _selected(self) -> Any:
        return self.state.tasks.get(self.selected_task or "")

    def selection_info(self) -> None:
        """Show all that is known of the selected task."""
        task = self._selected
        if task is not None:
            known = {**task.info(extra=["state"]), "uuid": task.uuid}
            rows = [f"{name}: {value}" for name, value in known.items() if value is not None]
            self._show("Task details", "\n".join(rows))

    def selection_traceback(self) -> None:
        """Show its traceback."""
        task = self._selected
        if task is not None:
            self._show(f"Task Exception Traceback for {task.uuid}", task.traceback or "none")

    def selection_result(self) -> None:
        """Show its result, or what it has raised."""
        task = self._selected
        if task is not None:
            self._show(f"Task Result for {task.uuid}", str(task.result or task.exception or "none"))

    def revoke_selection(self) -> None:
        """Revoke it."""
        if self.selected_task is not None:
            self._ask(partial(self.app.control.revoke, self.selected_task))

    def selection_rate_limit(self) -> None:
        """Set the rate limit of all tasks of its name."""
        task = self._selected
        if task is None or not task.name:
            return
        y = self.screen_height - 1
        self.win.move(y, 0)
        self.win.clrtoeol()
        title = "New rate limit: "
        self.safe_add_str(y, 0, title, curses.A_BOLD)
        rate = self.readline(len(title), y)
        if rate:
            self._ask(partial(self.app.control.rate_limit, task.name, rate))

    def _ask(self, command: Callable[..., Any]) -> None:
        try:
            reply = command(reply=True, timeout=REPLY_S)
        except (OperationalError, TaskqError, ValueError) as error:
            self._show("Remote Control Command", f"it was not sent: {error}")
        else:
            self.alert_remote_control_reply(reply)

    # -- being there -------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether it was asked to leave."""
        return self._over.is_set()

    def leave(self) -> None:
        """Leave soon; may be called from anywhere."""
        self._over.set()


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def _color(state: str) -> int:
    if state not in COLORS or not curses.has_colors():
        return curses.A_NORMAL
    return curses.color_pair([*COLORS].index(state) + 1)


class DisplayThread(threading.Thread):  # noqa: TID251 - keys are heard beside the events
    """Draws until the monitor is asked to leave."""

    def __init__(self, display: CursesMonitor, leave: Callable[[], object] = lambda: None) -> None:
        super().__init__(name="taskq-monitor", daemon=True)
        self.display, self._leave = display, leave
        self.error: BaseException | None = None

    def run(self) -> None:
        """Draw, and hear keys."""
        try:
            while not self.display.is_over:
                self.display.draw()
                self.display.nap()
        except Exception as error:  # noqa: BLE001 - a boundary: told by who waits for this thread
            self.error = error
        finally:
            self._leave()


def capture_events(app: Any, state: State, display: CursesMonitor) -> None:
    """Hear events and draw them, until somebody leaves."""
    watch = Watch(app, state.event, say=lambda line: setattr(display, "greet", line))
    thread = DisplayThread(display, watch.stop)
    display.init_screen()
    try:
        thread.start()
        watch.run()
    finally:
        display.leave()
        thread.join()
        display.resetscreen()
    if thread.error is not None:
        raise thread.error


def evtop(app: Any = None) -> None:
    """Watch the tasks of all workers in this terminal."""
    app = app_or_default(app)
    state = app.events.State()
    display = CursesMonitor(state, app)
    display.greet = f"taskq events  {app.ports.broker.name}"
    capture_events(app, state, display)

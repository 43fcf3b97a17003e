"""Next steps: calling, signatures and partials, groups, chains, chords, routing, looking in."""

import sys

from celery import chain, chord, group
from proj.celery import app
from proj.tasks import add, mul, xsum

# Calling
assert add(4, 4) == 8
result = add.apply_async((2, 2), queue="lopri", countdown=0.2)
assert result.get(timeout=30) == 4
assert (result.failed(), result.successful(), result.state) == (False, True, "SUCCESS")
wrong = add.delay(2, "2")
try:
    wrong.get(timeout=30, propagate=True)
except TypeError:
    assert wrong.failed()
else:
    raise AssertionError("it must have failed")

# Signatures
assert add.signature((2, 2), countdown=0.1).delay().get(timeout=30) == 4
assert add.s(2).delay(8).get(timeout=30) == 10
debugged = add.s(2, 2)
debugged.set(queue="lopri")
assert debugged.apply_async().get(timeout=30) == 4

# Primitives
assert group(add.s(i, i) for i in range(10))().get(timeout=30) == [2 * i for i in range(10)]
assert group(add.s(i) for i in range(3))(10).get(timeout=30) == [10, 11, 12]
assert chain(add.s(4, 4) | mul.s(8))().get(timeout=30) == 64
assert (add.s(4) | mul.s(8))(4).get(timeout=30) == 64
if "chords" in sys.argv:
    assert chord((add.s(i, i) for i in range(10)), xsum.s())().get(timeout=30) == 90
    assert (group(add.s(i, i) for i in range(10)) | xsum.s())().get(timeout=30) == 90

# Looking in
assert [list(each.values()) for each in app.control.ping(timeout=3)] == [[{"ok": "pong"}]]
(registered,) = app.control.inspect(timeout=3).registered().values()
assert {"proj.tasks.add", "proj.tasks.mul", "proj.tasks.xsum"} <= set(registered)
(queues,) = app.control.inspect(timeout=3).active_queues().values()
assert {queue["name"] for queue in queues} == {"celery", "hipri", "lopri"}
print("next steps done")

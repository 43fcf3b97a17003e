"""Tasks that run where they are called: ``apply``, and all calls under ``task_always_eager``.

A call here is one tiny run of the same pieces that a worker uses: what is sent becomes messages,
``WorkerCore`` decides, ``app.work`` runs the bodies, and what follows from them is messages again.
Only what stands behind the ports differs: a queue and a store in memory (``intake``, ``store``), a
pool of one slot in the caller's thread (``pool``), and a clock that leaps where a worker would wait
(``clock``).  ``place`` is where these stand, ``running`` goes from a call to its handle.

Not owned: what a task, a retry, a canvas or a failure means.  There is no second set of rules here.
"""

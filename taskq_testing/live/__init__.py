"""The same test on a real transport: real brokers, real time, the real worker in threads.

``world`` is what ``taskq_world(app)`` gives a test when ``--taskq-broker`` names a transport other
than the model: the calls of ``World`` that need no virtual time and no faults, and every claim.
``transports`` knows the names, ``overhearing`` writes the trace that the claims look at.  What
cannot be had here is said, and the test counts as skipped, with the reason.
"""

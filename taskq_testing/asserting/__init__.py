"""What a test can claim of what happened: published, executed, retried, chained, in which order.

``history`` reads the trace, ``wanted`` says how far something is from what was asked for,
``tasks`` and ``workflows`` are the claims.  All of them look at a trace alone, so they hold on
every transport on which somebody writes one.
"""

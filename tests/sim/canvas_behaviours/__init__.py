"""What was observed of the reference: a test for each row, under the row's name.

A row says its name and what was seen; the test's docstring says what holds here.  Where that is not
the same, the docstring says so, and ``docs/why.md`` says why.
"""
